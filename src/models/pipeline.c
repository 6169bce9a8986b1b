/*
 * pipeline.c - a whole detection pipeline behind one graph, as a server offers it: a JPEG file goes
 * in (jpeg, BYTES, (N, 1)), boxes come out (boxes, FP32, (N, n, 6): x1 y1 x2 y2 in pixels of the
 * picture, score, class, best first; and count, INT32, (N, 1): how many of the n rows are boxes).
 *
 * Who serves it chose the least score, the overlap and the labels a box; of these only a higher
 * least score can be asked for here.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "models/family.h"

#define ROW_VALUES 6

struct family_state {
    struct tare_tensor *jpeg;
    const struct tare_tensor *boxes, *count;
    int32_t slots, max_boxes;
    float min_score;
    struct box *found; // (max_boxes)
};

static const struct tare_tensor *find_output(const struct family_graph *graph, const char *name)
{
    for (size_t i = 0; i < graph->output_count; i++)
        if (strcmp(graph->outputs[i].name, name) == 0)
            return &graph->outputs[i];
    return NULL;
}

/* One number, or one string, for each slot. */
static bool is_column(const struct tare_tensor *tensor, enum tare_dtype dtype, int64_t slots)
{
    return tensor->dtype == dtype && tensor->rank == 2 && tensor->shape[0] == slots &&
           tensor->shape[1] == 1;
}

static bool match(const struct family_graph *graph, struct family_state *s)
{
    memset(s, 0, sizeof(*s));
    if (graph->input_count != 1 || graph->output_count != 2)
        return false;
    s->jpeg = &graph->inputs[0];
    s->boxes = find_output(graph, "boxes");
    s->count = find_output(graph, "count");
    if (strcmp(s->jpeg->name, "jpeg") != 0 || !s->boxes || !s->count || s->jpeg->rank != 2 ||
        s->jpeg->shape[0] < 1 || s->jpeg->shape[0] > INT32_MAX)
        return false;
    s->slots = (int32_t)s->jpeg->shape[0];
    if (!is_column(s->jpeg, TARE_BYTES, s->slots) || !is_column(s->count, TARE_INT32, s->slots) ||
        s->boxes->dtype != TARE_FP32 || s->boxes->rank != 3 || s->boxes->shape[0] != s->slots ||
        s->boxes->shape[1] < 1 || s->boxes->shape[1] > BOXES_MAX_CANDIDATES ||
        s->boxes->shape[2] != ROW_VALUES)
        return false;
    s->max_boxes = (int32_t)s->boxes->shape[1];
    return true;
}

static bool pipeline_matches(const struct family_graph *graph)
{
    struct family_state state;

    return match(graph, &state);
}

static enum tare_status check_memory(const struct tare_tensor *tensor, size_t bytes,
                                     struct tare_err *err)
{
    if (tensor->memory == TARE_MEM_DEVICE)
        return tare_fail(err, TARE_UNSUPPORTED, "'%s' is in device memory, need host memory",
                         tensor->name);
    if (!tensor->data || tensor->capacity_bytes < bytes)
        return tare_fail(err, TARE_INVALID, "'%s' has room for %zu bytes, need %zu", tensor->name,
                         tensor->capacity_bytes, bytes);
    return TARE_OK;
}

static void pipeline_close(struct family_state *state)
{
    if (!state)
        return;
    free(state->found);
    free(state);
}

static enum tare_status pipeline_open(const struct family_graph *graph,
                                      const struct family_options *options,
                                      struct family_state **state, struct tare_err *err)
{
    struct family_state *s = calloc(1, sizeof(*s));
    enum tare_status status = TARE_OK;
    size_t slots, rows;

