/*
 * bootstrap.h - percentile intervals of quantiles of pooled samples, resampled by sweep.
 *
 * The unit that is drawn is a group (the samples of one visit, so of one sweep), because samples of
 * a visit depend on each other. With three restarts or more there are two levels: restarts are
 * drawn, then groups within each drawn restart (Kalibera and Jones, 2013). Where the groups'
 * medians have a lag-1 autocorrelation over 0.2, runs of neighbouring groups are drawn together:
 * the stationary bootstrap (Politis and Romano, 1994) with mean length count^(1/3).
 *
 * For the intervals only, a group of over 4,096 samples is stood for by 4,096 of its order
 * statistics, evenly spaced.
 *
 * Threads: no shared state.
 */
#ifndef TARE_STATS_BOOTSTRAP_H
#define TARE_STATS_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

struct bootstrap_group {
    const double *values; // (count), any order
    size_t count;
    int64_t restart; /* groups of one worker process have the same; neighbours in time */
};

struct bootstrap_options {
    uint64_t seed;
    size_t replicates; /* 0: 999 */
    double confidence; /* 0: 0.95 */
};

struct bootstrap_interval {
    double low, high; /* NAN both with fewer than two groups */
};

/*
 * Intervals of the quantiles qs (q_count, each 0..1) of the pooled groups. Two-sided, percentile
 * method. TARE_NOMEM or TARE_INVALID (no quantiles, over 8).
 */
enum tare_status bootstrap_quantiles(const struct bootstrap_group *groups, size_t group_count,
                                     const double *qs, size_t q_count,
                                     const struct bootstrap_options *options,
                                     struct bootstrap_interval *intervals, struct tare_err *err);

#endif
