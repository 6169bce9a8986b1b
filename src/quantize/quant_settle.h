/*
 * quant_settle.h - of a graph's region, what becomes 8-bit by a profile. Private to this room; a
 * plan comes from quant_plan_make().
 *
 * Threads: no shared state.
 */
#ifndef TARE_QUANTIZE_QUANT_SETTLE_H
#define TARE_QUANTIZE_QUANT_SETTLE_H

#include "quantize/quant_plan.h"

/* Takes the role from nodes that stay in float, and sets conv_count and every value's wanted and
 * windows. TARE_INVALID naming one of profile->floats that is no convolution; TARE_NOMEM. */
enum tare_status quant_settle(struct quant_plan *plan, const struct quant_profile *profile,
                              struct tare_err *err);

bool quant_is_op(const Onnx__NodeProto *node, const char *op_type);
bool quant_reads(const Onnx__NodeProto *node, const char *name);

/* Index of the value of that name; SIZE_MAX if it is none of the region. */
size_t quant_find_value(const struct quant_plan *plan, const char *name);

#endif
