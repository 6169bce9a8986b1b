#include "onnx/onnx_precision.h"

#include <stdbool.h>
#include <string.h>

static bool quantises(const char *op_type)
{
    static const char *const names[] = {"QuantizeLinear", "DequantizeLinear", "QLinearConv",
                                        "QLinearMatMul",  "ConvInteger",      "MatMulInteger"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(op_type, names[i]) == 0)
            return true;
    return false;
}

/* Elements of an initializer, from a shape that the reader has checked. */
static double element_count(const Onnx__TensorProto *tensor)
{
    double count = 1;

    for (size_t i = 0; i < tensor->n_dims; i++)
        count *= (double)tensor->dims[i];
    return count;
}

const char *onnx_precision(const Onnx__ModelProto *proto)
{
    double fp32 = 0, fp16 = 0, bf16 = 0;

    for (size_t i = 0; i < proto->graph->n_node; i++)
        if (quantises(proto->graph->node[i]->op_type))
            return "int8";
    for (size_t i = 0; i < proto->graph->n_initializer; i++) {
        const Onnx__TensorProto *tensor = proto->graph->initializer[i];
        double bytes = element_count(tensor);

        if (tensor->data_type == ONNX_FLOAT)
            fp32 += 4 * bytes;
        else if (tensor->data_type == ONNX_FLOAT16)
            fp16 += 2 * bytes;
        else if (tensor->data_type == ONNX_BFLOAT16)
            bf16 += 2 * bytes;
    }
    if (fp16 > fp32 && fp16 >= bf16)
        return "fp16";
    return bf16 > fp32 ? "bf16" : "fp32";
}

/* --- what is executed ------------------------------------------------------------------------- */

static bool multiplies(const char *op_type)
{
    static const char *const names[] = {"Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv",
                                        "Gemm", "FusedGemm",     "MatMul",    "FusedMatMul"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(op_type, names[i]) == 0)
            return true;
    return false;
}

static int32_t info_type(Onnx__ValueInfoProto **infos, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i]->name, name) == 0)
            return infos[i]->type && infos[i]->type->tensor_type
                       ? infos[i]->type->tensor_type->elem_type
                       : 0;
    return 0;
}

/* What a node gives, if that is a matter of the node alone. */
static int32_t cast_type(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];

        if (strcmp(node->op_type, "Cast") != 0 || node->n_output != 1 ||
            strcmp(node->output[0], name) != 0)
            continue;
        for (size_t k = 0; k < node->n_attribute; k++)
            if (strcmp(node->attribute[k]->name, "to") == 0)
                return (int32_t)node->attribute[k]->i;
    }
    return 0;
}

/* Type of a tensor of the graph; 0: not known. */
static int32_t value_type(const Onnx__GraphProto *graph, const char *name)
{
    int32_t type = cast_type(graph, name);

    for (size_t i = 0; i < graph->n_initializer && type == 0; i++)
        if (strcmp(graph->initializer[i]->name, name) == 0)
            type = graph->initializer[i]->data_type;
    if (type == 0)
        type = info_type(graph->input, graph->n_input, name);
    return type ? type : info_type(graph->value_info, graph->n_value_info, name);
}

const char *onnx_computed_precision(const Onnx__ModelProto *proto)
{
    const Onnx__GraphProto *graph = proto->graph;
    size_t fp32 = 0, fp16 = 0, bf16 = 0;

    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        int32_t type = 0;

        if (!multiplies(node->op_type) || node->n_input < 2)
            continue;
        for (size_t k = 2; k-- > 0 && type == 0;) /* weights first: theirs is sure to be there */
            type = value_type(graph, node->input[k]);
        fp32 += type == ONNX_FLOAT;
        fp16 += type == ONNX_FLOAT16;
        bf16 += type == ONNX_BFLOAT16;
    }
    if (fp32 + fp16 + bf16 == 0)
        return "";
    if (fp16 > fp32 && fp16 >= bf16)
        return "fp16";
    return bf16 > fp32 ? "bf16" : "fp32";
}
