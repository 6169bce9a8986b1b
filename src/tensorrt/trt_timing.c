/* The timing cache: what TensorRT measured of kernels, kept so that the next build measures less.
 */
#include <stdlib.h>

#include "tensorrt/trt_build_inner.h"

#define MAX_CACHE ((size_t)1 << 30)

enum tare_status trt_timing_load(struct trt_build *build, struct tare_err *err)
{
    const char *path = build->job->timing_cache;
    trt_function create =
        trt_call_find(build->flavour, build->config, TRT_CONFIG_CREATE_TIMING_CACHE);
    trt_function use = trt_call_find(build->flavour, build->config, TRT_CONFIG_SET_TIMING_CACHE);
    void *impl = trt_impl(build->config);
    char *bytes = NULL;
    size_t size = 0;
    enum tare_status status = TARE_OK;

    if (file_exists(path))
        status = file_read(path, MAX_CACHE, &bytes, &size, err);
    if (status != TARE_OK)
        return status;
    build->timing_cache =
        ((void *(*)(void *, const void *, size_t))create)(impl, size > 0 ? bytes : NULL, size);
    if (!build->timing_cache && size > 0) /* of another version or GPU, or damaged */
        build->timing_cache = ((void *(*)(void *, const void *, size_t))create)(impl, NULL, 0);
    free(bytes);
    if (build->timing_cache &&
        !((bool (*)(void *, const void *, bool))use)(impl, build->timing_cache, false)) {
        trt_delete(build->timing_cache);
        build->timing_cache = NULL;
    }
    return TARE_OK;
}

enum tare_status trt_timing_save(struct trt_build *build, struct tare_err *err)
{
    void *memory = build->timing_cache
                       ? trt_call_object(build->flavour, build->timing_cache, TRT_CACHE_SERIALIZE)
                       : NULL;
    enum tare_status status;

    if (!memory)
        return TARE_OK;
    status = file_write(build->job->timing_cache,
                        trt_call_object(build->flavour, memory, TRT_MEMORY_DATA),
                        trt_call_size(build->flavour, memory, TRT_MEMORY_SIZE), err);
    build->facts->timing_cache = status == TARE_OK;
    trt_delete(memory);
    return status;
}
