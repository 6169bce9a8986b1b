/*
 * ort_plugin.c - an execution provider that is a library of its own: TensorRT for RTX. It is made
 * known to the library's environment, which then lists the devices that it can use.
 */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "ort_libraries.h"
#include "ort_session.h"

#define RTX_NAME     "NvTensorRTRTXExecutionProvider"
#define RTX_VARIABLE "TARE_NV_TENSORRT_RTX"
#define RTX_PATTERN                                                                                \
    ".deps/*/onnxruntime_ep_nv_tensorrt_rtx/libonnxruntime_providers_nv_tensorrt_rtx.so"
#define LIBRARIES_MAX 32
#define DEVICES_MAX   64

static enum tare_status find_library(const struct tare_open_options *options, char *path,
                                     size_t path_bytes, struct tare_err *err)
{
    const char *asked = tare_option_text(options, ort_options, "provider_library");
    const char *named = asked[0] ? asked : getenv(RTX_VARIABLE);
    char home[FILE_MAX_PATH], pattern[FILE_MAX_PATH];
    glob_t found;
    bool hit;

    if (named && named[0]) {
        if (!file_exists(named) || strlen(named) >= path_bytes)
            return tare_fail(err, TARE_ABSENT, "no provider library at '%.300s' (%s)", named,
                             asked[0] ? "option provider_library" : RTX_VARIABLE);
        (void)snprintf(path, path_bytes, "%s", named);
        return TARE_OK;
    }
    if (file_home(home, sizeof(home), NULL) != TARE_OK ||
        file_join(pattern, sizeof(pattern), home, RTX_PATTERN, NULL) != TARE_OK)
        pattern[0] = '\0';
    hit = glob(pattern, 0, NULL, &found) == 0;
    if (hit)
        hit = found.gl_pathc > 0 && strlen(found.gl_pathv[0]) < path_bytes;
    if (hit)
        (void)snprintf(path, path_bytes, "%s", found.gl_pathv[0]);
    globfree(&found);
    return hit ? TARE_OK
               : tare_fail(err, TARE_ABSENT,
                           "no TensorRT for RTX on this machine: " RTX_VARIABLE " may name "
                           "libonnxruntime_providers_nv_tensorrt_rtx.so of the wheel "
                           "onnxruntime-ep-nv-tensorrt-rtx");
}

/* The provider's device of that number: the index-th one that it lists. NULL: fewer. */
static enum tare_status find_device(const struct tare_session *session,
                                    const struct ort_ep_device **device, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    const struct ort_ep_device *const *devices = NULL;
    size_t count = 0;
    int left = session->device->index;
    enum tare_status status =
        ort_api_check(api, api->get_ep_devices(session->env, &devices, &count),
                      "cannot list the devices of providers", err);

    *device = NULL;
    for (size_t i = 0; i < count && i < DEVICES_MAX && status == TARE_OK && !*device; i++)
        if (strcmp(api->get_ep_device_name(devices[i]), RTX_NAME) == 0 && left-- == 0)
            *device = devices[i];
    return status;
}

static enum tare_status register_library(const struct tare_session *session, const char *path,
                                         struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    char missing[ORT_LIBRARY_NAME];

    for (int i = 0; i < LIBRARIES_MAX; i++) {
        ort_result result = api->register_provider_library(session->env, RTX_NAME, path);
        enum tare_status status;

        if (!result || !ort_libraries_missing(api->get_error_message(result), missing))
            return ort_api_check(api, result, "cannot use TensorRT for RTX", err);
        api->release_status(result);
        status = ort_libraries_load(missing, path, err);
        if (status != TARE_OK)
            return status;
    }
    return tare_fail(err, TARE_BROKEN, "cannot use TensorRT for RTX: it needs too many libraries");
}

static enum tare_status append(const struct tare_session *session,
                               const struct tare_open_options *options,
                               const struct ort_ep_device *device, struct ort_session_options *to,
                               struct tare_err *err)
{
    const char *cache = tare_option_text(options, ort_options, "engine_cache");
    const char *graph = tare_option_int(options, ort_options, "cuda_graph") ? "1" : "0";
    const char *names[] = {"has_user_compute_stream", "user_compute_stream", "enable_cuda_graph",
                           "nv_runtime_cache_path"};
    char stream[32];
    const char *values[] = {"1", stream, graph, cache};

    (void)snprintf(stream, sizeof(stream), "%llu",
                   (unsigned long long)(uintptr_t)session->device->stream);
    return ort_api_check(&session->api,
                         session->api.append_provider_of_devices(to, session->env, &device, 1,
                                                                 names, values, cache[0] ? 4 : 3),
                         "cannot use TensorRT for RTX", err);
}

enum tare_status ort_add_plugin(struct tare_session *session,
                                const struct tare_open_options *options,
                                struct ort_session_options *to, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    const struct ort_ep_device *device = NULL;
    char path[FILE_MAX_PATH];
    enum tare_status status;

    if (!api->register_provider_library)
        return tare_fail(err, TARE_BROKEN,
                         "'%s' is ONNX Runtime %s, which loads no provider from a library: need "
                         "1.%d or newer",
                         api->library, api->release, ORT_API_HAS_PLUGINS);
    status = find_device(session, &device, err); /* another session may have registered it */
    if (status == TARE_OK && !device) {
        status = find_library(options, path, sizeof(path), err);
        if (status == TARE_OK)
            status = register_library(session, path, err);
        if (status == TARE_OK)
            status = find_device(session, &device, err);
    }
    if (status == TARE_OK && !device)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "TensorRT for RTX has no device '%s' (sm_%d%d): it runs on sm_75 to "
                         "sm_89 and sm_120",
                         options->device, cuda_facts_of(session->device->cuda)->major,
                         cuda_facts_of(session->device->cuda)->minor);
    return status == TARE_OK ? append(session, options, device, to, err) : status;
}
