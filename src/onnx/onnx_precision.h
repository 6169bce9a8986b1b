/*
 * onnx_precision.h - which precision a graph was made for, by what is in it: "int8" if it has
 * quantising operators, otherwise that of most of its weights' bytes: "fp16", "bf16" or "fp32".
 * Threads: no shared state.
 */
#ifndef TARE_ONNX_ONNX_PRECISION_H
#define TARE_ONNX_ONNX_PRECISION_H

#include "onnx/onnx_model.h"

/* Never NULL; "fp32" for a graph without weights. */
const char *onnx_precision(const Onnx__ModelProto *proto);

/*
 * Of a graph as a runtime will execute it: what most convolutions and matrix products read, "fp32",
 * "fp16" or "bf16"; a cast before them counts, the type of what is cast does not. "" if the graph
 * does not say. Never NULL.
 */
const char *onnx_computed_precision(const Onnx__ModelProto *proto);

#endif
