#include "triton_bench.h"

#include <stdlib.h>

#define KEPT_PIXELS ((int64_t)1 << 24) /* of the decoder's memory: 64 MiB */

void triton_shelf_init(struct triton_shelf *shelf, const struct letterbox_options *letterbox,
                       const struct boxes_options *boxes, size_t widened_count)
{
    *shelf = (struct triton_shelf){
        .letterbox = *letterbox,
        .boxes = *boxes,
        .widened_count = widened_count,
    };
    (void)pthread_mutex_init(&shelf->lock, NULL);
}

static void free_bench(struct triton_bench *bench)
{
    jpeg_decoder_free(bench->decoder);
    letterbox_free(bench->letterbox);
    boxes_free(bench->boxes);
    free(bench->widened);
    free(bench);
}

void triton_shelf_release(struct triton_shelf *shelf)
{
    while (shelf->benches) {
        struct triton_bench *next = shelf->benches->next;

        free_bench(shelf->benches);
        shelf->benches = next;
    }
    (void)pthread_mutex_destroy(&shelf->lock);
}

static enum tare_status make_bench(const struct triton_shelf *shelf, struct triton_bench **bench,
                                   struct tare_err *err)
{
    struct triton_bench *made = calloc(1, sizeof(*made));
    enum tare_status status;

    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory for a picture");
    status = jpeg_decoder_new(&made->decoder, err);
    if (status == TARE_OK)
        status = letterbox_new(&shelf->letterbox, &made->letterbox, err);
    if (status == TARE_OK)
        status = boxes_new(&shelf->boxes, &made->boxes, err);
    if (status == TARE_OK && shelf->widened_count > 0) {
        made->widened = malloc(shelf->widened_count * sizeof(*made->widened));
        if (!made->widened)
            status = tare_fail(err, TARE_NOMEM, "out of memory for a picture");
    }
    if (status == TARE_OK)
        *bench = made;
    else
        free_bench(made);
    return status;
}

enum tare_status triton_bench_take(struct triton_shelf *shelf, struct triton_bench **bench,
                                   struct tare_err *err)
{
    (void)pthread_mutex_lock(&shelf->lock);
    *bench = shelf->benches;
    if (*bench)
        shelf->benches = (*bench)->next;
    (void)pthread_mutex_unlock(&shelf->lock);
    return *bench ? TARE_OK : make_bench(shelf, bench, err);
}

void triton_bench_give(struct triton_shelf *shelf, struct triton_bench *bench)
{
    (void)pthread_mutex_lock(&shelf->lock);
    bench->next = shelf->benches;
    shelf->benches = bench;
    (void)pthread_mutex_unlock(&shelf->lock);
}

static enum tare_status forget(struct triton_bench *bench, struct tare_err *err)
{
    struct jpeg_decoder *fresh = NULL;
    enum tare_status status = jpeg_decoder_new(&fresh, err);

    if (status != TARE_OK)
        return status;
    jpeg_decoder_free(bench->decoder);
    bench->decoder = fresh;
    return TARE_OK;
}

enum tare_status triton_bench_load(struct triton_bench *bench, const struct triton_shelf *shelf,
                                   const void *jpeg, size_t bytes, void *out,
                                   struct boxes_frame *frame, struct tare_err *err)
{
    struct letterbox_plan plan;
    struct picture picture;
    enum tare_status status = jpeg_decoder_read(bench->decoder, jpeg, bytes, &picture, err);

    if (status != TARE_OK)
        return status;
    if (out)
        status = letterbox_apply(bench->letterbox, &picture, out, frame, err);
    else
        letterbox_plan(picture.width, picture.height, shelf->letterbox.size, &plan, frame);
    if (status == TARE_OK && (int64_t)picture.width * picture.height > KEPT_PIXELS)
        status = forget(bench, err);
    return status;
}