    *state = NULL;
    if (!s)
        return tare_fail(err, TARE_NOMEM, "out of memory for a model family");
    if (!match(graph, s))
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "the model is no pipeline: need the input jpeg (N, 1) of BYTES and the "
                           "outputs boxes (N, n, 6) of FP32 and count (N, 1) of INT32");
    slots = (size_t)s->slots;
    rows = (size_t)s->max_boxes;
    if (status == TARE_OK)
        status = check_memory(s->jpeg, slots * 4, err);
    if (status == TARE_OK)
        status = check_memory(s->boxes, slots * rows * ROW_VALUES * sizeof(float), err);
    if (status == TARE_OK)
        status = check_memory(s->count, slots * sizeof(int32_t), err);
    s->min_score = family_defaults(options).min_score;
    s->found = calloc(rows + 1, sizeof(*s->found));
    if (status == TARE_OK && !s->found)
        status = tare_fail(err, TARE_NOMEM, "out of memory for %zu boxes", rows);
    if (status == TARE_OK)
        *state = s;
    else
        pipeline_close(s);
    return status;
}

static enum tare_status check_slot(const struct family_state *state, int32_t slot,
                                   struct tare_err *err)
{
    if (slot >= 0 && slot < state->slots)
        return TARE_OK;
    return tare_fail(err, TARE_INVALID, "batch slot %d, the batch has %d", slot, state->slots);
}

/* The file goes in as it is; who serves the pipeline decodes it, and says if it is broken. */
static enum tare_status pipeline_load(struct family_state *state, const void *jpeg,
                                      size_t jpeg_bytes, int32_t slot, struct family_stages *stages,
                                      struct tare_err *err)
{
    enum tare_status status = check_slot(state, slot, err);

    (void)stages;
    if (status == TARE_OK && !tare_bytes_set(state->jpeg, slot, jpeg, jpeg_bytes))
        status = tare_fail(err, TARE_LIMIT, "a JPEG file of %zu bytes, the input has room for %zu",
                           jpeg_bytes, state->jpeg->capacity_bytes);
    return status;
}

static bool is_box(const float *row)
{
    for (int i = 0; i < ROW_VALUES; i++)
        if (!isfinite(row[i]))
            return false;
    return row[5] >= 0 && row[5] < BOXES_MAX_CLASSES && row[5] == floorf(row[5]);
}

/* What a server sends is checked: a count beyond the rows, or a row that is no box, is an error. */
static enum tare_status take_boxes(struct family_state *state, int32_t slot, size_t *count,
                                   struct tare_err *err)
{
    int32_t given = ((const int32_t *)state->count->data)[slot];
    const float *row =
        (const float *)state->boxes->data + (size_t)slot * (size_t)state->max_boxes * ROW_VALUES;

    if (given < 0 || given > state->max_boxes)
        return tare_fail(err, TARE_BADDATA, "the pipeline counts %d boxes, need 0 to %d", given,
                         state->max_boxes);
    for (int32_t i = 0; i < given; i++, row += ROW_VALUES) {
        if (!is_box(row))
            return tare_fail(err, TARE_BADDATA, "row %d of the pipeline's boxes is no box", i);
        if (row[4] > state->min_score)
            state->found[(*count)++] =
                (struct box){row[0], row[1], row[2], row[3], row[4], (int32_t)row[5]};
    }
    return TARE_OK;
}

static enum tare_status pipeline_boxes(struct family_state *state, int32_t slot,
                                       const struct box **boxes, size_t *count,
                                       struct family_stages *stages, struct tare_err *err)
{
    int64_t start_ns = clock_now_ns();
    enum tare_status status = check_slot(state, slot, err);

    *boxes = state->found;
    *count = 0;
    if (status == TARE_OK)
        status = take_boxes(state, slot, count, err);
    if (status != TARE_OK)
        *count = 0;
    if (stages)
        stages->boxes_ns = clock_now_ns() - start_ns;
    return status;
}

static int32_t pipeline_slots(const struct family_state *state)
{
    return state->slots;
}

const struct family family_pipeline = {
    .name = "pipeline",
    .predicts = true,
    .matches = pipeline_matches,
    .open = pipeline_open,
    .close = pipeline_close,
    .load = pipeline_load,
    .boxes = pipeline_boxes,
    .slots = pipeline_slots,
};
