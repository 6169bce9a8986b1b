/*
 * triton_bench.h - what one thread needs to turn a picture into tensors and tensors into boxes: a
 * decoder, a letterbox, the scratch memory of NMS. A shelf keeps those of an instance that are not
 * in use, so that there are never more than threads at work.
 *
 * Threads: a shelf is for all; a bench belongs to who took it, until it is given back.
 */
#ifndef TARE_TRITON_BENCH_H
#define TARE_TRITON_BENCH_H

#include <pthread.h>

#include "vision/boxes.h"
#include "vision/jpeg.h"
#include "vision/letterbox.h"

struct triton_bench {
    struct jpeg_decoder *decoder;
    struct letterbox *letterbox;
    struct boxes *boxes;
    float *widened; // (widened_count), NULL for 0
    struct triton_bench *next;
};

struct triton_shelf {
    pthread_mutex_t lock;
    struct triton_bench *benches;
    struct letterbox_options letterbox;
    struct boxes_options boxes;
    size_t widened_count;
};

void triton_shelf_init(struct triton_shelf *shelf, const struct letterbox_options *letterbox,
                       const struct boxes_options *boxes, size_t widened_count);

/* Frees the benches. Of those that were taken, all must have been given back. */
void triton_shelf_release(struct triton_shelf *shelf);

/* One from the shelf, or a new one. On error *bench is NULL. */
enum tare_status triton_bench_take(struct triton_shelf *shelf, struct triton_bench **bench,
                                   struct tare_err *err);
void triton_bench_give(struct triton_shelf *shelf, struct triton_bench *bench);

/*
 * Decodes a picture into the square: writes the tensor at out, (3, S, S) of the letterbox's dtype
 * (NULL: the geometry alone), and frame. Errors as jpeg_decoder_read(). Memory for an exceptionally
 * large picture is not kept.
 */
enum tare_status triton_bench_load(struct triton_bench *bench, const struct triton_shelf *shelf,
                                   const void *jpeg, size_t bytes, void *out,
                                   struct boxes_frame *frame, struct tare_err *err);

#endif
