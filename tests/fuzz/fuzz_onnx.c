/*
 * Any bytes: the ONNX reader refuses them, or gives a model that can be written and read again, and
 * whose shapes and cost can be worked out or are refused with a message.
 */
#include <stdint.h>
#include <stdlib.h>

#include "onnx/onnx_cost.h"
#include "onnx/onnx_read.h"
#include "onnx/onnx_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void infer(const struct onnx_model *model)
{
    struct tare_err err = TARE_ERR_INIT;
    struct onnx_shapes *shapes;

    if (onnx_shapes_infer(model->proto, 2, &shapes, &err) == TARE_OK)
        (void)onnx_cost_graph(model->proto->graph, shapes);
    else if (!err.text[0])
        abort();
    onnx_shapes_free(shapes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct onnx_model model, again;
    uint8_t *bytes;
    size_t count;

    if (onnx_parse(data, size, &model, NULL) != TARE_OK)
        return 0;
    infer(&model);
    if (onnx_pack(&model, &bytes, &count, NULL) != TARE_OK)
        abort();
    if (onnx_parse(bytes, count, &again, NULL) != TARE_OK ||
        again.proto->graph->n_node != model.proto->graph->n_node)
        abort();
    onnx_model_release(&again);
    onnx_model_release(&model);
    free(bytes);
    return 0;
}
