#include "models/yolov8_head.h"

#include <stdio.h>
#include <string.h>

#include "vision/half.h"

#define BOX_ROWS             4                /* of the full head, before the scores */
#define RAW_ROWS             (4 * BOXES_BINS) /* of a raw box output */
#define CELLS_PER_32_SQUARED (16 + 4 + 1)

static bool is_float(const struct tare_tensor *tensor)
{
    return tensor->dtype == TARE_FP32 || tensor->dtype == TARE_FP16;
}

static bool match_input(const struct family_graph *graph, struct yolov8_layout *layout)
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

static bool match_classes(struct yolov8_layout *layout, int64_t classes)
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

void yolov8_output_name(size_t place, char name[16])
{
    (void)snprintf(name, 16, "%s%d", place % 2 == 0 ? "box" : "cls", 8 << place / 2);
}

/* Finds the output and checks its shape. place counts box8, cls8, box16 ... */
static bool match_raw_output(const struct family_graph *graph, struct yolov8_layout *layout,
                             size_t place)
{
    int stride = 8 << place / 2;
    int64_t side = layout->size / stride;
    bool box = place % 2 == 0;
    const struct tare_tensor *output;
    char name[16];

    yolov8_output_name(place, name);
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

static bool match_full(const struct family_graph *graph, struct yolov8_layout *layout)
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

bool yolov8_match(const struct family_graph *graph, struct yolov8_layout *layout)
{
    memset(layout, 0, sizeof(*layout));
    layout->output_count = graph->output_count;
    if (!match_input(graph, layout))
        return false;
    if (graph->output_count == 1)
        return match_full(graph, layout);
    layout->raw = true;
    if (graph->output_count != YOLOV8_RAW_OUTPUTS)
        return false;
    for (size_t place = 0; place < YOLOV8_RAW_OUTPUTS; place++)
        if (!match_raw_output(graph, layout, place))
            return false;
    return true;
}

enum tare_status yolov8_must_match(const struct family_graph *graph, struct yolov8_layout *layout,
                                   struct tare_err *err)
{
    if (yolov8_match(graph, layout))
        return TARE_OK;
    return tare_fail(err, TARE_UNSUPPORTED,
                     "the model is not a YOLOv8 detector: need one input (N, 3, S, S) and outputs "
                     "box8 cls8 box16 cls16 box32 cls32, or one output (N, 4 + C, A)");
}

size_t yolov8_slot_count(const struct yolov8_layout *layout)
{
    size_t count = 0;

    for (size_t i = 0; i < layout->output_count; i++)
        count += layout->counts[i];
    return count;
}

/* Each output as floats, widened if need be. */
static void slot_outputs(const struct yolov8_slot *slot, const float *outputs[YOLOV8_RAW_OUTPUTS])
{
    const struct yolov8_layout *layout = slot->layout;
    float *widened = slot->widened;

    for (size_t i = 0; i < layout->output_count; i++) {
        const struct tare_tensor *output = &slot->outputs[layout->outputs[i]];
        size_t first = (size_t)slot->slot * layout->counts[i];

        if (widened) {
            half_to_floats((const uint16_t *)output->data + first, layout->counts[i], widened);
            outputs[i] = widened;
            widened += layout->counts[i];
        } else {
            outputs[i] = (const float *)output->data + first;
        }
    }
}

enum tare_status yolov8_slot_boxes(const struct yolov8_slot *slot, const struct boxes_frame *frame,
                                   struct boxes *boxes, const struct box **found, size_t *count,
                                   struct tare_err *err)
{
    const struct yolov8_layout *layout = slot->layout;
    const float *outputs[YOLOV8_RAW_OUTPUTS];
    struct boxes_raw raw = {.classes = layout->classes, .size = layout->size};
    struct boxes_full full = {.classes = layout->classes};

    slot_outputs(slot, outputs);
    if (!layout->raw) {
        full.data = outputs[0];
        full.anchors = (int32_t)(layout->counts[0] / (size_t)(BOX_ROWS + layout->classes));
        return boxes_from_full(boxes, &full, frame, found, count, err);
    }
    for (size_t l = 0; l < BOXES_LEVELS; l++) {
        raw.box[l] = outputs[2 * l];
        raw.cls[l] = outputs[2 * l + 1];
    }
    return boxes_from_raw(boxes, &raw, frame, found, count, err);
}
