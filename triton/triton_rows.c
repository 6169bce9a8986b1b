#include "triton_rows.h"

#include <stdlib.h>
#include <string.h>

#include "triton_pool.h"

enum tare_status triton_rows_new(struct triton_rows *rows, const struct triton_model *model,
                                 const struct letterbox_options *letterbox, size_t widened_count,
                                 struct tare_err *err)
{
    struct triton_bench *bench;
    enum tare_status status;

    *rows = (struct triton_rows){.pool = model->pool};
    rows->rows = calloc((size_t)model->settings.max_batch, sizeof(*rows->rows));
    if (!rows->rows)
        return tare_fail(err, TARE_NOMEM, "out of memory for an instance");
    triton_shelf_init(&rows->shelf, letterbox, &model->settings.boxes, widened_count);
    status = triton_bench_take(&rows->shelf, &bench, err); /* what is wrong is found here */
    if (status == TARE_OK)
        triton_bench_give(&rows->shelf, bench);
    else
        triton_rows_release(rows);
    return status;
}

void triton_rows_release(struct triton_rows *rows)
{
    if (!rows->rows)
        return;
    triton_shelf_release(&rows->shelf);
    triton_scratch_free(&rows->scratch);
    free(rows->rows);
    *rows = (struct triton_rows){0};
}

void triton_rows_jpeg_info(struct tare_tensor_info *jpeg)
{
    *jpeg = (struct tare_tensor_info){.name = "jpeg", .dtype = TARE_BYTES, .rank = 1, .shape = {1}};
}

void triton_rows_boxes_info(const struct triton_settings *settings, struct tare_tensor_info *boxes,
                            struct tare_tensor_info *count)
{
    *boxes = (struct tare_tensor_info){.name = "boxes",
                                       .dtype = TARE_FP32,
                                       .rank = 2,
                                       .shape = {settings->boxes.max_boxes, TRITON_BOX_VALUES}};
    *count =
        (struct tare_tensor_info){.name = "count", .dtype = TARE_INT32, .rank = 1, .shape = {1}};
}

void triton_rows_clear(struct triton_rows *rows)
{
    triton_scratch_reset(&rows->scratch);
    rows->count = 0;
}

/* --- from requests ------------------------------------------------------------------------------
 */

const void *triton_rows_input(struct triton_rows *rows, struct triton_item *item,
                              const struct triton_input *input, size_t alignment)
{
    const void *place = triton_input_place(input, alignment);
    void *copy;

    if (place)
        return place;
    copy = triton_scratch_get(&rows->scratch, input->bytes, &item->err);
    return copy && triton_input_copy(item, input, copy) ? copy : NULL;
}

struct triton_row *triton_rows_add(struct triton_rows *rows, struct triton_item *item)
{
    struct triton_row *first = &rows->rows[rows->count];

    for (int32_t i = 0; i < item->rows; i++) {
        struct triton_row *row = &rows->rows[rows->count++];

        row->item = item;
        row->index = i;
        row->image = row->boxes = NULL;
        row->count = NULL;
        tare_err_clear(&row->err);
    }
    return first;
}

/* The strings of one request; all its bytes must be theirs. */
static bool split_strings(struct triton_item *item, const uint8_t *data, size_t bytes,
                          struct triton_row *row)
{
    size_t at = 0;

    for (int32_t i = 0; i < item->rows; i++, row++) {
        size_t length = 0;

        for (size_t k = 0; k < 4 && bytes - at >= 4; k++)
            length |= (size_t)data[at + k] << 8 * k;
        if (bytes - at < 4 || length > bytes - at - 4) {
            (void)tare_fail(&item->err, TARE_BADDATA,
                            "string %d of input 'jpeg' runs past the end of its %zu bytes", i,
                            bytes);
            return false;
        }
        row->jpeg = data + at + 4;
        row->jpeg_bytes = length;
        at += 4 + length;
    }
    if (at < bytes)
        (void)tare_fail(&item->err, TARE_BADDATA,
                        "input 'jpeg' has %zu bytes after its last string", bytes - at);
    return at == bytes;
}

static void add_jpeg(struct triton_rows *rows, const struct tare_tensor_info *info,
                     struct triton_item *item)
{
    struct triton_input input;
    struct triton_row *first;
    const void *data;

    if (!triton_input_find(item, info, item->rows, &input))
        return;
    data = triton_rows_input(rows, item, &input, 1);
    if (!data)
        return;
    first = triton_rows_add(rows, item);
    if (!split_strings(item, data, input.bytes, first))
        rows->count -= item->rows;
}

