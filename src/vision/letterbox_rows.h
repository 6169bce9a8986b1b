/*
 * letterbox_rows.h - the row kernels of letterbox.c: one table of functions an instruction set.
 * Every table gives the same bits. Internal to the letterbox.
 */
#ifndef TARE_VISION_LETTERBOX_ROWS_H
#define TARE_VISION_LETTERBOX_ROWS_H

#include <stddef.h>
#include <stdint.h>

#define LETTERBOX_WEIGHT_BITS 11
#define LETTERBOX_WEIGHT      (1 << LETTERBOX_WEIGHT_BITS)

/* One output column: (pixels[at] * weight[0] + pixels[at + 1] * weight[1]) >> 4, a channel. */
struct letterbox_tap {
    int32_t at;        /* source column; at + 1 exists too */
    int16_t weight[2]; /* of LETTERBOX_WEIGHT in all */
};

struct letterbox_rows {
    const char *name;

    /* Pixels (count, 4) to three planes of value / 255. */
    void (*split)(const uint8_t *pixels, size_t count, float *const planes[3]);

    /* One source row to three planes of 255 * 2^7 at most. */
    void (*shrink)(const uint8_t *pixels, const struct letterbox_tap *taps, size_t count,
                   int16_t *const planes[3]);

    /* Two such rows of one plane, weighed, to value / 255. */
    void (*blend)(const int16_t *above, const int16_t *below, const int16_t weight[2], size_t count,
                  float *out);
};

extern const struct letterbox_rows letterbox_rows_portable;

/* The fastest that this CPU can run. */
const struct letterbox_rows *letterbox_rows_best(void);

#endif
