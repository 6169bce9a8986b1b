#include "triton_complete.h"

#include "base/json_write.h"
#include "triton_error.h"
#include "triton_session.h"

#define MAX_JSON ((size_t)1 << 20)

static void write_side(struct json_writer *writer, const char *key,
                       const struct triton_tensors *tensors)
{
    json_open_array(writer, key);
    for (size_t i = 0; i < tensors->count; i++) {
        const struct tare_tensor_info *info = &tensors->infos[i];
        char type[32] = "TYPE_STRING";

        if (info->dtype != TARE_BYTES)
            (void)snprintf(type, sizeof(type), "TYPE_%s", tare_dtype_name(info->dtype));
        json_open_object(writer, NULL);
        json_put_text(writer, "name", info->name);
        json_put_text(writer, "data_type", type);
        json_open_array(writer, "dims");
        for (int32_t k = 0; k < info->rank; k++)
            json_put_int(writer, NULL, info->shape[k]);
        json_close_array(writer);
        json_close_object(writer);
    }
    json_close_array(writer);
}

static enum tare_status set_config(struct TRITONBACKEND_Model *self, int32_t max_batch,
                                   const struct triton_tensors *inputs,
                                   const struct triton_tensors *outputs, struct tare_err *err)
{
    struct TRITONSERVER_Message *message = NULL;
    struct json_writer writer;
    enum tare_status status;
    struct buf text;

    buf_init(&text, MAX_JSON);
    json_start(&writer, &text, false);
    json_open_object(&writer, NULL);
    json_put_int(&writer, "max_batch_size", max_batch);
    write_side(&writer, "input", inputs);
    write_side(&writer, "output", outputs);
    json_close_object(&writer);
    status = buf_status(&text, "the model's configuration", err);
    if (status == TARE_OK)
        status = triton_check(
            TRITONSERVER_MessageNewFromSerializedJson(&message, text.data, text.size), err);
    if (status == TARE_OK) {
        status =
            triton_check(TRITONBACKEND_ModelSetConfig(self, TRITON_CONFIG_VERSION, message), err);
        triton_ignore(TRITONSERVER_MessageDelete(message));
    }
    buf_release(&text);
    return status;
}

static int32_t batch_or(int32_t given, int32_t other)
{
    return given > 0 ? given : other;
}

/* Opens the model to see what it has, on the CPU: no instance is known yet. */
static enum tare_status complete_from_model(struct triton_model *model,
                                            struct TRITONBACKEND_Model *self, struct tare_err *err)
{
    struct triton_instance instance = {.model = model, .device = "cpu"};
    struct backend_session_options options = triton_session_options(&instance);
    struct triton_session session;
    int32_t given = model->settings.max_batch;
    enum tare_status status;

    options.batch = batch_or(given, 1);
    status = triton_session_open(&session, model->backend, &options, err);
    if (status != TARE_OK)
        return status;
    status = set_config(self, batch_or(given, batch_or(session.fixed, TRITON_DEFAULT_BATCH)),
                        &session.inputs.there, &session.outputs.there, err);
    triton_session_close(&session);
    return status;
}

enum tare_status triton_complete(struct triton_model *model, struct TRITONBACKEND_Model *self,
                                 bool *completed, struct tare_err *err)
{
    const struct triton_settings *settings = &model->settings;
    struct triton_signature *signature = &model->signature;
    const struct triton_tensors inputs = {signature->inputs, signature->input_count};
    const struct triton_tensors outputs = {signature->outputs, signature->output_count};
    enum tare_status status =
        triton_check(TRITONBACKEND_ModelAutoCompleteConfig(self, completed), err);

    *completed = status == TARE_OK && *completed && settings->inputs.count == 0 &&
                 settings->outputs.count == 0;
    if (!*completed)
        return status;
    if (!model->role->describe)
        return complete_from_model(model, self, err);
    return set_config(self, batch_or(settings->max_batch, TRITON_DEFAULT_BATCH), &inputs, &outputs,
                      err);
}
