#include "kserve/infer_request.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX     ((size_t)1 << 20)
#define RESPONSE_MAX ((int64_t)8 << 30)

static enum tare_status check_tensor(const struct tare_tensor *tensor, bool input,
                                     struct tare_err *err)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);
    size_t each = tare_dtype_bytes(tensor->dtype), bytes;

    if (!memchr(tensor->name, '\0', sizeof(tensor->name)) || tensor->rank < 0 ||
        tensor->rank > TARE_MAX_RANK)
        return tare_fail(err, TARE_INVALID, "a tensor's name or rank is out of range");
    if (!tensor->data && !input)
        return TARE_OK;
    if (tensor->memory == TARE_MEM_DEVICE)
        return tare_fail(err, TARE_UNSUPPORTED, "'%s' lies on a device, need memory of the host",
                         tensor->name);
    if (count < 0 || __builtin_mul_overflow((size_t)count, each ? each : 4, &bytes) ||
        bytes > tensor->capacity_bytes || (!tensor->data && bytes))
        return tare_fail(err, TARE_INVALID, "'%s' is bound to %zu bytes, too few for its shape",
                         tensor->name, tensor->capacity_bytes);
    return TARE_OK;
}

static enum tare_status check_plan(const struct infer_plan *plan, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    if (!plan->model[0] || strlen(plan->model) >= TARE_MAX_NAME ||
        strlen(plan->version) >= TARE_MAX_NAME)
        return tare_fail(err, TARE_INVALID, "the model's name or version is empty or over %d bytes",
                         TARE_MAX_NAME - 1);
    if (plan->input_count > INFER_TENSORS_MAX || plan->output_count > INFER_TENSORS_MAX)
        return tare_fail(err, TARE_LIMIT, "%zu inputs and %zu outputs, need at most %d each",
                         plan->input_count, plan->output_count, INFER_TENSORS_MAX);
    for (size_t i = 0; i < plan->input_count && status == TARE_OK; i++)
        status = check_tensor(&plan->inputs[i], true, err);
    for (size_t i = 0; i < plan->output_count && status == TARE_OK; i++)
        status = check_tensor(&plan->outputs[i], false, err);
    return status;
}

static bool allocate(struct infer_request *request, const struct infer_plan *plan)
{
    size_t inputs = plan->input_count + 1; /* never nothing */

    buf_init(&request->body, BODY_MAX);
    request->inputs = calloc(inputs, sizeof(*request->inputs));
    request->input_shared = calloc(inputs, sizeof(*request->input_shared));
    request->input_bytes = calloc(inputs, sizeof(*request->input_bytes));
    request->slots = calloc(inputs, sizeof(*request->slots));
    request->parts = calloc(3 + 2 * inputs, sizeof(*request->parts));
    request->tags = calloc(inputs, sizeof(*request->tags));
    request->answer.outputs = calloc(plan->output_count + 1, sizeof(*request->answer.outputs));
    request->reading.list = malloc(INFER_LIST_MAX);
    return request->inputs && request->input_shared && request->input_bytes && request->slots &&
           request->parts && request->tags && request->answer.outputs && request->reading.list;
}

static void fill(struct infer_request *request, const struct infer_plan *plan)
{
    bool grpc = plan->transport == KSERVE_GRPC;

    request->transport = plan->transport;
    request->host = plan->address->text;
    request->input_count = plan->input_count;
    request->answer.count = plan->output_count;
    for (size_t i = 0; i < plan->input_count; i++) {
        request->inputs[i] = plan->inputs[i];
        /* a region of no bytes is none to Triton */
        request->input_shared[i] =
            plan->input_places[i].region &&
            tare_shape_count(plan->inputs[i].rank, plan->inputs[i].shape) > 0;
    }
    for (size_t i = 0; i < plan->output_count; i++) {
        request->answer.outputs[i].tensor = plan->outputs[i];
        request->answer.outputs[i].shared = plan->output_places[i].region != NULL;
    }
    request->exchange.path = "/inference.GRPCInferenceService/ModelInfer";
    request->exchange.parts = request->parts;
    request->exchange.response_max = RESPONSE_MAX;
    request->exchange.sink = grpc ? &infer_proto_sink : &infer_json_sink;
    request->exchange.context = request;
}

enum tare_status infer_request_new(const struct infer_plan *plan, struct infer_request **request,
                                   struct tare_err *err)
{
    struct infer_request *made = NULL;
    enum tare_status status = check_plan(plan, err);

    *request = NULL;
    if (status != TARE_OK)
        return status;
    made = calloc(1, sizeof(*made));
    if (!made || !allocate(made, plan)) {
        infer_request_free(made);
        return tare_fail(err, TARE_NOMEM, "out of memory for a request");
    }
    fill(made, plan);
    status = plan->transport == KSERVE_GRPC ? infer_proto_write(made, plan, err)
                                            : infer_json_write(made, plan, err);
    if (status != TARE_OK)
        infer_request_free(made);
    else
        *request = made;
    return status;
}

void infer_request_free(struct infer_request *request)
{
    if (!request)
        return;
    buf_release(&request->body);
    free(request->inputs);
    free(request->input_shared);
    free(request->input_bytes);
    free(request->slots);
    free(request->parts);
    free(request->tags);
    free(request->answer.outputs);
    free(request->reading.list);
    free(request);
}

/* How many bytes each input has this time. */
static enum tare_status size_inputs(struct infer_request *request, struct tare_err *err)
{
    for (size_t i = 0; i < request->input_count; i++) {
        const struct tare_tensor *tensor = &request->inputs[i];
        int64_t bytes =
            tensor->dtype == TARE_BYTES
                ? tare_bytes_used(tensor)
                : tare_shape_count(tensor->rank, tensor->shape) *
                      (int64_t)tare_dtype_bytes(tensor->dtype); /* checked when it was bound */

        if (bytes < 0)
            return tare_fail(err, TARE_INVALID, "the elements of input '%s' run past its %zu bytes",
                             tensor->name, tensor->capacity_bytes);
        request->input_bytes[i] = (size_t)bytes;
    }
    return TARE_OK;
}

enum tare_status infer_request_prepare(struct infer_request *request,
                                       const struct tare_request *sequence,
                                       struct exchange **exchange, struct tare_err *err)
{
    enum tare_status status = size_inputs(request, err);

    if (sequence && sequence->sequence_id == 0)
        sequence = NULL;
    if (status == TARE_OK)
        status = request->transport == KSERVE_GRPC ? infer_proto_prepare(request, sequence, err)
                                                   : infer_json_prepare(request, sequence, err);
    *exchange = &request->exchange;
    return status;
}

bool infer_request_shape(const struct infer_request *request, size_t index, int32_t *rank,
                         int64_t *shape)
{
    const struct infer_output *output;

    if (index >= request->answer.count || !request->answer.outputs[index].seen)
        return false;
    output = &request->answer.outputs[index];
    *rank = output->rank;
    memcpy(shape, output->shape, sizeof(output->shape));
    return true;
}
