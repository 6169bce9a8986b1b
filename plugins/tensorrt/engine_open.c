#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "engine_session.h"

const struct tare_option_info engine_options[] = {
    {"library", "path of libnvinfer.so or libtensorrt_rtx.so (default: found)", TARE_OPTION_TEXT,
     "", 0, 0, NULL},
    {"cuda_graph", "capture what a run enqueues, and replay it", TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"dla", "core of the DLA that an engine made for one runs on", TARE_OPTION_INT, "-1", -1, 15,
     NULL},
    {"profile", "time every layer, for tare bench --profile", TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {0},
};

enum tare_status engine_refused(struct tare_session *session, enum tare_status status,
                                const char *what, struct tare_err *err)
{
    char said[1000], text[460];

    (void)trt_logger_said(session->logger, said, sizeof(said));
    (void)snprintf(text, sizeof(text), "cannot %.200s: %.245s", what, said);
    return trt_speaks_of_memory(said) ? cuda_no_memory(session->cuda, text, err)
                                      : tare_fail(err, status, "cannot %s: %.300s", what, said);
}

/* TensorRT for RTX is made for Turing to Ada and for desktop Blackwell, not for data centres'. */
enum tare_status engine_check_device(const struct trt_library *library,
                                     const struct cuda_facts *facts, struct tare_err *err)
{
    int sm = 10 * facts->major + facts->minor;

    if (library->flavour != TRT_RTX || (sm >= 75 && sm <= 89) || facts->major == 12)
        return TARE_OK;
    return tare_fail(err, TARE_UNSUPPORTED,
                     "%s does not run on cuda:%d, %s (sm_%d): need sm_75 to sm_89 or sm_12x, or "
                     "TensorRT itself (TARE_TENSORRT)",
                     library->name, facts->index, facts->name, sm);
}

static enum tare_status check_options(const struct tare_open_options *options, int *device,
                                      struct tare_err *err)
{
    static const char *const precisions[] = {"fp32", "fp16", "bf16", "int8"};
    bool known = false;

    for (size_t i = 0; i < sizeof(precisions) / sizeof(precisions[0]); i++)
        known = known || strcmp(options->precision, precisions[i]) == 0;
    if (strncmp(options->device, "cuda", 4) != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "TensorRT cannot use device '%s', need cuda:0",
                         options->device);
    if (!known)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "precision '%s' is not supported, need fp32, fp16, bf16 or int8",
                         options->precision);
    if (!file_exists(options->model_path))
        return tare_fail(err, TARE_ABSENT, "cannot load '%s': no such file", options->model_path);
    if (file_has_suffix(options->model_path, ".onnx"))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' is no engine: 'tare plan' makes one from an ONNX file",
                         options->model_path);
    return cuda_parse_device(options->device, device, err);
}

/* On a core of the DLA, if one was asked for. Before the engine is deserialised. */
static enum tare_status choose_dla(struct tare_session *session, int32_t core, struct tare_err *err)
{
    int32_t cores;

    if (core < 0)
        return TARE_OK;
    cores = trt_dla_cores(session->runtime);
    if (core >= cores)
        return tare_fail(err, TARE_UNSUPPORTED, "no DLA core %d: cuda:%d has %d", (int)core,
                         session->device, (int)cores);
    trt_set_dla_core(session->runtime, core);
    if (trt_dla_core(session->runtime) != core)
        return engine_refused(session, TARE_FAILED, "choose a DLA core", err);
    return TARE_OK;
}

static enum tare_status make_stream(struct tare_session *session, struct tare_err *err)
{
    enum tare_status status = cuda_stream_new(session->cuda, &session->stream, err);

    for (int i = 0; i < ENGINE_EVENTS && status == TARE_OK; i++)
        status = cuda_event_new(session->cuda, &session->events[i], err);
    return status;
}

static enum tare_status make_context(struct tare_session *session, struct tare_err *err)
{
    int64_t needed = trt_context_bytes(session->engine);
    char what[96];

