/*
 * range.h - from a tensor's histogram to the range that its quantised values cover, and from a
 * range to scale and zero point.
 *
 * Methods:
 *   minmax      the mean over pictures of their least and greatest value
 *   percentile  the values that RANGE_TAIL of all lie below and above
 *   mse         least mean squared error, searched for from the extremes inwards
 *   entropy     the threshold with the least Kullback-Leibler divergence between the histogram
 *               of magnitudes and what 256 levels (128 for symmetric ranges) make of it
 *               (Migacz, "8-bit inference with TensorRT", 2017); see below
 *   silu        for the input of a SiLU: the least mean |error|^2.5 after it
 *
 * Entropy differs from there in two things, without which the many small values of a detector's
 * features decide alone, and what it detects is clipped away: a value weighs as much as the
 * RANGE_ENERGY-th power of its magnitude, and no threshold lies under the mean of the pictures'
 * greatest magnitudes.
 *
 * Threads: no shared state.
 */
#ifndef TARE_QUANTIZE_RANGE_H
#define TARE_QUANTIZE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "quantize/tally.h"

#define RANGE_TAIL   1e-5
#define RANGE_ENERGY 1.5
#define RANGE_STEP   8 /* bins between two thresholds that entropy tries */

enum range_method {
    RANGE_ENTROPY,
    RANGE_MINMAX,
    RANGE_PERCENTILE,
    RANGE_MSE,
    RANGE_AUTO, /* that of the four with the least error at the outputs of the layers it goes to */
    RANGE_SILU,
    RANGE_FIXED, /* known beforehand or set by the user */
    RANGE_METHODS
};

struct range {
    float low, high; /* low <= 0 <= high */
    enum range_method method;
};

/* How values become integers: round(value / scale) + zero, within least..most. */
struct range_scale {
    float scale;
    int32_t zero, least, most;
};

/* One tensor, as the methods see it. */
struct range_source {
    const struct tally_sum *sum;
    const struct tally_sum *weighed; /* each channel by the weights that read it; NULL: sum */
    const struct tally_extremes *extremes;
    uint64_t pictures;
    bool symmetric; /* for 8-bit signed values without a zero point */
};

/* "entropy"; and back, RANGE_METHODS for what is none. */
const char *range_method_name(enum range_method method);
enum range_method range_method_of(const char *name);

/* The range of a tensor; method is one of the first five. */
struct range range_find(const struct range_source *source, enum range_method method);

/* For the input of a SiLU, from its own histogram and extremes. */
struct range range_find_silu(const struct tally_sum *sum, const struct tally_extremes *extremes);

/* Unsigned with a zero point, or signed and symmetric. A range without width has scale 1. */
struct range_scale range_to_scale(float low, float high, bool symmetric);

/* Mean of (value - its quantised value)^2 over a histogram. */
double range_error(const struct tally_sum *sum, const struct range_scale *scale);

/* The smallest range that holds both. */
struct range range_join(struct range a, struct range b);

#endif
