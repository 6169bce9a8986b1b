/*
 * bare_loop.c - the onnxruntime plugin against the shortest loop over ONNX Runtime's C API.
 *
 *     bare_loop FOLDER_OF_PLUGINS MODEL ALTERNATIONS RUNS FIRST
 *
 * Both open the model in this process with one thread and bind their tensors once. They take turns,
 * RUNS runs each; which begins changes from turn to turn. FIRST (bare|plugin) is opened first, so
 * that the caller can let each have either place in memory. Prints one JSON object: the median of
 * each in nanoseconds, and the median of the ratios of each turn's medians (plugin / bare).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../plugins/onnxruntime/ort_api.h"
#include "backend/registry.h"
#include "backend/session.h"
#include "base/clock.h"

#define SIDE_MAX 16

struct bare {
    struct ort_api api;
    struct ort_env *env;
    struct ort_session_options *settings;
    struct ort_session *session;
    struct ort_run_options *run_options;
    struct ort_memory_info *memory;
    struct ort_binding *binding;
};

struct series {
    int64_t *bare, *plugin; // (runs)
};

/* The bare side must do no more than it would in a program of its own; any failure ends it. */
static void must(const struct bare *bare, ort_result result, const char *what)
{
    struct tare_err err = TARE_ERR_INIT;

    if (ort_api_check(&bare->api, result, what, &err) == TARE_OK)
        return;
    (void)fprintf(stderr, "bare_loop: %s\n", err.text);
    exit(1);
}

static void bare_open(struct bare *bare, const char *model)
{
    struct tare_err err = TARE_ERR_INIT;
    const struct ort_api *api = &bare->api;

    if (ort_api_load("", ORT_BUILD_ORDINARY, &bare->api, &err) != TARE_OK) {
        (void)fprintf(stderr, "bare_loop: %s\n", err.text);
        exit(77);
    }
    must(bare, api->create_env(ORT_LOG_FATAL, "bare", &bare->env), "environment");
    must(bare, api->create_session_options(&bare->settings), "options");
    must(bare, api->set_intra_op_num_threads(bare->settings, 1), "threads");
    must(bare, api->create_session(bare->env, model, bare->settings, &bare->session), "session");
    must(bare, api->create_run_options(&bare->run_options), "run options");
    must(bare, api->create_cpu_memory_info(ORT_ALLOCATOR_ARENA, ORT_MEMORY_DEFAULT, &bare->memory),
         "memory");
    must(bare, api->create_binding(bare->session, &bare->binding), "binding");
}

/* Binds memory of its own, in the shapes of the plugin's session, with the same input values. */
static void bare_bind(struct bare *bare, struct backend_session *session, bool inputs)
{
    const struct ort_api *api = &bare->api;

    for (size_t i = 0; i < backend_session_count(session, inputs); i++) {
        const struct tare_tensor *tensor = backend_session_tensor(session, inputs, i);
        size_t bytes = (size_t)tare_shape_count(tensor->rank, tensor->shape) * sizeof(float);
        void *data = aligned_alloc(64, (bytes + 127) / 64 * 64);
        struct ort_value *value = NULL;

        if (!data || tensor->dtype != TARE_FP32)
            exit(1);
        memcpy(data, tensor->data, bytes);
        must(bare,
             api->create_tensor_with_data(bare->memory, data, bytes, tensor->shape,
                                          (size_t)tensor->rank, 1, &value),
             "tensor");
        must(bare,
             inputs ? api->bind_input(bare->binding, tensor->name, value)
                    : api->bind_output(bare->binding, tensor->name, value),
             "bind");
        api->release_value(value);
    }
}

static void bare_turn(struct bare *bare, int64_t *series, int64_t runs)
{
    for (int64_t i = 0; i < runs; i++) {
        int64_t start = clock_now_ns();
        ort_result result =
            bare->api.run_with_binding(bare->session, bare->run_options, bare->binding);

        series[i] = clock_now_ns() - start;
        must(bare, result, "run");
    }
}

static void plugin_turn(struct backend_session *session, int64_t *series, int64_t runs)
{
    struct tare_err err = TARE_ERR_INIT;

    for (int64_t i = 0; i < runs; i++) {
        struct tare_timing timing = {-1, -1, -1, -1};
        int64_t start = clock_now_ns();
        enum tare_status status = backend_session_run(session, NULL, &timing, &err);

        series[i] = clock_now_ns() - start;
        if (status != TARE_OK)
            exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(const int64_t *series, int64_t count)
{
    int64_t *sorted = malloc((size_t)count * sizeof(*sorted));
    double median;

    if (!sorted)
        exit(1);
    memcpy(sorted, series, (size_t)count * sizeof(*sorted));
    qsort(sorted, (size_t)count, sizeof(*sorted), compare);
    median = ((double)sorted[(count - 1) / 2] + (double)sorted[count / 2]) / 2;
    free(sorted);
    return median;
}

static void take_turns(struct bare *bare, struct backend_session *session, int64_t turns,
                       int64_t runs)
{
    struct series all = {calloc((size_t)(turns * runs), sizeof(int64_t)),
                         calloc((size_t)(turns * runs), sizeof(int64_t))};
    double *ratios = calloc((size_t)turns, sizeof(*ratios));

    if (!all.bare || !all.plugin || !ratios)
        exit(1);
    bare_turn(bare, all.bare, runs); /* warm-up */
    plugin_turn(session, all.plugin, runs);
    for (int64_t turn = 0; turn < turns; turn++) {
        int64_t *a = all.bare + turn * runs, *b = all.plugin + turn * runs;

        if (turn % 2)
            plugin_turn(session, b, runs);
        bare_turn(bare, a, runs);
        if (turn % 2 == 0)
            plugin_turn(session, b, runs);
        ratios[turn] = median_of(b, runs) / median_of(a, runs);
    }
    qsort(ratios, (size_t)turns, sizeof(*ratios), compare_double);
    (void)printf("{\"bare\": %.0f, \"plugin\": %.0f, \"ratio\": %.5f}\n",
                 median_of(all.bare, turns * runs), median_of(all.plugin, turns * runs),
                 (ratios[(turns - 1) / 2] + ratios[turns / 2]) / 2);
    free(all.bare);
    free(all.plugin);
    free(ratios);
}

int main(int argc, char **argv)
{
    struct backend_session_options options = {.threads = 1, .batch = 1};
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    static struct bare bare;
    bool bare_first;

    if (argc != 6)
        return 2;
    options.model_path = argv[2];
    bare_first = strcmp(argv[5], "bare") == 0;
    (void)setenv("TARE_PLUGINS", argv[1], 1);
    if (bare_first)
        bare_open(&bare, argv[2]);
    if (backend_acquire("onnxruntime", &backend, NULL, 0, &err) != TARE_OK ||
        backend_session_open(backend, &options, &session, &err) != TARE_OK) {
        (void)fprintf(stderr, "bare_loop: %s\n", err.text);
        return err.status == TARE_ABSENT ? 77 : 1;
    }
    if (!bare_first)
        bare_open(&bare, argv[2]);
    bare_bind(&bare, session, true);
    bare_bind(&bare, session, false);
    take_turns(&bare, session, strtoll(argv[3], NULL, 10), strtoll(argv[4], NULL, 10));
    return 0; /* the process ends: what it holds goes with it */
}
