/*
 * half_rules.h - which nodes of a graph go to half precision, and which stay. Private to this room;
 * to_half.h says the rules.
 */
#ifndef TARE_QUANTIZE_HALF_RULES_H
#define TARE_QUANTIZE_HALF_RULES_H

#include "onnx/onnx_shapes.h"
#include "quantize/to_half.h"

/* Refuses what cannot be converted at all. opset gets what the result is to have. */
enum tare_status half_check(const Onnx__ModelProto *proto, const struct to_half_options *options,
                            int64_t *opset, struct tare_err *err);

/* Fills reasons (graph->n_node). shapes is of the same model. */
enum tare_status half_choose(const Onnx__GraphProto *graph, const struct onnx_shapes *shapes,
                             bool bf16, enum to_half_reason *reasons, struct tare_err *err);

/* Whether input `index` of a converted node becomes half, if it is a float: some stay by the
 * operator's definition (the scales of Resize). */
bool half_takes_input(const Onnx__NodeProto *node, size_t index);

/* The bits of a float as that type, to nearest, ties to even. */
uint16_t half_bits(float value, bool bf16);
float half_value(uint16_t bits, bool bf16);

/* Element i of an FP32 tensor that onnx_read() checked. */
float half_element(const Onnx__TensorProto *tensor, size_t index);

#endif
