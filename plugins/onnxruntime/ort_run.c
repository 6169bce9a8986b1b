#include <string.h>

#include "ort_session.h"

static bool is_dynamic(const struct tare_tensor_info *info)
{
    for (int32_t i = 0; i < info->rank; i++)
        if (info->shape[i] < 0)
            return true;
    return false;
}

static enum tare_status check_tensor(const struct tare_session *session,
                                     const struct tare_tensor_info *info,
                                     const struct tare_tensor *tensor, struct tare_err *err)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);
    bool any_rank = info->rank == 1 && info->shape[0] == -1; /* what has_shape() may stand for */

    if (tensor->dtype != info->dtype)
        return tare_fail(err, TARE_INVALID, "'%s' is bound as %s, need %s", info->name,
                         tare_dtype_name(tensor->dtype), tare_dtype_name(info->dtype));
    if (tensor->memory == TARE_MEM_DEVICE && !session->device)
        return tare_fail(err, TARE_UNSUPPORTED, "'%s' is bound to device memory, need host memory",
                         info->name);
    if (tensor->rank != info->rank && !any_rank)
        return tare_fail(err, TARE_INVALID, "'%s' is bound with rank %d, need %d", info->name,
                         tensor->rank, info->rank);
    for (int32_t i = 0; i < tensor->rank && !any_rank; i++)
        if (info->shape[i] >= 0 && info->shape[i] != tensor->shape[i])
            return tare_fail(err, TARE_INVALID,
                             "'%s' is bound with %lld as dimension %d, need %lld", info->name,
                             (long long)tensor->shape[i], i, (long long)info->shape[i]);
    if (count < 0 || (uint64_t)count > tensor->capacity_bytes / tare_dtype_bytes(tensor->dtype))
        return tare_fail(err, TARE_INVALID, "'%s' is bound to %zu bytes, too few for its shape",
                         info->name, tensor->capacity_bytes);
    return TARE_OK;
}

/* Wraps a tensor's memory, or its place on the device, without a copy. */
static enum tare_status wrap(struct tare_session *session, bool input, size_t index,
                             const struct tare_tensor *tensor, struct ort_value **value,
                             struct tare_err *err)
{
    size_t bytes =
        (size_t)tare_shape_count(tensor->rank, tensor->shape) * tare_dtype_bytes(tensor->dtype);
    void *data = tensor->data;
    enum tare_status status = TARE_OK;

    if (session->device)
        status = ort_device_place(session->device, input, index, tensor, &data, err);
    if (status != TARE_OK)
        return status;
    return ort_check(session,
                     session->api.create_tensor_with_data(session->memory, data, bytes,
                                                          tensor->shape, (size_t)tensor->rank,
                                                          ort_element_type(tensor->dtype), value),
                     "cannot bind a tensor", err);
}

static enum tare_status bind_input(struct tare_session *session, size_t index,
                                   const struct tare_tensor *tensor, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    const struct tare_tensor_info *info = &session->inputs.infos[index];
    struct ort_value *value = NULL;
    enum tare_status status = check_tensor(session, info, tensor, err);

    if (status == TARE_OK)
        status = wrap(session, true, index, tensor, &value, err);
    if (status == TARE_OK)
        status = ort_check(session, api->bind_input(session->binding, info->name, value),
                           "cannot bind an input", err);
    api->release_value(value); /* the binding keeps its own reference */
    return status;
}

static enum tare_status bind_output(struct tare_session *session, size_t index,
                                    struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    const struct tare_tensor_info *info = &session->outputs.infos[index];
    const struct ort_output *output = &session->bound[index];
    struct ort_value *value = NULL;
    enum tare_status status;

    if (output->loose) {
        if (session->device)
            ort_device_unplace(session->device, index);
        return ort_check(session,
                         api->bind_output_to_device(session->binding, info->name, session->memory),
                         "cannot bind an output", err);
    }
    status = check_tensor(session, info, &output->tensor, err);
    if (status == TARE_OK)
        status = wrap(session, false, index, &output->tensor, &value, err);
    if (status == TARE_OK)
        status = ort_check(session, api->bind_output(session->binding, info->name, value),
                           "cannot bind an output", err);
    api->release_value(value);
    return status;
}