void triton_rows_jpeg(struct triton_rows *rows, struct triton_batch *batch, int32_t most)
{
    struct tare_tensor_info info;

    triton_rows_jpeg_info(&info);
    for (size_t i = 0; i < batch->count; i++) {
        struct triton_item *item = &batch->items[i];
        struct triton_input input;

        if (triton_item_lives(item) && triton_input_find(item, &info, most, &input))
            item->rows = (int32_t)input.shape[0];
    }
    (void)triton_batch_count(batch, most);
    for (size_t i = 0; i < batch->count; i++)
        if (triton_item_lives(&batch->items[i]))
            add_jpeg(rows, &info, &batch->items[i]);
}

/* --- to responses -------------------------------------------------------------------------------
 */

void *triton_rows_output(struct triton_item *item, const struct tare_tensor_info *info)
{
    struct tare_tensor tensor = {.dtype = info->dtype, .rank = info->rank + 1};
    void *data = NULL;

    if (!triton_item_lives(item) || !triton_output_wanted(item, info->name))
        return NULL;
    (void)snprintf(tensor.name, sizeof(tensor.name), "%s", info->name);
    tensor.shape[0] = item->rows;
    memcpy(tensor.shape + 1, info->shape, (size_t)info->rank * sizeof(*info->shape));
    (void)triton_output_make(item, &tensor,
                             (size_t)tare_shape_count(tensor.rank, tensor.shape) *
                                 tare_dtype_bytes(tensor.dtype),
                             &data);
    return data;
}

void triton_rows_boxes(struct triton_rows *rows, const struct triton_signature *signature)
{
    size_t each = (size_t)rows->shelf.boxes.max_boxes * TRITON_BOX_VALUES * sizeof(float);
    char *boxes = NULL, *count = NULL;

    for (int32_t i = 0; i < rows->count; i++) {
        struct triton_row *row = &rows->rows[i];

        if (row->index == 0) {
            boxes = triton_rows_output(row->item, &signature->outputs[0]);
            count = triton_rows_output(row->item, &signature->outputs[1]);
        }
        row->boxes = boxes ? boxes + (size_t)row->index * each : NULL;
        row->count = count ? count + (size_t)row->index * sizeof(int32_t) : NULL;
    }
}

/* --- on the pool --------------------------------------------------------------------------------
 */

/* An item fails with the error of the first of its rows that failed. */
static void collect_errors(struct triton_rows *rows)
{
    for (int32_t i = 0; i < rows->count; i++) {
        const struct triton_row *row = &rows->rows[i];

        if (row->err.status == TARE_OK)
            continue;
        if (row->item->rows > 1)
            (void)tare_fail(&row->item->err, row->err.status, "row %d of %d: %s", row->index,
                            row->item->rows, row->err.text);
        else
            (void)tare_fail(&row->item->err, row->err.status, "%s", row->err.text);
    }
}

static void load_row(void *context, int32_t index)
{
    struct triton_rows *rows = context;
    struct triton_row *row = &rows->rows[index];
    struct triton_bench *bench;

    if (!triton_item_lives(row->item) ||
        triton_bench_take(&rows->shelf, &bench, &row->err) != TARE_OK)
        return;
    (void)triton_bench_load(bench, &rows->shelf, row->jpeg, row->jpeg_bytes, row->image,
                            &row->frame, &row->err);
    triton_bench_give(&rows->shelf, bench);
}

void triton_rows_load(struct triton_rows *rows)
{
    triton_pool_run(rows->pool, load_row, rows, rows->count);
    collect_errors(rows);
}

static void write_boxes(const struct triton_row *row, const struct box *found, int32_t count,
                        int32_t max_boxes)
{
    const size_t row_bytes = TRITON_BOX_VALUES * sizeof(float);
    char *out = row->boxes;

    for (int32_t i = 0; i < count && out; i++, found++, out += row_bytes) {
        const float values[TRITON_BOX_VALUES] = {found->x1, found->y1,    found->x2,
                                                 found->y2, found->score, (float)found->class_id};

        memcpy(out, values, row_bytes);
    }
    if (out)
        memset(out, 0, (size_t)(max_boxes - count) * row_bytes);
    if (row->count)
        memcpy(row->count, &count, sizeof(count));
}

static void find_row(void *context, int32_t index)
{
    struct triton_rows *rows = context;
    struct triton_row *row = &rows->rows[index];
    const struct box *found = NULL;
    struct triton_bench *bench;
    size_t count = 0;

    if (!triton_item_lives(row->item) ||
        triton_bench_take(&rows->shelf, &bench, &row->err) != TARE_OK)
        return;
    row->head.widened = bench->widened;
    if (yolov8_slot_boxes(&row->head, &row->frame, bench->boxes, &found, &count, &row->err) ==
        TARE_OK)
        write_boxes(row, found, (int32_t)count, rows->shelf.boxes.max_boxes);
    triton_bench_give(&rows->shelf, bench);
}

void triton_rows_find(struct triton_rows *rows)
{
    triton_pool_run(rows->pool, find_row, rows, rows->count);
    collect_errors(rows);
}
