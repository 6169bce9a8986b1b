#include <stdlib.h>
#include <string.h>

#include "inproc_session.h"

#define LOOSE_MAX ((size_t)4 << 30) /* of an output whose shape nobody knows */

/* --- where the server puts outputs: straight into the bound memory -------------------------------
 */

static int memory_kind(const struct tare_tensor *tensor)
{
    switch (tensor->memory) {
    case TARE_MEM_PINNED:
        return INPROC_MEMORY_PINNED;
    case TARE_MEM_DEVICE:
        return INPROC_MEMORY_GPU;
    default:
        return INPROC_MEMORY_CPU;
    }
}

/* Memory for an output that is not bound yet; only its shape is wanted. */
static void *loose_memory(struct inproc_output *output, size_t bytes)
{
    if (bytes > LOOSE_MAX)
        return NULL;
    if (!output->loose || bytes > output->loose_bytes) {
        free(output->loose);
        output->loose_bytes = (bytes + 64) / 64 * 64;
        output->loose = aligned_alloc(64, output->loose_bytes);
    }
    return output->loose;
}

static inproc_result place_output(struct inproc_allocator *allocator, const char *name,
                                  size_t bytes, int kind, int64_t id, void *user, void **data,
                                  void **data_user, int *actual_kind, int64_t *actual_id)
{
    struct tare_session *session = user;
    struct inproc_output *output = NULL;

    (void)allocator;
    (void)kind; /* what the model would like; it writes to whatever it is given */
    (void)id;
    *data_user = NULL;
    for (size_t i = 0; i < session->outputs.count && !output; i++)
        if (strcmp(session->outputs.infos[i].name, name) == 0)
            output = &session->out[i];
    if (!output)
        return session->api.error_new(INPROC_INVALID_ARG, "the model does not describe the output");
    *data = output->tensor.data ? output->tensor.data : loose_memory(output, bytes);
    *actual_kind = output->tensor.data ? memory_kind(&output->tensor) : INPROC_MEMORY_CPU;
    *actual_id = output->tensor.data ? output->tensor.device_id : 0;
    if (*data && (!output->tensor.data || bytes <= output->tensor.capacity_bytes))
        return NULL;
    output->refused = bytes;
    return session->api.error_new(INPROC_INVALID_ARG, "the output does not fit where it is bound");
}

/* The memory is not the server's: it stays bound. */
static inproc_result leave_output(struct inproc_allocator *allocator, void *data, void *data_user,
                                  size_t bytes, int kind, int64_t id)
{
    (void)allocator;
    (void)data;
    (void)data_user;
    (void)bytes;
    (void)kind;
    (void)id;
    return NULL;
}

/* --- binding -------------------------------------------------------------------------------------
 */

static void write_shape(char *text, size_t bytes, int32_t rank, const int64_t *shape)
{
    size_t used = 0;

    text[0] = '\0';
    for (int32_t i = 0; i < rank && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%s%lld", i ? "," : "",
                                 (long long)shape[i]);
}

static bool fits(const struct tare_tensor_info *info, const struct tare_tensor *tensor)
{
    bool same = info->rank == tensor->rank;

    for (int32_t i = 0; i < tensor->rank && same; i++)
        same = tensor->shape[i] >= 0 && (info->shape[i] < 0 || info->shape[i] == tensor->shape[i]);
    return same;
}

static enum tare_status check_room(const struct tare_tensor *tensor, struct tare_err *err)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);
    size_t each = tensor->dtype == TARE_BYTES ? 4 : tare_dtype_bytes(tensor->dtype);

    if (tensor->dtype == TARE_BYTES && tensor->memory == TARE_MEM_DEVICE)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' is bound to device memory, strings of bytes need host memory",
                         tensor->name);
    if (count < 0 || (uint64_t)count > tensor->capacity_bytes / each)
        return tare_fail(err, TARE_INVALID, "'%s' is bound to %zu bytes, too few for its shape",
                         tensor->name, tensor->capacity_bytes);
    return TARE_OK;
}

static enum tare_status check_tensor(const struct tare_tensor_info *info,
                                     const struct tare_tensor *tensor, struct tare_err *err)
{
    char bound[100], needed[100];

    if (strcmp(tensor->name, info->name) != 0)
        return tare_fail(err, TARE_INVALID, "'%.60s' is bound in the place of '%s'", tensor->name,
                         info->name);
    if (tensor->dtype != info->dtype)
        return tare_fail(err, TARE_INVALID, "'%s' is bound as %s, need %s", info->name,
                         tare_dtype_name(tensor->dtype), tare_dtype_name(info->dtype));
    if (tensor->rank < 0 || tensor->rank > TARE_MAX_RANK)
        return tare_fail(err, TARE_INVALID, "'%s' is bound with rank %d", info->name, tensor->rank);
    if (!fits(info, tensor)) {
        write_shape(bound, sizeof(bound), tensor->rank, tensor->shape);
        write_shape(needed, sizeof(needed), info->rank, info->shape);
        return tare_fail(err, TARE_INVALID, "cannot bind '%s': its shape is [%s], need [%s]",
                         info->name, bound, needed);
    }
    return check_room(tensor, err);
}

