#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "inproc_session.h"

/*
 * What has come back of a run. The response tells the caller what it wants to know; only when the
 * request is released too may it be used again, which the server does right after.
 */
enum inproc_state {
    RESPONDED = 1 << 0,
    RELEASED = 1 << 1,
    SLEEPS = 1 << 2, /* the caller sleeps on the word, and must be woken */
};

static long futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
    return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void has_happened(struct tare_session *session, uint32_t bit)
{
    _Atomic uint32_t *state = &session->state;

    /* The session may be gone once the bit is set: waking uses no more than the word's address. */
    if (atomic_fetch_or_explicit(state, bit, memory_order_acq_rel) & SLEEPS)
        (void)futex(state, FUTEX_WAKE, 1);
}

static void wait_until(struct tare_session *session, uint32_t bit)
{
    uint32_t seen = atomic_load_explicit(&session->state, memory_order_acquire);
    int64_t until_ns = session->spin_ns && !(seen & bit) ? clock_now_ns() + session->spin_ns : 0;

    while (!(seen & bit)) {
        if (until_ns && clock_now_ns() < until_ns) {
            seen = atomic_load_explicit(&session->state, memory_order_acquire);
            continue;
        }
        seen = atomic_fetch_or_explicit(&session->state, SLEEPS, memory_order_acq_rel) | SLEEPS;
        if (!(seen & bit))
            (void)futex(&session->state, FUTEX_WAIT, seen);
        seen = atomic_load_explicit(&session->state, memory_order_acquire);
    }
}

void inproc_released(struct inproc_request *request, uint32_t flags, void *user)
{
    (void)request; /* it stays ours, to be sent again */
    (void)flags;
    has_happened(user, RELEASED);
}

void inproc_responded(struct inproc_response *response, uint32_t flags, void *user)
{
    struct tare_session *session = user;

    if (response && !session->response) {
        session->response = response;
    } else if (response) {
        session->surplus++;
        inproc_drop(&session->api, session->api.response_delete(response));
    }
    if (flags & INPROC_RESPONSE_FINAL)
        has_happened(session, RESPONDED);
}

/* Strings of bytes may have other lengths in every run. */
static enum tare_status refill(struct tare_session *session, struct inproc_input *input,
                               struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    const struct tare_tensor *tensor = &input->tensor;
    int64_t bytes = tare_bytes_used(tensor);
    enum tare_status status;

    if (bytes < 0)
        return tare_fail(err, TARE_INVALID,
                         "input '%s' holds a length that runs past its %zu bytes", tensor->name,
                         tensor->capacity_bytes);
    if ((size_t)bytes == input->bytes)
        return TARE_OK;
    status = inproc_check(api, api->remove_data(session->request, tensor->name),
                          "cannot change an input", err);
    if (status == TARE_OK)
        status = inproc_check(api,
                              api->append_data(session->request, tensor->name, tensor->data,
                                               (size_t)bytes, INPROC_MEMORY_CPU, 0),
                              "cannot change an input", err);
    input->bytes = status == TARE_OK ? (size_t)bytes : SIZE_MAX;
    return status;
}

static enum tare_status set_sequence(struct tare_session *session,
                                     const struct tare_request *request, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    uint64_t id = request ? request->sequence_id : 0;
    uint32_t flags = request ? (request->sequence_start ? INPROC_SEQUENCE_START : 0u) |
                                   (request->sequence_end ? INPROC_SEQUENCE_END : 0u)
                             : 0;
    enum tare_status status = TARE_OK;

    if (id != session->sequence_id)
        status = inproc_check(api, api->request_sequence(session->request, id),
                              "cannot set the sequence", err);
    if (status == TARE_OK && flags != session->flags)
        status = inproc_check(api, api->request_flags(session->request, flags),
                              "cannot set the sequence's flags", err);
    if (status == TARE_OK) {
        session->sequence_id = id;
        session->flags = flags;
    }
    return status;
}

enum tare_status inproc_submit(struct tare_session *session, const struct tare_request *request,
                               struct tare_err *err)
{
    enum tare_status status;
    inproc_result failed;

    if (!session->request)
        return tare_fail(err, TARE_INVALID, "nothing is bound");
    if (session->running)
        return tare_fail(err, TARE_INVALID, "a run is in flight");
    status = set_sequence(session, request, err);
    for (size_t i = 0; i < session->inputs.count && status == TARE_OK; i++)
        if (session->in[i].tensor.dtype == TARE_BYTES)
            status = refill(session, &session->in[i], err);
    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < session->outputs.count; i++) {
        session->out[i].refused = 0;
        session->out[i].seen = false;
    }
    session->response = NULL;
    session->surplus = 0;
    atomic_store_explicit(&session->state, 0, memory_order_relaxed);
    failed = session->api.infer(session->server, session->request, NULL);
    if (failed)
        return inproc_check(&session->api, failed, "cannot run", err);
    session->running = true;
    return TARE_OK;
}

