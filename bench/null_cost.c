/*
 * null_cost.c - what the measuring loop costs a run, with a backend that does nothing.
 *
 *     null_cost FOLDER_OF_PLUGINS
 *
 * Prints one JSON object, nanoseconds a run: "loop" is the whole loop's time, "sample" the median
 * of what the loop reports, "clock" one reading of the clock. A run reads the clock twice.
 */
#include <stdio.h>
#include <stdlib.h>

#include "backend/registry.h"
#include "backend/session.h"
#include "base/clock.h"
#include "measure/loop.h"

enum {
    ROUNDS = 51,
    RUNS = 20000
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int compare_int(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static enum tare_status measure(struct backend_session *session, struct tare_err *err)
{
    const struct loop_options options = {.runs = RUNS, .max_runs = RUNS};
    struct loop loop = {.session = session, .slots = 1};
    struct loop_sinks sinks = {0};
    double whole[ROUNDS], sample[ROUNDS], cost[ROUNDS];
    enum tare_status status = TARE_OK;
    int64_t runs = 0;

    sinks.total = calloc(RUNS, sizeof(*sinks.total));
    sinks.infer = calloc(RUNS, sizeof(*sinks.infer));
    sinks.inside = calloc(RUNS, sizeof(*sinks.inside));
    if (!sinks.total || !sinks.infer || !sinks.inside)
        status = tare_fail(err, TARE_NOMEM, "out of memory");
    for (int i = -1; i < ROUNDS && status == TARE_OK; i++) { /* the first round warms up */
        int64_t start = clock_now_ns();

        status = loop_run(&loop, &options, &sinks, &runs, err);
        if (i < 0)
            continue;
        whole[i] = (double)(clock_now_ns() - start) / RUNS;
        cost[i] = (double)clock_cost_ps() / 1000;
        qsort(sinks.total, RUNS, sizeof(*sinks.total), compare_int);
        sample[i] = (double)sinks.total[RUNS / 2];
    }
    if (status == TARE_OK) {
        qsort(whole, ROUNDS, sizeof(*whole), compare);
        qsort(sample, ROUNDS, sizeof(*sample), compare);
        qsort(cost, ROUNDS, sizeof(*cost), compare);
        (void)printf("{\"loop\": %.1f, \"sample\": %.1f, \"clock\": %.1f}\n", whole[ROUNDS / 2],
                     sample[ROUNDS / 2], cost[ROUNDS / 2]);
    }
    free(sinks.total);
    free(sinks.infer);
    free(sinks.inside);
    return status;
}

int main(int argc, char **argv)
{
    const struct backend_session_options options = {.batch = 1};
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    enum tare_status status;

    if (argc != 2)
        return 2;
    (void)setenv("TARE_PLUGINS", argv[1], 1);
    status = backend_acquire("null", &backend, NULL, 0, &err);
    if (status == TARE_OK)
        status = backend_session_open(backend, &options, &session, &err);
    if (status == TARE_OK)
        status = measure(session, &err);
    backend_session_close(session);
    backend_free(backend);
    if (status != TARE_OK)
        (void)fprintf(stderr, "null_cost: %s\n", err.text);
    return status == TARE_OK ? 0 : 1;
}
