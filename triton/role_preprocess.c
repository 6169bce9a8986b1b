/*
 * role_preprocess.c - JPEG files in, letterboxed pictures out, with how each lies in its square.
 * Pictures are written where the response wants them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "triton_rows.h"

static void preprocess_close(struct triton_instance *instance)
{
    if (!instance->state)
        return;
    triton_rows_release(instance->state);
    free(instance->state);
    instance->state = NULL;
}

static enum tare_status preprocess_describe(const struct triton_settings *settings,
                                            struct triton_signature *signature,
                                            struct tare_err *err)
{
    (void)err;
    triton_rows_jpeg_info(&signature->inputs[0]);
    signature->outputs[0] = (struct tare_tensor_info){.name = "images",
                                                      .dtype = TARE_FP32,
                                                      .rank = 3,
                                                      .shape = {3, settings->size, settings->size}};
    signature->outputs[1] = (struct tare_tensor_info){
        .name = "placement", .dtype = TARE_FP32, .rank = 1, .shape = {TRITON_FRAME_VALUES}};
    signature->input_count = 1;
    signature->output_count = 2;
    return TARE_OK;
}

static enum tare_status preprocess_open(struct triton_instance *instance, struct tare_err *err)
{
    const struct triton_model *model = instance->model;
    const struct letterbox_options letterbox = {.size = model->settings.size, .dtype = TARE_FP32};

    instance->state = calloc(1, sizeof(struct triton_rows));
    if (!instance->state)
        return tare_fail(err, TARE_NOMEM, "out of memory for an instance");
    return triton_rows_new(instance->state, model, &letterbox, 0, err);
}

/* Where the images of an item's rows go: to the response, unless no float can be put there. */
static void *image_place(struct triton_rows *rows, struct triton_item *item, void *images,
                         size_t image_bytes)
{
    if (!images || (uintptr_t)images % sizeof(float) == 0)
        return images;
    return triton_scratch_get(&rows->scratch, (size_t)item->rows * image_bytes, &item->err);
}

static void write_frame(const struct boxes_frame *frame, char *placement)
{
    const float values[TRITON_FRAME_VALUES] = {(float)frame->width, (float)frame->height,
                                               frame->scale, frame->left, frame->top};

    memcpy(placement, values, sizeof(values));
}

/* The outputs of one item; its rows follow one another. */
static void place_item(struct triton_rows *rows, const struct triton_signature *signature,
                       struct triton_row *row, size_t image_bytes, void **images)
{
    struct triton_item *item = row->item;
    char *place;

    *images = triton_rows_output(item, &signature->outputs[0]);
    place = image_place(rows, item, *images, image_bytes);
    for (int32_t i = 0; i < item->rows; i++)
        row[i].image = place ? place + (size_t)i * image_bytes : NULL;
}

static void finish_item(const struct triton_signature *signature, struct triton_row *row,
                        size_t image_bytes, void *images)
{
    struct triton_item *item = row->item;
    char *placement = triton_rows_output(item, &signature->outputs[1]);

    if (!triton_item_lives(item))
        return;
    if (images && row->image != images)
        memcpy(images, row->image, (size_t)item->rows * image_bytes);
    for (int32_t i = 0; i < item->rows && placement; i++)
        write_frame(&row[i].frame, placement + (size_t)i * TRITON_FRAME_VALUES * sizeof(float));
}

static void preprocess_execute(struct triton_instance *instance, struct triton_batch *batch)
{
    const struct triton_model *model = instance->model;
    struct triton_rows *rows = instance->state;
    size_t side = (size_t)model->settings.size, image_bytes = 3 * side * side * sizeof(float);
    struct tare_err err = TARE_ERR_INIT;
    void **images;

    triton_rows_clear(rows);
    triton_rows_jpeg(rows, batch, model->settings.max_batch);
    images = triton_scratch_get(&rows->scratch, (size_t)rows->count * sizeof(*images), &err);
    if (!images) {
        triton_fail_all(batch, &err);
        return;
    }
    for (int32_t i = 0; i < rows->count; i += rows->rows[i].item->rows)
        place_item(rows, &model->signature, &rows->rows[i], image_bytes, &images[i]);
    batch->compute_start_ns = clock_now_ns();
    triton_rows_load(rows);
    batch->compute_end_ns = clock_now_ns();
    for (int32_t i = 0; i < rows->count; i += rows->rows[i].item->rows)
        finish_item(&model->signature, &rows->rows[i], image_bytes, images[i]);
}

const struct triton_role_table triton_role_preprocess = {
    .pools = true,
    .describe = preprocess_describe,
    .open = preprocess_open,
    .close = preprocess_close,
    .execute = preprocess_execute,
};
