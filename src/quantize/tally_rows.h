/*
 * tally_rows.h - the inner loops of tally.c: one table of functions an instruction set. Every table
 * gives the same counts. Internal to the tally.
 */
#ifndef TARE_QUANTIZE_TALLY_ROWS_H
#define TARE_QUANTIZE_TALLY_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tally_rows {
    const char *name;

    /* The extremes of values; false if one of them is not finite. count is at least 1. */
    bool (*span)(const float *values, size_t count, float *low, float *high);

    /* One more in bin floor(value * scale) + TALLY_ZERO for each value; all bins are in range. */
    void (*count)(const float *values, size_t count, float scale, uint32_t *counts);
};

extern const struct tally_rows tally_rows_portable;

/* The fastest that this CPU can run. */
const struct tally_rows *tally_rows_best(void);

#endif
