/*
 * role_model.c - tensors in, tensors out: the graph as the plugin executes it.
 *
 * A batch of one request runs on the request's own memory, in and out, where that can be bound;
 * otherwise inputs are gathered into the session's memory and outputs copied from there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "triton_model.h"
#include "triton_session.h"

struct model_state {
    struct triton_session session;
    size_t *used, *added; // (inputs): bytes gathered, and of the last request
    void **places;        // (outputs): where the one request's outputs go, once they have a place
};

static void model_close(struct triton_instance *instance)
{
    struct model_state *state = instance->state;

    if (!state)
        return;
    triton_session_close(&state->session);
    free(state->used);
    free(state->added);
    free(state->places);
    free(state);
    instance->state = NULL;
}

static enum tare_status model_open(struct triton_instance *instance, struct tare_err *err)
{
    const struct triton_settings *settings = &instance->model->settings;
    const struct backend_session_options options = triton_session_options(instance);
    struct model_state *state = calloc(1, sizeof(*state));
    enum tare_status status;

    if (!state)
        return tare_fail(err, TARE_NOMEM, "out of memory for an instance");
    instance->state = state;
    status = triton_session_open(&state->session, instance->model->backend, &options, err);
    if (status == TARE_OK)
        status = triton_settings_check(settings, true, &state->session.inputs.there, err);
    if (status == TARE_OK)
        status = triton_settings_check(settings, false, &state->session.outputs.there, err);
    if (status != TARE_OK)
        return status;
    state->used = calloc(state->session.inputs.there.count + 1, sizeof(*state->used));
    state->added = calloc(state->session.inputs.there.count + 1, sizeof(*state->added));
    state->places = calloc(state->session.outputs.there.count + 1, sizeof(*state->places));
    if (!state->used || !state->added || !state->places)
        return tare_fail(err, TARE_NOMEM, "out of memory for an instance");
    return TARE_OK;
}

/* --- inputs -------------------------------------------------------------------------------------
 */

/* Checks a request's inputs: one batch dimension for all. Triton batches only requests of equal
 * shape where a dimension is open; what fits neither the model nor the batch fails. */
static void check_item(struct model_state *state, const struct triton_settings *settings,
                       struct triton_item *item, bool first)
{
    struct triton_session *session = &state->session;

    for (size_t i = 0; i < session->inputs.there.count; i++) {
        const struct tare_tensor_info *info = &session->inputs.there.infos[i];
        struct tare_tensor *next = &session->inputs.next[i];
        struct triton_input input;

        if (!triton_input_find(item, info, settings->max_batch, &input))
            return;
        if (i == 0)
            item->rows = (int32_t)input.shape[0];
        if (input.shape[0] != item->rows)
            (void)tare_fail(&item->err, TARE_INVALID, "input '%s' has a batch of %lld, need %d",
                            info->name, (long long)input.shape[0], item->rows);
        else if (first)
            memcpy(next->shape + 1, input.shape + 1, (size_t)info->rank * sizeof(*next->shape));
        else if (memcmp(next->shape + 1, input.shape + 1,
                        (size_t)info->rank * sizeof(*next->shape)) != 0)
            (void)tare_fail(&item->err, TARE_INVALID,
                            "input '%s' has another shape than the rest of its batch", info->name);
        if (!triton_item_lives(item))
            return;
    }
}

/* The bytes of one row; strings have no such number. */
static size_t row_bytes(const struct tare_tensor *tensor)
{
    return (size_t)tare_shape_count(tensor->rank - 1, tensor->shape + 1) *
           tare_dtype_bytes(tensor->dtype);
}

/* Where rows of a tensor lie, and how far they reach: false if they are strings that run over. */
static bool rows_span(const struct tare_tensor *tensor, int32_t first, int32_t rows, size_t *offset,
                      size_t *bytes)
{
    int64_t each = tare_shape_count(tensor->rank - 1, tensor->shape + 1);
    struct tare_tensor before = *tensor, through = *tensor;
    int64_t start, end;

    if (tensor->dtype != TARE_BYTES) {
        *offset = (size_t)first * row_bytes(tensor);
        *bytes = (size_t)rows * row_bytes(tensor);
        return true;
    }
    before.rank = through.rank = 1;
    before.shape[0] = each * first;
    through.shape[0] = each * (first + rows);
    start = tare_bytes_used(&before);
    end = tare_bytes_used(&through);
    if (start < 0 || end < start)
        return false;
    *offset = (size_t)start;
    *bytes = (size_t)(end - start);
    return true;
}

