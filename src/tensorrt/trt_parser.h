/*
 * trt_parser.h - TensorRT's ONNX parser, a library of its own, into a network.
 * Threads: a parser belongs to one thread at a time.
 */
#ifndef TARE_TENSORRT_TRT_PARSER_H
#define TARE_TENSORRT_TRT_PARSER_H

#include "tensorrt/trt_api.h"

/*
 * Reads an ONNX file into network. The parser lies beside the library, or where the dynamic linker
 * finds it (libnvonnxparser.so.N, libtensorrt_onnxparser_rtx.so.1). TARE_ABSENT: there is none;
 * TARE_BADDATA or TARE_UNSUPPORTED with what it says, and of which node. *parser must live as long
 * as the network, whose weights it holds: then trt_parser_free() it.
 */
enum tare_status trt_parse_file(const struct trt_library *library, struct trt_logger *logger,
                                void *network, const char *path, void **parser,
                                struct tare_err *err);
void trt_parser_free(enum trt_flavour flavour, void *parser);

#endif
