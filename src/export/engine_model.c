/* The ONNX file that an engine is to be built from, and what can be said before any library. */
#include <stdio.h>
#include <string.h>

#include "export/engine_store.h"
#include "onnx/onnx_precision.h"
#include "onnx/onnx_read.h"

static bool is_initializer(const Onnx__GraphProto *graph, const char *name)
{
    return onnx_find_initializer(graph, name) != NULL;
}

/* The first input that is fed; older files list weights among inputs. */
static void read_input(const Onnx__GraphProto *graph, struct engine_model *model)
{
    for (size_t i = 0; i < graph->n_input; i++) {
        const Onnx__ValueInfoProto *input = graph->input[i];
        const Onnx__TensorShapeProto *shape =
            input->type && input->type->tensor_type ? input->type->tensor_type->shape : NULL;

        if (is_initializer(graph, input->name))
            continue;
        (void)snprintf(model->input, sizeof(model->input), "%s", input->name);
        for (size_t k = 0; shape && k < shape->n_dim && k < TRT_MAX_DIMS; k++) {
            bool fixed =
                shape->dim[k]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;

            model->shape[k] = fixed ? shape->dim[k]->dim_value : -1;
            model->rank = (int32_t)k + 1;
        }
        break;
    }
    model->dynamic = model->rank > 0 && model->shape[0] < 0;
}

enum tare_status engine_model_read(const char *path, struct engine_model *model,
                                   struct tare_err *err)
{
    struct onnx_model onnx;
    enum tare_status status;

    memset(model, 0, sizeof(*model));
    status = onnx_read(path, &onnx, err);
    if (status != TARE_OK)
        return status;
    (void)snprintf(model->precision, sizeof(model->precision), "%s", onnx_precision(onnx.proto));
    read_input(onnx.proto->graph, model);
    onnx_model_release(&onnx);
    return file_sha256(path, model->sha256, err);
}

/* A DLA knows no Q/DQ: it would leave every convolution to the GPU. */
static enum tare_status check_int8(const struct engine_order *order,
                                   const struct engine_model *model, struct tare_err *err)
{
    if (strcmp(model->precision, "int8") == 0 && order->calibration)
        return tare_fail(err, TARE_INVALID,
                         "'%.200s' has Q/DQ, --calibration is for a file without", order->model);
    if (strcmp(model->precision, "int8") == 0 && order->dla_core >= 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "a DLA takes INT8 by a calibration cache, not by the Q/DQ of '%.150s': "
                         "--calibration FILE with the fp32 model",
                         order->model);
    if (strcmp(model->precision, "int8") == 0 || order->calibration)
        return TARE_OK;
    return tare_fail(err, TARE_UNSUPPORTED,
                     "'%.150s' is %s without Q/DQ, asked for is int8: 'tare quantize %.150s --for "
                     "tensorrt --images DIR' makes a file with them (or --calibration FILE, for "
                     "TensorRT 8.6 and 10)",
                     order->model, model->precision, order->model);
}

enum tare_status engine_check_order(const struct engine_order *order,
                                    const struct engine_model *model, struct tare_err *err)
{
    const char *asked = order->precision ? order->precision : model->precision;

    if (strcmp(asked, "bf16") == 0)
        return tare_fail(err, TARE_UNSUPPORTED, "'%.200s' is bf16, need fp32, fp16 or int8",
                         order->model);
    if (order->calibration && strcmp(asked, "int8") != 0)
        return tare_fail(err, TARE_INVALID, "--calibration belongs to --precision int8, not to %s",
                         asked);
    if (order->dla_core >= 0 && strcmp(asked, "fp32") == 0)
        return tare_fail(err, TARE_UNSUPPORTED, "a DLA computes in fp16 or int8, not in fp32");
    if (!model->dynamic && order->max_batch > 0 && model->rank > 0 &&
        order->max_batch != model->shape[0])
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%.200s' has a fixed batch of %lld, not one up to %d: 'tare export "
                         "--batch dynamic' leaves it open",
                         order->model, (long long)model->shape[0], (int)order->max_batch);
    if (strcmp(asked, "int8") == 0)
        return check_int8(order, model, err);
    if (strcmp(asked, model->precision) == 0 ||
        (strcmp(asked, "fp16") == 0 && strcmp(model->precision, "fp32") == 0))
        return TARE_OK;
    return tare_fail(err, TARE_UNSUPPORTED, "'%.200s' is %s, asked for is %s", order->model,
                     model->precision, asked);
}
