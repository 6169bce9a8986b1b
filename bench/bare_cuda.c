/*
 * bare_cuda.c - the onnxruntime plugin on a CUDA device against the shortest loop over ONNX
 * Runtime's C API and NVIDIA's driver that does the same: copy in, run, copy out, wait.
 *
 *     bare_cuda FOLDER_OF_PLUGINS MODEL TURNS RUNS FIRST PRECISION [NAME=VALUE...]
 *
 * Both open the model in this process with the same options of the CUDA provider, bind memory of
 * the device once and have pinned memory of the host beside it, with the same input. NAME=VALUE are
 * the plugin's options. FIRST (bare|plugin) is opened first. Prints what turns.h says, by two
 * clocks: "host", around a run, and "device", between events at the edges of a run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../plugins/onnxruntime/ort_api.h"
#include "../plugins/onnxruntime/ort_libraries.h"
#include "backend/registry.h"
#include "backend/session.h"
#include "base/clock.h"
#include "cuda/cuda.h"
#include "turns.h"

#define SIDE_MAX    16
#define OPTIONS_MAX 16

/* What a tensor of the host is copied to or from. */
struct pair {
    void *host, *device;
    size_t bytes;
};

struct bare {
    struct ort_api api;
    struct cuda *cuda;
    void *stream, *start, *end;
    struct ort_env *env;
    struct ort_session_options *settings;
    struct ort_session *session;
    struct ort_run_options *run_options;
    struct ort_memory_info *memory;
    struct ort_binding *binding;
    struct pair inputs[SIDE_MAX], outputs[SIDE_MAX];
    size_t input_count, output_count;
};

/* Any failure of the bare side ends it. */
static void must(const struct bare *bare, ort_result result, const char *what)
{
    struct tare_err err = TARE_ERR_INIT;

    if (ort_api_check(&bare->api, result, what, &err) != TARE_OK)
        turns_fail("bare_cuda", &err);
}

static void must_cuda(enum tare_status status, const struct tare_err *err)
{
    if (status != TARE_OK)
        turns_fail("bare_cuda", err);
}

/* What the plugin gives the provider for these options of its own, and by itself. */
static size_t provider_options(const struct backend_session_options *given, const char **names,
                               const char **values)
{
    static const char *const renamed[][2] = {{"cuda_graph", "enable_cuda_graph"},
                                             {"tf32", "use_tf32"}};
    size_t count = 0;

    names[count] = "use_tf32";
    values[count++] = strcmp(given->precision, "fp16") == 0 ? "1" : "0";
    for (size_t i = 0; i < given->option_count; i++) {
        const char *value = given->options[i].value;

        names[count] = given->options[i].name;
        if (strcmp(names[count], "provider") == 0 || strcmp(names[count], "quant_qdq") == 0)
            continue; /* not the provider's */
        for (size_t k = 0; k < sizeof(renamed) / sizeof(renamed[0]); k++)
            if (strcmp(names[count], renamed[k][0]) == 0)
                names[count] = renamed[k][1];
        values[count++] = strcmp(value, "heuristic") == 0 ? "HEURISTIC" : value;
    }
    return count;
}

/* The library loads its provider when options are set, and may miss libraries then. */
static void add_provider(struct bare *bare, const struct backend_session_options *given)
{
    const struct ort_provider_calls *calls = &bare->api.cuda;
    const char *names[OPTIONS_MAX + 2], *values[OPTIONS_MAX + 2];
    size_t count = provider_options(given, names, values);
    struct tare_err err = TARE_ERR_INIT;
    struct ort_provider_options *made = NULL;
    char missing[ORT_LIBRARY_NAME];
    ort_result result;

    must(bare, calls->create(&made), "provider");
    while ((result = calls->update(made, names, values, count)) != NULL &&
           ort_libraries_missing(bare->api.get_error_message(result), missing)) {
        bare->api.release_status(result);
        must_cuda(ort_libraries_load(missing, bare->api.library, &err), &err);
    }
    must(bare, result, "options");
    (void)ort_libraries_load("libcudnn.so.9", bare->api.library, NULL);
    must(bare, calls->set_pointer(made, "user_compute_stream", bare->stream), "stream");
    must(bare, calls->append(bare->settings, made), "provider");
    calls->release(made);
}