static enum tare_status add_input(struct tare_session *session, size_t index,
                                  const struct tare_tensor *tensor, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    struct inproc_input *input = &session->in[index];
    enum tare_status status = check_tensor(&session->inputs.infos[index], tensor, err);
    int64_t bytes;

    if (status == TARE_OK && session->max_batch > 0 && tensor->shape[0] > session->max_batch)
        status =
            tare_fail(err, TARE_INVALID, "model '%s' takes batches of up to %lld, not %lld",
                      session->model, (long long)session->max_batch, (long long)tensor->shape[0]);
    if (status != TARE_OK)
        return status;
    bytes = tensor->dtype == TARE_BYTES ? tare_bytes_used(tensor)
                                        : tare_shape_count(tensor->rank, tensor->shape) *
                                              (int64_t)tare_dtype_bytes(tensor->dtype);
    if (bytes < 0)
        return tare_fail(err, TARE_INVALID,
                         "input '%s' holds a length that runs past its %zu bytes", tensor->name,
                         tensor->capacity_bytes);
    input->tensor = *tensor;
    input->bytes = (size_t)bytes;
    status =
        inproc_check(api,
                     api->add_input(session->request, tensor->name, inproc_dtype(tensor->dtype),
                                    tensor->shape, (uint64_t)tensor->rank),
                     "cannot bind an input", err);
    if (status != TARE_OK)
        return status;
    return inproc_check(api,
                        api->append_data(session->request, tensor->name, tensor->data, input->bytes,
                                         memory_kind(tensor), tensor->device_id),
                        "cannot bind an input", err);
}

static enum tare_status add_output(struct tare_session *session, size_t index,
                                   const struct tare_tensor *tensor, struct tare_err *err)
{
    struct inproc_output *output = &session->out[index];

    output->tensor = *tensor;
    output->seen = false;
    return tensor->data ? check_tensor(&session->outputs.infos[index], tensor, err) : TARE_OK;
}

static enum tare_status new_request(struct tare_session *session, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    enum tare_status status = TARE_OK;

    if (!session->allocator)
        status = inproc_check(
            api, api->allocator_new(&session->allocator, place_output, leave_output, NULL),
            "cannot prepare a run", err);
    if (status == TARE_OK)
        status = inproc_check(
            api,
            api->request_new(&session->request, session->server, session->model, session->version),
            "cannot prepare a run", err);
    if (status == TARE_OK)
        status = inproc_check(api, api->on_release(session->request, inproc_released, session),
                              "cannot prepare a run", err);
    if (status == TARE_OK)
        status = inproc_check(api,
                              api->on_response(session->request, session->allocator, session,
                                               inproc_responded, session),
                              "cannot prepare a run", err);
    return status;
}

enum tare_status inproc_bind(struct tare_session *session, const struct tare_tensor *inputs,
                             size_t input_count, const struct tare_tensor *outputs,
                             size_t output_count, struct tare_err *err)
{
    enum tare_status status;

    if (input_count != session->inputs.count || output_count != session->outputs.count)
        return tare_fail(err, TARE_INVALID, "bound %zu inputs and %zu outputs, need %zu and %zu",
                         input_count, output_count, session->inputs.count, session->outputs.count);
    inproc_unbind(session); /* a new one knows nothing of what was bound before */
    status = new_request(session, err);
    for (size_t i = 0; i < input_count && status == TARE_OK; i++)
        status = add_input(session, i, &inputs[i], err);
    for (size_t i = 0; i < output_count && status == TARE_OK; i++)
        status = add_output(session, i, &outputs[i], err);
    if (status != TARE_OK)
        inproc_unbind(session);
    return status;
}

void inproc_unbind(struct tare_session *session)
{
    inproc_forget_run(session);
    if (session->request)
        inproc_drop(&session->api, session->api.request_delete(session->request));
    session->request = NULL;
    session->sequence_id = 0;
    session->flags = 0;
    for (size_t i = 0; session->out && i < session->outputs.count; i++) {
        free(session->out[i].loose);
        session->out[i].loose = NULL;
        session->out[i].loose_bytes = 0;
    }
}