/* Whether a run may use the one request's memory as it is. */
static bool takes_place(const struct model_state *state, const struct triton_item *item)
{
    return state->session.borrows && state->session.inputs.next[0].shape[0] == item->rows;
}

/* Whether the strings of a request's rows, which start at data, are exactly its bytes. */
static bool strings_fit(const struct tare_tensor *next, const void *data, size_t bytes,
                        int32_t rows)
{
    struct tare_tensor tensor = *next;

    tensor.data = (void *)(uintptr_t)data;
    tensor.capacity_bytes = bytes;
    tensor.shape[0] = rows;
    return next->dtype != TARE_BYTES || tare_bytes_used(&tensor) == (int64_t)bytes;
}

/* Lends the request's memory to the next run, or copies it behind what is there already. */
static void put_input(struct model_state *state, struct triton_item *item, size_t index, bool alone)
{
    const struct triton_side *inputs = &state->session.inputs;
    struct tare_tensor *next = &inputs->next[index];
    size_t alignment = next->dtype == TARE_BYTES ? 1 : tare_dtype_bytes(next->dtype);
    struct triton_input input;
    const void *data = NULL;

    if (!triton_input_find(item, &inputs->there.infos[index], item->rows, &input))
        return;
    if (alone && takes_place(state, item))
        data = triton_input_place(&input, alignment);
    if (data) {
        next->data = (void *)(uintptr_t)data; /* a plugin reads its inputs only */
        next->capacity_bytes = input.bytes;
    } else if (input.bytes > next->capacity_bytes - state->used[index]) {
        (void)tare_fail(&item->err, TARE_LIMIT, "input '%s' has %zu bytes, there is room for %zu",
                        next->name, input.bytes, next->capacity_bytes - state->used[index]);
    } else {
        data = (uint8_t *)next->data + state->used[index];
        if (!triton_input_copy(item, &input, (uint8_t *)next->data + state->used[index]))
            return;
    }
    if (triton_item_lives(item) && !strings_fit(next, data, input.bytes, item->rows))
        (void)tare_fail(&item->err, TARE_BADDATA,
                        "the strings of input '%s' do not fill its %zu bytes", next->name,
                        input.bytes);
    state->added[index] = input.bytes;
}

/* Puts every request's rows into the inputs, one after the other; returns how many there are. */
static int32_t put_inputs(struct model_state *state, struct triton_batch *batch, bool alone)
{
    size_t count = state->session.inputs.there.count;
    int32_t rows = 0;

    memset(state->used, 0, count * sizeof(*state->used));
    for (size_t i = 0; i < batch->count; i++) {
        struct triton_item *item = &batch->items[i];

        for (size_t k = 0; k < count && triton_item_lives(item); k++)
            put_input(state, item, k, alone);
        if (!triton_item_lives(item))
            continue;
        for (size_t k = 0; k < count; k++)
            state->used[k] += state->added[k];
        item->first = rows;
        rows += item->rows;
    }
    return rows;
}

/* --- outputs ------------------------------------------------------------------------------------
 */

/* The output of one request, made in its response. */
static bool make_output(struct triton_item *item, const struct tare_tensor *tensor, size_t bytes,
                        void **data)
{
    struct tare_tensor rows = *tensor;

    rows.shape[0] = item->rows;
    return triton_output_make(item, &rows, bytes, data);
}

