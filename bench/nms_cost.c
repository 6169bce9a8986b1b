/*
 * nms_cost.c - the raw heads of pictures to boxes by src/vision, one thread, behind a pipe.
 *
 *     nms_cost HEADS COUNT SIZE CLASSES MIN_SCORE IOU MAX_BOXES MULTI
 *
 * HEADS: for each of COUNT pictures its frame (width height scale left top and eleven floats that
 * mean nothing), then its head (box8 cls8 box16 cls16 box32 cls32), all as floats. Commands on
 * standard input: time      one pass over all pictures: nanoseconds of time and of CPU time, a line
 *     boxes I   of picture I (from 0): how many, then a box a line: x1 y1 x2 y2 score class
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "vision/boxes.h"

#define FRAME_FLOATS 16 /* so that what follows begins on a line of the cache */

struct heads {
    struct file_map file;
    size_t count, floats; /* of a picture */
    int32_t size, classes;
    struct boxes *boxes;
    float *written; // (floats): the head that a runtime would have written last
};

static const float *head_of(const struct heads *h, size_t index)
{
    return (const float *)(const void *)h->file.data + index * h->floats;
}

static enum tare_status find(struct heads *h, const float *at, const struct box **found,
                             size_t *count, struct tare_err *err)
{
    struct boxes_frame frame = {(int32_t)at[0], (int32_t)at[1], at[2], at[3], at[4]};
    struct boxes_raw raw = {.classes = h->classes, .size = h->size};

    at += FRAME_FLOATS;
    for (int level = 0; level < BOXES_LEVELS; level++) {
        size_t side = (size_t)(h->size / (8 << level));

        raw.box[level] = at;
        raw.cls[level] = at + 4 * BOXES_BINS * side * side;
        at = raw.cls[level] + (size_t)h->classes * side * side;
    }
    return boxes_from_raw(h->boxes, &raw, &frame, found, count, err);
}

static enum tare_status answer(struct heads *h, const char *line, struct tare_err *err)
{
    const struct box *found = NULL;
    enum tare_status status = TARE_OK;
    size_t count = 0, index;

    if (strcmp(line, "time\n") == 0) {
        int64_t total_ns = 0;

        for (size_t i = 0; i < h->count && status == TARE_OK; i++) {
            int64_t start_ns;

            memcpy(h->written, head_of(h, i), h->floats * sizeof(float));
            start_ns = clock_thread_cpu_ns();
            status = find(h, h->written, &found, &count, err);
            total_ns += clock_thread_cpu_ns() - start_ns;
        }
        (void)printf("%lld\n", (long long)total_ns);
    } else {
        index = strncmp(line, "boxes ", 6) == 0 ? strtoul(line + 6, NULL, 10) : h->count;
        if (index >= h->count)
            return tare_fail(err, TARE_INVALID, "no command '%s'", line);
        status = find(h, head_of(h, index), &found, &count, err);
        (void)printf("%zu\n", count);
        for (size_t i = 0; i < count; i++)
            (void)printf("%.9g %.9g %.9g %.9g %.9g %d\n", (double)found[i].x1, (double)found[i].y1,
                         (double)found[i].x2, (double)found[i].y2, (double)found[i].score,
                         found[i].class_id);
    }
    (void)fflush(stdout);
    return status;
}

static enum tare_status open_heads(struct heads *h, char **argv, struct tare_err *err)
{
    struct boxes_options options = {strtof(argv[4], NULL), strtof(argv[5], NULL),
                                    (int32_t)strtol(argv[6], NULL, 10), argv[7][0] == '1'};

    h->count = strtoul(argv[1], NULL, 10);
    h->size = (int32_t)strtol(argv[2], NULL, 10);
    h->classes = (int32_t)strtol(argv[3], NULL, 10);
    h->floats = FRAME_FLOATS;
    for (int level = 0; level < BOXES_LEVELS; level++) {
        size_t side = (size_t)(h->size / (8 << level));

        h->floats += (4 * BOXES_BINS + (size_t)h->classes) * side * side;
    }
    if (file_map(argv[0], (size_t)1 << 32, &h->file, err) != TARE_OK)
        return err->status;
    if (h->file.size != h->count * h->floats * sizeof(float))
        return tare_fail(err, TARE_BADDATA, "'%s' has %zu bytes, need %zu floats", argv[0],
                         h->file.size, h->count * h->floats);
    h->written = malloc(h->floats * sizeof(float));
    if (!h->written)
        return tare_fail(err, TARE_NOMEM, "out of memory for a head");
    return boxes_new(&options, &h->boxes, err);
}

int main(int argc, char **argv)
{
    static struct heads heads;
    struct tare_err err = TARE_ERR_INIT;
    char line[100];

    if (argc != 9) {
        (void)fputs("usage: see the top of bench/nms_cost.c\n", stderr);
        return 2;
    }
    if (open_heads(&heads, argv + 1, &err) == TARE_OK)
        while (fgets(line, sizeof(line), stdin) && answer(&heads, line, &err) == TARE_OK)
            continue;
    if (err.status != TARE_OK)
        (void)fprintf(stderr, "nms_cost: %s\n", err.text);
    return err.status == TARE_OK ? 0 : 1;
}
