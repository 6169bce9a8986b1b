#include "ort_session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

#define TENSORS_MAX 256

/* Pairs of dtype and TensorProto.DataType of onnx.proto, which the library's numbers repeat. */
static const struct {
    enum tare_dtype dtype;
    int element_type;
} element_types[] = {
    {TARE_FP32, 1},  {TARE_UINT8, 2},   {TARE_INT8, 3},    {TARE_UINT16, 4}, {TARE_INT16, 5},
    {TARE_INT32, 6}, {TARE_INT64, 7},   {TARE_BYTES, 8},   {TARE_BOOL, 9},   {TARE_FP16, 10},
    {TARE_FP64, 11}, {TARE_UINT32, 12}, {TARE_UINT64, 13}, {TARE_BF16, 16},
};

#define ELEMENT_TYPES (sizeof(element_types) / sizeof(element_types[0]))

int ort_element_type(enum tare_dtype dtype)
{
    for (size_t i = 0; i < ELEMENT_TYPES; i++)
        if (element_types[i].dtype == dtype)
            return element_types[i].element_type;
    return 0;
}

enum tare_dtype ort_dtype(int element_type)
{
    for (size_t i = 0; i < ELEMENT_TYPES; i++)
        if (element_types[i].element_type == element_type)
            return element_types[i].dtype;
    return TARE_DTYPE_NONE;
}

static enum tare_status read_shape(const struct ort_api *api, const struct ort_shape_info *shape,
                                   struct tare_tensor_info *info, struct tare_err *err)
{
    const char *what = "cannot read a tensor's shape";
    size_t rank = 0;
    int type = 0;
    enum tare_status status = ort_api_check(api, api->get_element_type(shape, &type), what, err);

    if (status == TARE_OK)
        status = ort_api_check(api, api->get_rank(shape, &rank), what, err);
    if (status != TARE_OK)
        return status;
    info->dtype = ort_dtype(type);
    if (info->dtype == TARE_DTYPE_NONE || info->dtype == TARE_BYTES)
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' has ONNX element type %d, %s",
                         info->name, type, "need a number type of 8 bits or more");
    if (rank > TARE_MAX_RANK)
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' has rank %zu, need at most %d",
                         info->name, rank, TARE_MAX_RANK);
    info->rank = (int32_t)rank;
    if (api->has_shape && !api->has_shape(shape)) {
        info->rank = 1; /* nothing is known: one run will tell */
        info->shape[0] = -1;
        return TARE_OK;
    }
    return ort_api_check(api, api->get_dimensions(shape, info->shape, rank), what, err);
}

static enum tare_status read_name(const struct tare_session *session, bool inputs, size_t index,
                                  struct tare_tensor_info *info, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    enum tare_status status;
    char *name = NULL;
    ort_result result =
        inputs ? api->get_input_name(session->session, index, session->allocator, &name)
               : api->get_output_name(session->session, index, session->allocator, &name);
    size_t length;

    status = ort_api_check(api, result, "cannot read a tensor's name", err);
    if (status != TARE_OK)
        return status;
    length = strlen(name);
    if (length >= sizeof(info->name))
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "tensor '%.40s...' has a name of %zu bytes, need at most %zu", name,
                           length, sizeof(info->name) - 1);
    else
        memcpy(info->name, name, length + 1);
    api->release_status(api->allocator_free(session->allocator, name));
    return status;
}

static enum tare_status read_info(const struct tare_session *session, bool inputs, size_t index,
                                  struct tare_tensor_info *info, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    const struct ort_shape_info *shape = NULL;
    struct ort_type_info *type = NULL;
    enum tare_status status = read_name(session, inputs, index, info, err);
    ort_result result;

    if (status != TARE_OK)
        return status;
    result = inputs ? api->get_input_type_info(session->session, index, &type)
                    : api->get_output_type_info(session->session, index, &type);
    if (!result)
        result = api->cast_to_tensor_info(type, &shape);
    status = ort_api_check(api, result, "cannot read a tensor's type", err);
    if (status == TARE_OK)
        status = shape ? read_shape(api, shape, info, err)
                       : tare_fail(err, TARE_UNSUPPORTED, "'%s' is not a dense tensor", info->name);
    api->release_type_info(type);
    return status;
}

static enum tare_status read_side(const struct tare_session *session, bool inputs,
                                  struct ort_side *side, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    enum tare_status status;
    size_t count = 0;
    ort_result result = inputs ? api->get_input_count(session->session, &count)
                               : api->get_output_count(session->session, &count);

    status = ort_api_check(api, result, "cannot count the model's tensors", err);
    if (status != TARE_OK)
        return status;
    if (count > TENSORS_MAX)
        return tare_fail(err, TARE_LIMIT, "the model has %zu %s, need at most %d", count,
                         inputs ? "inputs" : "outputs", TENSORS_MAX);
    side->infos = calloc(count + 1, sizeof(*side->infos));
    if (!side->infos)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", count);
    side->count = count;
    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = read_info(session, inputs, i, &side->infos[i], err);
    return status;
}

enum tare_status ort_check(const struct tare_session *session, ort_result result, const char *what,
                           struct tare_err *err)
{
    struct tare_err reason = TARE_ERR_INIT;
    enum tare_status status = ort_api_check(&session->api, result, what, &reason);

    if (status == TARE_OK)
        return TARE_OK;
    return status == TARE_NOMEM && session->device
               ? cuda_no_memory(session->device->cuda, reason.text, err)
               : tare_fail(err, status, "%s", reason.text);
}