    trt_logger_clear(session->logger);
    session->context = trt_context_new(session->engine);
    if (session->context.object)
        return TARE_OK;
    (void)snprintf(what, sizeof(what), "make a context, which takes %.1f MiB of the device",
                   (double)needed / 1048576);
    return engine_refused(session, TARE_FAILED, what, err);
}

/* The library named, else one like that which built the engine, else any: of which it is said that
 * it is another. */
static enum tare_status load_library(const struct tare_open_options *options,
                                     const struct trt_sidecar *note, struct trt_library *library,
                                     struct tare_err *err)
{
    const char *named = tare_option_text(options, engine_options, "library");

    for (int i = 0; i < TRT_FLAVOURS && !named[0]; i++) {
        const char *name = trt_flavour_name((enum trt_flavour)i);

        if (strncmp(note->library, name, strlen(name)) == 0 &&
            trt_library_load_any(NULL, TRT_BIT(i), library, NULL) == TARE_OK)
            return TARE_OK;
    }
    return trt_library_load(named, library, err);
}

/* The one asked for, else the one that the engine was built for; -1: none. */
static int32_t dla_core(const struct tare_open_options *options, const struct trt_sidecar *note)
{
    int32_t core = (int32_t)tare_option_int(options, engine_options, "dla");

    return core < 0 && note->architecture[0] ? note->dla_core : core;
}

static enum tare_status open_engine(struct tare_session *session,
                                    const struct tare_open_options *options,
                                    struct trt_sidecar *note, struct tare_err *err)
{
    const char *path = options->model_path;
    enum tare_status status = engine_read_note(path, note, err);

    if (status == TARE_OK)
        status = load_library(options, note, &session->library, err);
    if (status == TARE_OK)
        status = cuda_open(session->device, &session->cuda, err);
    if (status == TARE_OK)
        status = engine_check_device(&session->library, cuda_facts_of(session->cuda), err);
    if (status == TARE_OK)
        status = engine_check_note(note, path, &session->library, cuda_facts_of(session->cuda),
                                   options->precision, err);
    if (status == TARE_OK)
        status = trt_logger_new(session->library.flavour, NULL, NULL, &session->logger, err);
    if (status == TARE_OK)
        status = trt_runtime_new(&session->library, session->logger, &session->runtime, err);
    if (status == TARE_OK)
        status = choose_dla(session, dla_core(options, note), err);
    if (status == TARE_OK)
        status = engine_load(session, path, err);
    if (status == TARE_OK)
        status = engine_read_sides(session, options->batch, err);
    if (status == TARE_OK)
        status = make_stream(session, err);
    if (status == TARE_OK)
        status = make_context(session, err);
    if (status == TARE_OK && tare_option_int(options, engine_options, "profile"))
        status = engine_time_layers(session, err);
    session->use_graph = tare_option_int(options, engine_options, "cuda_graph") != 0;
    return status;
}

/* "TensorRT on sm_87, as built, DLA core 0, 3 of 60 on GPU": what must not be lost comes first. */
static void name_provider(const struct tare_session *session, const struct engine_layers *layers,
                          bool as_built, int64_t dla, struct tare_open_report *report)
{
    const struct cuda_facts *facts = cuda_facts_of(session->cuda);
    void (*mark)(void) = NULL; /* the tests' stand-in of TensorRT has it */
    bool stand_in = facts->stand_in || trt_library_symbol(&session->library, "tare_trt_stand_in",
                                                          &mark, NULL) == TARE_OK;
    char core[64] = "", text[160];

    if (dla >= 0 && layers->on_dla > 0)
        (void)snprintf(core, sizeof(core), ", DLA core %d, %d of %d on GPU", (int)dla,
                       layers->on_gpu, layers->on_dla + layers->on_gpu);
    else if (dla >= 0)
        (void)snprintf(core, sizeof(core), ", DLA core %d", (int)dla);
    (void)snprintf(text, sizeof(text), "%sTensorRT on sm_%d%d%s%s", stand_in ? "stand-in " : "",
                   facts->major, facts->minor, as_built ? ", as built" : "", core);
    (void)snprintf(report->provider, sizeof(report->provider), "%.63s", text);
}

