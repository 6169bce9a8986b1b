/* Calibration caches, as TensorRT 8.6.1 is given them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensorrt/trt_build_inner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tare_err err = TARE_ERR_INIT;
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (trt_calibration_check(text, size, "X.cache", 8601, &err) == TARE_OK) {
        if (strlen(text) != size || strncmp(text, "TRT-", 4) != 0)
            abort();
    } else if (err.text[0] == '\0') {
        abort();
    }
    free(text);
    return 0;
}
