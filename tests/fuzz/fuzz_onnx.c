/*
 * Any bytes: the ONNX reader refuses them, or gives a model that can be written and read again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "onnx/onnx_read.h"
#include "onnx/onnx_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct onnx_model model, again;
    uint8_t *bytes;
    size_t count;

    if (onnx_parse(data, size, &model, NULL) != TARE_OK)
        return 0;
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
