/*
 * quantile.h - quantiles of samples, and which quantile a number of samples can bear.
 *
 * Type 7 of Hyndman and Fan (1996): R's and NumPy's default. Nothing is clipped.
 * Threads: no shared state.
 */
#ifndef TARE_STATS_QUANTILE_H
#define TARE_STATS_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

/* Ascending, in place. NANs are the caller's error. */
void quantile_sort(double *values, size_t count);

/* Of ascending values, 0 <= q <= 1; NAN if count is 0. */
double quantile_sorted(const double *values, size_t count, double q);

/* Sorts values, then their median; NAN if count is 0. */
double quantile_median(double *values, size_t count);

/* Median of integer samples, without changing them; NAN if count is 0 or memory ran out. */
double quantile_median_int(const int64_t *samples, size_t count);

/*
 * How many independent samples a quantile needs, so that order statistics bound it with the given
 * confidence: one-sided, q^n <= 1 - confidence (299 for q = 0.99 at 95 %); two-sided, the tail
 * halved (368). Above the median. 0 if q is not in (0, 1).
 */
size_t quantile_need_one_sided(double q, double confidence);
size_t quantile_need_two_sided(double q, double confidence);

/*
 * Order statistics that hold the median (Conover, Practical Nonparametric Statistics, 3rd ed.,
 * section 3.2): the largest rank r, from 1, with which the interval from the r-th smallest to the
 * r-th largest of count independent samples has at least the given confidence, 2 P(B < r) <=
 * 1 - confidence for a binomial B of count tosses. 0 if even smallest and largest are not enough
 * (at 95 %: under 6 samples).
 */
size_t quantile_median_rank(size_t count, double confidence);

/* The highest quantile that the largest of count independent samples bounds from above with the
 * given confidence: (1 - confidence)^(1/count); 0 for no samples. count may be a fraction. */
double quantile_highest(double count, double confidence);

/*
 * Effective number of independent samples for the quantile at threshold, from groups (visits)
 * within which samples depend on each other: the count over the design effect of the share of
 * samples above it (its variance between groups over the binomial one; at least 1). With one group
 * there is nothing to see: the count over (1 + r)/(1 - r), r the lag-1 autocorrelation if positive.
 */
struct quantile_group {
    const double *values; // (count), in the order of time
    size_t count;
};
double quantile_effective(const struct quantile_group *groups, size_t group_count,
                          double threshold);

/* Lag-1 autocorrelation about the mean; 0 for under 3 values or no variance. */
double quantile_lag1(const double *values, size_t count);

#endif
