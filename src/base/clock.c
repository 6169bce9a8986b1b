#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>

#include "base/stop.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

void clock_sleep_until(int64_t deadline_ns)
{
    struct timespec until = {.tv_sec = deadline_ns / 1000000000,
                             .tv_nsec = deadline_ns % 1000000000};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        if (stop_requested())
            return;
}

static int compare_int64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int64_t clock_cost_ps(void)
{
    enum {
        ROUNDS = 31,
        CALLS = 1000
    };
    int64_t rounds[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        int64_t start = clock_now_ns(), end = start;

        for (int j = 0; j < CALLS; j++)
            end = clock_now_ns();
        rounds[i] = (end - start) * 1000 / CALLS;
    }
    qsort(rounds, ROUNDS, sizeof(rounds[0]), compare_int64);
    return rounds[ROUNDS / 2];
}
