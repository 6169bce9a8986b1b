/*
 * triton_entry.c - the functions that Triton calls: models and instances come and go, and execute.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "triton_complete.h"
#include "triton_error.h"
#include "triton_model.h"
#include "triton_pool.h"

struct TRITONSERVER_Error *TRITONBACKEND_Initialize(struct TRITONBACKEND_Backend *backend)
{
    uint32_t major = 0, minor = 0;
    struct tare_err err = TARE_ERR_INIT;
    enum tare_status status = triton_check(TRITONBACKEND_ApiVersion(&major, &minor), &err);

    (void)backend;
    if (status == TARE_OK && (major != TRITON_API_MAJOR || minor < TRITON_API_MINOR))
        (void)tare_fail(&err, TARE_UNSUPPORTED,
                        "Triton's backend API is %" PRIu32 ".%" PRIu32
                        ", need %d.%d or a later %d.x",
                        major, minor, TRITON_API_MAJOR, TRITON_API_MINOR, TRITON_API_MAJOR);
    return triton_error(&err);
}

struct TRITONSERVER_Error *
TRITONBACKEND_GetBackendAttribute(struct TRITONBACKEND_Backend *backend,
                                  struct TRITONBACKEND_BackendAttribute *attributes)
{
    (void)backend;
    return TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(attributes, true);
}

/* --- models -------------------------------------------------------------------------------------
 */

/* In the order of enum triton_role. */
static const struct triton_role_table *const roles[] = {&triton_role_model, &triton_role_preprocess,
                                                        &triton_role_boxes, &triton_role_pipeline};

static void free_model(struct triton_model *model)
{
    if (!model)
        return;
    triton_pool_free(model->pool);
    backend_free(model->backend);
    triton_settings_release(&model->settings);
    free(model);
}

static enum tare_status read_config(struct triton_model *model, struct TRITONBACKEND_Model *self,
                                    struct tare_err *err)
{
    struct TRITONSERVER_Message *message = NULL;
    const char *json = NULL;
    size_t bytes = 0;
    enum tare_status status =
        triton_check(TRITONBACKEND_ModelConfig(self, TRITON_CONFIG_VERSION, &message), err);

    if (status != TARE_OK)
        return status;
    status = triton_check(TRITONSERVER_MessageSerializeToJson(message, &json, &bytes), err);
    if (status == TARE_OK)
        status = triton_settings_read(&model->settings, json, bytes, err);
    triton_ignore(TRITONSERVER_MessageDelete(message));
    return status;
}

static enum tare_status find_file(struct triton_model *model, struct TRITONBACKEND_Model *self,
                                  struct tare_err *err)
{
    const char *folder = NULL;
    uint64_t version = 0;
    int artifact = 0, length;
    enum tare_status status =
        triton_check(TRITONBACKEND_ModelRepository(self, &artifact, &folder), err);

    if (status == TARE_OK)
        status = triton_check(TRITONBACKEND_ModelVersion(self, &version), err);
    if (status != TARE_OK)
        return status;
    length = snprintf(model->path, sizeof(model->path), "%s/%" PRIu64 "/%s", folder, version,
                      model->settings.model_file);
    return length >= 0 && (size_t)length < sizeof(model->path)
               ? TARE_OK
               : tare_fail(err, TARE_LIMIT, "the path of '%s' is too long",
                           model->settings.model_file);
}

static enum tare_status check_signature(struct triton_model *model, struct tare_err *err)
{
    struct triton_signature *signature = &model->signature;
    const struct triton_tensors inputs = {signature->inputs, signature->input_count};
    const struct triton_tensors outputs = {signature->outputs, signature->output_count};
    enum tare_status status = triton_settings_check(&model->settings, true, &inputs, err);

    return status == TARE_OK ? triton_settings_check(&model->settings, false, &outputs, err)
                             : status;
}

/* The tensors of the role, and the plugin. */
static enum tare_status take_role(struct triton_model *model, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    model->role = roles[model->settings.role];
    if (model->role->describe)
        status = model->role->describe(&model->settings, &model->signature, err);
    if (status == TARE_OK && model->role->runs_model)
        status = backend_acquire(model->settings.plugin, &model->backend, NULL, 0, err);
    return status;
}

static enum tare_status reread_config(struct triton_model *model, struct TRITONBACKEND_Model *self,
                                      struct tare_err *err)
{
    triton_settings_release(&model->settings);
    return read_config(model, self, err);
}

static enum tare_status load_model(struct triton_model *model, struct TRITONBACKEND_Model *self,
                                   struct tare_err *err)
{
    enum tare_status status = triton_check(TRITONBACKEND_ModelName(self, &model->name), err);
    bool completed = false;

