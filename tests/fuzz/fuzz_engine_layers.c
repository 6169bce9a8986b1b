/* What TensorRT's inspector says of an engine. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/tensorrt/engine_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct engine_layers layers;
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    engine_parse_layers(text, &layers);
    if (layers.on_dla < 0 || layers.on_gpu < 0 || strlen(layers.precision) > 4)
        abort();
    free(text);
    return 0;
}
