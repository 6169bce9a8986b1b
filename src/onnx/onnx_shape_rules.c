/*
 * Operators that keep a shape, broadcast, or move elements about. The rules are those of the ONNX
 * specification (Operators.md, Broadcasting.md).
 */
#include "onnx/onnx_shape_rules.h"

#include <string.h>

/* Output 0 has the type and shape of input 0. */
static enum tare_status infer_same(struct shape_call *call)
{
    const struct shape_value *x = shape_input(call, 0);

    if (x && call->output_count > 0 && call->outputs[0])
        call->outputs[0]->shape = x->shape;
    return TARE_OK;
}

static enum tare_status infer_identity(struct shape_call *call)
{
    const struct shape_value *x = shape_input(call, 0);

    if (x && call->output_count > 0 && call->outputs[0])
        *call->outputs[0] = *x;
    return TARE_OK;
}

static enum tare_status infer_cast(struct shape_call *call)
{
    enum tare_status status = infer_identity(call);
    int64_t type = onnx_attribute_int(call->node, "to", 0);

    if (call->output_count > 0 && call->outputs[0]) {
        struct shape_value *out = call->outputs[0];

        out->shape.type = type > 0 && type < 64 ? (int32_t)type : 0;
        out->tensor = NULL;
        if (type != ONNX_INT64 && type != ONNX_INT32)
            out->int_count = -1;
    }
    return status;
}

/* QuantizeLinear takes its type from the zero point, DequantizeLinear from the scale. */
static enum tare_status infer_quantize(struct shape_call *call)
{
    const struct shape_value *scale = shape_input(call, 1), *zero = shape_input(call, 2);
    bool to_int = call->node->op_type[0] == 'Q';
    enum tare_status status = infer_same(call);

    if (call->output_count > 0 && call->outputs[0])
        call->outputs[0]->shape.type =
            to_int ? (zero ? zero->shape.type : ONNX_UINT8) : (scale ? scale->shape.type : 0);
    return status;
}

/* Dimensions are matched from the last; 1 gives way; an unknown one is whatever the other is,
 * unless that is 1. */
static enum tare_status broadcast(struct shape_call *call, const struct onnx_shape *in,
                                  struct onnx_shape *out)
{
    int32_t shift = in->rank - out->rank;

    if (shift > 0) {
        memmove(out->dims + shift, out->dims, (size_t)out->rank * sizeof(*out->dims));
        for (int32_t i = 0; i < shift; i++)
            out->dims[i] = 1;
        out->rank = in->rank;
    }
    for (int32_t i = 0; i < in->rank; i++) {
        int64_t *dim = &out->dims[out->rank - in->rank + i];
        int64_t other = in->dims[i];

        if (*dim == 1 || (*dim < 0 && other > 1))
            *dim = other;
        else if (*dim > 1 && other > 1 && *dim != other)
            return shape_fail(call, "cannot broadcast %lld to %lld", (long long)other,
                              (long long)*dim);
    }
    return TARE_OK;
}

static int64_t apply_int(char op, int64_t a, int64_t b)
{
    int64_t result = 0;

    switch (op) {
    case 'A':
        return __builtin_add_overflow(a, b, &result) ? 0 : result;
    case 'S':
        return __builtin_sub_overflow(a, b, &result) ? 0 : result;
    case 'M':
        return __builtin_mul_overflow(a, b, &result) ? 0 : result;
    default:
        return b == 0 || (a == INT64_MIN && b == -1) ? 0 : a / b;
    }
}

/* Add, Sub, Mul and Div of shapes on their way to a Reshape. */
static void broadcast_ints(const struct shape_call *call, struct shape_value *out)
{
    const struct shape_value *a = shape_input(call, 0), *b = shape_input(call, 1);
    const char *op = call->node->op_type;
    bool known = strcmp(op, "Add") == 0 || strcmp(op, "Sub") == 0 || strcmp(op, "Mul") == 0 ||
                 strcmp(op, "Div") == 0;

    if (!known || !a || !b || a->int_count < 1 || b->int_count < 1 ||
        (a->int_count != b->int_count && a->int_count != 1 && b->int_count != 1))
        return;
    out->int_count = a->int_count > b->int_count ? a->int_count : b->int_count;
    for (int32_t i = 0; i < out->int_count; i++)
        out->ints[i] = apply_int(op[0], a->ints[a->int_count == 1 ? 0 : i],
                                 b->ints[b->int_count == 1 ? 0 : i]);
}

static enum tare_status infer_broadcast(struct shape_call *call)
{
    const char *op = call->node->op_type;
    bool compares = strcmp(op, "Equal") == 0 || strcmp(op, "Greater") == 0 ||
                    strcmp(op, "Less") == 0 || strcmp(op, "And") == 0 || strcmp(op, "Or") == 0 ||
                    strcmp(op, "GreaterOrEqual") == 0 || strcmp(op, "LessOrEqual") == 0;
    size_t typed = strcmp(op, "Where") == 0 ? 1 : 0;
    struct onnx_shape *out;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < call->input_count; i++)
        if (!shape_ranked(call, i))
            return TARE_OK;
    if (call->input_count <= typed)
        return TARE_OK;
    out = shape_output(call, compares ? ONNX_BOOL : call->inputs[typed]->shape.type, 0);
    for (size_t i = 0; out && i < call->input_count && status == TARE_OK; i++)
        status = broadcast(call, &call->inputs[i]->shape, out);
    if (out && status == TARE_OK)
        broadcast_ints(call, call->outputs[0]);
    return status;
}

