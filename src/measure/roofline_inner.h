/*
 * roofline_inner.h - what the files behind roofline.h and profile.h share of graphs. Private to
 * them.
 */
#ifndef TARE_MEASURE_ROOFLINE_INNER_H
#define TARE_MEASURE_ROOFLINE_INNER_H

#include "measure/roofline.h"
#include "onnx/onnx_shapes.h"

/* Reads an ONNX file, closes its inputs' open dimensions and works its shapes out. On success the
 * caller frees the shapes and releases the model. */
enum tare_status roofline_read_graph(const char *path, int64_t batch, int64_t size,
                                     struct onnx_model *model, struct onnx_shapes **shapes,
                                     struct tare_err *err);

/* Whether a node multiplies values that were quantised, as an INT8 model's convolutions do. */
bool roofline_node_is_int8(const Onnx__GraphProto *graph, const Onnx__NodeProto *node);

/* Whether a node does nothing but turn values into INT8 or back. */
bool roofline_node_converts(const Onnx__NodeProto *node);

#endif