/* The plugin's own default for a Q/DQ model. */
static bool keeps_qdq(const struct backend_session_options *given)
{
    for (size_t i = 0; i < given->option_count; i++)
        if (strcmp(given->options[i].name, "quant_qdq") == 0)
            return strcmp(given->options[i].value, "keep") == 0;
    return strcmp(given->precision, "int8") == 0;
}

static void bare_open(struct bare *bare, const struct backend_session_options *given)
{
    struct tare_err err = TARE_ERR_INIT;
    const struct ort_api *api = &bare->api;

    must_cuda(cuda_open(0, &bare->cuda, &err), &err);
    must_cuda(cuda_stream_new(bare->cuda, &bare->stream, &err), &err);
    must_cuda(cuda_event_new(bare->cuda, &bare->start, &err), &err);
    must_cuda(cuda_event_new(bare->cuda, &bare->end, &err), &err);
    must_cuda(ort_api_load("", ORT_BUILD_CUDA, &bare->api, &err), &err);
    must(bare, api->create_env(ORT_LOG_FATAL, "bare", &bare->env), "environment");
    must(bare, api->create_session_options(&bare->settings), "options");
    must(bare, api->set_intra_op_num_threads(bare->settings, given->threads), "threads");
    add_provider(bare, given);
    if (keeps_qdq(given))
        must(bare, api->add_session_config_entry(bare->settings, "session.disable_quant_qdq", "1"),
             "options");
    must(bare, api->create_session(bare->env, given->model_path, bare->settings, &bare->session),
         "session");
    must(bare, api->create_run_options(&bare->run_options), "run options");
    must(bare,
         api->add_run_config_entry(bare->run_options, "disable_synchronize_execution_providers",
                                   "1"),
         "run options");
    must(
        bare,
        api->create_memory_info("Cuda", ORT_ALLOCATOR_DEVICE, 0, ORT_MEMORY_DEFAULT, &bare->memory),
        "memory");
    must(bare, api->create_binding(bare->session, &bare->binding), "binding");
}

/* Binds memory of its own, in the shapes of the plugin's session, with the same input values. */
static size_t bare_bind(struct bare *bare, struct backend_session *session, bool inputs,
                        struct pair *pairs)
{
    const struct ort_api *api = &bare->api;
    size_t count = backend_session_count(session, inputs);
    struct tare_err err = TARE_ERR_INIT;

    if (count > SIDE_MAX)
        exit(1);
    for (size_t i = 0; i < count; i++) {
        const struct tare_tensor *tensor = backend_session_tensor(session, inputs, i);
        struct ort_value *value = NULL;

        pairs[i].bytes =
            (size_t)tare_shape_count(tensor->rank, tensor->shape) * tare_dtype_bytes(tensor->dtype);
        must_cuda(cuda_alloc(bare->cuda, pairs[i].bytes, &pairs[i].device, &err), &err);
        must_cuda(cuda_alloc_pinned(bare->cuda, pairs[i].bytes, &pairs[i].host, &err), &err);
        memcpy(pairs[i].host, tensor->data, pairs[i].bytes);
        must(bare,
             api->create_tensor_with_data(bare->memory, pairs[i].device, pairs[i].bytes,
                                          tensor->shape, (size_t)tensor->rank,
                                          tensor->dtype == TARE_FP16 ? 10 : 1, &value),
             "tensor");
        must(bare,
             inputs ? api->bind_input(bare->binding, tensor->name, value)
                    : api->bind_output(bare->binding, tensor->name, value),
             "bind");
        api->release_value(value);
    }
    return count;
}

static enum tare_status bare_run(struct bare *bare, struct tare_err *err)
{
    struct cuda *cuda = bare->cuda;
    enum tare_status status = cuda_event_record(cuda, bare->start, bare->stream, err);

    for (size_t i = 0; i < bare->input_count && status == TARE_OK; i++)
        status = cuda_copy_in(cuda, bare->inputs[i].device, bare->inputs[i].host,
                              bare->inputs[i].bytes, bare->stream, err);
    if (status == TARE_OK)
        status = ort_api_check(
            &bare->api, bare->api.run_with_binding(bare->session, bare->run_options, bare->binding),
            "run", err);
    for (size_t i = 0; i < bare->output_count && status == TARE_OK; i++)
        status = cuda_copy_out(cuda, bare->outputs[i].host, bare->outputs[i].device,
                               bare->outputs[i].bytes, bare->stream, err);
    if (status == TARE_OK)
        status = cuda_event_record(cuda, bare->end, bare->stream, err);
    return status == TARE_OK ? cuda_stream_sync(cuda, bare->stream, err) : status;
}

