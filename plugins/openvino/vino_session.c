#include "vino_session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

const struct tare_option_info vino_options[] = {
    {"library", "path of libopenvino_c.so (default: found)", TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"hint", "what the runtime tunes itself for", TARE_OPTION_CHOICE, "latency", 0, 0,
     "latency|throughput"},
    {"streams", "inferences that the runtime prepares to run at once", TARE_OPTION_INT, "1", 1,
     1024, NULL},
    {"pinning", "whether threads are pinned to cores", TARE_OPTION_CHOICE, "default", 0, 0,
     "default|on|off"},
    {"dynamic", "leave a dynamic batch dynamic, instead of compiling for the one asked for",
     TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"profile", "time every node, for tare bench --profile", TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {0},
};

/*
 * What a cell claims, and the precision that its floating-point operations are to run in. An int8
 * model says by itself which of its operations are quantised; the others stay in fp32.
 */
static const struct precision {
    const char *claim, *hint;
} precisions[] = {{"fp32", "f32"}, {"fp16", "f16"}, {"bf16", "bf16"}, {"int8", "f32"}};

static const struct precision *find_precision(const char *claim)
{
    for (size_t i = 0; i < sizeof(precisions) / sizeof(precisions[0]); i++)
        if (strcmp(precisions[i].claim, claim) == 0)
            return &precisions[i];
    return NULL;
}

static enum tare_status check_options(const struct tare_open_options *options, struct tare_err *err)
{
    if (strcmp(options->device, "cpu") != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "this plugin cannot use device '%s', need cpu",
                         options->device);
    if (!find_precision(options->precision))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "precision '%s' is not supported, need fp32, fp16, bf16 or int8",
                         options->precision);
    if (!file_exists(options->model_path))
        return tare_fail(err, TARE_ABSENT, "cannot load '%s': no such file", options->model_path);
    return TARE_OK;
}

static enum tare_status compile(struct tare_session *session, const struct vino_model *model,
                                const struct tare_open_options *options, struct tare_err *err)
{
    const char *hint = tare_option_text(options, vino_options, "hint");
    const char *streams = tare_option_text(options, vino_options, "streams");
    const char *pinning = tare_option_text(options, vino_options, "pinning");
    const char *p[12] = {NULL}; /* name, value, name, value, ... */
    size_t count = 0;
    char threads[16];

    p[count++] = "INFERENCE_PRECISION_HINT"; /* its default may be less than what is claimed */
    p[count++] = find_precision(options->precision)->hint;
    p[count++] = "PERFORMANCE_HINT";
    p[count++] = strcmp(hint, "latency") == 0 ? "LATENCY" : "THROUGHPUT";
    p[count++] = "NUM_STREAMS";
    p[count++] = streams;
    if (options->threads > 0) {
        (void)snprintf(threads, sizeof(threads), "%d", options->threads);
        p[count++] = "INFERENCE_NUM_THREADS";
        p[count++] = threads;
    }
    if (strcmp(pinning, "default") != 0) {
        p[count++] = "ENABLE_CPU_PINNING";
        p[count++] = strcmp(pinning, "on") == 0 ? "YES" : "NO";
    }
    session->profiling = tare_option_int(options, vino_options, "profile") != 0;
    if (session->profiling) {
        p[count++] = "PERF_COUNT";
        p[count++] = "YES";
    }
    return vino_check(&session->api,
                      session->api.compile_model(session->core, model, "CPU", count,
                                                 &session->compiled, p[0], p[1], p[2], p[3], p[4],
                                                 p[5], p[6], p[7], p[8], p[9], p[10], p[11]),
                      "cannot compile the model", err);
}

static enum tare_status load_model(const struct tare_session *session, const char *path,
                                   struct vino_model **model, struct tare_err *err)
{
    const struct vino_api *api = &session->api;
    struct tare_err reason = TARE_ERR_INIT;
    char what[300];

    (void)snprintf(what, sizeof(what), "cannot load '%.250s'", path);
    if (vino_check(api, api->read_model(session->core, path, NULL, model), what, &reason) ==
        TARE_OK)
        return TARE_OK;
    if (strstr(reason.text, "Unable to read the model")) /* and a list of what it can read */
        return tare_fail(err, TARE_BADDATA, "%s: no model that OpenVINO can read", what);
    return tare_fail(err, TARE_BADDATA, "%s", reason.text);
}

static enum tare_status open_model(struct tare_session *session,
                                   const struct tare_open_options *options, struct tare_err *err)
{
    const struct vino_api *api = &session->api;
    struct vino_model *model = NULL;
    enum tare_status status =
        vino_check(api, api->core_create(&session->core), "cannot start OpenVINO", err);

    if (status == TARE_OK)
        status = load_model(session, options->model_path, &model, err);
    if (status == TARE_OK && !tare_option_int(options, vino_options, "dynamic"))
        status = vino_set_batch(api, model, options->batch, err);
    if (status == TARE_OK)
        status = compile(session, model, options, err);
    api->model_free(model);
    return status;
}

