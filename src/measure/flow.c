#include "measure/flow.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define TOGETHER_SHARE 20 /* of a run's time: ends so close belong to one batch */

/* What the streams of one flow_run() share. */
struct race {
    struct flow *flow;
    const struct flow_options *options;
    int64_t begin_ns, deadline_ns;
    atomic_int_fast64_t next; /* run to be taken */
    atomic_bool stop;
};

struct runner {
    struct race *race;
    struct flow_stream *stream;
    struct tare_err err;
    pthread_t thread;
};

enum tare_status flow_begin(struct flow *flow, const struct loop *first, int64_t max_runs,
                            struct tare_err *err)
{
    memset(flow, 0, sizeof(*flow));
    flow->streams = calloc(FLOW_MAX_STREAMS, sizeof(*flow->streams));
    flow->starts_ns = calloc((size_t)max_runs, sizeof(*flow->starts_ns));
    flow->ends_ns = calloc((size_t)max_runs, sizeof(*flow->ends_ns));
    if (!flow->streams || !flow->starts_ns || !flow->ends_ns)
        return tare_fail(err, TARE_NOMEM, "out of memory for %d streams", FLOW_MAX_STREAMS);
    flow->max_runs = max_runs;
    flow->streams[0].loop = *first;
    flow->count = 1;
    return TARE_OK;
}

static void release_stream(struct flow_stream *stream)
{
    if (stream->loop.state)
        stream->loop.family->close(stream->loop.state);
    session_graph_release(&stream->graph);
    backend_session_close(stream->loop.session);
}

enum tare_status flow_add(struct flow *flow, struct backend_session *session,
                          const struct family_options *options, struct tare_err *err)
{
    struct flow_stream *stream = &flow->streams[flow->count];
    struct loop *loop = &stream->loop;
    enum tare_status status;

    if (flow->count == FLOW_MAX_STREAMS) {
        backend_session_close(session);
        return tare_fail(err, TARE_LIMIT, "more than %d streams", FLOW_MAX_STREAMS);
    }
    *stream = (struct flow_stream){.loop = flow->streams[0].loop};
    loop->session = session;
    loop->state = NULL;
    status = session_graph_describe(session, &stream->graph, err);
    if (status == TARE_OK)
        status = loop->family->open(&stream->graph.graph, options, &loop->state, err);
    for (int32_t slot = 0; !loop->family->predicts && slot < loop->slots && status == TARE_OK;
         slot++)
        status = loop->family->load(loop->state, NULL, 0, slot, NULL, err);
    if (status == TARE_OK)
        flow->count++;
    else
        release_stream(stream);
    return status;
}

void flow_release(struct flow *flow)
{
    for (size_t i = 1; i < flow->count; i++)
        release_stream(&flow->streams[i]);
    free(flow->streams);
    free(flow->starts_ns);
    free(flow->ends_ns);
    memset(flow, 0, sizeof(*flow));
}

/* --- running -----------------------------------------------------------------------------------
 */

/* Takes the next run and waits until it is due; false if there is none before the deadline. */
static bool take_run(struct race *race, int64_t *run, int64_t *start_ns)
{
    int64_t period_ns = race->options->period_ns;

    *start_ns = clock_now_ns();
    if (!period_ns && *start_ns >= race->deadline_ns)
        return false;
    *run = atomic_fetch_add(&race->next, 1);
    if (*run >= race->flow->max_runs)
        return false;
    if (!period_ns)
        return true;
    *start_ns = race->begin_ns + *run * period_ns;
    if (*start_ns >= race->deadline_ns)
        return false;
    clock_sleep_until(*start_ns);
    return true;
}

static void *run_stream(void *data)
{
    struct runner *runner = data;
    struct race *race = runner->race;
    const struct loop *loop = &runner->stream->loop;
    const struct loop_sinks none = {0};

    while (!atomic_load_explicit(&race->stop, memory_order_relaxed)) {
        struct loop_options once = {.runs = 1, .max_runs = 1};
        int64_t run, start_ns, made;

        if (!take_run(race, &run, &start_ns))
            break;
        once.first_picture = race->options->first_picture + run * loop->slots;
        if (loop_run(loop, &once, &none, &made, &runner->err) != TARE_OK) {
            atomic_store(&race->stop, true);
            break;
        }
        race->flow->starts_ns[run] = start_ns;
        race->flow->ends_ns[run] = clock_now_ns();
    }
    return NULL;
}

