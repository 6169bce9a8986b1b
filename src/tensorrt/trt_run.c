#include "tensorrt/trt_run.h"

#include <stdlib.h>
#include <string.h>

#include "tensorrt/trt_run_slots.h"

/* The function of a call, to be given its type; and the first argument that it takes. */
static trt_function of(struct trt_object object, enum trt_run_call call)
{
    return trt_slot(object.object, trt_run_slot(object.flavour, call));
}

static int32_t get_int(struct trt_object object, enum trt_run_call call)
{
    return ((int32_t(*)(void *))of(object, call))(trt_impl(object.object));
}

static void set_int(struct trt_object object, enum trt_run_call call, int32_t value)
{
    ((void (*)(void *, int32_t))of(object, call))(trt_impl(object.object), value);
}

static int32_t get_named(struct trt_object object, enum trt_run_call call, const char *name)
{
    return ((int32_t(*)(void *, const char *))of(object, call))(trt_impl(object.object), name);
}

/* --- shapes: nvinfer1::Dims has 32-bit dimensions in 8.6, 64-bit ones since --- */

static struct trt_shape from_dims32(struct trt_dims32 dims)
{
    struct trt_shape shape = {dims.count, {0}};

    if (shape.count < -1 || shape.count > TRT_MAX_DIMS)
        shape.count = -1;
    for (int32_t i = 0; i < shape.count; i++)
        shape.d[i] = dims.d[i];
    return shape;
}

static struct trt_shape from_dims64(struct trt_dims64 dims)
{
    struct trt_shape shape = {dims.count, {0}};

    if (shape.count < -1 || shape.count > TRT_MAX_DIMS)
        shape.count = -1;
    for (int32_t i = 0; i < shape.count; i++)
        shape.d[i] = dims.d[i];
    return shape;
}

static struct trt_shape get_shape(struct trt_object object, enum trt_run_call call,
                                  const char *name)
{
    trt_function function = of(object, call);
    void *self = trt_impl(object.object);

    if (object.flavour == TRT_8_6)
        return from_dims32(((struct trt_dims32(*)(void *, const char *))function)(self, name));
    return from_dims64(((struct trt_dims64(*)(void *, const char *))function)(self, name));
}

void trt_drop(struct trt_object *object)
{
    trt_delete(object->object);
    object->object = NULL;
}

/* --- runtime --- */

enum tare_status trt_runtime_new(const struct trt_library *library, struct trt_logger *logger,
                                 struct trt_object *runtime, struct tare_err *err)
{
    void *(*create)(void *logger, int32_t version);
    char said[400];
    enum tare_status status;

    *runtime = (struct trt_object){library->flavour, NULL};
    status = trt_library_symbol(library, "createInferRuntime_INTERNAL", &create, err);
    if (status != TARE_OK)
        return status;
    runtime->object = create(trt_logger_object(logger), library->version);
    if (!runtime->object)
        return tare_fail(err, TARE_FAILED, "cannot start %s: %s", library->name,
                         trt_logger_said(logger, said, sizeof(said)));
    return TARE_OK;
}

struct trt_object trt_deserialize(struct trt_object runtime, const void *bytes, size_t size)
{
    trt_function function = of(runtime, TRT_DESERIALIZE);
    void *self = trt_impl(runtime.object);
    struct trt_object engine = {runtime.flavour, NULL};

    if (runtime.flavour == TRT_8_6) /* and a factory of plugins, which went with TensorRT 8.0 */
        engine.object =
            ((void *(*)(void *, const void *, size_t, void *))function)(self, bytes, size, NULL);
    else
        engine.object = ((void *(*)(void *, const void *, size_t))function)(self, bytes, size);
    return engine;
}

int32_t trt_dla_cores(struct trt_object runtime)
{
    return get_int(runtime, TRT_DLA_CORES);
}

void trt_set_dla_core(struct trt_object runtime, int32_t core)
{
    set_int(runtime, TRT_SET_DLA_CORE, core);
}

int32_t trt_dla_core(struct trt_object runtime)
{
    return get_int(runtime, TRT_GET_DLA_CORE);
}

void *trt_runtime_logger(struct trt_object runtime)
{
    return ((void *(*)(void *))of(runtime, TRT_GET_LOGGER))(trt_impl(runtime.object));
}

bool trt_set_max_threads(struct trt_object runtime, int32_t threads)
{
    return ((bool (*)(void *, int32_t))of(runtime, TRT_SET_MAX_THREADS))(trt_impl(runtime.object),
                                                                         threads);
}

int32_t trt_max_threads(struct trt_object runtime)
{
    return get_int(runtime, TRT_GET_MAX_THREADS);
}

void trt_set_tempfiles(struct trt_object runtime, uint32_t flags)
{
    ((void (*)(void *, uint32_t))of(runtime, TRT_SET_TEMPFILES))(trt_impl(runtime.object), flags);
}

uint32_t trt_tempfiles(struct trt_object runtime)
{
    return ((uint32_t(*)(void *))of(runtime, TRT_GET_TEMPFILES))(trt_impl(runtime.object));
}

void trt_set_host_code(struct trt_object runtime, bool allowed)
{
    ((void (*)(void *, bool))of(runtime, TRT_SET_HOST_CODE))(trt_impl(runtime.object), allowed);
}

bool trt_host_code(struct trt_object runtime)
{
    return ((bool (*)(void *))of(runtime, TRT_GET_HOST_CODE))(trt_impl(runtime.object));
}

/* --- engine --- */

int32_t trt_io_count(struct trt_object engine)
{
    return get_int(engine, TRT_IO_TENSORS);
}

