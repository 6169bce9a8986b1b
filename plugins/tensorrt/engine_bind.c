#include <stdlib.h>
#include <string.h>

#include "engine_session.h"

static enum tare_status check_fit(const struct tare_session *session,
                                  const struct tare_tensor_info *info,
                                  const struct tare_tensor *tensor, struct tare_err *err)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);

    if (tensor->dtype != info->dtype)
        return tare_fail(err, TARE_INVALID, "'%s' is bound as %s, need %s", info->name,
                         tare_dtype_name(tensor->dtype), tare_dtype_name(info->dtype));
    if (tensor->rank != info->rank)
        return tare_fail(err, TARE_INVALID, "'%s' is bound with rank %d, need %d", info->name,
                         (int)tensor->rank, (int)info->rank);
    for (int32_t i = 0; i < info->rank; i++)
        if (info->shape[i] >= 0 && tensor->shape[i] != info->shape[i])
            return tare_fail(err, TARE_INVALID,
                             "'%s' is bound with %lld as dimension %d, need %lld", info->name,
                             (long long)tensor->shape[i], (int)i, (long long)info->shape[i]);
    if (tensor->data &&
        (count < 0 || (uint64_t)count > tensor->capacity_bytes / tare_dtype_bytes(tensor->dtype)))
        return tare_fail(err, TARE_INVALID, "'%s' is bound to %zu bytes, too few for its shape",
                         info->name, tensor->capacity_bytes);
    if (tensor->memory == TARE_MEM_DEVICE && tensor->device_id != session->device)
        return tare_fail(err, TARE_UNSUPPORTED, "'%s' is bound on device %d, need %d", info->name,
                         (int)tensor->device_id, session->device);
    return TARE_OK;
}

/* Room on the device, kept from bind to bind as long as it is large enough. */
static enum tare_status make_room(struct tare_session *session, const char *name,
                                  struct engine_tensor *to, struct tare_err *err)
{
    struct tare_err reason = TARE_ERR_INIT;
    enum tare_status status = TARE_OK;

    if (to->bytes > to->owned_bytes || !to->owned) {
        cuda_free(session->cuda, to->owned);
        to->owned = NULL;
        to->owned_bytes = 0;
        status = cuda_alloc(session->cuda, to->bytes, &to->owned, &reason);
        if (status != TARE_OK)
            return tare_fail(err, status, "no room for tensor '%s': %s", name, reason.text);
        to->owned_bytes = to->bytes;
    }
    to->device = to->owned;
    return status;
}

static enum tare_status place(struct tare_session *session, const struct tare_tensor_info *info,
                              const struct tare_tensor *tensor, struct engine_tensor *to,
                              struct tare_err *err)
{
    int64_t shape[TARE_MAX_RANK], count;
    enum tare_status status = TARE_OK;
    char what[TARE_MAX_NAME + 16];

    for (int32_t i = 0; i < to->shape.count; i++)
        shape[i] = to->shape.d[i];
    count = tare_shape_count(to->shape.count, shape);
    if (count < 0 ||
        __builtin_mul_overflow((size_t)count, tare_dtype_bytes(info->dtype), &to->bytes))
        return tare_fail(err, TARE_LIMIT, "'%s' would be too large", info->name);
    if (tensor->data && to->bytes > tensor->capacity_bytes)
        return tare_fail(err, TARE_INVALID, "'%s' comes out as %zu bytes, bound are %zu",
                         info->name, to->bytes, tensor->capacity_bytes);
    to->host = tensor->memory == TARE_MEM_DEVICE ? NULL : tensor->data;
    to->device = tensor->data;
    if (tensor->memory != TARE_MEM_DEVICE || !tensor->data)
        status = make_room(session, info->name, to, err);
    if (status != TARE_OK)
        return status;
    (void)snprintf(what, sizeof(what), "bind '%s'", info->name);
    return trt_set_address(session->context, info->name, to->device)
               ? TARE_OK
               : engine_refused(session, TARE_INVALID, what, err);
}

static enum tare_status set_profile(struct tare_session *session, struct tare_err *err)
{
    int32_t profile = engine_find_profile(session);

    if (profile < 0)
        return tare_fail(err, TARE_INVALID,
                         "no optimisation profile of the engine takes the shapes bound: '%s' first "
                         "has %lld",
                         session->inputs.infos[0].name,
                         (long long)session->inputs.tensors[0].shape.d[0]);
    if (profile == session->profile)
        return TARE_OK;
    if (!trt_set_profile(session->context, profile, session->stream))
        return engine_refused(session, TARE_FAILED, "choose an optimisation profile", err);
    session->profile = profile;
    return cuda_stream_sync(session->cuda, session->stream, err);
}

static enum tare_status bind_inputs(struct tare_session *session, const struct tare_tensor *inputs,
                                    struct tare_err *err)
{
    struct engine_side *side = &session->inputs;
    enum tare_status status = TARE_OK;
    char what[TARE_MAX_NAME + 32];