struct done {
    int64_t end_ns, latency_ns;
};

static int compare_ends(const void *left, const void *right)
{
    int64_t a = ((const struct done *)left)->end_ns, b = ((const struct done *)right)->end_ns;

    return (a > b) - (a < b);
}

/*
 * How many runs ended together at the start: one, or those that a server answered as a batch. The
 * rate counts from their end on, so that a batch is not counted without the time that it took.
 */
static size_t first_batch(const struct done *done, size_t count)
{
    int64_t together_ns = done[0].latency_ns / TOGETHER_SHARE;
    size_t first = 1;

    while (first < count && done[first].end_ns - done[0].end_ns <= together_ns)
        first++;
    return first;
}

static enum tare_status measure(const struct race *race, int64_t *latencies,
                                struct flow_result *result, struct tare_err *err)
{
    int64_t taken = atomic_load(&race->next), from = race->begin_ns + race->options->lead_ns;
    size_t count = 0, first,
           most = (size_t)(taken < race->flow->max_runs ? taken : race->flow->max_runs);
    struct done *done = calloc(most + 1, sizeof(*done));

    if (!done)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu runs", most);
    for (size_t i = 0; i < most; i++) {
        int64_t end = race->flow->ends_ns[i], start = race->flow->starts_ns[i];

        if (race->options->period_ns ? end && start >= from
                                     : end >= from && end <= race->deadline_ns)
            done[count++] = (struct done){end, end - start};
    }
    qsort(done, count, sizeof(*done), compare_ends);
    first = count ? first_batch(done, count) : 0;
    for (size_t i = first; i < count; i++)
        latencies[i - first] = done[i].latency_ns;
    if (count > first) {
        result->runs = (int64_t)(count - first);
        result->window_ns = done[count - 1].end_ns - done[first - 1].end_ns;
    }
    free(done);
    if (result->window_ns > 0)
        return TARE_OK;
    if (taken > race->flow->max_runs)
        return tare_fail(err, TARE_LIMIT,
                         "%lld runs, all that there is room for, were over before the time that "
                         "counts: a lower rate or a larger model helps",
                         (long long)race->flow->max_runs);
    return tare_fail(err, TARE_FAILED,
                     "fewer than two runs or batches ended in %.3g s: a longer "
                     "visit helps",
                     (double)race->options->duration_ns / 1e9);
}

enum tare_status flow_run(struct flow *flow, const struct flow_options *options, int64_t *latencies,
                          struct flow_result *result, struct tare_err *err)
{
    struct race race = {.flow = flow, .options = options};
    struct runner *runners = calloc(flow->count, sizeof(*runners));
    enum tare_status status = TARE_OK;
    size_t started = 0;

    *result = (struct flow_result){0, 0};
    if (!runners)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu streams", flow->count);
    memset(flow->ends_ns, 0, (size_t)flow->max_runs * sizeof(*flow->ends_ns));
    race.begin_ns = clock_now_ns();
    race.deadline_ns = race.begin_ns + options->lead_ns + options->duration_ns;
    for (; started < flow->count; started++) {
        struct runner *runner = &runners[started];

        *runner = (struct runner){.race = &race, .stream = &flow->streams[started]};
        if (pthread_create(&runner->thread, NULL, run_stream, runner) != 0) {
            status = tare_fail(err, TARE_FAILED, "cannot start thread %zu of %zu", started + 1,
                               flow->count);
            atomic_store(&race.stop, true);
            break;
        }
    }
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(runners[i].thread, NULL);
        if (status == TARE_OK && runners[i].err.status != TARE_OK)
            status = tare_fail(err, runners[i].err.status, "%s", runners[i].err.text);
    }
    if (status == TARE_OK)
        status = measure(&race, latencies, result, err);
    free(runners);
    return status;
}
