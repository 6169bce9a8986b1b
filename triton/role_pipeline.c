/*
 * role_pipeline.c - JPEG files in, boxes out: decode and letterbox on the pool, into the session's
 * input; one run; boxes on the pool, from the session's outputs into the responses.
 *
 * Triton's statistics of it: the pictures are its compute_input, the run its compute_infer, the
 * boxes its compute_output.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "triton_rows.h"
#include "triton_session.h"

struct pipeline_state {
    struct triton_session session;
    struct yolov8_layout layout;
    size_t image_bytes; /* of one row of the input */
    struct triton_rows rows;
};

static void pipeline_close(struct triton_instance *instance)
{
    struct pipeline_state *state = instance->state;

    if (!state)
        return;
    triton_rows_release(&state->rows);
    triton_session_close(&state->session);
    free(state);
    instance->state = NULL;
}

static enum tare_status pipeline_describe(const struct triton_settings *settings,
                                          struct triton_signature *signature, struct tare_err *err)
{
    (void)err;
    triton_rows_jpeg_info(&signature->inputs[0]);
    triton_rows_boxes_info(settings, &signature->outputs[0], &signature->outputs[1]);
    signature->input_count = 1;
    signature->output_count = 2;
    return TARE_OK;
}

static enum tare_status match_graph(struct pipeline_state *state, struct tare_err *err)
{
    const struct triton_side *inputs = &state->session.inputs, *outputs = &state->session.outputs;
    const struct family_graph graph = {inputs->own, inputs->there.count, outputs->own,
                                       outputs->there.count};
    enum tare_status status = yolov8_must_match(&graph, &state->layout, err);
    size_t side = (size_t)state->layout.size;

    for (size_t i = 0; i < outputs->there.count && status == TARE_OK; i++)
        if (outputs->own[i].memory == TARE_MEM_DEVICE)
            status = tare_fail(err, TARE_UNSUPPORTED, "output '%s' is in device memory",
                               outputs->own[i].name);
    if (status == TARE_OK && inputs->own[0].memory == TARE_MEM_DEVICE)
        status =
            tare_fail(err, TARE_UNSUPPORTED, "input '%s' is in device memory", inputs->own[0].name);
    if (status == TARE_OK)
        state->image_bytes = 3 * side * side * tare_dtype_bytes(inputs->own[0].dtype);
    return status;
}

static enum tare_status pipeline_open(struct triton_instance *instance, struct tare_err *err)
{
    const struct backend_session_options options = triton_session_options(instance);
    struct pipeline_state *state = calloc(1, sizeof(*state));
    struct letterbox_options letterbox = {0};
    enum tare_status status;
    bool widens;

    if (!state)
        return tare_fail(err, TARE_NOMEM, "out of memory for an instance");
    instance->state = state;
    status = triton_session_open(&state->session, instance->model->backend, &options, err);
    if (status == TARE_OK)
        status = match_graph(state, err);
    if (status != TARE_OK)
        return status;
    letterbox.size = state->layout.size;
    letterbox.dtype = state->session.inputs.own[0].dtype;
    widens = state->session.outputs.own[0].dtype == TARE_FP16;
    return triton_rows_new(&state->rows, instance->model, &letterbox,
                           widens ? yolov8_slot_count(&state->layout) : 0, err);
}

/* Closes the gaps that broken pictures have left, and says which head is whose. Returns how many
 * pictures there are. */
static int32_t close_gaps(struct pipeline_state *state)
{
    char *input = state->session.inputs.next[0].data;
    int32_t kept = 0;

    for (int32_t i = 0; i < state->rows.count; i++) {
        struct triton_row *row = &state->rows.rows[i];

        if (!triton_item_lives(row->item))
            continue;
        if (kept != i)
            memcpy(input + (size_t)kept * state->image_bytes, row->image, state->image_bytes);
        row->head = (struct yolov8_slot){&state->layout, state->session.outputs.next, kept, NULL};
        kept++;
    }
    return kept;
}

/* The layout was read once, for the shapes that the outputs had then. */
static enum tare_status check_outputs(const struct triton_session *session, struct tare_err *err)
{
    for (size_t i = 0; i < session->outputs.there.count; i++) {
        const struct tare_tensor *own = &session->outputs.own[i];
        const struct tare_tensor *next = &session->outputs.next[i];

        if (next->rank != own->rank || memcmp(next->shape + 1, own->shape + 1,
                                              (size_t)(own->rank - 1) * sizeof(*own->shape)) != 0)
            return tare_fail(err, TARE_FAILED, "output '%s' came out in another shape", own->name);
    }
    return TARE_OK;
}

static void pipeline_execute(struct triton_instance *instance, struct triton_batch *batch)
{
    struct pipeline_state *state = instance->state;
    struct triton_session *session = &state->session;
    struct triton_rows *rows = &state->rows;
    struct tare_err err = TARE_ERR_INIT;
    int32_t pictures;

    triton_rows_clear(rows);
    triton_session_prepare(session);
    triton_rows_jpeg(rows, batch, instance->model->settings.max_batch);
    for (int32_t i = 0; i < rows->count; i++)
        rows->rows[i].image = (char *)session->inputs.next[0].data + (size_t)i * state->image_bytes;
    triton_rows_load(rows);
    pictures = close_gaps(state);
    if (pictures == 0)
        return;
    triton_session_rows(session, pictures);
    batch->compute_start_ns = clock_now_ns();
    if (triton_session_bind(session, &err) == TARE_OK &&
        triton_session_run(session, &err) == TARE_OK)
        (void)check_outputs(session, &err);
    batch->compute_end_ns = clock_now_ns();
    if (err.status != TARE_OK) {
        triton_fail_all(batch, &err);
        return;
    }
    triton_rows_boxes(rows, &instance->model->signature);
    triton_rows_find(rows);
}

const struct triton_role_table triton_role_pipeline = {
    .runs_model = true,
    .pools = true,
    .describe = pipeline_describe,
    .open = pipeline_open,
    .close = pipeline_close,
    .execute = pipeline_execute,
};