enum tare_status ort_load_model(struct tare_session *session, const char *path,
                                const struct ort_session_options *settings, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    struct tare_err reason = TARE_ERR_INIT;
    char what[300];
    enum tare_status status;

    (void)snprintf(what, sizeof(what), "cannot load '%.250s'", path);
    status =
        ort_check(session, api->create_session(session->env, path, settings, &session->session),
                  what, &reason);
    if (status == TARE_FAILED && !session->device) /* the word for most faults of a model */
        status = TARE_BADDATA;
    return status == TARE_OK ? TARE_OK : tare_fail(err, status, "%s", reason.text);
}

static enum tare_status open_model(struct tare_session *session,
                                   const struct tare_open_options *options, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    struct ort_session_options *settings = NULL;
    enum tare_status status =
        ort_api_check(api, api->create_env(ORT_LOG_FATAL, "tare", &session->env),
                      "cannot start ONNX Runtime", err);

    if (status == TARE_OK)
        status = ort_api_check(api, api->create_session_options(&settings),
                               "cannot make session options", err);
    if (status == TARE_OK)
        status = ort_configure(api, options, settings, err);
    if (status == TARE_OK)
        status = ort_add_provider(session, options, settings, err);
    if (status == TARE_OK)
        status = ort_start_profile(session, options, settings, err);
    if (status == TARE_OK)
        status = ort_load(session, settings, options, err);
    if (settings)
        api->release_session_options(settings);
    return status;
}

static enum tare_status prepare(struct tare_session *session, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    const char *what = "cannot prepare a run";
    enum tare_status status =
        ort_api_check(api, api->get_default_allocator(&session->allocator), what, err);

    if (status == TARE_OK)
        status = ort_api_check(api, api->create_run_options(&session->run_options), what, err);
    if (status == TARE_OK)
        status = ort_api_check(
            api,
            session->device
                ? api->create_memory_info("Cuda", ORT_ALLOCATOR_DEVICE, session->device->index,
                                          ORT_MEMORY_DEFAULT, &session->memory)
                : api->create_cpu_memory_info(ORT_ALLOCATOR_ARENA, ORT_MEMORY_DEFAULT,
                                              &session->memory),
            what, err);
    if (status == TARE_OK)
        status = read_side(session, true, &session->inputs, err);
    if (status == TARE_OK)
        status = read_side(session, false, &session->outputs, err);
    if (status == TARE_OK && session->device)
        status =
            ort_device_count(session->device, session->inputs.count, session->outputs.count, err);
    if (status != TARE_OK)
        return status;
    session->bound = calloc(session->outputs.count + 1, sizeof(*session->bound));
    return session->bound ? TARE_OK : tare_fail(err, TARE_NOMEM, "out of memory for the outputs");
}

static enum tare_status fill_report(const struct tare_session *session,
                                    const struct tare_open_options *options, int64_t start_ns,
                                    int64_t rss_bytes, struct tare_open_report *report,
                                    struct tare_err *err)
{
    int64_t peak = process_peak_rss_bytes(getpid());

    report->load_ns = clock_now_ns() - start_ns;
    report->peak_memory_bytes =
        peak >= 0 && rss_bytes >= 0 && peak >= rss_bytes ? peak - rss_bytes : -1;
    (void)snprintf(report->runtime_version, sizeof(report->runtime_version), "onnxruntime %s",
                   session->api.release);
    (void)snprintf(report->executed_precision, sizeof(report->executed_precision), "%s",
                   session->executed);
    report->threads = options->threads;
    return ort_read_provider(session, options, report->provider, sizeof(report->provider), err);
}

enum tare_status ort_open(const struct tare_open_options *options, struct tare_session **session,
                          struct tare_open_report *report, struct tare_err *err)
{
    int64_t start_ns = clock_now_ns(), rss_bytes = process_rss_bytes(getpid());
    struct tare_session *opened;
    enum tare_status status;

    *session = NULL;
    status = ort_check_provider(options, err);
    if (status == TARE_OK)
        status = ort_check_options(options, err);
    if (status != TARE_OK)
        return status;
    if (!file_exists(options->model_path))
        return tare_fail(err, TARE_ABSENT, "cannot load '%s': no such file", options->model_path);
    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    opened->copies = -1;
    if (ort_is_on_device(options))
        status = ort_device_open(options->device, &opened->device, err);
    if (status == TARE_OK)
        status = ort_api_load(tare_option_text(options, ort_options, "library"),
                              ort_provider_build(options), &opened->api, err);
    if (status == TARE_OK)
        status = open_model(opened, options, err);
    if (status == TARE_OK)
        status = prepare(opened, err);
    if (status == TARE_OK)
        status = fill_report(opened, options, start_ns, rss_bytes, report, err);
    if (status != TARE_OK) {
        ort_close(opened);
        return status;
    }
    *session = opened;
    return TARE_OK;
}

void ort_close(struct tare_session *session)
{
    const struct ort_api *api;

    if (!session)
        return;
    api = &session->api;
    ort_drop_profile(session);
    if (api->version) { /* otherwise the library was not loaded, and nothing was made */
        api->release_binding(session->binding);
        api->release_memory_info(session->memory);
        api->release_run_options(session->run_options);
        api->release_session(session->session);
        api->release_env(session->env);
    }
    ort_free_blocks(session);
    ort_device_close(session->device);
    free(session->inputs.infos);
    free(session->outputs.infos);
    free(session->bound);
    free(session);
}

enum tare_status ort_describe(struct tare_session *session, bool inputs,
                              const struct tare_tensor_info **infos, size_t *count,
                              struct tare_err *err)
{
    const struct ort_side *side = inputs ? &session->inputs : &session->outputs;

    (void)err;
    *infos = side->infos;
    *count = side->count;
    return TARE_OK;
}