static struct inproc_output *find_output(struct tare_session *session, const char *name)
{
    for (size_t i = 0; i < session->outputs.count; i++)
        if (strcmp(session->outputs.infos[i].name, name) == 0)
            return &session->out[i];
    return NULL;
}

/* Notes the shape of output `index` of the response: its data is where it was bound already. */
static enum tare_status read_output(struct tare_session *session, uint32_t index,
                                    struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    struct inproc_output *output;
    const char *name = "";
    const int64_t *shape = NULL;
    const void *data;
    uint64_t rank = 0;
    size_t bytes;
    void *user;
    int64_t id;
    int dtype = 0, kind;
    enum tare_status status =
        inproc_check(api,
                     api->output(session->response, index, &name, &dtype, &shape, &rank, &data,
                                 &bytes, &kind, &id, &user),
                     "cannot read an output", err);

    if (status != TARE_OK)
        return status;
    output = find_output(session, name);
    if (!output)
        return TARE_OK; /* nobody asked for it */
    if (dtype != inproc_dtype(output->tensor.dtype))
        return tare_fail(err, TARE_BROKEN, "output '%s' came out as %s, bound is %s", name,
                         tare_dtype_name(inproc_dtype_back(dtype)),
                         tare_dtype_name(output->tensor.dtype));
    if (rank > TARE_MAX_RANK)
        return tare_fail(err, TARE_UNSUPPORTED, "output '%s' has rank %llu, need at most %d", name,
                         (unsigned long long)rank, TARE_MAX_RANK);
    output->rank = (int32_t)rank;
    memcpy(output->shape, shape, rank * sizeof(*shape));
    output->seen = true;
    return TARE_OK;
}

static enum tare_status read_outputs(struct tare_session *session, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    uint32_t count = 0;
    enum tare_status status = inproc_check(api, api->output_count(session->response, &count),
                                           "cannot read the response", err);

    for (uint32_t i = 0; i < count && status == TARE_OK; i++)
        status = read_output(session, i, err);
    for (size_t i = 0; i < session->outputs.count && status == TARE_OK; i++)
        if (!session->out[i].seen)
            status = tare_fail(err, TARE_FAILED, "the response has no output '%s'",
                               session->outputs.infos[i].name);
    return status;
}

/* The server's own words for an output that did not fit are about allocation. */
static enum tare_status find_refused(const struct tare_session *session, struct tare_err *err)
{
    for (size_t i = 0; i < session->outputs.count; i++)
        if (session->out[i].refused)
            return tare_fail(err, TARE_LIMIT, "output '%s' came out as %zu bytes, bound are %zu",
                             session->outputs.infos[i].name, session->out[i].refused,
                             session->out[i].tensor.capacity_bytes);
    return TARE_OK;
}

static enum tare_status read_response(struct tare_session *session, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    enum tare_status status = find_refused(session, err);

    if (status != TARE_OK)
        return status;
    if (!session->response)
        return tare_fail(err, TARE_FAILED, "model '%s' gave no response", session->model);
    if (session->surplus)
        return tare_fail(err, TARE_UNSUPPORTED, "model '%s' gave %u responses, need one",
                         session->model, session->surplus + 1);
    status = inproc_say(api, api->response_error(session->response), "cannot run", err);
    return status == TARE_OK ? read_outputs(session, err) : status;
}

enum tare_status inproc_wait(struct tare_session *session, struct tare_timing *timing,
                             struct tare_err *err)
{
    enum tare_status status;

    (void)timing; /* its own times would need a trace, which costs some */
    if (!session->running)
        return tare_fail(err, TARE_INVALID, "no run is in flight");
    wait_until(session, RESPONDED);
    status = read_response(session, err);
    if (session->response)
        inproc_drop(&session->api, session->api.response_delete(session->response));
    session->response = NULL;
    wait_until(session, RELEASED);
    session->running = false;
    return status;
}

enum tare_status inproc_run(struct tare_session *session, const struct tare_request *request,
                            struct tare_timing *timing, struct tare_err *err)
{
    enum tare_status status = inproc_submit(session, request, err);

    return status == TARE_OK ? inproc_wait(session, timing, err) : status;
}

void inproc_forget_run(struct tare_session *session)
{
    if (session->running)
        (void)inproc_wait(session, NULL, NULL);
}

enum tare_status inproc_bound_shape(struct tare_session *session, size_t index, int32_t *rank,
                                    int64_t *shape, struct tare_err *err)
{
    const struct inproc_output *output;

    if (!session->request || index >= session->outputs.count)
        return tare_fail(err, TARE_INVALID, "output %zu is not bound", index);
    output = &session->out[index];
    *rank = output->seen ? output->rank : output->tensor.rank;
    memcpy(shape, output->seen ? output->shape : output->tensor.shape, sizeof(output->shape));
    return TARE_OK;
}