const char *trt_io_name(struct trt_object engine, int32_t index)
{
    return ((const char *(*)(void *, int32_t))of(engine, TRT_IO_NAME))(trt_impl(engine.object),
                                                                       index);
}

enum trt_mode trt_io_mode(struct trt_object engine, const char *name)
{
    int32_t mode = get_named(engine, TRT_TENSOR_MODE, name);

    return mode == TRT_INPUT || mode == TRT_OUTPUT ? (enum trt_mode)mode : TRT_NO_IO;
}

int32_t trt_io_type(struct trt_object engine, const char *name)
{
    return get_named(engine, TRT_TENSOR_TYPE, name);
}

bool trt_io_on_host(struct trt_object engine, const char *name)
{
    return get_named(engine, TRT_TENSOR_LOCATION, name) == 1;
}

bool trt_io_is_linear(struct trt_object engine, const char *name)
{
    return get_named(engine, TRT_TENSOR_FORMAT, name) == 0; /* TensorFormat::kLINEAR */
}

struct trt_shape trt_io_shape(struct trt_object engine, const char *name)
{
    return get_shape(engine, TRT_ENGINE_SHAPE, name);
}

int32_t trt_profiles(struct trt_object engine)
{
    return get_int(engine, TRT_PROFILES);
}

struct trt_shape trt_profile_shape(struct trt_object engine, const char *input, int32_t profile,
                                   enum trt_select select)
{
    trt_function function = of(engine, TRT_PROFILE_SHAPE);
    void *self = trt_impl(engine.object);
    int32_t which = (int32_t)select;

    if (engine.flavour == TRT_8_6)
        return from_dims32(((struct trt_dims32(*)(void *, const char *, int32_t, int32_t))function)(
            self, input, profile, which));
    return from_dims64(((struct trt_dims64(*)(void *, const char *, int32_t, int32_t))function)(
        self, input, profile, which));
}

int64_t trt_context_bytes(struct trt_object engine)
{
    return ((int64_t(*)(void *))of(engine, TRT_DEVICE_MEMORY))(trt_impl(engine.object));
}

struct trt_object trt_context_new(struct trt_object engine)
{
    trt_function function = of(engine, TRT_CREATE_CONTEXT);
    struct trt_object context = {engine.flavour, NULL};

    if (engine.flavour == TRT_8_6)
        context.object = ((void *(*)(void *))function)(trt_impl(engine.object));
    else /* ExecutionContextAllocationStrategy::kSTATIC, which is what 8.6 does */
        context.object = ((void *(*)(void *, int32_t))function)(trt_impl(engine.object), 0);
    return context;
}

/* --- context --- */

bool trt_set_profile(struct trt_object context, int32_t profile, void *stream)
{
    return ((bool (*)(void *, int32_t, void *))of(context, TRT_SET_PROFILE))(
        trt_impl(context.object), profile, stream);
}

bool trt_set_input_shape(struct trt_object context, const char *name, const struct trt_shape *shape)
{
    trt_function function = of(context, TRT_SET_INPUT_SHAPE);
    struct trt_dims32 dims32 = {shape->count, {0}};
    struct trt_dims64 dims64 = {shape->count, {0}};
    const void *dims = context.flavour == TRT_8_6 ? (const void *)&dims32 : &dims64;

    if (shape->count < 0 || shape->count > TRT_MAX_DIMS)
        return false;
    for (int32_t i = 0; i < shape->count; i++) {
        if (context.flavour == TRT_8_6 && (shape->d[i] < 0 || shape->d[i] > INT32_MAX))
            return false;
        dims32.d[i] = (int32_t)shape->d[i];
        dims64.d[i] = shape->d[i];
    }
    return ((bool (*)(void *, const char *, const void *))function)(trt_impl(context.object), name,
                                                                    dims);
}

struct trt_shape trt_shape_now(struct trt_object context, const char *name)
{
    return get_shape(context, TRT_CONTEXT_SHAPE, name);
}

bool trt_set_address(struct trt_object context, const char *name, void *data)
{
    return ((bool (*)(void *, const char *, void *))of(context, TRT_SET_ADDRESS))(
        trt_impl(context.object), name, data);
}

bool trt_enqueue(struct trt_object context, void *stream)
{
    return ((bool (*)(void *, void *))of(context, TRT_ENQUEUE))(trt_impl(context.object), stream);
}

/* --- layers --- */

char *trt_layers_json(struct trt_object engine)
{
    struct trt_object inspector = {engine.flavour, NULL};
    const char *text;
    char *copy = NULL;

    inspector.object =
        ((void *(*)(void *))of(engine, TRT_CREATE_INSPECTOR))(trt_impl(engine.object));
    if (!inspector.object)
        return NULL;
    text = ((const char *(*)(void *, int32_t))of(inspector, TRT_ENGINE_INFORMATION))(
        trt_impl(inspector.object), 1); /* LayerInformationFormat::kJSON */
    if (text)
        copy = strdup(text);
    trt_drop(&inspector);
    return copy;
}

void trt_set_profiler(struct trt_object context, struct trt_profiler *profiler)
{
    ((void (*)(void *, void *))of(context, TRT_SET_PROFILER))(trt_impl(context.object), profiler);
    ((void (*)(void *, bool))of(context, TRT_SET_EMITS_PROFILE))(trt_impl(context.object), false);
}

bool trt_report_profile(struct trt_object context)
{
    return ((bool (*)(void *))of(context, TRT_REPORT_PROFILE))(trt_impl(context.object));
}
