/*
 * yolov8.c - the YOLOv8 detection family, of graphs as yolov8_head.h describes them.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "models/yolov8_head.h"
#include "vision/jpeg.h"
#include "vision/letterbox.h"

struct family_state {
    const struct family_graph *graph;
    struct yolov8_layout layout;
    struct jpeg_decoder *decoder;
    struct letterbox *letterbox;
    struct boxes *boxes;
    struct boxes_frame *frames; // (slots): where each slot's picture lies
    float *widened;             // one slot of all outputs, if they are FP16
};

static bool yolov8_matches(const struct family_graph *graph)
{
    struct yolov8_layout layout;

    return yolov8_match(graph, &layout);
}

/* --- open and close -----------------------------------------------------------------------------
 */

static enum tare_status check_memory(const struct tare_tensor *tensor, const char *role,
                                     struct tare_err *err)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);

    if (tensor->memory == TARE_MEM_DEVICE)
        return tare_fail(err, TARE_UNSUPPORTED, "%s '%s' is in device memory, need host memory",
                         role, tensor->name);
    if (!tensor->data || tensor->capacity_bytes / tare_dtype_bytes(tensor->dtype) < (size_t)count)
        return tare_fail(err, TARE_INVALID, "%s '%s' has room for %zu bytes, need %lld elements",
                         role, tensor->name, tensor->capacity_bytes, (long long)count);
    return TARE_OK;
}

static enum tare_status check_graph(const struct family_graph *graph, struct yolov8_layout *layout,
                                    struct tare_err *err)
{
    enum tare_status status = yolov8_must_match(graph, layout, err);

    if (status == TARE_OK)
        status = check_memory(graph->inputs, "input", err);
    for (size_t i = 0; i < graph->output_count && status == TARE_OK; i++)
        status = check_memory(&graph->outputs[i], "output", err);
    return status;
}

static void yolov8_close(struct family_state *state)
{
    if (!state)
        return;
    jpeg_decoder_free(state->decoder);
    letterbox_free(state->letterbox);
    boxes_free(state->boxes);
    free(state->frames);
    free(state->widened);
    free(state);
}

static enum tare_status make_scratch(struct family_state *state, struct tare_err *err)
{
    size_t elements = yolov8_slot_count(&state->layout);

    state->frames = calloc((size_t)state->layout.slots, sizeof(*state->frames));
    if (state->graph->outputs[0].dtype == TARE_FP16)
        state->widened = malloc(elements * sizeof(*state->widened));
    if (!state->frames || (state->graph->outputs[0].dtype == TARE_FP16 && !state->widened))
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu outputs", elements);
    return TARE_OK;
}

static enum tare_status yolov8_open(const struct family_graph *graph,
                                    const struct family_options *options,
                                    struct family_state **state, struct tare_err *err)
{
    const struct family_options o = family_defaults(options);
    const struct boxes_options boxes = {o.min_score, o.iou, o.max_boxes, o.multi_label};
    struct letterbox_options letterbox = {0};
    struct family_state *s = calloc(1, sizeof(*s));
    enum tare_status status;

    *state = NULL;
    if (!s)
        return tare_fail(err, TARE_NOMEM, "out of memory for a model family");
    s->graph = graph;
    status = check_graph(graph, &s->layout, err);
    letterbox.size = s->layout.size;
    letterbox.dtype = status == TARE_OK ? graph->inputs[0].dtype : TARE_FP32;
    if (status == TARE_OK)
        status = jpeg_decoder_new(&s->decoder, err);
    if (status == TARE_OK)
        status = letterbox_new(&letterbox, &s->letterbox, err);
    if (status == TARE_OK)
        status = boxes_new(&boxes, &s->boxes, err);
    if (status == TARE_OK)
        status = make_scratch(s, err);
    if (status == TARE_OK)
        *state = s;
    else
        yolov8_close(s);
    return status;
}

/* --- per picture --------------------------------------------------------------------------------
 */

static enum tare_status check_slot(const struct family_state *state, int32_t slot,
                                   struct tare_err *err)
{
    if (slot >= 0 && slot < state->layout.slots)
        return TARE_OK;
    return tare_fail(err, TARE_INVALID, "batch slot %d, the batch has %d", slot,
                     state->layout.slots);
}

static enum tare_status yolov8_load(struct family_state *state, const void *jpeg, size_t jpeg_bytes,
                                    int32_t slot, struct family_stages *stages,
                                    struct tare_err *err)
{
    const struct tare_tensor *input = state->graph->inputs;
    size_t slot_bytes = 3 * (size_t)state->layout.size * (size_t)state->layout.size *
                        tare_dtype_bytes(input->dtype);
    int64_t start_ns = clock_now_ns(), decoded_ns;
    struct picture picture;
    enum tare_status status = check_slot(state, slot, err);

    if (status != TARE_OK)
        return status;
    status = jpeg_decoder_read(state->decoder, jpeg, jpeg_bytes, &picture, err);
    if (status != TARE_OK)
        return status;
    decoded_ns = clock_now_ns();
    status = letterbox_apply(state->letterbox, &picture,
                             (uint8_t *)input->data + (size_t)slot * slot_bytes,
                             &state->frames[slot], err);
    if (stages) {
        stages->decode_ns = decoded_ns - start_ns;
        stages->letterbox_ns = clock_now_ns() - decoded_ns;
    }
    return status;
}

static enum tare_status yolov8_boxes(struct family_state *state, int32_t slot,
                                     const struct box **boxes, size_t *count,
                                     struct family_stages *stages, struct tare_err *err)
{
    int64_t start_ns = clock_now_ns();
    const struct yolov8_slot head = {&state->layout, state->graph->outputs, slot, state->widened};
    enum tare_status status;

    *count = 0;
    status = check_slot(state, slot, err);
    if (status == TARE_OK)
        status = yolov8_slot_boxes(&head, &state->frames[slot], state->boxes, boxes, count, err);
    if (stages)
        stages->boxes_ns = clock_now_ns() - start_ns;
    return status;
}

static int32_t yolov8_slots(const struct family_state *state)
{
    return state->layout.slots;
}

const struct family family_yolov8 = {
    .name = "yolov8",
    .predicts = true,
    .matches = yolov8_matches,
    .open = yolov8_open,
    .close = yolov8_close,
    .load = yolov8_load,
    .boxes = yolov8_boxes,
    .slots = yolov8_slots,
};