static void bare_turn(void *side, int64_t *const series[TURNS_SERIES_MAX], int64_t runs)
{
    struct bare *bare = side;
    struct tare_err err = TARE_ERR_INIT;

    for (int64_t i = 0; i < runs; i++) {
        int64_t start = clock_now_ns();

        must_cuda(bare_run(bare, &err), &err);
        series[0][i] = clock_now_ns() - start;
        must_cuda(cuda_event_elapsed(bare->cuda, bare->start, bare->end, &series[1][i], &err),
                  &err);
    }
}

/* Noise between 0 and 1, so that no kernel meets a special case. */
static void fill_inputs(struct backend_session *session)
{
    uint32_t state = 1;

    for (size_t i = 0; i < backend_session_count(session, true); i++) {
        const struct tare_tensor *tensor = backend_session_tensor(session, true, i);
        int64_t count = tare_shape_count(tensor->rank, tensor->shape);

        if (tensor->dtype != TARE_FP32)
            continue;
        for (int64_t k = 0; k < count; k++) {
            state = state * 1664525 + 1013904223;
            ((float *)tensor->data)[k] = (float)(state >> 8) / (float)(1 << 24);
        }
    }
}

/* What the plugin's side was, to go by when reading the figures. */
static void print_plugin(struct backend_session *session)
{
    const struct tare_open_report *report = backend_session_report(session);
    struct tare_timing timing = {-1, -1, -1, -1};
    struct tare_err err = TARE_ERR_INIT;

    must_cuda(backend_session_run(session, NULL, &timing, &err), &err);
    (void)fprintf(stderr,
                  "bare_cuda: %s, executed in '%s', loaded in %.0f ms; copies in %.1f us, computes "
                  "%.1f us, copies out %.1f us\n",
                  report->provider, report->executed_precision, (double)report->load_ns / 1e6,
                  (double)timing.copy_in_ns / 1e3, (double)timing.compute_ns / 1e3,
                  (double)timing.copy_out_ns / 1e3);
}

/* Said, and no failure: an algorithm may add in another order each time. */
static void check_equal(const struct bare *bare, struct backend_session *session)
{
    for (size_t i = 0; i < bare->output_count; i++) {
        const struct tare_tensor *tensor = backend_session_tensor(session, false, i);

        if (memcmp(tensor->data, bare->outputs[i].host, bare->outputs[i].bytes) != 0)
            (void)fprintf(stderr, "bare_cuda: '%s' is not the same in both\n", tensor->name);
    }
}

int main(int argc, char **argv)
{
    struct tare_option_value values[OPTIONS_MAX] = {{"provider", "cuda"}};
    struct backend_session_options options = {
        .device = "cuda:0", .threads = 1, .batch = 1, .options = values, .option_count = 1};
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    static struct bare bare;
    bool bare_first;

    if (argc < 7 || argc - 7 >= OPTIONS_MAX)
        return 2;
    options.model_path = argv[2];
    options.precision = argv[6];
    for (int i = 7; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (!value)
            return 2;
        *value = '\0';
        values[options.option_count++] = (struct tare_option_value){argv[i], value + 1};
    }
    bare_first = strcmp(argv[5], "bare") == 0;
    (void)setenv("TARE_PLUGINS", argv[1], 1);
    if (bare_first)
        bare_open(&bare, &options);
    if (backend_acquire("onnxruntime", &backend, NULL, 0, &err) != TARE_OK ||
        backend_session_open(backend, &options, &session, &err) != TARE_OK)
        turns_fail("bare_cuda", &err);
    if (!bare_first)
        bare_open(&bare, &options);
    fill_inputs(session);
    bare.input_count = bare_bind(&bare, session, true, bare.inputs);
    bare.output_count = bare_bind(&bare, session, false, bare.outputs);
    turns_compare(&(struct turns_side){bare_turn, &bare},
                  &(struct turns_side){turns_plugin, session}, strtoll(argv[3], NULL, 10),
                  strtoll(argv[4], NULL, 10), (const char *[]){"host", "device"}, 2);
    check_equal(&bare, session);
    print_plugin(session);
    return 0; /* the process ends: what it holds goes with it */
}
