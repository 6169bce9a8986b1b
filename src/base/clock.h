/*
 * clock.h - time, always int64 nanoseconds of CLOCK_MONOTONIC unless a name says otherwise.
 * Threads: any.
 */
#ifndef TARE_BASE_CLOCK_H
#define TARE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Inline because it stands on the measured path. */
static inline int64_t clock_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* CPU time of the calling thread. */
int64_t clock_thread_cpu_ns(void);

/* Wall clock since 1970, for labels only, never for a duration. */
int64_t clock_wall_ns(void);

/* Sleeps until a CLOCK_MONOTONIC time; a signal does not cut it short unless the stop flag of
 * base/stop.h is set. */
void clock_sleep_until(int64_t deadline_ns);

/* Median cost of one clock_now_ns() in nanoseconds, times 1000, measured now. */
int64_t clock_cost_ps(void);

#endif
