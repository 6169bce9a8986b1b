/*
 * onnx_write.h - a model in memory to an .onnx file. Threads: no shared state.
 */
#ifndef TARE_ONNX_ONNX_WRITE_H
#define TARE_ONNX_ONNX_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "onnx/onnx_model.h"

/*
 * The serialised model in malloc'ed memory that the caller frees. TARE_LIMIT over the 2 GiB that
 * protobuf allows a message.
 */
enum tare_status onnx_pack(const struct onnx_model *model, uint8_t **bytes, size_t *size,
                           struct tare_err *err);

/*
 * Writes the file by way of a temporary one ("-": standard output), so that no half model is ever
 * seen under its name. *size (NULL: not wanted) is what was written, in bytes.
 */
enum tare_status onnx_write(const struct onnx_model *model, const char *path, size_t *size,
                            struct tare_err *err);

#endif
