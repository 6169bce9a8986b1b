/*
 * onnxruntime.c - ONNX Runtime through its C API: the "direct" layer. Inputs and outputs are bound
 * once, so that a run copies nothing. The library is found at run time; see ort_api.h.
 */
#include "base/file.h"
#include "ort_session.h"

/* Whether there is a build with the provider CUDA, which is a file beside it: a library that was
 * named need not be one. No device is looked for: every cell on the processor would pay for that.
 */
static bool has_cuda(const struct ort_api *ordinary)
{
    struct ort_api named;
    char path[FILE_MAX_PATH];
    bool apart = ort_api_find(ORT_BUILD_CUDA, named.library, sizeof(named.library));

    return ort_api_beside(apart ? &named : ordinary, "libonnxruntime_providers_cuda.so", path,
                          sizeof(path)) &&
           file_exists(path);
}

static enum tare_status ort_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    struct ort_api api;
    enum tare_status status = ort_api_load("", ORT_BUILD_ORDINARY, &api, err);

    if (status != TARE_OK)
        return status;
    (void)snprintf(
        note, note_bytes, "onnxruntime %s (C API %u); provider openvino: %s; provider cuda: %s",
        api.release, api.version,
        ort_api_is_there(ORT_BUILD_OPENVINO) ? "ok" : "absent, run 'tools/setup openvino'",
        has_cuda(&api) ? "found" : "absent, run 'tools/setup ort-cuda'");
    return TARE_OK;
}

TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_PROFILE | TARE_CAP_BORROWS | TARE_CAP_TIMING,
        .name = "onnxruntime",
        .summary = "ONNX Runtime through its C API",
        .options = ort_options,
        .probe = ort_probe,
        .open = ort_open,
        .close = ort_close,
        .describe = ort_describe,
        .bind = ort_bind,
        .run = ort_run,
        .bound_shape = ort_bound_shape,
        .profile = ort_profile,
        .allocate = ort_allocate,
    };

    return &backend;
}
