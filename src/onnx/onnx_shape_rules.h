/*
 * onnx_shape_rules.h - what the rules of shape inference share. Private to onnx_shape*.c.
 *
 * A rule gets a node with its inputs looked up and fills its outputs, which begin with everything
 * unknown. A rule that lacks what it needs leaves them so and succeeds.
 */
#ifndef TARE_ONNX_ONNX_SHAPE_RULES_H
#define TARE_ONNX_ONNX_SHAPE_RULES_H

#include <stdbool.h>

#include "onnx/onnx_shapes.h"

#define SHAPE_MAX_INTS    64
#define SHAPE_MAX_INPUTS  256
#define SHAPE_MAX_OUTPUTS 64
#define SHAPE_MAX_DIM     ((int64_t)1 << 40) /* so that sums and most products cannot overflow */

/* A value: its shape, and its elements if they are few integers that are known. */
struct shape_value {
    struct onnx_shape shape;
    const Onnx__TensorProto *tensor; /* where all elements lie, if it is a constant; else NULL */
    int32_t int_count;               /* -1: not known */
    int64_t ints[SHAPE_MAX_INTS];
};

struct shape_call {
    const Onnx__NodeProto *node;
    const struct shape_value *inputs[SHAPE_MAX_INPUTS]; /* NULL: left out */
    struct shape_value *outputs[SHAPE_MAX_OUTPUTS];     /* NULL: nobody wants it */
    size_t input_count;
    size_t output_count;
    struct tare_err *err;
};

typedef enum tare_status (*shape_rule)(struct shape_call *call);

/* The rule of an operator; NULL if there is none. */
shape_rule shape_find_rule(const char *op_type);
shape_rule shape_find_window_rule(const char *op_type); /* Conv, pooling, Resize: a part of it */
shape_rule shape_find_layout_rule(const char *op_type); /* Reshape, Slice, Concat: another */

/* An input, or NULL if it is left out. */
const struct shape_value *shape_input(const struct shape_call *call, size_t index);

/* An input whose rank is known, or NULL. */
const struct shape_value *shape_ranked(const struct shape_call *call, size_t index);

/* Integers from an attribute or, where operators moved it there, from an input. False: unknown. */
bool shape_ints(const struct shape_call *call, const char *attribute, size_t input, int64_t *ints,
                int32_t *count);

/* Gives output 0 a type and a rank with all dimensions unknown; NULL if nobody wants it. */
struct onnx_shape *shape_output(struct shape_call *call, int32_t type, int32_t rank);

/* A negative axis counts from the end. False if it is out of range. */
bool shape_axis(int64_t *axis, int32_t rank);

/* Fails naming the node. */
__attribute__((format(printf, 2, 3))) enum tare_status shape_fail(const struct shape_call *call,
                                                                  const char *format, ...);

#endif
