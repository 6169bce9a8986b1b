/*
 * walsh.h - the middle of differences by their Walsh averages: the averages of all pairs of them,
 * each with itself too.
 *
 * Their median is the estimator of Hodges and Lehmann (1963). On normal differences it is worth
 * 95 % of the mean; on a machine whose visits fall into a fast and a slow state, where a third of
 * the pairs met unlike states and differ by a factor of two, many times as much, because it is the
 * pairs in like states that place it. It estimates the centre of symmetry where there is one, and
 * otherwise the median of the average of two independent differences.
 *
 * Nothing is laid out: an order statistic of the count (count + 1) / 2 averages is searched for by
 * bisection, each step of which counts in linear time.
 *
 * Threads: no shared state.
 */
#ifndef TARE_STATS_WALSH_H
#define TARE_STATS_WALSH_H

#include <stddef.h>

/* Quantile (type 7) of the Walsh averages of ascending values (count); q beyond 0..1 is taken as
 * the end. NAN if count is 0. */
double walsh_quantile(const double *sorted, size_t count, double q);

/*
 * scores (count) of values (count, any order): the share of sorted (sorted_count) whose average
 * with the value lies above center, equal ones counting half. The share of Walsh averages above
 * the center is, to first order, their mean; so its variance follows from theirs, whatever the
 * dependence between values.
 */
void walsh_scores(const double *values, size_t count, const double *sorted, size_t sorted_count,
                  double center, double *scores);

#endif
