/*
 * ratio.h - the ratio of two sums over independent units (pictures), and its interval.
 *
 * The estimate is sum(numerators) / sum(denominators): each unit weighs what it holds, so that a
 * picture with one box does not count as much as one with fifty. The interval is the percentile
 * bootstrap over units (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): each
 * resample draws as many units as there are, with replacement.
 *
 * Threads: no shared state.
 */
#ifndef TARE_STATS_RATIO_H
#define TARE_STATS_RATIO_H

#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

struct ratio_options {
    uint64_t seed;
    size_t replicates; /* 0: 1000 */
    double confidence; /* 0: 0.95 */
};

struct ratio_estimate {
    double value;     /* NAN if both sums are 0, infinity if only the denominators' is */
    double low, high; /* NAN both with fewer than two units, or if value is NAN */
};

/*
 * numerators and denominators have count elements, none negative. Resamples whose sums are both 0
 * say nothing and are left out. TARE_NOMEM.
 */
enum tare_status ratio_of_sums(const double *numerators, const double *denominators, size_t count,
                               const struct ratio_options *options, struct ratio_estimate *estimate,
                               struct tare_err *err);

#endif
