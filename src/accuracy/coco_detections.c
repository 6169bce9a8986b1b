/*
 * coco_detections.c - a set of detections in memory, and its way into a results file.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "accuracy/coco_inner.h"
#include "base/file.h"
#include "base/json_write.h"

#define FIRST_BLOCK ((size_t)256)
#define MAX_BLOCK   ((size_t)65536)
#define MAX_BLOCKS  ((size_t)1 << 24)

enum tare_status coco_detections_new(struct coco_detections **detections, struct tare_err *err)
{
    *detections = calloc(1, sizeof(**detections));
    return *detections ? TARE_OK : tare_fail(err, TARE_NOMEM, "out of memory for detections");
}

void coco_detections_free(struct coco_detections *detections)
{
    if (!detections)
        return;
    for (size_t i = 0; i < detections->block_count; i++)
        free(detections->blocks[i].items);
    free(detections->blocks);
    free(detections);
}

enum tare_status coco_detections_take(struct coco_detections *detections,
                                      struct coco_detection *items, size_t count,
                                      struct tare_err *err)
{
    enum tare_status status;

    if (count > COCO_MAX_DETECTIONS - detections->count)
        return tare_fail(err, TARE_LIMIT, "more than %zu detections", COCO_MAX_DETECTIONS);
    status = coco_grow((void **)&detections->blocks, &detections->block_capacity,
                       detections->block_count, sizeof(*detections->blocks), MAX_BLOCKS,
                       "blocks of detections", err);
    if (status != TARE_OK)
        return status;
    detections->blocks[detections->block_count++] =
        (struct coco_block){items, count, count, detections->count};
    detections->count += count;
    return TARE_OK;
}

/* A block with room at the end of the list; NULL if memory ran out. */
static struct coco_block *open_block(struct coco_detections *detections)
{
    size_t capacity = detections->count < FIRST_BLOCK ? FIRST_BLOCK : detections->count;
    struct coco_detection *items;
    struct coco_block *last;

    if (detections->block_count) {
        last = &detections->blocks[detections->block_count - 1];
        if (last->count < last->capacity)
            return last;
    }
    if (capacity > MAX_BLOCK)
        capacity = MAX_BLOCK;
    items = malloc(capacity * sizeof(*items));
    if (!items || coco_detections_take(detections, items, 0, NULL) != TARE_OK) {
        free(items);
        return NULL;
    }
    last = &detections->blocks[detections->block_count - 1];
    last->capacity = capacity;
    return last;
}

enum tare_status coco_detections_add(struct coco_detections *detections,
                                     const struct coco_detection *detection, struct tare_err *err)
{
    struct coco_block *block;

    if (!isfinite(detection->x) || !isfinite(detection->y) || !isfinite(detection->width) ||
        !isfinite(detection->height) || !isfinite(detection->score))
        return tare_fail(err, TARE_INVALID,
                         "a detection in picture %" PRId64 " holds a number that is not finite",
                         detection->image_id);
    if (detections->count >= COCO_MAX_DETECTIONS)
        return tare_fail(err, TARE_LIMIT, "more than %zu detections", COCO_MAX_DETECTIONS);
    block = open_block(detections);
    if (!block)
        return tare_fail(err, TARE_NOMEM, "out of memory for detections");
    block->items[block->count++] = *detection;
    detections->count++;
    return TARE_OK;
}

size_t coco_detections_count(const struct coco_detections *detections)
{
    return detections->count;
}

const struct coco_detection *coco_detections_get(const struct coco_detections *detections,
                                                 size_t index)
{
    size_t low = 0, high = detections->block_count;

    if (index >= detections->count)
        return NULL;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (detections->blocks[middle].before <= index)
            low = middle;
        else
            high = middle;
    }
    return &detections->blocks[low].items[index - detections->blocks[low].before];
}

static void append_detection(struct buf *out, const struct coco_detection *detection)
{
    const double box[4] = {detection->x, detection->y, detection->width, detection->height};

    buf_printf(out, "{\"image_id\":%" PRId64 ",\"category_id\":%" PRId64 ",\"bbox\":",
               detection->image_id, detection->category_id);
    for (int i = 0; i < 4; i++) {
        buf_append_char(out, i ? ',' : '[');
        json_append_number(out, box[i]);
    }
    buf_append_text(out, "],\"score\":");
    json_append_number(out, detection->score);
    buf_append_char(out, '}');
}

enum tare_status coco_detections_save(const struct coco_detections *detections, const char *path,
                                      struct tare_err *err)
{
    struct buf out;
    enum tare_status status;

    buf_init(&out, COCO_MAX_BYTES);
    for (size_t i = 0; i < detections->block_count; i++)
        for (size_t k = 0; k < detections->blocks[i].count; k++) {
            buf_append_text(&out, out.size ? ",\n" : "[");
            append_detection(&out, &detections->blocks[i].items[k]);
        }
    buf_append_text(&out, out.size ? "]\n" : "[]\n");
    status = buf_status(&out, path, err);
    if (status == TARE_OK)
        status = file_write(path, out.data, out.size, err);
    buf_release(&out);
    return status;
}
