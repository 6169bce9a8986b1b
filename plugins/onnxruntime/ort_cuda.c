#include <dlfcn.h>
#include <string.h>

#include "base/file.h"
#include "ort_session.h"

#define PROVIDER_FILE "libonnxruntime_providers_cuda.so"

/* How many devices NVIDIA's driver offers; negative: reason says why that cannot be known. */
static int count_devices(char *reason, size_t reason_bytes)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL), *symbols[2];
    int (*init)(unsigned flags), (*get_count)(int *count), result, count = 0;

    if (!driver) {
        (void)snprintf(reason, reason_bytes, "there is no libcuda.so.1, NVIDIA's driver");
        return -1;
    }
    symbols[0] = dlsym(driver, "cuInit");
    symbols[1] = dlsym(driver, "cuDeviceGetCount");
    if (!symbols[0] || !symbols[1]) {
        (void)snprintf(reason, reason_bytes, "libcuda.so.1 is not NVIDIA's driver");
        return -1;
    }
    memcpy(&init, &symbols[0], sizeof(init));
    memcpy(&get_count, &symbols[1], sizeof(get_count));
    result = init(0);
    if (result == 0)
        result = get_count(&count);
    if (result != 0)
        (void)snprintf(reason, reason_bytes, "NVIDIA's driver answers with its error %d", result);
    return result == 0 ? count : -1;
}

enum tare_status ort_check_cuda(const struct tare_open_options *options, struct tare_err *err)
{
    char reason[100] = "NVIDIA's driver knows of none", path[FILE_MAX_PATH];
    struct ort_api api;
    enum tare_status status;

    if (strncmp(options->device, "cuda", 4) != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "provider cuda cannot use device '%s', need cuda:0",
                         options->device);
    if (count_devices(reason, sizeof(reason)) <= 0)
        return tare_fail(err, TARE_UNSUPPORTED, "no CUDA device: %s", reason);
    status = ort_api_load(tare_option_text(options, ort_options, "library"), ORT_BUILD_ORDINARY,
                          &api, err);
    if (status != TARE_OK)
        return status;
    if (snprintf(path, sizeof(path), "%.*s" PROVIDER_FILE,
                 (int)(file_base_name(api.library) - api.library), api.library) >= FILE_MAX_PATH ||
        !file_exists(path))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "ONNX Runtime '%.200s' has no CUDA provider (" PROVIDER_FILE
                         " beside it): TARE_ONNXRUNTIME may name one that has",
                         api.library);
    return tare_fail(err, TARE_UNSUPPORTED,
                     "this plugin does not use ONNX Runtime's CUDA provider yet");
}
