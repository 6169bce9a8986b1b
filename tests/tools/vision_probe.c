/*
 * vision_probe.c - src/vision behind a pipe, for tests and benchmarks in Python.
 *
 *     vision_probe letterbox SIZE PICTURE...     reads commands from standard input:
 *         time        one pass, JPEG in memory to tensor, over all pictures: nanoseconds of
 *                     time and of CPU time, a line
 *         tensor I    picture I (from 0): its (3, SIZE, SIZE) floats, as bytes
 *     vision_probe boxes KIND SIZE CLASSES MIN_SCORE IOU MAX_BOXES MULTI WIDTH HEIGHT < HEAD
 *         KIND raw: box8 cls8 box16 cls16 box32 cls32 as bytes; full: the full head
 *         prints a box a line: x1 y1 x2 y2 score class
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "vision/boxes.h"
#include "vision/jpeg.h"
#include "vision/letterbox.h"

#define MAX_PICTURES 10000

struct pictures {
    struct file_map files[MAX_PICTURES];
    size_t count;
    struct jpeg_decoder *decoder;
    struct letterbox *letterbox;
    float *tensor; // (3, size, size)
    size_t tensor_bytes;
};

static int fail(const struct tare_err *err)
{
    (void)fprintf(stderr, "vision_probe: %s\n", err->text);
    return 1;
}

static enum tare_status convert(struct pictures *p, size_t index, struct tare_err *err)
{
    struct boxes_frame frame;
    struct picture picture;
    enum tare_status status =
        jpeg_decoder_read(p->decoder, p->files[index].data, p->files[index].size, &picture, err);

    if (status != TARE_OK)
        return status;
    return letterbox_apply(p->letterbox, &picture, p->tensor, &frame, err);
}

static enum tare_status answer(struct pictures *p, const char *line, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    unsigned long index;

    if (strcmp(line, "time\n") == 0) {
        int64_t start_ns = clock_now_ns(), start_cpu_ns = clock_thread_cpu_ns();

        for (size_t i = 0; i < p->count && status == TARE_OK; i++)
            status = convert(p, i, err);
        (void)printf("%lld %lld\n", (long long)(clock_now_ns() - start_ns),
                     (long long)(clock_thread_cpu_ns() - start_cpu_ns));
    } else if (strncmp(line, "tensor ", 7) == 0) {
        index = strtoul(line + 7, NULL, 10);
        if (index >= p->count)
            return tare_fail(err, TARE_INVALID, "no picture %lu", index);
        status = convert(p, index, err);
        if (status == TARE_OK)
            (void)fwrite(p->tensor, 1, p->tensor_bytes, stdout);
    } else {
        return tare_fail(err, TARE_INVALID, "no command '%s'", line);
    }
    (void)fflush(stdout);
    return status;
}

/* Memory is the operating system's to take back. */
static int letterbox_main(int argc, char **argv)
{
    static struct pictures p;
    struct letterbox_options options = {.size = (int32_t)strtol(argv[0], NULL, 10),
                                        .dtype = TARE_FP32};
    struct tare_err err = TARE_ERR_INIT;
    char line[100];

    for (int i = 1; i < argc && p.count < MAX_PICTURES; i++)
        if (file_map(argv[i], JPEG_MAX_FILE_BYTES, &p.files[p.count++], &err) != TARE_OK)
            return fail(&err);
    if (jpeg_decoder_new(&p.decoder, &err) != TARE_OK ||
        letterbox_new(&options, &p.letterbox, &err) != TARE_OK)
        return fail(&err);
    p.tensor_bytes = 3 * sizeof(float) * (size_t)options.size * (size_t)options.size;
    p.tensor = aligned_alloc(64, (p.tensor_bytes + 63) / 64 * 64);
    while (p.tensor && fgets(line, sizeof(line), stdin))
        if (answer(&p, line, &err) != TARE_OK)
            return fail(&err);
    return p.tensor ? 0 : 1;
}

static enum tare_status read_boxes(char **argv, struct boxes *boxes, char *head, size_t bytes,
                                   const struct box **found, size_t *count, struct tare_err *err)
{
    int32_t size = (int32_t)strtol(argv[1], NULL, 10), classes = (int32_t)strtol(argv[2], NULL, 10);
    struct boxes_raw raw = {.classes = classes, .size = size};
    struct boxes_full full = {(const float *)(const void *)head, classes, 0};
    const float *at = full.data;
    struct letterbox_plan plan;
    struct boxes_frame frame;
    size_t floats = 0;

    letterbox_plan((int32_t)strtol(argv[7], NULL, 10), (int32_t)strtol(argv[8], NULL, 10), size,
                   &plan, &frame);
    for (int l = 0; l < BOXES_LEVELS; l++) {
        size_t cells = (size_t)(size / (8 << l)) * (size_t)(size / (8 << l));

        full.anchors += (int32_t)cells;
        raw.box[l] = at + floats;
        raw.cls[l] = raw.box[l] + 64 * cells;
        floats += (64 + (size_t)classes) * cells;
    }
    if (strcmp(argv[0], "raw") != 0)
        floats = (size_t)full.anchors * (4 + (size_t)classes);
    if (bytes != floats * sizeof(float))
        return tare_fail(err, TARE_INVALID, "head of %zu bytes, need %zu floats", bytes, floats);
    return strcmp(argv[0], "raw") == 0 ? boxes_from_raw(boxes, &raw, &frame, found, count, err)
                                       : boxes_from_full(boxes, &full, &frame, found, count, err);
}

static int boxes_main(char **argv)
{
    const struct boxes_options options = {strtof(argv[3], NULL), strtof(argv[4], NULL),
                                          (int32_t)strtol(argv[5], NULL, 10), argv[6][0] == '1'};
    struct tare_err err = TARE_ERR_INIT;
    const struct box *found;
    struct boxes *boxes;
    size_t count, bytes;
    char *head;

    if (file_read("/dev/stdin", (size_t)1 << 30, &head, &bytes, &err) != TARE_OK ||
        boxes_new(&options, &boxes, &err) != TARE_OK ||
        read_boxes(argv, boxes, head, bytes, &found, &count, &err) != TARE_OK)
        return fail(&err);
    for (size_t i = 0; i < count; i++)
        (void)printf("%.9g %.9g %.9g %.9g %.9g %d\n", (double)found[i].x1, (double)found[i].y1,
                     (double)found[i].x2, (double)found[i].y2, (double)found[i].score,
                     found[i].class_id);
    boxes_free(boxes);
    free(head);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "letterbox") == 0)
        return letterbox_main(argc - 2, argv + 2);
    if (argc == 11 && strcmp(argv[1], "boxes") == 0)
        return boxes_main(argv + 2);
    (void)fputs("usage: see the top of tests/tools/vision_probe.c\n", stderr);
    return 2;
}
