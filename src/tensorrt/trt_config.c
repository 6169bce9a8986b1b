/* How a network is to be built. */
#include <string.h>

#include "tensorrt/trt_build_inner.h"

/* nvinfer1::BuilderFlag, DeviceType, MemoryPoolType, ProfilingVerbosity, OptProfileSelector */
enum {
    FLAG_FP16 = 0, /* 8.6 and 10 */
    FLAG_INT8 = 1, /* 8.6 and 10 */
    FLAG_GPU_FALLBACK = 3,
    FLAG_TF32_8 = 7,
    FLAG_TF32 = 6,
    DEVICE_DLA = 1,
    POOL_WORKSPACE = 0,
    VERBOSITY_DETAILED = 2,
    SHAPE_LEAST = 0,
    SHAPE_BEST = 1,
    SHAPE_MOST = 2,
};

bool trt_build_chooses_types(const struct trt_build_job *job, enum trt_flavour flavour,
                             bool half_file)
{
    if (flavour == TRT_8_6)
        return true;
    return flavour == TRT_10 && !(half_file && strcmp(job->precision, "fp16") == 0);
}

static void set_flag(struct trt_build *build, int32_t flag)
{
    trt_call_set(build->flavour, build->config, TRT_CONFIG_SET_FLAG, flag);
}

/* What is not in 8 bits may be in 16: else INT8 would be compared with a mix that nobody ships. */
static void set_types(struct trt_build *build, bool half_file)
{
    const char *precision = build->job->precision;

    if (build->job->no_tf32)
        trt_call_set(build->flavour, build->config, TRT_CONFIG_CLEAR_FLAG,
                     build->flavour == TRT_8_6 ? FLAG_TF32_8 : FLAG_TF32);
    if (!trt_build_chooses_types(build->job, build->flavour, half_file))
        return;
    if (strcmp(precision, "fp32") != 0)
        set_flag(build, FLAG_FP16);
    if (strcmp(precision, "int8") == 0)
        set_flag(build, FLAG_INT8);
}

static enum tare_status set_dla(struct trt_build *build, struct tare_err *err)
{
    int32_t cores = trt_call_int(build->flavour, build->builder, TRT_BUILDER_DLA_CORES);

    if (build->job->dla_core >= cores)
        return tare_fail(err, TARE_ABSENT, "no DLA core %d on this machine, it has %d",
                         (int)build->job->dla_core, (int)cores);
    trt_call_set(build->flavour, build->config, TRT_CONFIG_SET_DEVICE, DEVICE_DLA);
    trt_call_set(build->flavour, build->config, TRT_CONFIG_SET_DLA_CORE, build->job->dla_core);
    set_flag(build, FLAG_GPU_FALLBACK);
    for (int32_t i = 0; i < build->facts->network.layers; i++) {
        const void *layer =
            trt_call_object_at(build->flavour, build->network, TRT_NETWORK_LAYER, i);

        if (trt_call_bool_of(build->flavour, build->config, TRT_CONFIG_RUNS_ON_DLA, layer))
            build->facts->dla_layers++;
        else
            build->facts->gpu_layers++;
    }
    return TARE_OK;
}

static enum tare_status set_capability(struct trt_build *build, struct tare_err *err)
{
    int32_t wanted = build->job->architecture;
    trt_function count;

    if (build->flavour != TRT_RTX)
        return TARE_OK;
    count = trt_call_find(build->flavour, build->config, TRT_CONFIG_SET_CAPABILITIES);
    if (!((bool (*)(void *, int32_t))count)(trt_impl(build->config), 1) ||
        !trt_call_bool_at(build->flavour, build->config, TRT_CONFIG_SET_CAPABILITY, wanted, 0) ||
        trt_call_int_at(build->flavour, build->config, TRT_CONFIG_CAPABILITY, 0) != wanted)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "%s builds for sm_75, sm_80, sm_86, sm_89, sm_120 and sm_121, not for "
                         "sm_%d: TensorRT on such a machine does",
                         build->library.name, (int)wanted);
    return TARE_OK;
}

/* --- a dynamic batch --- */

