#include "quantize/half_rules.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/onnx_precision.h"
#include "vision/half.h"

#define FP16_MIN_OPSET 11
#define BF16_MIN_OPSET 13 /* Softmax, Squeeze and sums changed their meaning with it */
#define BF16_OPSET     22

/* Those that half precision does no harm to; from operator set 22 on all of them take BF16. */
static const char *const converted[] = {"Abs",           "Add",
                                        "AveragePool",   "BatchNormalization",
                                        "Clip",          "Concat",
                                        "Conv",          "ConvTranspose",
                                        "Div",           "DepthToSpace",
                                        "Elu",           "Erf",
                                        "Expand",        "Flatten",
                                        "Gather",        "Gelu",
                                        "Gemm",          "GlobalAveragePool",
                                        "GlobalMaxPool", "HardSigmoid",
                                        "HardSwish",     "Identity",
                                        "LeakyRelu",     "MatMul",
                                        "Max",           "MaxPool",
                                        "Min",           "Mul",
                                        "Neg",           "PRelu",
                                        "Pad",           "Relu",
                                        "Reshape",       "Resize",
                                        "Sigmoid",       "Slice",
                                        "SpaceToDepth",  "Split",
                                        "Squeeze",       "Sub",
                                        "Tanh",          "Tile",
                                        "Transpose",     "Unsqueeze",
                                        "Where",         NULL};

/* Kept in FP32, and the same in operator set 22 as in 13. */
static const char *const unchanged[] = {"Cast",  "Constant",   "ConstantOfShape",
                                        "Cos",   "Equal",      "Exp",
                                        "Floor", "Greater",    "Less",
                                        "Log",   "Not",        "Pow",
                                        "Range", "Reciprocal", "Shape",
                                        "Sin",   "Softmax",    "Sqrt",
                                        NULL};

static const char *const with_subgraphs[] = {"If", "Loop", "Scan", "SequenceMap", NULL};

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

static bool is_standard(const Onnx__NodeProto *node)
{
    return node->domain[0] == '\0' || strcmp(node->domain, "ai.onnx") == 0;
}

/* --- numbers ---------------------------------------------------------------------------------- */

uint16_t half_bits(float value, bool bf16)
{
    uint32_t bits;

    if (!bf16)
        return half_from_float(value);
    memcpy(&bits, &value, sizeof(bits));
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float half_value(uint16_t bits, bool bf16)
{
    uint32_t wide = (uint32_t)bits << 16;
    float value;

    if (!bf16)
        return half_to_float(bits);
    memcpy(&value, &wide, sizeof(value));
    return value;
}

float half_element(const Onnx__TensorProto *tensor, size_t index)
{
    float value;

    if (!tensor->has_raw_data)
        return tensor->float_data[index];
    memcpy(&value, tensor->raw_data.data + index * sizeof(value), sizeof(value));
    return value;
}

/* --- what can't be converted -------------------------------------------------------------------
 */

enum tare_status half_check(const Onnx__ModelProto *proto, const struct to_half_options *options,
                            int64_t *opset, struct tare_err *err)
{
    const char *precision = onnx_precision(proto);
    int64_t least = options->bf16 ? BF16_MIN_OPSET : FP16_MIN_OPSET, has = onnx_opset(proto);

    if (strcmp(precision, "fp32") != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "the model is %s already, need fp32", precision);
    if (has < least)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the model uses operator set %lld, need %lld or newer", (long long)has,
                         (long long)least);
    *opset = options->bf16 && has < BF16_OPSET ? BF16_OPSET : has;
    for (size_t i = 0; i < proto->graph->n_node; i++) {
        const Onnx__NodeProto *node = proto->graph->node[i];
        const char *op = node->op_type;

        if (is_one_of(op, with_subgraphs))
            return tare_fail(err, TARE_UNSUPPORTED, "operator '%.60s' holds a subgraph", op);
        if (*opset != has && is_standard(node) && !is_one_of(op, converted) &&
            !is_one_of(op, unchanged))
            return tare_fail(err, TARE_UNSUPPORTED,
                             "bf16 needs operator set %d, and '%.60s' is not known to mean the "
                             "same there as in set %lld: export the model for set %d",
                             BF16_OPSET, op, (long long)has, BF16_OPSET);
    }
    for (size_t i = 0; i < proto->graph->n_initializer; i++)
        if (proto->graph->initializer[i]->data_location == ONNX_LOCATION_EXTERNAL)
            return tare_fail(err, TARE_UNSUPPORTED, "the weights are in another file, need one");
    return TARE_OK;
}

