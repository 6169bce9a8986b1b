#include "onnx/onnx_cost.h"

#include <string.h>

enum kind {
    KIND_UNKNOWN,
    KIND_CONV,
    KIND_MATMUL,
    KIND_GEMM,
    KIND_ELEMENT, /* factor operations for each output element */
    KIND_WINDOW,  /* one for each element in the window */
    KIND_REDUCE,  /* one for each input element */
    KIND_MOVE,
};

static const struct {
    const char *op;
    enum kind kind;
    int factor;
} kinds[] = {
    {"Conv", KIND_CONV, 0},
    {"MatMul", KIND_MATMUL, 0},
    {"Gemm", KIND_GEMM, 0},
    {"Sigmoid", KIND_ELEMENT, 1},
    {"Relu", KIND_ELEMENT, 1},
    {"LeakyRelu", KIND_ELEMENT, 1},
    {"Clip", KIND_ELEMENT, 1},
    {"Exp", KIND_ELEMENT, 1},
    {"Log", KIND_ELEMENT, 1},
    {"Sqrt", KIND_ELEMENT, 1},
    {"Neg", KIND_ELEMENT, 1},
    {"Abs", KIND_ELEMENT, 1},
    {"Erf", KIND_ELEMENT, 1},
    {"Tanh", KIND_ELEMENT, 1},
    {"HardSwish", KIND_ELEMENT, 1},
    {"HardSigmoid", KIND_ELEMENT, 1},
    {"Gelu", KIND_ELEMENT, 1},
    {"QuickGelu", KIND_ELEMENT, 1},
    {"Mish", KIND_ELEMENT, 1},
    {"Reciprocal", KIND_ELEMENT, 1},
    {"Add", KIND_ELEMENT, 1},
    {"Sub", KIND_ELEMENT, 1},
    {"Mul", KIND_ELEMENT, 1},
    {"Div", KIND_ELEMENT, 1},
    {"Pow", KIND_ELEMENT, 1},
    {"Max", KIND_ELEMENT, 1},
    {"Min", KIND_ELEMENT, 1},
    {"Where", KIND_ELEMENT, 1},
    {"Cast", KIND_ELEMENT, 1},
    {"QuantizeLinear", KIND_ELEMENT, 2},
    {"DequantizeLinear", KIND_ELEMENT, 2},
    {"BatchNormalization", KIND_ELEMENT, 2},
    {"Softmax", KIND_ELEMENT, 5},
    {"LayerNormalization", KIND_ELEMENT, 5},
    {"MaxPool", KIND_WINDOW, 0},
    {"AveragePool", KIND_WINDOW, 0},
    {"GlobalAveragePool", KIND_REDUCE, 0},
    {"GlobalMaxPool", KIND_REDUCE, 0},
    {"ReduceMean", KIND_REDUCE, 0},
    {"ReduceSum", KIND_REDUCE, 0},
    {"ReduceMax", KIND_REDUCE, 0},
    {"ReduceMin", KIND_REDUCE, 0},
    {"Concat", KIND_MOVE, 0},
    {"Split", KIND_MOVE, 0},
    {"Slice", KIND_MOVE, 0},
    {"Reshape", KIND_MOVE, 0},
    {"Transpose", KIND_MOVE, 0},
    {"Resize", KIND_MOVE, 0},
    {"Flatten", KIND_MOVE, 0},
    {"Squeeze", KIND_MOVE, 0},
    {"Unsqueeze", KIND_MOVE, 0},
    {"Gather", KIND_MOVE, 0},
    {"Expand", KIND_MOVE, 0},
    {"Identity", KIND_MOVE, 0},
    {"Constant", KIND_MOVE, 0},
    {"Shape", KIND_MOVE, 0},
};