/* (..., M, K) × (..., K, N) → (..., M, N); a vector loses its dimension again. */
static enum tare_status infer_matmul(struct shape_call *call)
{
    const struct shape_value *a = shape_ranked(call, 0), *b = shape_ranked(call, 1);
    struct onnx_shape left, right, *out;
    int64_t inner_a, inner_b, rows, columns;
    enum tare_status status;

    if (!a || !b || a->shape.rank < 2 || b->shape.rank < 2)
        return TARE_OK;
    left = a->shape;
    right = b->shape;
    inner_a = left.dims[left.rank - 1];
    inner_b = right.dims[right.rank - 2];
    rows = left.dims[left.rank - 2];
    columns = right.dims[right.rank - 1];
    if (inner_a >= 0 && inner_b >= 0 && inner_a != inner_b)
        return shape_fail(call, "inner dimensions %lld and %lld", (long long)inner_a,
                          (long long)inner_b);
    left.rank -= 2;
    right.rank -= 2;
    out = shape_output(call, left.type, left.rank);
    if (!out)
        return TARE_OK;
    *out = left;
    status = broadcast(call, &right, out);
    out->dims[out->rank++] = rows;
    out->dims[out->rank++] = columns;
    return status;
}

static enum tare_status infer_gemm(struct shape_call *call)
{
    const struct shape_value *a = shape_ranked(call, 0), *b = shape_ranked(call, 1);
    int turn_a = onnx_attribute_int(call->node, "transA", 0) != 0;
    int turn_b = onnx_attribute_int(call->node, "transB", 0) != 0;
    struct onnx_shape *out;

    if (!a || !b)
        return TARE_OK;
    if (a->shape.rank != 2 || b->shape.rank != 2)
        return shape_fail(call, "ranks %d and %d, need 2", a->shape.rank, b->shape.rank);
    if (a->shape.dims[1 - turn_a] >= 0 && b->shape.dims[turn_b] >= 0 &&
        a->shape.dims[1 - turn_a] != b->shape.dims[turn_b])
        return shape_fail(call, "inner dimensions %lld and %lld",
                          (long long)a->shape.dims[1 - turn_a], (long long)b->shape.dims[turn_b]);
    out = shape_output(call, a->shape.type, 2);
    if (out) {
        out->dims[0] = a->shape.dims[turn_a];
        out->dims[1] = b->shape.dims[1 - turn_b];
    }
    return TARE_OK;
}

static enum tare_status infer_transpose(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    const Onnx__AttributeProto *perm = onnx_find_attribute(call->node, "perm");
    struct onnx_shape *out = x ? shape_output(call, x->shape.type, x->shape.rank) : NULL;

    if (!out)
        return TARE_OK;
    if (perm && perm->n_ints != (size_t)out->rank)
        return shape_fail(call, "a permutation of %zu for a rank of %d", perm->n_ints, out->rank);
    for (int32_t i = 0; i < out->rank; i++) {
        int64_t from = perm ? perm->ints[i] : out->rank - 1 - i;

        if (from < 0 || from >= out->rank)
            return shape_fail(call, "a permutation that names dimension %lld", (long long)from);
        out->dims[i] = x->shape.dims[from];
    }
    return TARE_OK;
}

struct named_rule {
    const char *names; /* each between two spaces */
    shape_rule rule;
};

static const struct named_rule rules[] = {
    {" Sigmoid Relu LeakyRelu Clip Exp Log Sqrt Neg Abs Erf Tanh Floor Ceil Round HardSwish "
     "HardSigmoid Softmax LogSoftmax Dropout BatchNormalization InstanceNormalization "
     "LayerNormalization Elu Selu Softplus Mish Gelu QuickGelu Reciprocal Sin Cos Not Sign ",
     infer_same},
    {" Identity ", infer_identity},
    {" Cast ", infer_cast},
    {" QuantizeLinear DequantizeLinear ", infer_quantize},
    {" Add Sub Mul Div Pow Max Min Mean Sum Equal Greater Less GreaterOrEqual LessOrEqual And Or "
     "Where PRelu Mod ",
     infer_broadcast},
    {" MatMul ", infer_matmul},
    {" Gemm ", infer_gemm},
    {" Transpose ", infer_transpose},
};

shape_rule shape_find_rule(const char *op)
{
    size_t length = strlen(op);
    shape_rule rule = shape_find_window_rule(op);

    if (!rule)
        rule = shape_find_layout_rule(op);
    for (size_t i = 0; !rule && i < sizeof(rules) / sizeof(rules[0]); i++)
        for (const char *at = strstr(rules[i].names, op); at; at = strstr(at + 1, op))
            if (length && at > rules[i].names && at[-1] == ' ' && at[length] == ' ')
                return rules[i].rule;
    return rule;
}
