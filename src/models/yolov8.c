/*
 * yolov8.c - the YOLOv8 detection family: one square picture input (N, 3, S, S), and either the raw
 * head, six outputs named box8 cls8 box16 cls16 box32 cls32, or the full head (N, 4 + C, A), both
 * as vision/boxes.h describes them. FP32 or FP16.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "models/family.h"
#include "vision/half.h"
#include "vision/jpeg.h"
#include "vision/letterbox.h"

#define RAW_OUTPUTS          (2 * (size_t)BOXES_LEVELS)
#define BOX_ROWS             4                /* of the full head, before the scores */
#define RAW_ROWS             (4 * BOXES_BINS) /* of a raw box output */
#define CELLS_PER_32_SQUARED (16 + 4 + 1)

/* How a graph's tensors serve. */
struct layout {
    bool raw;
    int32_t slots, size, classes;
    size_t output_count;
    size_t outputs[RAW_OUTPUTS]; /* box8 cls8 box16 cls16 box32 cls32, or the one full head */
    size_t counts[RAW_OUTPUTS];  /* elements of one slot */
};

struct family_state {
    const struct family_graph *graph;
    struct layout layout;
    struct jpeg_decoder *decoder;
    struct letterbox *letterbox;
    struct boxes *boxes;
    struct boxes_frame *frames; // (slots): where each slot's picture lies
    float *widened;             // one slot of all outputs, if they are FP16
};

/* --- matching -----------------------------------------------------------------------------------
 */

static bool is_float(const struct tare_tensor *tensor)
{
    return tensor->dtype == TARE_FP32 || tensor->dtype == TARE_FP16;
}

static bool match_input(const struct family_graph *graph, struct layout *layout)
{
    const struct tare_tensor *input = graph->inputs;

    if (graph->input_count != 1 || !is_float(input) || input->rank != 4)
        return false;
    if (input->shape[0] < 1 || input->shape[0] > INT32_MAX || input->shape[1] != 3 ||
        input->shape[2] != input->shape[3])
        return false;
    if (input->shape[2] < 32 || input->shape[2] > BOXES_MAX_SIZE || input->shape[2] % 32 != 0)
        return false;
    layout->slots = (int32_t)input->shape[0];
    layout->size = (int32_t)input->shape[2];
    return true;
}

static bool match_classes(struct layout *layout, int64_t classes)
{
    if (classes < 1 || classes > BOXES_MAX_CLASSES)
        return false;
    if (layout->classes == 0)
        layout->classes = (int32_t)classes;
    return layout->classes == classes;
}

/* The output of that name; output_count if there is none. */
static size_t find_output(const struct family_graph *graph, const char *name)
{
    size_t i = 0;

    while (i < graph->output_count && strcmp(graph->outputs[i].name, name) != 0)
        i++;
    return i;
}

/* Finds the output and checks its shape. place counts box8, cls8, box16 ... */
static bool match_raw_output(const struct family_graph *graph, struct layout *layout, size_t place)
{
    int stride = 8 << place / 2;
    int64_t side = layout->size / stride;
    bool box = place % 2 == 0;
    const struct tare_tensor *output;
    char name[16];

    (void)snprintf(name, sizeof(name), "%s%d", box ? "box" : "cls", stride);
    layout->outputs[place] = find_output(graph, name);
    if (layout->outputs[place] == graph->output_count)
        return false;
    output = &graph->outputs[layout->outputs[place]];
    if (!is_float(output) || output->dtype != graph->outputs[0].dtype || output->rank != 4 ||
        output->shape[0] != layout->slots || output->shape[2] != side || output->shape[3] != side)
        return false;
    if (box ? output->shape[1] != RAW_ROWS : !match_classes(layout, output->shape[1]))
        return false;
    layout->counts[place] = (size_t)(output->shape[1] * side * side);
    return true;
}

