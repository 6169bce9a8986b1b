/* Any bytes as the configuration of a model that Triton gives the backend: it is read or refused,
 * and what was read is in range. */
#include <stdint.h>
#include <stdlib.h>

#include "../triton/triton_settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_side(const struct triton_tensors *side)
{
    if (side->count > BACKEND_TENSORS_MAX)
        abort();
    for (size_t i = 0; i < side->count; i++) {
        const struct tare_tensor_info *info = &side->infos[i];

        if (!info->name[0] || info->dtype == TARE_DTYPE_NONE || info->rank < 0 ||
            info->rank >= TARE_MAX_RANK)
            abort();
        for (int32_t k = 0; k < info->rank; k++)
            if (info->shape[k] < -1)
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct triton_settings settings;
    struct tare_err err = TARE_ERR_INIT;
    enum tare_status status = triton_settings_read(&settings, (const char *)data, size, &err);

    if (status != err.status)
        abort();
    if (status == TARE_OK) {
        check_side(&settings.inputs);
        check_side(&settings.outputs);
        (void)triton_settings_check(&settings, true, &settings.outputs, NULL);
        (void)triton_settings_check(&settings, false, &settings.inputs, NULL);
        if (settings.max_batch < 0 || settings.max_batch > TRITON_MAX_BATCH ||
            settings.pool_threads < 1 || settings.pool_threads > TRITON_MAX_POOL ||
            settings.threads < 0 || settings.size < 1 || !(settings.boxes.iou <= 1) ||
            settings.boxes.max_boxes < 1 || settings.option_count > BACKEND_OPTIONS_MAX)
            abort();
    }
    triton_settings_release(&settings);
    return 0;
}
