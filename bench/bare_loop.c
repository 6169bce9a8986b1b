/*
 * bare_loop.c - the onnxruntime plugin against the shortest loop over ONNX Runtime's C API.
 *
 *     bare_loop FOLDER_OF_PLUGINS MODEL ALTERNATIONS RUNS FIRST
 *
 * Both open the model in this process with one thread and bind their tensors once. They take turns,
 * RUNS runs each. FIRST (bare|plugin) is opened first, so
 * that the caller can let each have either place in memory. Prints what turns.h says, by the clock
 * "host".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../plugins/onnxruntime/ort_api.h"
#include "backend/registry.h"
#include "backend/session.h"
#include "base/clock.h"
#include "turns.h"

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

    if (ort_api_load("", ORT_BUILD_ORDINARY, &bare->api, &err) != TARE_OK)
        turns_fail("bare_loop", &err);
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

static void bare_turn(void *side, int64_t *const series[TURNS_SERIES_MAX], int64_t runs)
{
    struct bare *bare = side;

    for (int64_t i = 0; i < runs; i++) {
        int64_t start = clock_now_ns();
        ort_result result =
            bare->api.run_with_binding(bare->session, bare->run_options, bare->binding);

        series[0][i] = clock_now_ns() - start;
        must(bare, result, "run");
    }
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
        backend_session_open(backend, &options, &session, &err) != TARE_OK)
        turns_fail("bare_loop", &err);
    if (!bare_first)
        bare_open(&bare, argv[2]);
    bare_bind(&bare, session, true);
    bare_bind(&bare, session, false);
    turns_compare(&(struct turns_side){bare_turn, &bare},
                  &(struct turns_side){turns_plugin, session}, strtoll(argv[3], NULL, 10),
                  strtoll(argv[4], NULL, 10), (const char *[]){"host"}, 1);
    return 0; /* the process ends: what it holds goes with it */
}
