/*
 * inproc_cost.c - what Triton in the process adds: a plugin called directly against the same plugin
 * behind a tritonserver of this process.
 *
 *     inproc_cost FOLDER_OF_PLUGINS REPOSITORY MODEL INPUTS OUTPUTS TURNS RUNS
 *
 * The plugin is null, which does no work, with these inputs and outputs; MODEL of the repository
 * hosts it too. Both take turns, RUNS runs each. Prints one JSON object: the median of each in
 * nanoseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "backend/session.h"
#include "base/clock.h"

/* Any failure ends it: 77 where there is no tritonserver. */
static struct backend_session *open_session(const char *plugin,
                                            const struct backend_session_options *options)
{
    struct tare_err err = TARE_ERR_INIT;
    struct backend_session *session = NULL;
    struct backend *backend = NULL;

    if (backend_acquire(plugin, &backend, NULL, 0, &err) != TARE_OK ||
        backend_session_open(backend, options, &session, &err) != TARE_OK) {
        (void)fprintf(stderr, "inproc_cost: %s\n", err.text);
        exit(err.status == TARE_ABSENT ? 77 : 1);
    }
    return session;
}

static void take_turn(struct backend_session *session, int64_t *series, int64_t runs)
{
    struct tare_err err = TARE_ERR_INIT;

    for (int64_t i = 0; i < runs; i++) {
        int64_t start = clock_now_ns();
        enum tare_status status = backend_session_run(session, NULL, NULL, &err);

        series[i] = clock_now_ns() - start;
        if (status != TARE_OK) {
            (void)fprintf(stderr, "inproc_cost: %s\n", err.text);
            exit(1);
        }
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t median_of(int64_t *series, int64_t count)
{
    qsort(series, (size_t)count, sizeof(*series), compare);
    return series[count / 2];
}

int main(int argc, char **argv)
{
    struct tare_option_value null_options[2], triton_options[1];
    struct backend_session_options direct = {
        .batch = 1, .options = null_options, .option_count = 2};
    struct backend_session_options served = {
        .batch = 1, .options = triton_options, .option_count = 1};
    struct backend_session *sessions[2];
    int64_t *series[2], turns, runs;

    if (argc != 8)
        return 2;
    (void)setenv("TARE_PLUGINS", argv[1], 1);
    served.model_path = argv[2];
    triton_options[0] = (struct tare_option_value){"model", argv[3]};
    null_options[0] = (struct tare_option_value){"inputs", argv[4]};
    null_options[1] = (struct tare_option_value){"outputs", argv[5]};
    turns = strtoll(argv[6], NULL, 10);
    runs = strtoll(argv[7], NULL, 10);
    sessions[0] = open_session("null", &direct);
    sessions[1] = open_session("triton", &served);
    for (int i = 0; i < 2; i++) {
        series[i] = calloc((size_t)(turns * runs), sizeof(**series));
        if (!series[i])
            return 1;
        take_turn(sessions[i], series[i], runs); /* warm-up */
    }
    for (int64_t turn = 0; turn < turns; turn++)
        for (int i = 0; i < 2; i++)
            take_turn(sessions[i], series[i] + turn * runs, runs);
    (void)printf("{\"direct\": %lld, \"served\": %lld}\n",
                 (long long)median_of(series[0], turns * runs),
                 (long long)median_of(series[1], turns * runs));
    backend_session_close(sessions[1]);
    backend_session_close(sessions[0]);
    return 0;
}
