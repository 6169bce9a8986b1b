/* peak_job.c - windows of work on pinned threads that start each of them together. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "measure/peak_inner.h"

#define SPINS 10000 /* before the processor is offered to somebody else */

struct team {
    const struct peak_job *job;
    atomic_long arrived; /* at the starts of windows, by all threads together */
    pthread_mutex_t gate;
    bool cancelled;
    cpu_set_t allowed;
    struct span {
        int64_t start_ns, end_ns;
    } * spans; // (windows, threads)
};

struct member {
    struct team *team;
    pthread_t thread;
    int index;
};

int peak_processors(void)
{
    cpu_set_t allowed;
    int count;

    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return 1;
    count = CPU_COUNT(&allowed);
    return count < 1 ? 1 : count > PEAK_MAX_THREADS ? PEAK_MAX_THREADS : count;
}

/* To the index-th of the processors that the process may run on; where there are fewer, or the
 * machine refuses, the thread stays free. */
static void pin(const cpu_set_t *allowed, int index)
{
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        cpu_set_t one;

        if (!CPU_ISSET(cpu, allowed) || index-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
        return;
    }
}

/* A barrier of the kernel wakes threads tens of microseconds apart; windows are short. */
static void wait_for_all(struct team *team, int window)
{
    long wanted = (long)team->job->threads * (window + 2);

    (void)atomic_fetch_add(&team->arrived, 1);
    for (int spins = 0; atomic_load(&team->arrived) < wanted; spins++)
        if (spins > SPINS)
            (void)sched_yield();
}

static void *work(void *data)
{
    const struct member *member = data;
    struct team *team = member->team;
    const struct peak_job *job = team->job;
    bool cancelled;

    (void)pthread_mutex_lock(&team->gate);
    cancelled = team->cancelled;
    (void)pthread_mutex_unlock(&team->gate);
    if (cancelled)
        return NULL;
    pin(&team->allowed, member->index);
    if (job->prepare)
        job->prepare(job->data, member->index);
    for (int window = -1; window < job->windows; window++) {
        struct span span;

        wait_for_all(team, window);
        span.start_ns = clock_now_ns();
        job->run(job->data, member->index);
        span.end_ns = clock_now_ns();
        if (window >= 0)
            team->spans[(size_t)window * (size_t)job->threads + (size_t)member->index] = span;
    }
    return NULL;
}

static double window_seconds(const struct team *team, int window)
{
    size_t threads = (size_t)team->job->threads;
    const struct span *spans = team->spans + (size_t)window * threads;
    int64_t start = spans[0].start_ns, end = spans[0].end_ns;

    for (size_t i = 1; i < threads; i++) {
        start = spans[i].start_ns < start ? spans[i].start_ns : start;
        end = spans[i].end_ns > end ? spans[i].end_ns : end;
    }
    return end > start ? (double)(end - start) * 1e-9 : 1e-9;
}

/* Starts all threads, or none that works: they wait at the gate until it is known which. */
static enum tare_status run_team(struct team *team, struct member *members, struct tare_err *err)
{
    int threads = team->job->threads, started = 0;

    (void)pthread_mutex_lock(&team->gate);
    for (; started < threads; started++) {
        members[started] = (struct member){.team = team, .index = started};
        if (pthread_create(&members[started].thread, NULL, work, &members[started]) != 0)
            break;
    }
    team->cancelled = started < threads;
    (void)pthread_mutex_unlock(&team->gate);
    for (int i = 0; i < started; i++)
        (void)pthread_join(members[i].thread, NULL);
    return team->cancelled
               ? tare_fail(err, TARE_FAILED, "cannot start thread %d of %d", started + 1, threads)
               : TARE_OK;
}

enum tare_status peak_run_job(const struct peak_job *job, double *seconds, struct tare_err *err)
{
    size_t threads = (size_t)job->threads;
    struct team team = {.job = job, .gate = PTHREAD_MUTEX_INITIALIZER};
    struct member *members;
    enum tare_status status;

    if (job->threads < 1 || job->threads > PEAK_MAX_THREADS)
        return tare_fail(err, TARE_INVALID,
                         "peaks can't be measured on %d threads, allowed are 1 to %d", job->threads,
                         PEAK_MAX_THREADS);
    members = calloc(threads, sizeof(*members));
    team.spans = calloc(threads * (size_t)job->windows, sizeof(*team.spans));
    CPU_ZERO(&team.allowed);
    (void)sched_getaffinity(0, sizeof(team.allowed), &team.allowed);
    if (!members || !team.spans)
        status = tare_fail(err, TARE_NOMEM, "out of memory for %d threads", job->threads);
    else
        status = run_team(&team, members, err);
    for (int window = 0; window < job->windows && status == TARE_OK; window++)
        seconds[window] = window_seconds(&team, window);
    free(members);
    free(team.spans);
    return status;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct peak_rate peak_rate_of(double work, double *seconds, int windows)
{
    qsort(seconds, (size_t)windows, sizeof(*seconds), compare_doubles);
    return (struct peak_rate){work / seconds[0], work / seconds[windows / 2],
                              work / seconds[windows - 1]};
}