/* Binds all outputs anew, each in place or loose as it is marked. */
static enum tare_status bind_outputs(struct tare_session *session, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    session->any_loose = false;
    session->may_loosen = false;
    session->api.clear_bound_outputs(session->binding);
    for (size_t i = 0; i < session->outputs.count && status == TARE_OK; i++) {
        const struct ort_output *output = &session->bound[i];

        status = bind_output(session, i, err);
        session->any_loose = session->any_loose || output->loose;
        session->may_loosen =
            session->may_loosen || (!output->loose && is_dynamic(&session->outputs.infos[i]));
    }
    return status == TARE_OK ? ort_graph_choose(session, err) : status;
}

static void drop_binding(struct tare_session *session)
{
    session->api.release_binding(session->binding);
    session->binding = NULL;
}

enum tare_status ort_bind(struct tare_session *session, const struct tare_tensor *inputs,
                          size_t input_count, const struct tare_tensor *outputs,
                          size_t output_count, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    enum tare_status status;

    if (input_count != session->inputs.count || output_count != session->outputs.count)
        return tare_fail(err, TARE_INVALID, "bound %zu inputs and %zu outputs, need %zu and %zu",
                         input_count, output_count, session->inputs.count, session->outputs.count);
    drop_binding(session);
    if (session->device && (status = cuda_make_current(session->device->cuda, err)) != TARE_OK)
        return status;
    status = ort_check(session, api->create_binding(session->session, &session->binding),
                       "cannot make a binding", err);
    for (size_t i = 0; i < input_count && status == TARE_OK; i++)
        status = bind_input(session, i, &inputs[i], err);
    for (size_t i = 0; i < output_count; i++) {
        session->bound[i].tensor = outputs[i];
        session->bound[i].loose = !outputs[i].data;
    }
    if (status == TARE_OK)
        status = bind_outputs(session, err);
    if (status != TARE_OK)
        drop_binding(session);
    return status;
}

/* Notes the shape of an output that the runtime has placed, and copies it to where it is wanted. */
static enum tare_status collect_value(struct tare_session *session, struct ort_value *value,
                                      size_t index, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    struct ort_output *output = &session->bound[index];
    struct ort_shape_info *shape = NULL;
    void *data = NULL;
    size_t rank = 0, bytes;
    ort_result result = api->get_tensor_shape(value, &shape);

    if (!result)
        result = api->get_rank(shape, &rank);
    if (!result && rank <= TARE_MAX_RANK)
        result = api->get_dimensions(shape, output->shape, rank);
    if (!result)
        result = api->get_tensor_data(value, &data);
    api->release_shape_info(shape);
    if (result)
        return ort_check(session, result, "cannot read an output", err);
    if (rank > TARE_MAX_RANK)
        return tare_fail(err, TARE_UNSUPPORTED, "output '%s' has rank %zu, need at most %d",
                         output->tensor.name, rank, TARE_MAX_RANK);
    output->rank = (int32_t)rank;
    bytes = (size_t)tare_shape_count(output->rank, output->shape) *
            tare_dtype_bytes(output->tensor.dtype);
    if (!output->tensor.data || bytes == 0)
        return TARE_OK;
    if (bytes > output->tensor.capacity_bytes)
        return tare_fail(err, TARE_LIMIT, "output '%s' came out as %zu bytes, bound are %zu",
                         output->tensor.name, bytes, output->tensor.capacity_bytes);
    if (session->device)
        return ort_device_fetch(session->device, output->tensor.data, data, bytes, err);
    memcpy(output->tensor.data, data, bytes);
    return TARE_OK;
}