/* --- what stays --------------------------------------------------------------------------------
 */

bool half_takes_input(const Onnx__NodeProto *node, size_t index)
{
    return index == 0 || strcmp(node->op_type, "Resize") != 0;
}

static bool is_weighty(const Onnx__NodeProto *node)
{
    static const char *const names[] = {"Conv", "ConvTranspose", "Gemm", "MatMul", NULL};

    return is_one_of(node->op_type, names);
}

/* The node that makes a value; n_node if none does. Nodes stand in the order of use, so search
 * backwards from the user. */
static size_t producer(const Onnx__GraphProto *graph, size_t user, const char *name)
{
    for (size_t i = user; i-- > 0;)
        for (size_t k = 0; k < graph->node[i]->n_output; k++)
            if (strcmp(graph->node[i]->output[k], name) == 0)
                return i;
    return graph->n_node;
}

/* Whether the node multiplies what a Softmax made: the expectation of a distribution (DFL). */
static bool is_expectation(const Onnx__GraphProto *graph, size_t at)
{
    const Onnx__NodeProto *node = graph->node[at];
    size_t from = node->n_input ? producer(graph, at, node->input[0]) : graph->n_node;

    return strcmp(node->op_type, "Conv") == 0 && from < graph->n_node &&
           strcmp(graph->node[from]->op_type, "Softmax") == 0;
}

static void mark_decode(const Onnx__GraphProto *graph, bool *decode)
{
    for (size_t o = 0; o < graph->n_output; o++) {
        size_t from = producer(graph, graph->n_node, graph->output[o]->name);

        if (from < graph->n_node && !is_weighty(graph->node[from]))
            decode[from] = true;
    }
    for (size_t i = graph->n_node; i-- > 0;)
        for (size_t k = 0; decode[i] && k < graph->node[i]->n_input; k++) {
            size_t from = producer(graph, i, graph->node[i]->input[k]);

            if (from < graph->n_node &&
                (!is_weighty(graph->node[from]) || is_expectation(graph, from)))
                decode[from] = true;
        }
}

static bool overflows(const Onnx__TensorProto *tensor, bool bf16)
{
    int64_t count = onnx_tensor_count(tensor);

    for (int64_t i = 0; i < count; i++) {
        float value = half_element(tensor, (size_t)i);

        if (isfinite(value) && !isfinite(half_value(half_bits(value, bf16), bf16)))
            return true;
    }
    return false;
}

static enum to_half_reason reason_of(const Onnx__GraphProto *graph,
                                     const struct onnx_shapes *shapes, const Onnx__NodeProto *node,
                                     bool bf16)
{
    if (!is_standard(node) || !is_one_of(node->op_type, converted))
        return TO_HALF_OPERATOR;
    for (size_t k = 0; k < node->n_input; k++) {
        const struct onnx_shape *shape = onnx_shapes_find(shapes, node->input[k]);
        const Onnx__TensorProto *tensor;

        if (!node->input[k][0] || !half_takes_input(node, k))
            continue;
        if (!shape || shape->type == 0)
            return TO_HALF_TYPE;
        if (shape->type != ONNX_FLOAT)
            continue;
        tensor = onnx_find_initializer(graph, node->input[k]);
        if (tensor && overflows(tensor, bf16))
            return TO_HALF_RANGE;
    }
    return TO_HALF_CONVERTED;
}

enum tare_status half_choose(const Onnx__GraphProto *graph, const struct onnx_shapes *shapes,
                             bool bf16, enum to_half_reason *reasons, struct tare_err *err)
{
    bool *decode = calloc(graph->n_node + 1, sizeof(*decode));

    if (!decode)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu nodes", graph->n_node);
    mark_decode(graph, decode);
    for (size_t i = 0; i < graph->n_node; i++)
        reasons[i] = decode[i] ? TO_HALF_DECODE : reason_of(graph, shapes, graph->node[i], bf16);
    free(decode);
    return TARE_OK;
}