/* The inspector and the network speak of types in memory, which TF32 has in common with FP32. It is
 * what TensorRT takes from sm_80 on, unless an engine was built without. */
static const char *name_arithmetic(const struct tare_session *session, const char *precision,
                                   const struct trt_sidecar *note)
{
    bool allowed = note->architecture[0] && !note->no_tf32;

    return strcmp(precision, "fp32") == 0 && allowed && cuda_facts_of(session->cuda)->major >= 8
               ? "tf32"
               : precision;
}

static void fill_report(const struct tare_session *session, const struct tare_open_options *options,
                        const struct trt_sidecar *note, struct tare_open_report *report)
{
    struct engine_layers layers = {0};
    bool as_built;

    engine_read_layers(session->engine, &layers);
    if (layers.on_dla == 0 && note->dla_layers > 0) {
        layers.on_dla = note->dla_layers;
        layers.on_gpu = note->gpu_layers;
    }
    as_built = !layers.precision[0] && note->precision[0];
    (void)snprintf(report->runtime_version, sizeof(report->runtime_version), "%s",
                   session->library.name);
    (void)snprintf(report->executed_precision, sizeof(report->executed_precision), "%s",
                   name_arithmetic(session, as_built ? note->precision : layers.precision, note));
    name_provider(session, &layers, as_built, dla_core(options, note), report);
    report->threads = 0;
}

enum tare_status engine_open(const struct tare_open_options *options, struct tare_session **session,
                             struct tare_open_report *report, struct tare_err *err)
{
    int64_t start_ns = clock_now_ns(), rss_bytes = process_rss_bytes(getpid()), peak;
    struct trt_sidecar note = {.dla_core = -1};
    struct tare_session *opened;
    enum tare_status status;
    int device = 0;

    *session = NULL;
    status = check_options(options, &device, err);
    if (status != TARE_OK)
        return status;
    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    opened->device = device;
    status = open_engine(opened, options, &note, err);
    if (status != TARE_OK) {
        engine_close(opened);
        return status;
    }
    fill_report(opened, options, &note, report);
    peak = process_peak_rss_bytes(getpid());
    report->load_ns = clock_now_ns() - start_ns;
    report->peak_memory_bytes =
        peak >= 0 && rss_bytes >= 0 && peak >= rss_bytes ? peak - rss_bytes : -1;
    *session = opened;
    return TARE_OK;
}

static void release_side(const struct tare_session *session, struct engine_side *side)
{
    for (size_t i = 0; i < side->count; i++)
        cuda_free(session->cuda, side->tensors[i].owned);
    free(side->tensors);
    free(side->infos);
}

/* In the order in which TensorRT wants its objects gone: each before what made it. */
void engine_close(struct tare_session *session)
{
    if (!session)
        return;
    if (session->cuda) {
        (void)cuda_make_current(session->cuda, NULL);
        if (session->stream)
            (void)cuda_stream_sync(session->cuda, session->stream, NULL);
        cuda_graph_free(session->cuda, session->graph);
        trt_drop(&session->context);
        trt_drop(&session->engine);
        trt_drop(&session->runtime);
        release_side(session, &session->inputs);
        release_side(session, &session->outputs);
        for (size_t i = 0; i < session->pinned_count; i++)
            cuda_free_pinned(session->cuda, session->pinned[i]);
        for (int i = 0; i < ENGINE_EVENTS; i++)
            cuda_event_free(session->cuda, session->events[i]);
        cuda_stream_free(session->cuda, session->stream);
        cuda_close(session->cuda);
    }
    trt_profiler_free(session->profiler);
    engine_drop_times(session->times);
    trt_logger_free(session->logger);
    free(session->pinned);
    free(session);
}

enum tare_status engine_describe(struct tare_session *session, bool inputs,
                                 const struct tare_tensor_info **infos, size_t *count,
                                 struct tare_err *err)
{
    const struct engine_side *side = inputs ? &session->inputs : &session->outputs;

    (void)err;
    *infos = side->infos;
    *count = side->count;
    return TARE_OK;
}
