/*
 * onnx_read.h - an .onnx file to a model in memory, checked so that whoever walks it afterwards can
 * trust its sizes: every tensor holds as many values as its shape says, every text is there, every
 * node has an operator.
 *
 * Not checked: that names are unique or defined, and that shapes fit together; onnx_shapes.h tells
 * the latter.
 *
 * Threads: no shared state.
 */
#ifndef TARE_ONNX_ONNX_READ_H
#define TARE_ONNX_ONNX_READ_H

#include <stddef.h>
#include <stdint.h>

#include "onnx/onnx_model.h"

/*
 * Reads a file of at most 2 GiB; the model needs nothing of the file afterwards. TARE_ABSENT if it
 * is not there, TARE_BADDATA if it is damaged or contradicts itself, TARE_LIMIT if it unpacks to
 * more than 64 MiB + 16 times its size. On success the caller passes model to onnx_model_release();
 * on error it is empty. Messages name the path.
 */
enum tare_status onnx_read(const char *path, struct onnx_model *model, struct tare_err *err);

/* The same from memory, which need not outlive the call. */
enum tare_status onnx_parse(const uint8_t *data, size_t size, struct onnx_model *model,
                            struct tare_err *err);

#endif
