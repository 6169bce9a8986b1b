/*
 * role_boxes.c - the raw head of YOLOv8 and how pictures lay in their square in, boxes out.
 * The head is read where the request has it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "triton_rows.h"

#define INPUTS          (YOLOV8_RAW_OUTPUTS + 1) /* the head's, and placement */
#define DEFAULT_CLASSES 80
#define MAX_SIDE        65535 /* of a picture, pixels: what JPEG can say */

struct boxes_state {
    struct yolov8_layout layout;
    struct triton_rows rows;
};

static void boxes_close(struct triton_instance *instance)
{
    struct boxes_state *state = instance->state;

    if (!state)
        return;
    triton_rows_release(&state->rows);
    free(state);
    instance->state = NULL;
}

/* What the config declares says how large the square is and how many classes there are. */
static void read_head(const struct triton_settings *settings, int64_t *size, int64_t *classes)
{
    *size = settings->size;
    *classes = DEFAULT_CLASSES;
    for (size_t i = 0; i < settings->inputs.count; i++) {
        const struct tare_tensor_info *info = &settings->inputs.infos[i];

        if (info->rank != 3)
            continue;
        if (strcmp(info->name, "cls8") == 0 && info->shape[0] > 0)
            *classes = info->shape[0];
        if (strcmp(info->name, "box8") == 0 && info->shape[1] > 0 &&
            info->shape[1] <= BOXES_MAX_SIZE)
            *size = 8 * info->shape[1];
    }
}

static enum tare_status boxes_describe(const struct triton_settings *settings,
                                       struct triton_signature *signature, struct tare_err *err)
{
    int64_t size, classes;

    read_head(settings, &size, &classes);
    if (size % 32 != 0 || size > BOXES_MAX_SIZE || classes > BOXES_MAX_CLASSES)
        return tare_fail(err, TARE_INVALID,
                         "a head of %lld classes for a square of %lld pixels, need at most %d "
                         "classes, and a multiple of 32 up to %d",
                         (long long)classes, (long long)size, BOXES_MAX_CLASSES, BOXES_MAX_SIZE);
    for (size_t place = 0; place < YOLOV8_RAW_OUTPUTS; place++) {
        struct tare_tensor_info *info = &signature->inputs[place];
        int64_t side = size / (8 << place / 2);

        yolov8_output_name(place, info->name);
        info->dtype = TARE_FP32;
        info->rank = 3;
        info->shape[0] = place % 2 == 0 ? (int64_t)4 * BOXES_BINS : classes;
        info->shape[1] = info->shape[2] = side;
    }
    signature->inputs[YOLOV8_RAW_OUTPUTS] = (struct tare_tensor_info){
        .name = "placement", .dtype = TARE_FP32, .rank = 1, .shape = {TRITON_FRAME_VALUES}};
    triton_rows_boxes_info(settings, &signature->outputs[0], &signature->outputs[1]);
    signature->input_count = INPUTS;
    signature->output_count = 2;
    return TARE_OK;
}

/* The head as outputs of a graph for one picture, without data. */
static void head_tensors(const struct triton_signature *signature, int64_t rows,
                         struct tare_tensor tensors[YOLOV8_RAW_OUTPUTS])
{
    for (size_t i = 0; i < YOLOV8_RAW_OUTPUTS; i++) {
        const struct tare_tensor_info *info = &signature->inputs[i];

        tensors[i] = (struct tare_tensor){
            .dtype = info->dtype,
            .rank = 4,
            .shape = {rows, info->shape[0], info->shape[1], info->shape[2]},
        };
        memcpy(tensors[i].name, info->name, sizeof(info->name));
    }
}

static enum tare_status boxes_open(struct triton_instance *instance, struct tare_err *err)
{
    const struct triton_model *model = instance->model;
    int64_t size = 8 * model->signature.inputs[0].shape[1];
    const struct letterbox_options letterbox = {.size = (int32_t)size, .dtype = TARE_FP32};
    struct tare_tensor outputs[YOLOV8_RAW_OUTPUTS];
    struct tare_tensor input = {.dtype = TARE_FP32, .rank = 4, .shape = {1, 3, size, size}};
    const struct family_graph graph = {&input, 1, outputs, YOLOV8_RAW_OUTPUTS};
    struct boxes_state *state = calloc(1, sizeof(*state));
    enum tare_status status;

