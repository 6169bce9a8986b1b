/*
 * triton_rows.h - the rows of a batch whose requests carry pictures: what each is made of, and the
 * two steps that the roles put together, on the pool. Which request a row belongs to counts only
 * when something goes wrong, or when the result is handed out.
 *
 * Threads: an instance's rows belong to its thread, but within triton_rows_load() and
 * triton_rows_find(), where each is worked on by one thread of the pool.
 */
#ifndef TARE_TRITON_ROWS_H
#define TARE_TRITON_ROWS_H

#include "models/yolov8_head.h"
#include "triton_bench.h"
#include "triton_model.h"
#include "triton_scratch.h"

#define TRITON_BOX_VALUES   6 /* x1 y1 x2 y2 score class */
#define TRITON_FRAME_VALUES 5 /* width height scale left top */

struct triton_row {
    struct triton_item *item;
    int32_t index; /* of the item's rows */
    struct tare_err err;

    const void *jpeg; // (jpeg_bytes)
    size_t jpeg_bytes;
    void *image; // (3, S, S): where to; NULL: nowhere
    struct boxes_frame frame;

    struct yolov8_slot head;
    void *boxes; // (max_boxes, TRITON_BOX_VALUES) FP32: where to, however aligned; NULL: nowhere
    void *count; // (1) INT32: the same
};

struct triton_rows {
    struct triton_row *rows; // (count)
    int32_t count;
    struct triton_pool *pool;
    struct triton_shelf shelf;
    struct triton_scratch scratch; /* for one execution */
};

/*
 * Room for as many rows as a batch of the model has. letterbox is of the square that pictures are
 * loaded into, widened_count the floats of one slot of an FP16 head, or 0. On success the caller
 * releases the rows; on error nothing is held.
 */
enum tare_status triton_rows_new(struct triton_rows *rows, const struct triton_model *model,
                                 const struct letterbox_options *letterbox, size_t widened_count,
                                 struct tare_err *err);

/* Zeroed ones are allowed. */
void triton_rows_release(struct triton_rows *rows);

/* The tensors that roles of this kind have in common: the input of one JPEG file a row, and the
 * outputs boxes and count. */
void triton_rows_jpeg_info(struct tare_tensor_info *jpeg);
void triton_rows_boxes_info(const struct triton_settings *settings, struct tare_tensor_info *boxes,
                            struct tare_tensor_info *count);

/* Takes what the last execution has left. */
void triton_rows_clear(struct triton_rows *rows);

/* Makes the rows of the batch from its input `jpeg`; at most so many. */
void triton_rows_jpeg(struct triton_rows *rows, struct triton_batch *batch, int32_t most);

/* Adds an item's rows, as many as it has; it has been counted. */
struct triton_row *triton_rows_add(struct triton_rows *rows, struct triton_item *item);

/* All of an input's bytes in one piece and so aligned, where they are or copied. NULL, and the item
 * has failed, if they are not to be had. */
const void *triton_rows_input(struct triton_rows *rows, struct triton_item *item,
                              const struct triton_input *input, size_t alignment);

/* Where an item's output of all its rows goes; NULL if it does not ask for it, or has failed. */
void *triton_rows_output(struct triton_item *item, const struct tare_tensor_info *info);

/* Makes the outputs boxes and count of every item, and says to its rows where to write. */
void triton_rows_boxes(struct triton_rows *rows, const struct triton_signature *signature);

/* Decodes every row's picture into its image and frame. */
void triton_rows_load(struct triton_rows *rows);

/* Writes every row's boxes and count, from its head and frame. */
void triton_rows_find(struct triton_rows *rows);

#endif
