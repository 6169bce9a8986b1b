/*
 * steady.h - has a series of run times become steady?
 *
 * The first third is given up; the medians of the two halves of the rest must agree within 2 %, or
 * within three standard errors of their difference (a median's is 1.2533 s / sqrt(n), s by the
 * median absolute deviation times 1.4826), whichever is more. Under 6 samples nothing is steady.
 */
#ifndef TARE_MEASURE_STEADY_H
#define TARE_MEASURE_STEADY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* samples in the order of time. */
bool steady_check(const int64_t *samples, size_t count);

/* Median of the second half; 0 without samples. */
int64_t steady_median(const int64_t *samples, size_t count);

#endif