static bool match_full(const struct family_graph *graph, struct layout *layout)
{
    const struct tare_tensor *output = graph->outputs;
    int64_t blocks = layout->size / 32, anchors = CELLS_PER_32_SQUARED * blocks * blocks;

    if (!is_float(output) || output->rank != 3 || output->shape[0] != layout->slots ||
        output->shape[2] != anchors || output->shape[1] <= BOX_ROWS ||
        !match_classes(layout, output->shape[1] - BOX_ROWS))
        return false;
    layout->counts[0] = (size_t)(output->shape[1] * anchors);
    return true;
}

static bool match(const struct family_graph *graph, struct layout *layout)
{
    memset(layout, 0, sizeof(*layout));
    layout->output_count = graph->output_count;
    if (!match_input(graph, layout))
        return false;
    if (graph->output_count == 1)
        return match_full(graph, layout);
    layout->raw = true;
    if (graph->output_count != RAW_OUTPUTS)
        return false;
    for (size_t place = 0; place < RAW_OUTPUTS; place++)
        if (!match_raw_output(graph, layout, place))
            return false;
    return true;
}

static bool yolov8_matches(const struct family_graph *graph)
{
    struct layout layout;

    return match(graph, &layout);
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

static enum tare_status check_graph(const struct family_graph *graph, struct layout *layout,
                                    struct tare_err *err)
{
    enum tare_status status;

    if (!match(graph, layout))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the model is not a YOLOv8 detector: need one input (N, 3, S, S) and "
                         "outputs box8 cls8 box16 cls16 box32 cls32, or one output (N, 4 + C, A)");
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
    const struct layout *layout = &state->layout;
    size_t elements = 0;

    state->frames = calloc((size_t)layout->slots, sizeof(*state->frames));
    for (size_t i = 0; i < layout->output_count; i++)
        elements += layout->counts[i];
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

/* One slot of each output as floats, widened if need be. */
static void slot_outputs(const struct family_state *state, int32_t slot,
                         const float *outputs[RAW_OUTPUTS])
{
    const struct layout *layout = &state->layout;
    float *widened = state->widened;

    for (size_t i = 0; i < layout->output_count; i++) {
        const struct tare_tensor *output = &state->graph->outputs[layout->outputs[i]];
        size_t first = (size_t)slot * layout->counts[i];

        if (widened) {
            half_to_floats((const uint16_t *)output->data + first, layout->counts[i], widened);
            outputs[i] = widened;
            widened += layout->counts[i];
        } else {
            outputs[i] = (const float *)output->data + first;
        }
    }
}

static enum tare_status decode(struct family_state *state, int32_t slot, const struct box **boxes,
                               size_t *count, struct tare_err *err)
{
    const struct layout *layout = &state->layout;
    const struct boxes_frame *frame = &state->frames[slot];
    const float *outputs[RAW_OUTPUTS];
    struct boxes_raw raw = {.classes = layout->classes, .size = layout->size};
    struct boxes_full full = {.classes = layout->classes};

    slot_outputs(state, slot, outputs);
    if (!layout->raw) {
        full.data = outputs[0];
        full.anchors = (int32_t)(layout->counts[0] / (size_t)(BOX_ROWS + layout->classes));
        return boxes_from_full(state->boxes, &full, frame, boxes, count, err);
    }
    for (size_t l = 0; l < BOXES_LEVELS; l++) {
        raw.box[l] = outputs[2 * l];
        raw.cls[l] = outputs[2 * l + 1];
    }
    return boxes_from_raw(state->boxes, &raw, frame, boxes, count, err);
}

static enum tare_status yolov8_boxes(struct family_state *state, int32_t slot,
                                     const struct box **boxes, size_t *count,
                                     struct family_stages *stages, struct tare_err *err)
{
    int64_t start_ns = clock_now_ns();
    enum tare_status status;

    *count = 0;
    status = check_slot(state, slot, err);
    if (status == TARE_OK)
        status = decode(state, slot, boxes, count, err);
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