/* The product, or -1 where a factor is unknown or it overflows. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t product;

    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product) ? -1 : product;
}

static void add_to(int64_t *sum, int64_t amount, bool *known)
{
    if (amount < 0 || __builtin_add_overflow(*sum, amount, sum))
        *known = false;
}

static const struct onnx_shape *input_shape(const struct onnx_shapes *shapes,
                                            const Onnx__NodeProto *node, size_t index)
{
    return index < node->n_input && node->input[index][0]
               ? onnx_shapes_find(shapes, node->input[index])
               : NULL;
}

static int64_t elements(const struct onnx_shapes *shapes, const char *name)
{
    return onnx_shape_count(onnx_shapes_find(shapes, name));
}

static int64_t conv_flops(const struct onnx_shapes *shapes, const Onnx__NodeProto *node,
                          int64_t out)
{
    const struct onnx_shape *weight = input_shape(shapes, node, 1);
    int64_t each;

    if (!weight || weight->rank < 3)
        return -1;
    each = times(2, tare_shape_count(weight->rank - 1, weight->dims + 1));
    return times(out, each < 0 ? -1 : each + (input_shape(shapes, node, 2) ? 1 : 0));
}

static int64_t matmul_flops(const struct onnx_shapes *shapes, const Onnx__NodeProto *node,
                            int64_t out, bool gemm)
{
    const struct onnx_shape *a = input_shape(shapes, node, 0);
    bool turned = gemm && onnx_attribute_int(node, "transA", 0) != 0;
    int64_t inner;

    if (!a || a->rank < (gemm ? 2 : 1))
        return -1;
    inner = turned ? a->dims[0] : a->dims[a->rank - 1];
    inner = times(2, inner);
    return times(out, inner < 0 ? -1 : inner + (gemm && input_shape(shapes, node, 2) ? 1 : 0));
}

static int64_t window_size(const Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *kernel = onnx_find_attribute(node, "kernel_shape");
    int64_t size = kernel ? 1 : -1;

    for (size_t i = 0; kernel && i < kernel->n_ints; i++)
        size = times(size, kernel->ints[i]);
    return size;
}

static int64_t node_flops(const struct onnx_shapes *shapes, const Onnx__NodeProto *node)
{
    const char *op = node->op_type;
    int64_t out = node->n_output ? elements(shapes, node->output[0]) : -1;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(op, kinds[i].op) != 0)
            continue;
        switch (kinds[i].kind) {
        case KIND_CONV:
            return conv_flops(shapes, node, out);
        case KIND_MATMUL:
        case KIND_GEMM:
            return matmul_flops(shapes, node, out, kinds[i].kind == KIND_GEMM);
        case KIND_ELEMENT:
            return times(out, kinds[i].factor);
        case KIND_WINDOW:
            return times(out, window_size(node));
        case KIND_REDUCE:
            return node->n_input ? elements(shapes, node->input[0]) : -1;
        default:
            return 0;
        }
    }
    return -1;
}

static int64_t value_bytes(const struct onnx_shape *shape)
{
    size_t item = shape ? onnx_type_bytes(shape->type) : 0;

    return item ? times(onnx_shape_count(shape), (int64_t)item) : -1;
}

struct onnx_cost onnx_cost_node(const struct onnx_shapes *shapes, const Onnx__NodeProto *node)
{
    struct onnx_cost cost = {.known = true};

    add_to(&cost.flops, node_flops(shapes, node), &cost.known);
    for (size_t i = 0; i < node->n_input; i++) {
        bool weight = node->input[i][0] && onnx_shapes_is_constant(shapes, node->input[i]);

        if (node->input[i][0])
            add_to(weight ? &cost.weight_bytes : &cost.read_bytes,
                   value_bytes(input_shape(shapes, node, i)), &cost.known);
    }
    for (size_t i = 0; i < node->n_output; i++)
        if (node->output[i][0])
            add_to(&cost.write_bytes, value_bytes(onnx_shapes_find(shapes, node->output[i])),
                   &cost.known);
    return cost;
}

struct onnx_cost onnx_cost_graph(const Onnx__GraphProto *graph, const struct onnx_shapes *shapes)
{
    struct onnx_cost sum = {.known = true};

    for (size_t i = 0; i < graph->n_node; i++) {
        struct onnx_cost cost = onnx_cost_node(shapes, graph->node[i]);

        add_to(&sum.flops, cost.flops, &sum.known);
        add_to(&sum.read_bytes, cost.read_bytes, &sum.known);
        add_to(&sum.weight_bytes, cost.weight_bytes, &sum.known);
        add_to(&sum.write_bytes, cost.write_bytes, &sum.known);
        sum.known = sum.known && cost.known;
    }
    return sum;
}
