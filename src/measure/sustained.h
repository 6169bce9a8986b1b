/*
 * sustained.h - what a contiguous visit sustains, and the ratio of two cells visited A B B A.
 * Threads: no shared state.
 */
#ifndef TARE_MEASURE_SUSTAINED_H
#define TARE_MEASURE_SUSTAINED_H

#include <stdbool.h>
#include <stddef.h>

#define SUSTAINED_CHANGE 0.02 /* of the speed, over what counts as steady */

struct sustained {
    double run_ns;        /* mean of a run in the steady part; its inverse is the speed */
    size_t first;         /* the steady part begins with this sample */
    double slope_per_min; /* relative change of the speed in that part, a minute; NAN: not known */
    bool steady;          /* false: still changing in its last half, which is then taken */
};

/*
 * The steady part of a visit's run times (count, in the order of time): 20 windows of equal time;
 * from the earliest on, but not later than the middle one, at which a straight line through the
 * windows' speeds changes by at most SUSTAINED_CHANGE, or by three of its standard errors. Under 40
 * samples all of it counts, as not steady. run_ns is NAN without samples.
 */
struct sustained sustained_part(const double *samples_ns, size_t count);

/*
 * Log ratio of A's to B's time from the mean run times of one block A B B A, or of B A A B: half of
 * log a1 - log b1 - log b2 + log a2. A drift that is linear in time cancels.
 */
double sustained_contrast(const double run_ns[4], bool b_first);

#endif