static enum tare_status read_property(const struct tare_session *session, const char *name,
                                      char *text, size_t text_bytes, struct tare_err *err)
{
    const struct vino_api *api = &session->api;
    char *value = NULL;
    enum tare_status status = vino_check(api, api->get_property(session->compiled, name, &value),
                                         "cannot read back how the model was compiled", err);

    if (status != TARE_OK)
        return status;
    (void)snprintf(text, text_bytes, "%s", value);
    api->text_free(value);
    return TARE_OK;
}

/*
 * A processor that cannot execute what was asked for makes the library take fp32 instead, without
 * a word: a row that claims fp16 must not show the time of that.
 */
static enum tare_status check_precision(const char *claim, const char *executed,
                                        struct tare_err *err)
{
    const char *name = executed;

    if (strcmp(executed, find_precision(claim)->hint) == 0)
        return TARE_OK;
    for (size_t i = 0; i < sizeof(precisions) / sizeof(precisions[0]); i++)
        if (strcmp(precisions[i].hint, name) == 0)
            name = precisions[i].claim;
    return tare_fail(err, TARE_UNSUPPORTED,
                     "OpenVINO executes %s as %s on this processor, which would be another row",
                     claim, name);
}

static enum tare_status fill_report(const struct tare_session *session,
                                    const struct tare_open_options *options,
                                    struct tare_open_report *report, struct tare_err *err)
{
    bool quantised = strcmp(options->precision, "int8") == 0;
    char executed[32] = "", threads[32] = "", device[32] = "";
    enum tare_status status =
        read_property(session, "INFERENCE_PRECISION_HINT", executed, sizeof(executed), err);

    if (status == TARE_OK)
        status = check_precision(options->precision, executed, err);
    if (status == TARE_OK)
        status = read_property(session, "INFERENCE_NUM_THREADS", threads, sizeof(threads), err);
    if (status == TARE_OK)
        status = read_property(session, "EXECUTION_DEVICES", device, sizeof(device), err);
    if (status != TARE_OK)
        return status;
    (void)snprintf(report->runtime_version, sizeof(report->runtime_version), "openvino %s",
                   session->api.release);
    (void)snprintf(report->provider, sizeof(report->provider), "%s", device);
    /* which operations ran in int8 the property does not say */
    (void)snprintf(report->executed_precision, sizeof(report->executed_precision), "%s",
                   quantised ? "" : options->precision);
    report->threads = options->threads > 0 ? (int32_t)strtol(threads, NULL, 10) : 0;
    return TARE_OK;
}

enum tare_status vino_open(const struct tare_open_options *options, struct tare_session **session,
                           struct tare_open_report *report, struct tare_err *err)
{
    int64_t start_ns = clock_now_ns(), rss_bytes = process_rss_bytes(getpid()), peak;
    struct tare_session *opened;
    enum tare_status status;

    *session = NULL;
    status = check_options(options, err);
    if (status != TARE_OK)
        return status;
    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    status = vino_api_load(tare_option_text(options, vino_options, "library"), &opened->api, err);
    if (status == TARE_OK)
        status = open_model(opened, options, err);
    if (status == TARE_OK)
        status = vino_read_sides(opened, err);
    if (status == TARE_OK)
        status = fill_report(opened, options, report, err);
    if (status != TARE_OK) {
        vino_close(opened);
        return status;
    }
    peak = process_peak_rss_bytes(getpid());
    report->load_ns = clock_now_ns() - start_ns;
    report->peak_memory_bytes =
        peak >= 0 && rss_bytes >= 0 && peak >= rss_bytes ? peak - rss_bytes : -1;
    *session = opened;
    return TARE_OK;
}

void vino_close(struct tare_session *session)
{
    const struct vino_api *api;

    if (!session)
        return;
    api = &session->api;
    if (api->release[0]) { /* otherwise the library was not loaded, and nothing was made */
        vino_drop_profile(session);
        api->request_free(session->request);
        api->compiled_free(session->compiled);
        api->core_free(session->core);
    }
    free(session->inputs.infos);
    free(session->outputs.infos);
    free(session->bound);
    free(session);
}

enum tare_status vino_describe(struct tare_session *session, bool inputs,
                               const struct tare_tensor_info **infos, size_t *count,
                               struct tare_err *err)
{
    const struct vino_side *side = inputs ? &session->inputs : &session->outputs;

    (void)err;
    *infos = side->infos;
    *count = side->count;
    return TARE_OK;
}
