/*
 * Any bits as the values of a head, NaN and infinities too: both decoders end, and what they give
 * are boxes within the picture, finite and best first. The first two bytes choose the rules.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vision/boxes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    SIZE = 32,
    CLASSES = 3,
    CELLS = 16 + 4 + 1,
    VALUES = (64 + CLASSES) * CELLS
};

static void check(const struct box *found, size_t count, const struct boxes_frame *frame)
{
    for (size_t i = 0; i < count; i++) {
        const struct box *b = &found[i];

        if (!(b->x1 >= 0 && b->y1 >= 0 && b->x1 <= b->x2 && b->y1 <= b->y2) ||
            !(b->x2 <= (float)frame->width && b->y2 <= (float)frame->height) ||
            !isfinite(b->score) || b->class_id < 0 || b->class_id >= CLASSES ||
            (i > 0 && b->score > found[i - 1].score))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct boxes_frame frame = {50, 40, 0.64F, 0, 3};
    struct boxes_options options = {0, 0.7F, 20, false};
    static float values[VALUES];
    struct boxes_raw raw = {.classes = CLASSES, .size = SIZE};
    struct boxes_full full = {values, CLASSES, CELLS};
    const struct box *found;
    struct boxes *boxes;
    size_t count, at = 0;

    if (size < 2)
        return 0;
    options.min_score = (float)data[0] / 255;
    options.multi_label = data[1] & 1;
    options.iou = (float)(data[1] >> 1) / 127;
    memset(values, 0, sizeof(values));
    memcpy(values, data + 2, size - 2 < sizeof(values) ? size - 2 : sizeof(values));
    if (boxes_new(&options, &boxes, NULL) != TARE_OK)
        return 0;
    for (int l = 0; l < BOXES_LEVELS; l++) {
        size_t cells = (size_t)(SIZE / (8 << l)) * (size_t)(SIZE / (8 << l));

        raw.cls[l] = values + at; /* first, so that short inputs reach it */
        raw.box[l] = raw.cls[l] + CLASSES * cells;
        at += (64 + CLASSES) * cells;
    }
    if (boxes_from_raw(boxes, &raw, &frame, &found, &count, NULL) == TARE_OK)
        check(found, count, &frame);
    if (boxes_from_full(boxes, &full, &frame, &found, &count, NULL) == TARE_OK)
        check(found, count, &frame);
    boxes_free(boxes);
    return 0;
}
