#include "backend/session.h"

#include <stdlib.h>
#include <string.h>

#include "backend/backend_options.h"

/* An output of an open shape may grow from run to run, as lists of boxes do. */
#define OPEN_OUTPUT_BYTES ((size_t)1 << 20)

/* One side of a session: its inputs or its outputs. */
struct side {
    const struct tare_tensor_info *infos; // (count), the plugin's
    struct tare_tensor *tensors;          // (count)
    void **owned;                         // (count), memory that we allocated; NULL: the plugin did
    size_t count;
};

struct backend_session {
    const struct tare_backend *slots;
    struct tare_session *plugin;
    struct tare_open_report report;
    struct side inputs, outputs;
};

static enum tare_status check_info(const struct tare_backend *slots,
                                   const struct tare_tensor_info *info, struct tare_err *err)
{
    if (!memchr(info->name, '\0', sizeof(info->name)) || !info->name[0])
        return tare_fail(err, TARE_BROKEN, "plugin '%s' describes a tensor whose name has no end",
                         slots->name);
    if (info->dtype <= TARE_DTYPE_NONE || info->dtype > TARE_BYTES)
        return tare_fail(err, TARE_BROKEN, "plugin '%s' describes '%s' with the unknown dtype %d",
                         slots->name, info->name, (int)info->dtype);
    if (info->rank < 0 || info->rank > TARE_MAX_RANK)
        return tare_fail(err, TARE_BROKEN, "plugin '%s' describes '%s' with rank %d, need 0 to %d",
                         slots->name, info->name, info->rank, TARE_MAX_RANK);
    for (int32_t i = 0; i < info->rank; i++)
        if (info->shape[i] < -1)
            return tare_fail(err, TARE_BROKEN, "plugin '%s' describes '%s' with dimension %lld",
                             slots->name, info->name, (long long)info->shape[i]);
    return TARE_OK;
}

static enum tare_status describe_side(struct backend_session *session, bool inputs,
                                      struct side *side, struct tare_err *err)
{
    const struct tare_backend *slots = session->slots;
    enum tare_status status =
        slots->describe(session->plugin, inputs, &side->infos, &side->count, err);

    if (status == TARE_OK && (side->count > BACKEND_TENSORS_MAX || (side->count && !side->infos)))
        status =
            tare_fail(err, TARE_BROKEN, "plugin '%s' describes %zu %s, need at most %d",
                      slots->name, side->count, inputs ? "inputs" : "outputs", BACKEND_TENSORS_MAX);
    if (status != TARE_OK) {
        side->count = 0;
        return status;
    }
    for (size_t i = 0; i < side->count && status == TARE_OK; i++)
        status = check_info(slots, &side->infos[i], err);
    side->tensors = calloc(side->count + 1, sizeof(*side->tensors));
    side->owned = calloc(side->count + 1, sizeof(*side->owned));
    if (!side->tensors || !side->owned)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", side->count);
    for (size_t i = 0; i < side->count && status == TARE_OK; i++) {
        struct tare_tensor *tensor = &side->tensors[i];

        memcpy(tensor->name, side->infos[i].name, sizeof(tensor->name));
        tensor->dtype = side->infos[i].dtype;
        tensor->rank = side->infos[i].rank;
        memcpy(tensor->shape, side->infos[i].shape, sizeof(tensor->shape));
    }
    return status;
}

static bool is_open(const struct tare_tensor_info *info)
{
    for (int32_t i = 0; i < info->rank; i++)
        if (info->shape[i] == -1)
            return true;
    return false;
}

/* The first tensor whose first dimension is the batch; NULL: the batch is not dynamic. */
static const struct tare_tensor *batched(const struct side *side)
{
    for (size_t i = 0; i < side->count; i++)
        if (side->infos[i].rank > 0 && side->infos[i].shape[0] == -1)
            return &side->tensors[i];
    return NULL;
}

static const struct backend_shape *given_shape(const struct backend_session_options *options,
                                               const char *name)
{
    for (size_t i = 0; i < options->shape_count; i++)
        if (strcmp(options->shapes[i].name, name) == 0)
            return &options->shapes[i];
    return NULL;
}

static enum tare_status apply_shape(const struct backend_shape *given, struct tare_tensor *tensor,
                                    struct tare_err *err)
{
    if (given->rank != tensor->rank)
        return tare_fail(err, TARE_INVALID, "shape given for input '%s' has rank %d, need %d",
                         tensor->name, given->rank, tensor->rank);
    for (int32_t i = 0; i < tensor->rank; i++) {
        if (given->shape[i] < 0 || (tensor->shape[i] != -1 && tensor->shape[i] != given->shape[i]))
            return tare_fail(
                err, TARE_INVALID, "shape given for input '%s' has %lld as dimension %d, need %lld",
                tensor->name, (long long)given->shape[i], i, (long long)tensor->shape[i]);
        tensor->shape[i] = given->shape[i];
    }
    return TARE_OK;
}

