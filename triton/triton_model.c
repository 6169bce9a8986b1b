#include "triton_model.h"

struct backend_session_options triton_session_options(const struct triton_instance *instance)
{
    const struct triton_model *model = instance->model;
    const struct triton_settings *settings = &model->settings;
    bool needs_file = !(backend_slots(model->backend)->capabilities & TARE_CAP_NO_MODEL);

    return (struct backend_session_options){
        .model_path = needs_file ? model->path : NULL,
        .device = instance->device,
        .precision = settings->precision,
        .threads = settings->threads,
        .batch = settings->max_batch,
        .options = settings->options,
        .option_count = settings->option_count,
        .size = settings->size,
    };
}

void triton_fail_all(struct triton_batch *batch, const struct tare_err *err)
{
    for (size_t i = 0; i < batch->count; i++)
        if (triton_item_lives(&batch->items[i]))
            batch->items[i].err = *err;
}
