/*
 * upsample.h - Resize to a whole multiple in 8 bits, made of what only copies.
 *
 * The values of such a Resize come from a Concat of the tensor with itself, channels last, once for
 * columns and once for rows: copies of whole pixels and of whole rows. The runtime's integer
 * convolutions have channels last too, so that the transposes at both ends cancel.
 *
 * Threads: no shared state.
 */
#ifndef TARE_QUANTIZE_UPSAMPLE_H
#define TARE_QUANTIZE_UPSAMPLE_H

#include "onnx/onnx_graph.h"
#include "onnx/onnx_shapes.h"

#define UPSAMPLE_MOST 8

/* Of a Resize from (n, channels, height, width) to (n, channels, height × rows, width × columns).
 */
struct upsample {
    int64_t channels, height, width;
    int64_t rows, columns; /* 1 to UPSAMPLE_MOST */
};

/* Whether the node repeats every pixel so often, in shapes that are known but for the first. */
bool upsample_find(const Onnx__NodeProto *node, const struct onnx_shapes *shapes,
                   struct upsample *found);

/* Adds the nodes that make `output` of `input`, with NAME.pixels and the like between
 * them; errors are the builder's. */
void upsample_put(struct onnx_builder *builder, const struct upsample *upsample, const char *name,
                  const char *input, const char *output);

#endif