static enum tare_status resolve_input(const struct backend_session_options *options,
                                      const struct tare_tensor_info *info,
                                      struct tare_tensor *tensor, struct tare_err *err)
{
    const struct backend_shape *given = given_shape(options, tensor->name);
    struct backend_shape chosen = {tensor->name, tensor->rank, {0}};

    if (!given && options->choose_shape) {
        options->choose_shape(info, options->batch > 0 ? options->batch : 1, options->size,
                              chosen.shape);
        given = &chosen;
    }
    if (given)
        return apply_shape(given, tensor, err);
    if (tensor->rank > 0 && tensor->shape[0] == -1)
        tensor->shape[0] = options->batch > 0 ? options->batch : 1;
    for (int32_t i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] == -1)
            return tare_fail(err, TARE_INVALID,
                             "input '%s' leaves dimension %d open: give the shape of '%s'",
                             tensor->name, i, tensor->name);
    return TARE_OK;
}

static enum tare_status check_batch(const struct backend_session *session, int32_t batch,
                                    struct tare_err *err)
{
    const struct side *inputs = &session->inputs;

    if (batch <= 1 || batched(inputs))
        return TARE_OK;
    for (size_t i = 0; i < inputs->count; i++)
        if (inputs->infos[i].rank > 0 && inputs->infos[i].shape[0] == batch)
            return TARE_OK;
    return tare_fail(
        err, TARE_INVALID, "the model's batch is fixed at %lld, not %d",
        inputs->count && inputs->infos[0].rank > 0 ? (long long)inputs->infos[0].shape[0] : 1LL,
        batch);
}

static enum tare_status check_given(const struct backend_session *session,
                                    const struct backend_session_options *options,
                                    struct tare_err *err)
{
    for (size_t i = 0; i < options->shape_count; i++)
        if (backend_session_find(session, true, options->shapes[i].name) < 0)
            return tare_fail(err, TARE_INVALID, "a shape is given for '%s', which is no input",
                             options->shapes[i].name);
    return TARE_OK;
}

static enum tare_status tensor_bytes(const struct tare_tensor *tensor, size_t *bytes,
                                     struct tare_err *err)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);
    size_t each =
        tensor->dtype == TARE_BYTES ? BACKEND_ELEMENT_ROOM + 4 : tare_dtype_bytes(tensor->dtype);

    if (count < 0 || __builtin_mul_overflow((size_t)count, each, bytes) ||
        *bytes > BACKEND_TENSOR_BYTES_MAX)
        return tare_fail(err, TARE_LIMIT, "tensor '%s' would be larger than %zu bytes",
                         tensor->name, BACKEND_TENSOR_BYTES_MAX);
    return TARE_OK;
}

/* Gives a tensor its memory, unless its shape is not known yet; room for at least least_bytes. */
static enum tare_status allocate_tensor(struct backend_session *session, struct side *side,
                                        size_t index, size_t least_bytes, struct tare_err *err)
{
    struct tare_tensor *tensor = &side->tensors[index];
    enum tare_status status;
    size_t bytes = 0;

    for (int32_t i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] == -1)
            return TARE_OK;
    status = tensor_bytes(tensor, &bytes, err);
    if (status != TARE_OK)
        return status;
    bytes = bytes > least_bytes ? bytes : least_bytes;
    bytes = (bytes + 127) / 64 * 64; /* whole lines, and never nothing */
    if (session->slots->allocate) {
        status = session->slots->allocate(session->plugin, bytes, tensor, err);
        if (status == TARE_OK &&
            (!tensor->data || (uintptr_t)tensor->data % 64 != 0 || tensor->capacity_bytes < bytes))
            status = tare_fail(err, TARE_BROKEN, "plugin '%s' allocates no usable memory",
                               session->slots->name);
        return status;
    }
    side->owned[index] = aligned_alloc(64, bytes);
    if (!side->owned[index])
        return tare_fail(err, TARE_NOMEM, "out of memory for tensor '%s' of %zu bytes",
                         tensor->name, bytes);
    memset(side->owned[index], 0, bytes); /* touched now, so that no run meets a page fault */
    tensor->data = side->owned[index];
    tensor->capacity_bytes = bytes;
    return TARE_OK;
}

