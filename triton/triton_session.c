#include "triton_session.h"

#include <stdlib.h>
#include <string.h>

#include "models/family.h"

/* --- open and close -----------------------------------------------------------------------------
 */

static enum tare_status read_side(struct triton_session *s, bool inputs, struct triton_side *side,
                                  struct tare_err *err)
{
    size_t count = backend_session_count(s->session, inputs);

    side->there.infos = calloc(count + 1, sizeof(*side->there.infos));
    side->own = calloc(count + 1, sizeof(*side->own));
    side->next = calloc(count + 1, sizeof(*side->next));
    side->bound = calloc(count + 1, sizeof(*side->bound));
    side->grown = calloc(count + 1, sizeof(*side->grown));
    if (!side->there.infos || !side->own || !side->next || !side->bound || !side->grown)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", count);
    side->there.count = count;
    for (size_t i = 0; i < count; i++) {
        const struct tare_tensor_info *info = backend_session_info(s->session, inputs, i);
        struct tare_tensor_info *without = &side->there.infos[i];

        if (info->rank < 1)
            return tare_fail(err, TARE_INVALID, "%s '%s' is a scalar, need a batch dimension",
                             inputs ? "input" : "output", info->name);
        *without = *info;
        without->rank = info->rank - 1;
        memmove(without->shape, info->shape + 1, (size_t)without->rank * sizeof(*info->shape));
        side->own[i] = *backend_session_tensor(s->session, inputs, i);
    }
    return TARE_OK;
}

/* One batch for all inputs: dynamic, or fixed at one size. */
static enum tare_status read_batch(struct triton_session *s, int32_t max_batch,
                                   struct tare_err *err)
{
    for (size_t i = 0; i < s->inputs.there.count; i++) {
        const struct tare_tensor_info *info = backend_session_info(s->session, true, i);

        if (info->shape[0] == -1)
            continue;
        if (info->shape[0] < max_batch || (s->fixed && s->fixed != info->shape[0]))
            return tare_fail(err, TARE_INVALID,
                             "max_batch_size is %d, the batch of input '%s' is fixed at %lld",
                             max_batch, info->name, (long long)info->shape[0]);
        if (info->shape[0] > TRITON_MAX_BATCH)
            return tare_fail(err, TARE_LIMIT, "the batch of input '%s' is %lld, need at most %d",
                             info->name, (long long)info->shape[0], TRITON_MAX_BATCH);
        s->fixed = (int32_t)info->shape[0];
    }
    if (s->inputs.there.count == 0)
        return tare_fail(err, TARE_INVALID, "the model has no input, and so no batch");
    for (size_t i = 0; i < s->outputs.there.count; i++) {
        const struct tare_tensor *own = &s->outputs.own[i];
        int32_t rows = s->fixed ? s->fixed : max_batch;

        if (own->rank < 1 || own->shape[0] != rows)
            return tare_fail(err, TARE_INVALID,
                             "output '%s' has %lld rows for a batch of %d, need as many", own->name,
                             own->rank < 1 ? 1LL : (long long)own->shape[0], rows);
    }
    return TARE_OK;
}

enum tare_status triton_session_open(struct triton_session *session, const struct backend *backend,
                                     const struct backend_session_options *options,
                                     struct tare_err *err)
{
    const struct tare_backend *slots = backend_slots(backend);
    struct backend_session_options with = *options;
    enum tare_status status;

    *session = (struct triton_session){
        .borrows = (slots->capabilities & TARE_CAP_BORROWS) != 0,
        .allocates = slots->allocate && !(slots->capabilities & TARE_CAP_BORROWS),
    };
    with.choose_shape = family_input_shape;
    status = backend_session_open(backend, &with, &session->session, err);
    if (status == TARE_OK)
        status = read_side(session, true, &session->inputs, err);
    if (status == TARE_OK)
        status = read_side(session, false, &session->outputs, err);
    if (status == TARE_OK)
        status = read_batch(session, options->batch, err);
    if (status != TARE_OK)
        triton_session_close(session);
    return status;
}

static void release_side(struct triton_side *side)
{
    for (size_t i = 0; side->grown && i < side->there.count; i++)
        free(side->grown[i]);
    free(side->there.infos);
    free(side->own);
    free(side->next);
    free(side->bound);
    free(side->grown);
}

void triton_session_close(struct triton_session *session)
{
    backend_session_close(session->session);
    release_side(&session->inputs);
    release_side(&session->outputs);
    *session = (struct triton_session){0};
}

/* --- a run --------------------------------------------------------------------------------------
 */

void triton_session_prepare(struct triton_session *session)
{
    struct triton_side *inputs = &session->inputs, *outputs = &session->outputs;

    memcpy(inputs->next, inputs->own, inputs->there.count * sizeof(*inputs->next));
    memcpy(outputs->next, outputs->own, outputs->there.count * sizeof(*outputs->next));
}

void triton_session_rows(struct triton_session *session, int32_t rows)
{
    for (size_t i = 0; i < session->inputs.there.count; i++)
        session->inputs.next[i].shape[0] = session->fixed ? session->fixed : rows;
    for (size_t i = 0; i < session->outputs.there.count; i++)
        session->outputs.next[i].shape[0] = session->fixed ? session->fixed : rows;
}

static bool has_open(const struct tare_tensor_info *info)
{
    for (int32_t i = 0; i < info->rank; i++)
        if (info->shape[i] == -1)
            return true;
    return false;
}

bool triton_session_is_open(const struct triton_session *session, size_t output)
{
    return has_open(&session->outputs.there.infos[output]);
}

