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
