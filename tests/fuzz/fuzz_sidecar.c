/* Engines' descriptions: what is taken is written as text that gives the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tensorrt/trt_sidecar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tare_err err = TARE_ERR_INIT;
    struct trt_sidecar sidecar, again;
    struct buf text = BUF_INIT;
    char words[160];

    if (trt_sidecar_parse((const char *)data, size, "X.plan.json", &sidecar, &err) != TARE_OK) {
        if (err.text[0] == '\0')
            abort();
        return 0;
    }
    if (trt_sidecar_put(&sidecar, &text, &err) != TARE_OK ||
        trt_sidecar_parse(buf_text(&text), text.size, "X.plan.json", &again, &err) != TARE_OK ||
        trt_sidecar_differs(&sidecar, &again, words, sizeof(words)) ||
        sidecar.engine_bytes != again.engine_bytes || strcmp(sidecar.model, again.model) != 0)
        abort();
    memset(&again, 0, sizeof(again));
    (void)trt_sidecar_differs(&sidecar, &again, words, sizeof(words));
    (void)trt_sidecar_differs(&again, &sidecar, words, sizeof(words));
    buf_release(&text);
    return 0;
}