    if (status == TARE_OK)
        status = read_config(model, self, err);
    if (status == TARE_OK)
        status = find_file(model, self, err);
    if (status == TARE_OK)
        status = take_role(model, err);
    if (status == TARE_OK)
        status = triton_complete(model, self, &completed, err);
    if (status == TARE_OK && completed)
        status = reread_config(model, self, err);
    if (status != TARE_OK)
        return status;
    if (model->settings.max_batch == 0)
        return tare_fail(err, TARE_INVALID, "max_batch_size is 0, need 1 to %d", TRITON_MAX_BATCH);
    if (model->role->describe)
        status = check_signature(model, err);
    if (status == TARE_OK && model->role->pools)
        status = triton_pool_new(model->settings.pool_threads, &model->pool, err);
    return status;
}

struct TRITONSERVER_Error *TRITONBACKEND_ModelInitialize(struct TRITONBACKEND_Model *model)
{
    struct tare_err err = TARE_ERR_INIT;
    struct triton_model *loaded = calloc(1, sizeof(*loaded));

    if (!loaded)
        (void)tare_fail(&err, TARE_NOMEM, "out of memory for a model");
    else if (load_model(loaded, model, &err) == TARE_OK)
        (void)triton_check(TRITONBACKEND_ModelSetState(model, loaded), &err);
    if (err.status != TARE_OK)
        free_model(loaded);
    return triton_error(&err);
}

struct TRITONSERVER_Error *TRITONBACKEND_ModelFinalize(struct TRITONBACKEND_Model *model)
{
    struct tare_err err = TARE_ERR_INIT;
    void *state = NULL;

    if (triton_check(TRITONBACKEND_ModelState(model, &state), &err) == TARE_OK)
        free_model(state);
    return triton_error(&err);
}

/* --- instances ----------------------------------------------------------------------------------
 */

static void free_instance(struct triton_instance *instance)
{
    if (!instance)
        return;
    if (instance->model)
        instance->model->role->close(instance);
    triton_batch_free(&instance->batch);
    free(instance);
}

static enum tare_status read_device(struct triton_instance *instance, struct tare_err *err)
{
    enum triton_kind kind = TRITON_KIND_AUTO;
    int32_t id = 0;
    enum tare_status status =
        triton_check(TRITONBACKEND_ModelInstanceKind(instance->self, &kind), err);

    if (status == TARE_OK)
        status = triton_check(TRITONBACKEND_ModelInstanceDeviceId(instance->self, &id), err);
    if (status != TARE_OK)
        return status;
    if (kind == TRITON_KIND_GPU)
        (void)snprintf(instance->device, sizeof(instance->device), "cuda:%d", id);
    else if (kind == TRITON_KIND_CPU)
        (void)snprintf(instance->device, sizeof(instance->device), "cpu");
    else
        return tare_fail(err, TARE_UNSUPPORTED,
                         "instance '%s' is of no kind, need KIND_CPU or KIND_GPU", instance->name);
    return TARE_OK;
}

static enum tare_status open_instance(struct triton_instance *instance, struct tare_err *err)
{
    struct TRITONBACKEND_Model *model = NULL;
    void *state = NULL;
    enum tare_status status =
        triton_check(TRITONBACKEND_ModelInstanceName(instance->self, &instance->name), err);

    if (status == TARE_OK)
        status = triton_check(TRITONBACKEND_ModelInstanceModel(instance->self, &model), err);
    if (status == TARE_OK)
        status = triton_check(TRITONBACKEND_ModelState(model, &state), err);
    if (status == TARE_OK)
        status = read_device(instance, err);
    if (status != TARE_OK)
        return status;
    instance->model = state;
    return instance->model->role->open(instance, err);
}

struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceInitialize(struct TRITONBACKEND_ModelInstance *instance)
{
    struct tare_err err = TARE_ERR_INIT;
    struct triton_instance *opened = calloc(1, sizeof(*opened));

    if (!opened) {
        (void)tare_fail(&err, TARE_NOMEM, "out of memory for an instance");
    } else {
        opened->self = instance;
        if (open_instance(opened, &err) == TARE_OK)
            (void)triton_check(TRITONBACKEND_ModelInstanceSetState(instance, opened), &err);
    }
    if (err.status != TARE_OK)
        free_instance(opened);
    return triton_error(&err);
}

struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceFinalize(struct TRITONBACKEND_ModelInstance *instance)
{
    struct tare_err err = TARE_ERR_INIT;
    void *state = NULL;

    if (triton_check(TRITONBACKEND_ModelInstanceState(instance, &state), &err) == TARE_OK)
        free_instance(state);
    return triton_error(&err);
}

struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceExecute(struct TRITONBACKEND_ModelInstance *instance,
                                   struct TRITONBACKEND_Request **requests, uint32_t count)
{
    struct tare_err err = TARE_ERR_INIT;
    struct triton_instance *self;
    void *state = NULL;

    if (triton_check(TRITONBACKEND_ModelInstanceState(instance, &state), &err) != TARE_OK)
        return triton_error(&err);
    self = state;
    if (triton_batch_take(&self->batch, requests, count, &err) != TARE_OK)
        return triton_error(&err);
    self->model->role->execute(self, &self->batch);
    triton_batch_finish(&self->batch, instance);
    return NULL;
}