    for (size_t i = 0; i < side->count && status == TARE_OK; i++) {
        status = check_fit(session, &side->infos[i], &inputs[i], err);
        if (status == TARE_OK && !inputs[i].data)
            status = tare_fail(err, TARE_INVALID, "'%s' is bound to nothing", side->infos[i].name);
        side->tensors[i].shape.count = inputs[i].rank;
        memcpy(side->tensors[i].shape.d, inputs[i].shape, sizeof(side->tensors[i].shape.d));
    }
    if (status == TARE_OK && side->count > 0)
        status = set_profile(session, err);
    for (size_t i = 0; i < side->count && status == TARE_OK; i++) {
        (void)snprintf(what, sizeof(what), "set the shape of '%s'", side->infos[i].name);
        if (!trt_set_input_shape(session->context, side->infos[i].name, &side->tensors[i].shape))
            status = engine_refused(session, TARE_INVALID, what, err);
        if (status == TARE_OK)
            status = place(session, &side->infos[i], &inputs[i], &side->tensors[i], err);
    }
    return status;
}

/* The shape that an output comes out in now that those of the inputs are set. */
static enum tare_status find_shape(const struct tare_session *session,
                                   const struct tare_tensor_info *info, struct trt_shape *shape,
                                   struct tare_err *err)
{
    *shape = trt_shape_now(session->context, info->name);
    if (shape->count != info->rank)
        return tare_fail(err, TARE_FAILED, "TensorRT says no shape of output '%s'", info->name);
    for (int32_t i = 0; i < shape->count; i++)
        if (shape->d[i] < 0)
            return tare_fail(err, TARE_UNSUPPORTED,
                             "the shape of output '%s' depends on the input's values, need one "
                             "that its shape settles",
                             info->name);
    return TARE_OK;
}

static enum tare_status bind_outputs(struct tare_session *session,
                                     const struct tare_tensor *outputs, struct tare_err *err)
{
    struct engine_side *side = &session->outputs;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < side->count && status == TARE_OK; i++) {
        if (outputs[i].data)
            status = check_fit(session, &side->infos[i], &outputs[i], err);
        if (status == TARE_OK)
            status = find_shape(session, &side->infos[i], &side->tensors[i].shape, err);
        if (status == TARE_OK)
            status = place(session, &side->infos[i], &outputs[i], &side->tensors[i], err);
    }
    return status;
}

enum tare_status engine_bind(struct tare_session *session, const struct tare_tensor *inputs,
                             size_t input_count, const struct tare_tensor *outputs,
                             size_t output_count, struct tare_err *err)
{
    enum tare_status status;

    session->bound = false;
    if (input_count != session->inputs.count || output_count != session->outputs.count)
        return tare_fail(err, TARE_INVALID, "bound %zu inputs and %zu outputs, need %zu and %zu",
                         input_count, output_count, session->inputs.count, session->outputs.count);
    status = cuda_make_current(session->cuda, err);
    if (status != TARE_OK)
        return status;
    cuda_graph_free(session->cuda, session->graph); /* it holds the addresses of before */
    session->graph = NULL;
    session->plain_runs = 0;
    trt_logger_clear(session->logger);
    status = bind_inputs(session, inputs, err);
    if (status == TARE_OK)
        status = bind_outputs(session, outputs, err);
    session->bound = status == TARE_OK;
    return status;
}

enum tare_status engine_bound_shape(struct tare_session *session, size_t index, int32_t *rank,
                                    int64_t *shape, struct tare_err *err)
{
    const struct trt_shape *now;

    if (!session->bound || index >= session->outputs.count)
        return tare_fail(err, TARE_INVALID, "output %zu is not bound", index);
    now = &session->outputs.tensors[index].shape;
    *rank = now->count;
    for (int32_t i = 0; i < now->count; i++)
        shape[i] = now->d[i];
    return TARE_OK;
}

enum tare_status engine_allocate(struct tare_session *session, size_t size_bytes,
                                 struct tare_tensor *tensor, struct tare_err *err)
{
    void **pinned = realloc(session->pinned, (session->pinned_count + 1) * sizeof(*pinned));
    enum tare_status status;
    void *host = NULL;

    if (!pinned)
        return tare_fail(err, TARE_NOMEM, "out of memory for a tensor");
    session->pinned = pinned;
    status = cuda_make_current(session->cuda, err);
    if (status == TARE_OK)
        status = cuda_alloc_pinned(session->cuda, size_bytes, &host, err);
    if (status != TARE_OK)
        return status;
    memset(host, 0, size_bytes);
    session->pinned[session->pinned_count++] = host;
    tensor->data = host;
    tensor->capacity_bytes = size_bytes;
    tensor->memory = TARE_MEM_PINNED;
    tensor->device_id = session->device;
    return TARE_OK;
}