static enum tare_status bind_all(struct backend_session *session, struct tare_err *err)
{
    return session->slots->bind(session->plugin, session->inputs.tensors, session->inputs.count,
                                session->outputs.tensors, session->outputs.count, err);
}

/* Runs once to learn the shapes of the outputs that have no memory yet, then binds those too. */
static enum tare_status discover_outputs(struct backend_session *session, struct tare_err *err)
{
    struct side *outputs = &session->outputs;
    enum tare_status status = backend_session_run(session, NULL, NULL, err);

    for (size_t i = 0; i < outputs->count && status == TARE_OK; i++) {
        struct tare_tensor *tensor = &outputs->tensors[i];

        if (tensor->data)
            continue;
        status = backend_session_output_shape(session, i, &tensor->rank, tensor->shape, err);
        if (status == TARE_OK)
            status = allocate_tensor(session, outputs, i, OPEN_OUTPUT_BYTES, err);
    }
    return status == TARE_OK ? bind_all(session, err) : status;
}

static enum tare_status prepare(struct backend_session *session,
                                const struct backend_session_options *options, struct tare_err *err)
{
    struct side *inputs = &session->inputs, *outputs = &session->outputs;
    enum tare_status status = describe_side(session, true, inputs, err);
    bool unknown = false;

    if (status == TARE_OK)
        status = describe_side(session, false, outputs, err);
    if (status == TARE_OK)
        status = check_given(session, options, err);
    if (status == TARE_OK)
        status = check_batch(session, options->batch, err);
    for (size_t i = 0; i < inputs->count && status == TARE_OK; i++) {
        status = resolve_input(options, &inputs->infos[i], &inputs->tensors[i], err);
        if (status == TARE_OK)
            status = allocate_tensor(session, inputs, i, 0, err);
    }
    for (size_t i = 0; i < outputs->count && status == TARE_OK; i++) {
        struct tare_tensor *tensor = &outputs->tensors[i];

        if (tensor->rank > 0 && tensor->shape[0] == -1 && batched(inputs))
            tensor->shape[0] = batched(inputs)->shape[0];
        status = allocate_tensor(session, outputs, i,
                                 is_open(&outputs->infos[i]) ? OPEN_OUTPUT_BYTES : 0, err);
        unknown = unknown || !tensor->data;
    }
    if (status == TARE_OK)
        status = bind_all(session, err);
    if (status == TARE_OK && unknown)
        status = discover_outputs(session, err);
    return status;
}

/* The plugin's text fields must end, whatever it wrote there. */
static void end_texts(struct tare_open_report *report)
{
    report->runtime_version[sizeof(report->runtime_version) - 1] = '\0';
    report->provider[sizeof(report->provider) - 1] = '\0';
    report->executed_precision[sizeof(report->executed_precision) - 1] = '\0';
}

enum tare_status backend_session_open(const struct backend *backend,
                                      const struct backend_session_options *options,
                                      struct backend_session **session, struct tare_err *err)
{
    const struct tare_backend *slots = backend_slots(backend);
    struct tare_open_options open = {
        .model_path = options->model_path,
        .device = options->device ? options->device : "cpu",
        .precision = options->precision ? options->precision : "fp32",
        .threads = options->threads,
        .batch = options->batch > 0 ? options->batch : 1,
        .options = options->options,
        .option_count = options->option_count,
    };
    struct backend_session *opened;
    enum tare_status status;

    *session = NULL;
    if (!open.model_path && !(slots->capabilities & TARE_CAP_NO_MODEL))
        return tare_fail(err, TARE_INVALID, "runtime '%s' needs a model file", slots->name);
    status = backend_options_check(slots, open.options, open.option_count, err);
    if (status != TARE_OK)
        return status;
    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    opened->slots = slots;
    opened->report.peak_memory_bytes = -1;
    status = slots->open(&open, &opened->plugin, &opened->report, err);
    end_texts(&opened->report);
    if (status == TARE_OK && !opened->plugin)
        status = tare_fail(err, TARE_BROKEN, "plugin '%s' opens no session", slots->name);
    else if (status != TARE_OK)
        opened->plugin = NULL;
    if (status == TARE_OK)
        status = prepare(opened, options, err);
    if (status != TARE_OK) {
        backend_session_close(opened);
        return status;
    }
    *session = opened;
    return TARE_OK;
}

static void release_side(struct side *side)
{
    for (size_t i = 0; side->owned && i < side->count; i++)
        free(side->owned[i]);
    free(side->owned);
    free(side->tensors);
}