static enum tare_status collect_loose(struct tare_session *session, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    struct ort_value **values = NULL;
    size_t count = 0;
    enum tare_status status = ort_check(
        session, api->get_bound_outputs(session->binding, session->allocator, &values, &count),
        "cannot read the outputs", err);

    for (size_t i = 0; i < count; i++) {
        if (status == TARE_OK && i < session->outputs.count && session->bound[i].loose)
            status = collect_value(session, values[i], i, err);
        api->release_value(values[i]);
    }
    if (values)
        api->release_status(api->allocator_free(session->allocator, values));
    return status;
}

/* Executes the binding, with the copies to and from the device if there is one. *failed is what the
 * library had against it, which the caller releases. */
static enum tare_status execute(struct tare_session *session, ort_result *failed,
                                struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    *failed = NULL;
    if (session->device) {
        status = cuda_make_current(session->device->cuda, err);
        if (status == TARE_OK)
            status = ort_device_start(session->device, err);
    }
    if (status != TARE_OK)
        return status;
    *failed =
        session->api.run_with_binding(session->session, session->run_options, session->binding);
    if (!session->device)
        return TARE_OK;
    if (!*failed)
        return ort_device_finish(session->device, err);
    ort_device_wait(session->device);
    return TARE_OK;
}

/* A run with outputs that the runtime places. Without binding them anew it would keep the last
 * run's memory, and refuse another shape. */
static enum tare_status run_loose(struct tare_session *session, struct tare_err *err)
{
    ort_result failed = NULL;
    enum tare_status status = bind_outputs(session, err);

    if (status == TARE_OK)
        status = execute(session, &failed, err);
    if (status == TARE_OK)
        status = ort_check(session, failed, "cannot run", err);
    return status == TARE_OK ? collect_loose(session, err) : status;
}

/* A device can fail a run in ways of its own, which the library words otherwise than a wrong shape.
 */
static bool may_be_shape(const struct tare_session *session, ort_result failed)
{
    return session->may_loosen && !session->graph &&
           (!session->device || strstr(session->api.get_error_message(failed), "shape"));
}

/*
 * A run fails if an output in place has not the shape it was bound with. Where that can be the
 * cause, lets the runtime place those outputs from now on and tries again, once.
 */
static enum tare_status run_again(struct tare_session *session, ort_result failed,
                                  struct tare_err *err)
{
    if (!may_be_shape(session, failed))
        return ort_check(session, failed, "cannot run", err);
    session->api.release_status(failed);
    for (size_t i = 0; i < session->outputs.count; i++)
        if (is_dynamic(&session->outputs.infos[i]))
            session->bound[i].loose = true;
    return run_loose(session, err);
}

enum tare_status ort_run(struct tare_session *session, const struct tare_request *request,
                         struct tare_timing *timing, struct tare_err *err)
{
    ort_result failed = NULL;
    enum tare_status status;

    (void)request;
    if (timing) /* the library times nothing by itself */
        *timing = (struct tare_timing){-1, -1, -1, -1};
    if (!session->binding)
        return tare_fail(err, TARE_INVALID, "nothing is bound");
    if (session->any_loose) {
        status = run_loose(session, err);
    } else {
        status = execute(session, &failed, err);
        if (status == TARE_OK && failed)
            status = run_again(session, failed, err);
    }
    if (status == TARE_OK && timing && session->device)
        status = ort_device_timing(session->device, timing, err);
    return status;
}

enum tare_status ort_bound_shape(struct tare_session *session, size_t index, int32_t *rank,
                                 int64_t *shape, struct tare_err *err)
{
    const struct ort_output *output;

    if (!session->binding || index >= session->outputs.count)
        return tare_fail(err, TARE_INVALID, "output %zu is not bound", index);
    output = &session->bound[index];
    *rank = output->loose ? output->rank : output->tensor.rank;
    memcpy(shape, output->loose ? output->shape : output->tensor.shape, sizeof(output->shape));
    return TARE_OK;
}
