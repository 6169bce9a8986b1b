/*
 * ort_cuda.c - the providers CUDA and TensorRT, which a build of the library brings along. The
 * library loads them when their options are set, and fails there for want of NVIDIA's libraries;
 * those are then looked for, loaded, and the options set again.
 */
#include <dlfcn.h>
#include <string.h>

#include "base/file.h"
#include "ort_libraries.h"
#include "ort_session.h"

#define PAIRS_MAX     20
#define LIBRARIES_MAX 32
#define TF32_SINCE    18 /* the first version whose provider can be told not to use TF32 */

/* Options of a provider. */
struct pairs {
    const char *names[PAIRS_MAX], *values[PAIRS_MAX];
    size_t count;
    char device[16], memory[24];
};

static void put(struct pairs *pairs, const char *name, const char *value)
{
    if (pairs->count < PAIRS_MAX) {
        pairs->names[pairs->count] = name;
        pairs->values[pairs->count++] = value;
    }
}

static void put_flag(struct pairs *pairs, const char *name, bool value)
{
    put(pairs, name, value ? "1" : "0");
}

/* A switch that older releases do not know, and that is off by itself. */
static void put_if(struct pairs *pairs, const char *name, bool value)
{
    if (value)
        put(pairs, name, "1");
}

static bool flag(const struct tare_open_options *options, const char *name)
{
    return tare_option_int(options, ort_options, name) != 0;
}

static const char *search_word(const struct tare_open_options *options)
{
    const char *value = tare_option_text(options, ort_options, "cudnn_conv_algo_search");

    if (strcmp(value, "heuristic") == 0)
        return "HEURISTIC";
    return strcmp(value, "default") == 0 ? "DEFAULT" : "EXHAUSTIVE";
}

/*
 * What is called TF32 there is whether cuDNN may use tensor cores: without it a convolution in half
 * precision finds no plan, and falls back to a slow one. So it is a choice for FP32 alone.
 */
static enum tare_status put_tf32(struct pairs *pairs, const struct ort_api *api,
                                 const struct tare_open_options *options, struct tare_err *err)
{
    bool half = strcmp(options->precision, "fp16") == 0 || strcmp(options->precision, "bf16") == 0;
    bool tf32 = flag(options, "tf32");

    if (api->version >= TF32_SINCE)
        put_flag(pairs, "use_tf32", half || tf32);
    else if (!half && !tf32)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "ONNX Runtime %s computes %s in tf32, and cannot be told not to before "
                         "1.%d: option tf32=1 says so",
                         api->release, options->precision, TF32_SINCE);
    return TARE_OK;
}

static enum tare_status cuda_pairs(struct pairs *pairs, const struct tare_session *session,
                                   const struct tare_open_options *options, struct tare_err *err)
{
    int64_t memory = tare_option_int(options, ort_options, "device_memory_mb");

    (void)snprintf(pairs->device, sizeof(pairs->device), "%d", session->device->index);
    (void)snprintf(pairs->memory, sizeof(pairs->memory), "%lld", (long long)(memory << 20));
    put(pairs, "device_id", pairs->device);
    put(pairs, "cudnn_conv_algo_search", search_word(options));
    put_flag(pairs, "cudnn_conv_use_max_workspace", flag(options, "cudnn_conv_use_max_workspace"));
    put_if(pairs, "prefer_nhwc", flag(options, "prefer_nhwc"));
    put_if(pairs, "fuse_conv_bias", flag(options, "fuse_conv_bias"));
    put_if(pairs, "enable_cuda_graph",
           flag(options, "cuda_graph") && ort_provider_of(options) == ORT_CUDA);
    if (memory > 0)
        put(pairs, "gpu_mem_limit", pairs->memory);
    return put_tf32(pairs, &session->api, options, err);
}

static void tensorrt_pairs(struct pairs *pairs, const struct tare_session *session,
                           const struct tare_open_options *options)
{
    const char *cache = tare_option_text(options, ort_options, "engine_cache");
    bool int8 = strcmp(options->precision, "int8") == 0;

    (void)snprintf(pairs->device, sizeof(pairs->device), "%d", session->device->index);
    put(pairs, "device_id", pairs->device);
    put_if(pairs, "trt_fp16_enable", int8 || strcmp(options->precision, "fp16") == 0);
    put_if(pairs, "trt_bf16_enable", strcmp(options->precision, "bf16") == 0);
    put_if(pairs, "trt_int8_enable", int8);
    put_if(pairs, "trt_cuda_graph_enable", flag(options, "cuda_graph"));
    if (cache[0]) {
        put(pairs, "trt_engine_cache_enable", "1");
        put(pairs, "trt_engine_cache_path", cache);
        put(pairs, "trt_timing_cache_enable", "1");
        put(pairs, "trt_timing_cache_path", cache);
    }
}

/* Sets options, which makes the library load the provider; what that lacks is found for it. */
static enum tare_status set_options(const struct ort_api *api,
                                    const struct ort_provider_calls *calls, const char *name,
                                    struct ort_provider_options *made, const struct pairs *pairs,
                                    struct tare_err *err)
{
    char what[64], missing[ORT_LIBRARY_NAME];