    if (!state)
        return tare_fail(err, TARE_NOMEM, "out of memory for an instance");
    instance->state = state;
    head_tensors(&model->signature, 1, outputs);
    status = yolov8_must_match(&graph, &state->layout, err);
    if (status == TARE_OK)
        status = triton_rows_new(&state->rows, model, &letterbox, 0, err);
    return status;
}

/* --- inputs -------------------------------------------------------------------------------------
 */

static bool is_size(float value)
{
    return value >= 1 && value <= MAX_SIDE && value == floorf(value);
}

static void read_frame(struct triton_row *row, const char *placement, int32_t size)
{
    float v[TRITON_FRAME_VALUES];

    memcpy(v, placement + (size_t)row->index * sizeof(v), sizeof(v));
    if (!is_size(v[0]) || !is_size(v[1]) || !(v[2] > 0 && isfinite(v[2])) ||
        !(v[3] >= 0 && v[3] <= (float)size) || !(v[4] >= 0 && v[4] <= (float)size)) {
        (void)tare_fail(&row->item->err, TARE_INVALID,
                        "placement %d is %g x %g, scale %g, from %g, %g, which is no picture in a "
                        "square of %d",
                        row->index, (double)v[0], (double)v[1], (double)v[2], (double)v[3],
                        (double)v[4], size);
        return;
    }
    row->frame = (struct boxes_frame){(int32_t)v[0], (int32_t)v[1], v[2], v[3], v[4]};
}

static void check_item(const struct triton_signature *signature, struct triton_item *item,
                       int32_t most)
{
    for (size_t i = 0; i < signature->input_count && triton_item_lives(item); i++) {
        struct triton_input input;

        if (!triton_input_find(item, &signature->inputs[i], most, &input))
            return;
        if (i == 0)
            item->rows = (int32_t)input.shape[0];
        if (input.shape[0] != item->rows)
            (void)tare_fail(&item->err, TARE_INVALID, "input '%s' has a batch of %lld, need %d",
                            input.name, (long long)input.shape[0], item->rows);
    }
}

static void add_item(struct boxes_state *state, const struct triton_signature *signature,
                     struct triton_item *item)
{
    struct triton_rows *rows = &state->rows;
    const void *data[INPUTS];
    struct tare_tensor *head;
    struct triton_row *row;

    for (size_t i = 0; i < INPUTS; i++) {
        struct triton_input input;

        if (!triton_input_find(item, &signature->inputs[i], item->rows, &input))
            return;
        data[i] = triton_rows_input(rows, item, &input, sizeof(float));
        if (!data[i])
            return;
    }
    head = triton_scratch_get(&rows->scratch, YOLOV8_RAW_OUTPUTS * sizeof(*head), &item->err);
    if (!head)
        return;
    head_tensors(signature, item->rows, head);
    for (size_t i = 0; i < YOLOV8_RAW_OUTPUTS; i++)
        head[i].data = (void *)(uintptr_t)data[i];
    row = triton_rows_add(rows, item);
    for (int32_t i = 0; i < item->rows && triton_item_lives(item); i++, row++) {
        row->head = (struct yolov8_slot){&state->layout, head, i, NULL};
        read_frame(row, data[INPUTS - 1], state->layout.size);
    }
}

static void boxes_execute(struct triton_instance *instance, struct triton_batch *batch)
{
    const struct triton_model *model = instance->model;
    struct boxes_state *state = instance->state;

    triton_rows_clear(&state->rows);
    for (size_t i = 0; i < batch->count; i++)
        if (triton_item_lives(&batch->items[i]))
            check_item(&model->signature, &batch->items[i], model->settings.max_batch);
    (void)triton_batch_count(batch, model->settings.max_batch);
    for (size_t i = 0; i < batch->count; i++)
        if (triton_item_lives(&batch->items[i]))
            add_item(state, &model->signature, &batch->items[i]);
    triton_rows_boxes(&state->rows, &model->signature);
    batch->compute_start_ns = clock_now_ns();
    triton_rows_find(&state->rows);
    batch->compute_end_ns = clock_now_ns();
}

const struct triton_role_table triton_role_boxes = {
    .pools = true,
    .describe = boxes_describe,
    .open = boxes_open,
    .close = boxes_close,
    .execute = boxes_execute,
};