/* Gives a tensor memory of ours instead of the session's, which it has outgrown. */
static enum tare_status grow(struct triton_session *session, struct triton_side *side, size_t index,
                             size_t bytes, struct tare_err *err)
{
    struct tare_tensor *own = &side->own[index];
    void *memory;

    if (session->allocates || bytes > BACKEND_TENSOR_BYTES_MAX)
        return tare_fail(err, TARE_LIMIT, "'%s' of %zu bytes, there is room for %zu", own->name,
                         bytes, own->capacity_bytes);
    bytes = (bytes + 127) / 64 * 64;
    memory = aligned_alloc(64, bytes);
    if (!memory)
        return tare_fail(err, TARE_NOMEM, "out of memory for '%s' of %zu bytes", own->name, bytes);
    memset(memory, 0, bytes);
    session->is_bound = false; /* to what is freed now */
    free(side->grown[index]);
    side->grown[index] = memory;
    own->data = side->next[index].data = memory;
    own->capacity_bytes = side->next[index].capacity_bytes = bytes;
    return TARE_OK;
}

static size_t needed_bytes(const struct tare_tensor *tensor)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);
    size_t each = tensor->dtype == TARE_BYTES ? 4 : tare_dtype_bytes(tensor->dtype), bytes;

    return count < 0 || __builtin_mul_overflow((size_t)count, each, &bytes) ? SIZE_MAX : bytes;
}

static enum tare_status fit_side(struct triton_session *session, struct triton_side *side,
                                 struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < side->there.count && status == TARE_OK; i++)
        if (needed_bytes(&side->next[i]) > side->next[i].capacity_bytes)
            status = grow(session, side, i, needed_bytes(&side->next[i]), err);
    return status;
}

enum tare_status triton_session_fit(struct triton_session *session, struct tare_err *err)
{
    enum tare_status status = fit_side(session, &session->inputs, err);

    return status == TARE_OK ? fit_side(session, &session->outputs, err) : status;
}

static bool side_changed(const struct triton_side *side)
{
    for (size_t i = 0; i < side->there.count; i++) {
        const struct tare_tensor *next = &side->next[i], *bound = &side->bound[i];

        if (next->data != bound->data || next->capacity_bytes != bound->capacity_bytes ||
            next->rank != bound->rank ||
            memcmp(next->shape, bound->shape, (size_t)next->rank * sizeof(*next->shape)) != 0)
            return true;
    }
    return false;
}

enum tare_status triton_session_bind(struct triton_session *session, struct tare_err *err)
{
    struct triton_side *inputs = &session->inputs, *outputs = &session->outputs;
    enum tare_status status;

    if (session->is_bound && !side_changed(inputs) && !side_changed(outputs))
        return TARE_OK;
    status = backend_session_bind(session->session, inputs->next, outputs->next, err);
    session->is_bound = status == TARE_OK;
    memcpy(inputs->bound, inputs->next, inputs->there.count * sizeof(*inputs->next));
    memcpy(outputs->bound, outputs->next, outputs->there.count * sizeof(*outputs->next));
    return status;
}

/* Reads the shapes that open outputs had in the last run. */
static enum tare_status read_shapes(struct triton_session *session, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < session->outputs.there.count && status == TARE_OK; i++) {
        struct tare_tensor *next = &session->outputs.next[i], *own = &session->outputs.own[i];

        if (!triton_session_is_open(session, i))
            continue;
        status = backend_session_output_shape(session->session, i, &next->rank, next->shape, err);
        if (status == TARE_OK && next->rank != own->rank)
            status = tare_fail(err, TARE_FAILED, "output '%s' came out with rank %d, need %d",
                               own->name, next->rank, own->rank);
        if (status == TARE_OK)
            memcpy(own->shape + 1, next->shape + 1, (size_t)(own->rank - 1) * sizeof(*own->shape));
    }
    return status;
}

/* A run for the shapes alone, whose open outputs the runtime places, then one with room for them.
 */
static enum tare_status run_larger(struct triton_session *session, struct tare_err *err)
{
    struct triton_side *outputs = &session->outputs;
    enum tare_status status;

    for (size_t i = 0; i < outputs->there.count; i++)
        if (triton_session_is_open(session, i))
            outputs->next[i].data = NULL;
    status = triton_session_bind(session, err);
    if (status == TARE_OK)
        status = backend_session_run(session->session, NULL, NULL, err);
    if (status == TARE_OK)
        status = read_shapes(session, err);
    for (size_t i = 0; i < outputs->there.count; i++)
        if (triton_session_is_open(session, i))
            outputs->next[i].data = outputs->own[i].data;
    if (status == TARE_OK)
        status = fit_side(session, outputs, err);
    if (status == TARE_OK)
        status = triton_session_bind(session, err);
    return status == TARE_OK ? backend_session_run(session->session, NULL, NULL, err) : status;
}

enum tare_status triton_session_run(struct triton_session *session, struct tare_err *err)
{
    struct tare_err reason = TARE_ERR_INIT;
    enum tare_status status = backend_session_run(session->session, NULL, NULL, &reason);
    bool open = false;

    for (size_t i = 0; i < session->outputs.there.count; i++)
        open = open || triton_session_is_open(session, i);
    if (status == TARE_LIMIT && open)
        status = run_larger(session, err);
    else if (status != TARE_OK)
        status = tare_fail(err, status, "%s", reason.text);
    if (status == TARE_OK && open)
        status = read_shapes(session, err);
    return status == TARE_OK && open ? fit_side(session, &session->outputs, err) : status;
}
