/*
 * components.h - how much of a scatter lies between groups and how much within them: the one-way
 * analysis of variance with random effects (Searle, Casella and McCulloch, Variance Components,
 * 1992, section 3.6; the estimator by moments, cut at 0).
 *
 * Threads: no shared state.
 */
#ifndef TARE_STATS_COMPONENTS_H
#define TARE_STATS_COMPONENTS_H

#include <stddef.h>
#include <stdint.h>

struct components {
    size_t count, groups;
    double between, within; /* variances of a group's effect and of a value in its group */
    double mean_between;    /* what each adds to the variance of the mean of all values: */
    double mean_within;     /* between * sum(n_i^2) / n^2, within / n */
};

/*
 * values (count; NAN: missing) with the group of each. All four variances are NAN with fewer than
 * two groups, or if no group has two values.
 */
struct components components_estimate(const double *values, const int64_t *groups, size_t count);

#endif