void backend_session_close(struct backend_session *session)
{
    if (!session)
        return;
    if (session->plugin)
        session->slots->close(session->plugin);
    release_side(&session->inputs);
    release_side(&session->outputs);
    free(session);
}

const struct tare_open_report *backend_session_report(const struct backend_session *session)
{
    return &session->report;
}

size_t backend_session_count(const struct backend_session *session, bool inputs)
{
    return inputs ? session->inputs.count : session->outputs.count;
}

const struct tare_tensor_info *backend_session_info(const struct backend_session *session,
                                                    bool inputs, size_t index)
{
    const struct side *side = inputs ? &session->inputs : &session->outputs;

    return index < side->count ? &side->infos[index] : NULL;
}

struct tare_tensor *backend_session_tensor(struct backend_session *session, bool inputs,
                                           size_t index)
{
    struct side *side = inputs ? &session->inputs : &session->outputs;

    return index < side->count ? &side->tensors[index] : NULL;
}

int backend_session_find(const struct backend_session *session, bool inputs, const char *name)
{
    const struct side *side = inputs ? &session->inputs : &session->outputs;

    for (size_t i = 0; i < side->count; i++)
        if (strcmp(side->infos[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* An output of an open shape may have no memory yet. */
static enum tare_status check_bound(const struct side *side, const struct tare_tensor *tensors,
                                    bool may_lack, struct tare_err *err)
{
    for (size_t i = 0; i < side->count; i++) {
        const struct tare_tensor *tensor = &tensors[i];
        int64_t count = tare_shape_count(tensor->rank, tensor->shape);
        size_t each = tensor->dtype == TARE_BYTES ? 4 : tare_dtype_bytes(tensor->dtype), bytes;

        bool lacks = may_lack && !tensor->data && is_open(&side->infos[i]);

        if (strcmp(tensor->name, side->infos[i].name) != 0 ||
            tensor->dtype != side->infos[i].dtype || (!tensor->data && !lacks))
            return tare_fail(err, TARE_INVALID, "bound is '%s' of %s, need '%s' of %s",
                             tensor->name, tare_dtype_name(tensor->dtype), side->infos[i].name,
                             tare_dtype_name(side->infos[i].dtype));
        if (!lacks && (count < 0 || __builtin_mul_overflow((size_t)count, each, &bytes) ||
                       bytes > tensor->capacity_bytes))
            return tare_fail(err, TARE_INVALID, "'%s' is bound to %zu bytes, too few for its shape",
                             tensor->name, tensor->capacity_bytes);
    }
    return TARE_OK;
}

enum tare_status backend_session_bind(struct backend_session *session,
                                      const struct tare_tensor *inputs,
                                      const struct tare_tensor *outputs, struct tare_err *err)
{
    enum tare_status status = check_bound(&session->inputs, inputs, false, err);

    if (status == TARE_OK)
        status = check_bound(&session->outputs, outputs, true, err);
    if (status == TARE_OK)
        status = session->slots->bind(session->plugin, inputs, session->inputs.count, outputs,
                                      session->outputs.count, err);
    return status;
}

enum tare_status backend_session_run(struct backend_session *session,
                                     const struct tare_request *request, struct tare_timing *timing,
                                     struct tare_err *err)
{
    return session->slots->run(session->plugin, request, timing, err);
}

enum tare_status backend_session_profile(struct backend_session *session,
                                         const struct tare_profile_row **rows, size_t *count,
                                         struct tare_err *err)
{
    *rows = NULL;
    *count = 0;
    if (!(session->slots->capabilities & TARE_CAP_PROFILE))
        return tare_fail(err, TARE_UNSUPPORTED, "the runtime does not time its nodes");
    return session->slots->profile(session->plugin, rows, count, err);
}

enum tare_status backend_session_output_shape(struct backend_session *session, size_t index,
                                              int32_t *rank, int64_t *shape, struct tare_err *err)
{
    const struct tare_tensor *tensor = backend_session_tensor(session, false, index);
    enum tare_status status;

    if (!tensor)
        return tare_fail(err, TARE_INVALID, "no output %zu", index);
    if (!session->slots->bound_shape) {
        *rank = tensor->rank;
        memcpy(shape, tensor->shape, sizeof(tensor->shape));
        return TARE_OK;
    }
    status = session->slots->bound_shape(session->plugin, index, rank, shape, err);
    if (status == TARE_OK &&
        (*rank < 0 || *rank > TARE_MAX_RANK || tare_shape_count(*rank, shape) < 0))
        status = tare_fail(err, TARE_BROKEN, "plugin '%s' gives output '%s' an impossible shape",
                           session->slots->name, tensor->name);
    return status;
}