/* Lets the next run write into the response of the only request. */
static void lend_outputs(struct model_state *state, struct triton_item *item)
{
    struct triton_side *outputs = &state->session.outputs;

    for (size_t i = 0; i < outputs->there.count; i++) {
        struct tare_tensor *next = &outputs->next[i];
        size_t bytes = (size_t)item->rows * row_bytes(next);
        void *data;

        if (next->dtype == TARE_BYTES || triton_session_is_open(&state->session, i) ||
            !triton_output_wanted(item, next->name) || bytes == 0)
            continue;
        if (!make_output(item, next, bytes, &data))
            return;
        state->places[i] = data;
        if ((uintptr_t)data % tare_dtype_bytes(next->dtype) != 0)
            continue;
        next->data = data;
        next->capacity_bytes = bytes;
    }
}

static void deliver_output(struct model_state *state, struct triton_item *item, size_t index)
{
    const struct tare_tensor *next = &state->session.outputs.next[index];
    void *data = state->places[index];
    size_t offset, bytes;

    if (data && data == next->data)
        return;
    if (!data && !triton_output_wanted(item, next->name))
        return;
    if (!rows_span(next, item->first, item->rows, &offset, &bytes)) {
        (void)tare_fail(&item->err, TARE_BROKEN, "the strings of output '%s' have no end",
                        next->name);
        return;
    }
    if ((data || make_output(item, next, bytes, &data)) && bytes > 0)
        memcpy(data, (const uint8_t *)next->data + offset, bytes);
}

static enum tare_status check_rows(const struct model_state *state, struct tare_err *err)
{
    const struct triton_side *outputs = &state->session.outputs;

    for (size_t i = 0; i < outputs->there.count; i++)
        if (outputs->next[i].rank < 1 ||
            outputs->next[i].shape[0] != state->session.inputs.next[0].shape[0])
            return tare_fail(err, TARE_FAILED, "output '%s' came out with another batch",
                             outputs->next[i].name);
    return TARE_OK;
}

/* --- a batch ------------------------------------------------------------------------------------
 */

/* Checks the requests and makes room for them; returns the one that is alone, if one is. */
static struct triton_item *admit(struct model_state *state, const struct triton_settings *settings,
                                 struct triton_batch *batch, struct tare_err *err)
{
    struct triton_session *session = &state->session;
    struct triton_item *alone = NULL;
    int32_t living = 0;

    triton_session_prepare(session);
    for (size_t i = 0; i < batch->count; i++) {
        struct triton_item *item = &batch->items[i];

        if (triton_item_lives(item))
            check_item(state, settings, item, living == 0);
        if (triton_item_lives(item)) {
            living++;
            alone = item;
        }
    }
    triton_session_rows(session, triton_batch_count(batch, settings->max_batch));
    return triton_session_fit(session, err) == TARE_OK && living == 1 ? alone : NULL;
}

static void model_execute(struct triton_instance *instance, struct triton_batch *batch)
{
    struct model_state *state = instance->state;
    struct triton_session *session = &state->session;
    struct tare_err err = TARE_ERR_INIT;
    struct triton_item *alone = admit(state, &instance->model->settings, batch, &err);
    int32_t rows;

    memset(state->places, 0, session->outputs.there.count * sizeof(*state->places));
    if (err.status != TARE_OK) {
        triton_fail_all(batch, &err);
        return;
    }
    rows = put_inputs(state, batch, alone != NULL);
    if (rows == 0)
        return;
    triton_session_rows(session, rows);
    if (alone && takes_place(state, alone))
        lend_outputs(state, alone);
    if (alone && !triton_item_lives(alone))
        return;
    batch->compute_start_ns = clock_now_ns();
    if (triton_session_bind(session, &err) == TARE_OK &&
        triton_session_run(session, &err) == TARE_OK)
        (void)check_rows(state, &err);
    batch->compute_end_ns = clock_now_ns();
    if (err.status != TARE_OK)
        triton_fail_all(batch, &err);
    for (size_t i = 0; i < batch->count; i++)
        for (size_t k = 0; k < session->outputs.there.count; k++)
            if (triton_item_lives(&batch->items[i]))
                deliver_output(state, &batch->items[i], k);
}

const struct triton_role_table triton_role_model = {
    .runs_model = true,
    .open = model_open,
    .close = model_close,
    .execute = model_execute,
};
