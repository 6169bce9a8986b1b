#include <string.h>

#include "vino_session.h"

/* Wraps a tensor's memory, without a copy. The library checks its shape when it is set. */
static enum tare_status wrap(const struct vino_api *api, const struct tare_tensor_info *info,
                             const struct tare_tensor *tensor, struct vino_tensor **wrapped,
                             struct tare_err *err)
{
    int64_t dims[TARE_MAX_RANK], count;
    struct vino_shape shape = {tensor->rank, dims};

    if (tensor->dtype != info->dtype)
        return tare_fail(err, TARE_INVALID, "'%s' is bound as %s, need %s", info->name,
                         tare_dtype_name(tensor->dtype), tare_dtype_name(info->dtype));
    if (tensor->memory == TARE_MEM_DEVICE)
        return tare_fail(err, TARE_UNSUPPORTED, "'%s' is bound to device memory, need host memory",
                         info->name);
    count = tare_shape_count(tensor->rank, tensor->shape);
    if (count < 0 || (uint64_t)count > tensor->capacity_bytes / tare_dtype_bytes(tensor->dtype))
        return tare_fail(err, TARE_INVALID, "'%s' is bound to %zu bytes, too few for its shape",
                         info->name, tensor->capacity_bytes);
    memcpy(dims, tensor->shape, sizeof(dims));
    return vino_check(
        api, api->wrap_tensor(vino_element_type(tensor->dtype), shape, tensor->data, wrapped),
        "cannot wrap a tensor", err);
}

static enum tare_status set_tensor(struct tare_session *session, bool input, size_t index,
                                   const struct tare_tensor *tensor, struct tare_err *err)
{
    const struct vino_api *api = &session->api;
    const struct vino_side *side = input ? &session->inputs : &session->outputs;
    struct tare_err reason = TARE_ERR_INIT;
    struct vino_tensor *wrapped = NULL;
    char what[TARE_MAX_NAME + 32];
    enum tare_status status = wrap(api, &side->infos[index], tensor, &wrapped, err);

    if (status != TARE_OK)
        return status;
    (void)snprintf(what, sizeof(what), "cannot bind '%s'", side->infos[index].name);
    if (vino_check(api,
                   (input ? api->set_input : api->set_output)(session->request, index, wrapped),
                   what, &reason) != TARE_OK)
        status = tare_fail(err, TARE_INVALID, "%s", reason.text);
    api->tensor_free(wrapped); /* the request keeps its own reference */
    return status;
}

static void drop_request(struct tare_session *session)
{
    session->api.request_free(session->request);
    session->request = NULL;
}

enum tare_status vino_bind(struct tare_session *session, const struct tare_tensor *inputs,
                           size_t input_count, const struct tare_tensor *outputs,
                           size_t output_count, struct tare_err *err)
{
    const struct vino_api *api = &session->api;
    enum tare_status status;

    if (input_count != session->inputs.count || output_count != session->outputs.count)
        return tare_fail(err, TARE_INVALID, "bound %zu inputs and %zu outputs, need %zu and %zu",
                         input_count, output_count, session->inputs.count, session->outputs.count);
    drop_request(session); /* a new one knows nothing of what was bound before */
    session->any_loose = false;
    status = vino_check(api, api->create_request(session->compiled, &session->request),
                        "cannot prepare a run", err);
    for (size_t i = 0; i < input_count && status == TARE_OK; i++)
        status = set_tensor(session, true, i, &inputs[i], err);
    for (size_t i = 0; i < output_count && status == TARE_OK; i++) {
        struct vino_output *output = &session->bound[i];

        output->tensor = outputs[i];
        output->loose = !outputs[i].data || vino_is_dynamic(&session->outputs.infos[i]);
        session->any_loose = session->any_loose || output->loose;
        if (!output->loose)
            status = set_tensor(session, false, i, &outputs[i], err);
    }
    if (status != TARE_OK)
        drop_request(session);
    return status;
}

/* Notes the shape of an output that the runtime has placed, and copies it to where it is wanted. */
static enum tare_status collect(const struct vino_api *api, const struct vino_tensor *tensor,
                                struct vino_output *output, struct tare_err *err)
{
    struct vino_shape shape = {0};
    void *data = NULL;
    size_t bytes;
    enum tare_status status =
        vino_check(api, api->tensor_shape(tensor, &shape), "cannot read an output", err);

    if (status == TARE_OK && (shape.rank < 0 || shape.rank > TARE_MAX_RANK))
        status = tare_fail(err, TARE_UNSUPPORTED, "output '%s' has rank %lld, need at most %d",
                           output->tensor.name, (long long)shape.rank, TARE_MAX_RANK);
    if (status != TARE_OK)
        goto done;
    output->rank = (int32_t)shape.rank;
    for (int64_t i = 0; i < shape.rank; i++)
        output->shape[i] = shape.dims[i];
    bytes = (size_t)tare_shape_count(output->rank, output->shape) *
            tare_dtype_bytes(output->tensor.dtype);
    if (!output->tensor.data || bytes == 0)
        goto done;
    if (bytes > output->tensor.capacity_bytes)
        status = tare_fail(err, TARE_LIMIT, "output '%s' came out as %zu bytes, bound are %zu",
                           output->tensor.name, bytes, output->tensor.capacity_bytes);
    else
        status = vino_check(api, api->tensor_data(tensor, &data), "cannot read an output", err);
    if (status == TARE_OK)
        memcpy(output->tensor.data, data, bytes);
done:
    if (shape.dims)
        (void)api->shape_free(&shape);
    return status;
}

static enum tare_status collect_loose(struct tare_session *session, struct tare_err *err)
{
    const struct vino_api *api = &session->api;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < session->outputs.count && status == TARE_OK; i++) {
        struct vino_tensor *tensor = NULL;

        if (!session->bound[i].loose)
            continue;
        status = vino_check(api, api->get_output(session->request, i, &tensor),
                            "cannot read an output", err);
        if (status == TARE_OK)
            status = collect(api, tensor, &session->bound[i], err);
        api->tensor_free(tensor);
    }
    return status;
}

enum tare_status vino_run(struct tare_session *session, const struct tare_request *request,
                          struct tare_timing *timing, struct tare_err *err)
{
    vino_result result;

    (void)request;
    (void)timing; /* its own times would need profiling, which costs some */
    if (!session->request)
        return tare_fail(err, TARE_INVALID, "nothing is bound");
    result = session->api.infer(session->request);
    if (result != 0)
        return vino_check(&session->api, result, "cannot run", err);
    return session->any_loose ? collect_loose(session, err) : TARE_OK;
}

enum tare_status vino_bound_shape(struct tare_session *session, size_t index, int32_t *rank,
                                  int64_t *shape, struct tare_err *err)
{
    const struct vino_output *output;

    if (!session->request || index >= session->outputs.count)
        return tare_fail(err, TARE_INVALID, "output %zu is not bound", index);
    output = &session->bound[index];
    *rank = output->loose ? output->rank : output->tensor.rank;
    memcpy(shape, output->loose ? output->shape : output->tensor.shape, sizeof(output->shape));
    return TARE_OK;
}