static bool set_range(struct trt_build *build, const void *input, struct trt_dims64 *shape)
{
    const char *name = trt_call_text(build->flavour, input, TRT_VALUE_NAME);
    int64_t most = build->job->max_batch;
    const int64_t sizes[] = {[SHAPE_LEAST] = 1, [SHAPE_BEST] = most, [SHAPE_MOST] = most};

    for (int32_t which = SHAPE_LEAST; which <= SHAPE_MOST; which++) {
        shape->d[0] = sizes[which];
        if (!trt_call_set_shape(build->flavour, build->profile, name, which, shape))
            return false;
    }
    return true;
}

/* One input: dynamic in its first dimension, in none, or a refusal. */
static enum tare_status add_input(struct trt_build *build, int32_t index, struct tare_err *err)
{
    const void *input =
        trt_call_object_at(build->flavour, build->network, TRT_NETWORK_INPUT, index);
    struct trt_dims64 shape = trt_call_shape(build->flavour, input);

    for (int32_t i = 1; i < shape.count; i++)
        if (shape.d[i] < 0)
            return tare_fail(err, TARE_UNSUPPORTED,
                             "input '%.80s' is dynamic in dimension %d: only a batch may be",
                             trt_call_text(build->flavour, input, TRT_VALUE_NAME), (int)i);
    if (shape.count < 1 || shape.d[0] >= 0)
        return TARE_OK;
    build->facts->dynamic = true;
    return set_range(build, input, &shape) ? TARE_OK
                                           : trt_build_fail(build, "take a range of batches", err);
}

static enum tare_status set_batches(struct trt_build *build, struct tare_err *err)
{
    int32_t inputs = trt_call_int(build->flavour, build->network, TRT_NETWORK_INPUTS);
    enum tare_status status = TARE_OK;
    trt_function add;

    build->profile = trt_call_object(build->flavour, build->builder, TRT_BUILDER_CREATE_PROFILE);
    if (!build->profile)
        return trt_build_fail(build, "make an optimization profile", err);
    for (int32_t i = 0; i < inputs && status == TARE_OK; i++)
        status = add_input(build, i, err);
    if (status != TARE_OK || !build->facts->dynamic)
        return status;
    add = trt_call_find(build->flavour, build->config, TRT_CONFIG_ADD_PROFILE);
    if (((int32_t(*)(void *, const void *))add)(trt_impl(build->config), build->profile) < 0)
        return trt_build_fail(build, "take a range of batches", err);
    return TARE_OK;
}

/* --- all of it --- */

static enum tare_status set_calibrator(struct trt_build *build, struct tare_err *err)
{
    trt_function set;
    enum tare_status status;

    if (!build->job->calibration)
        return TARE_OK;
    status = trt_calibrator_new(&build->library, build->job->calibration, &build->calibrator, err);
    if (status != TARE_OK)
        return status;
    set = trt_call_find(build->flavour, build->config, TRT_CONFIG_SET_CALIBRATOR);
    ((void (*)(void *, void *))set)(trt_impl(build->config), build->calibrator);
    if (build->facts->dynamic &&
        !trt_call_bool_of(build->flavour, build->config, TRT_CONFIG_SET_CALIBRATION_PROFILE,
                          build->profile))
        return trt_build_fail(build, "take a range of batches for its calibration", err);
    return TARE_OK;
}

enum tare_status trt_configure(struct trt_build *build, bool half_file, struct tare_err *err)
{
    const struct trt_build_job *job = build->job;
    trt_function set_pool = trt_call_find(build->flavour, build->config, TRT_CONFIG_SET_POOL);
    enum tare_status status;

    if (job->workspace_bytes > 0)
        ((void (*)(void *, int32_t, size_t))set_pool)(trt_impl(build->config), POOL_WORKSPACE,
                                                      (size_t)job->workspace_bytes);
    if (job->level >= 0)
        trt_call_set(build->flavour, build->config, TRT_CONFIG_SET_LEVEL, job->level);
    trt_call_set(build->flavour, build->config, TRT_CONFIG_SET_VERBOSITY, VERBOSITY_DETAILED);
    set_types(build, half_file);
    status = set_capability(build, err);
    if (status == TARE_OK)
        status = set_batches(build, err);
    if (status == TARE_OK)
        status = set_calibrator(build, err);
    if (status == TARE_OK && job->dla_core >= 0)
        status = set_dla(build, err);
    if (status == TARE_OK && job->timing_cache && build->flavour != TRT_RTX) /* it times nothing */
        status = trt_timing_load(build, err);
    return status;
}