    (void)snprintf(what, sizeof(what), "cannot use ONNX Runtime's provider %s", name);
    for (int i = 0; i < LIBRARIES_MAX; i++) {
        ort_result result = calls->update(made, pairs->names, pairs->values, pairs->count);
        enum tare_status status;

        if (!result || !ort_libraries_missing(api->get_error_message(result), missing))
            return ort_api_check(api, result, what, err);
        api->release_status(result);
        status = ort_libraries_load(missing, api->library, err);
        if (status != TARE_OK)
            return status;
    }
    return tare_fail(err, TARE_BROKEN, "%s: it needs too many libraries", what);
}

static enum tare_status append(const struct tare_session *session, const char *name,
                               const struct ort_provider_calls *calls, const struct pairs *pairs,
                               struct ort_session_options *to, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    struct ort_provider_options *made = NULL;
    struct tare_err reason = TARE_ERR_INIT;
    char what[64];
    enum tare_status status;

    (void)snprintf(what, sizeof(what), "cannot use ONNX Runtime's provider %s", name);
    if (ort_api_check(api, calls->create(&made), "it", &reason) != TARE_OK)
        return tare_fail(err, TARE_ABSENT,
                         "ONNX Runtime '%.200s' has no provider %s: run 'tools/setup ort-cuda', or "
                         "set TARE_ONNXRUNTIME_CUDA to the libonnxruntime.so of onnxruntime-gpu",
                         api->library, name);
    status = set_options(api, calls, name, made, pairs, err);
    if (status == TARE_OK)
        status = ort_api_check(
            api, calls->set_pointer(made, "user_compute_stream", session->device->stream), what,
            err);
    if (status == TARE_OK)
        status = ort_api_check(api, calls->append(to, made), what, err);
    calls->release(made);
    return status;
}

static bool is_loaded(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_NOLOAD);

    if (handle)
        (void)dlclose(handle);
    return handle != NULL;
}

/* Libraries that the CUDA provider loads itself, by name and late, when a convolution is made. */
static enum tare_status load_late(const struct ort_api *api, struct tare_err *err)
{
    static const char *const compilers[][2] = {{"libcudart.so.13", "libnvrtc.so.13"},
                                               {"libcudart.so.12", "libnvrtc.so.12"}};
    char path[FILE_MAX_PATH];

    for (size_t i = 0; i < sizeof(compilers) / sizeof(compilers[0]); i++)
        if (is_loaded(compilers[i][0]))
            (void)ort_libraries_load(compilers[i][1], api->library, NULL); /* few need it */
    if (!ort_api_beside(api, "libonnxruntime_providers_cuda.so", path, sizeof(path)) ||
        !file_exists(path) || is_loaded("libcudnn.so.8"))
        return TARE_OK;
    return ort_libraries_load("libcudnn.so.9", api->library, err);
}

enum tare_status ort_add_cuda(struct tare_session *session, const struct tare_open_options *options,
                              struct ort_session_options *to, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    struct pairs cuda = {0}, tensorrt = {0};
    enum tare_status status = cuda_pairs(&cuda, session, options, err);

    session->graph = flag(options, "cuda_graph") && ort_provider_of(options) == ORT_CUDA;
    if (status == TARE_OK && ort_provider_of(options) == ORT_TENSORRT) {
        tensorrt_pairs(&tensorrt, session, options);
        status = append(session, "TensorRT", &api->tensorrt, &tensorrt, to, err);
    }
    if (status == TARE_OK) /* behind TensorRT's: it takes what that leaves */
        status = append(session, "CUDA", &api->cuda, &cuda, to, err);
    if (status == TARE_OK)
        status = load_late(api, err);
    if (status == TARE_OK && strcmp(options->precision, "int8") == 0 &&
        ort_provider_of(options) == ORT_CUDA &&
        strcmp(tare_option_text(options, ort_options, "quant_qdq"), "keep") == 0)
        status =
            ort_api_check(api, api->add_session_config_entry(to, "session.disable_quant_qdq", "1"),
                          "cannot set the session's options", err);
    return status;
}

enum tare_status ort_graph_choose(struct tare_session *session, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    enum tare_status status = TARE_OK;
    char id[24];

    if (!session->device)
        return TARE_OK;
    if (session->device->moved || session->graph_id == 0)
        session->graph_id++;
    session->device->moved = false;
    (void)snprintf(id, sizeof(id), "%ld", session->any_loose ? -1L : session->graph_id);
    if (session->graph)
        status =
            ort_api_check(api, api->add_run_config_entry(session->run_options, "gpu_graph_id", id),
                          "cannot choose a CUDA graph", err);
    if (status == TARE_OK)
        status =
            ort_api_check(api,
                          api->add_run_config_entry(session->run_options,
                                                    "disable_synchronize_execution_providers", "1"),
                          "cannot set a run's options", err);
    return status;
}
