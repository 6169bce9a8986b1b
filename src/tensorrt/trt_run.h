/*
 * trt_run.h - TensorRT's objects that run an engine, called from C: runtime, engine, execution
 * context, inspector, profiler. Each function is one call of the library by its slot
 * (trt_run_slots.h) and does no more than turn its types into ours; what is asked of it in which
 * order is the caller's affair, and NVIDIA's reference of the function says what it does.
 *
 * An object is {flavour, TensorRT's pointer}; none is NULL unless said so. Text that comes back
 * belongs to the object.
 *
 * Threads: an object belongs to one thread at a time. CUDA's context must be current.
 */
#ifndef TARE_TENSORRT_TRT_RUN_H
#define TARE_TENSORRT_TRT_RUN_H

#include "tensorrt/trt_api.h"

struct trt_object {
    enum trt_flavour flavour;
    void *object; /* NULL: there is none */
};

/* nvinfer1::Dims with 64 bits, whatever the flavour's has. count is -1 where TensorRT knows no
 * shape, and never over TRT_MAX_DIMS. */
struct trt_shape {
    int32_t count;
    int64_t d[TRT_MAX_DIMS]; /* -1: dynamic */
};

enum trt_select { /* OptProfileSelector */
    TRT_MIN = 0,
    TRT_OPT = 1,
    TRT_MAX = 2,
};

enum trt_mode { /* TensorIOMode */
    TRT_NO_IO = 0,
    TRT_INPUT = 1,
    TRT_OUTPUT = 2,
};

/* delete; what was there is {flavour, NULL} afterwards. */
void trt_drop(struct trt_object *object);

/* --- runtime --- */

/* TARE_BROKEN if the library lacks the function that makes one, TARE_FAILED with what it says. The
 * logger must outlive the runtime, and the runtime its engines. */
enum tare_status trt_runtime_new(const struct trt_library *library, struct trt_logger *logger,
                                 struct trt_object *runtime, struct tare_err *err);

/* {.., NULL} if it refuses: the logger says why. bytes may go afterwards. */
struct trt_object trt_deserialize(struct trt_object runtime, const void *bytes, size_t size);

int32_t trt_dla_cores(struct trt_object runtime);
void trt_set_dla_core(struct trt_object runtime, int32_t core);
int32_t trt_dla_core(struct trt_object runtime);

/* What can be set and read back without a device: for the tests of the slots. */
void *trt_runtime_logger(struct trt_object runtime);
bool trt_set_max_threads(struct trt_object runtime, int32_t threads);
int32_t trt_max_threads(struct trt_object runtime);
void trt_set_tempfiles(struct trt_object runtime, uint32_t flags);
uint32_t trt_tempfiles(struct trt_object runtime);
void trt_set_host_code(struct trt_object runtime, bool allowed);
bool trt_host_code(struct trt_object runtime);

/* --- engine --- */

int32_t trt_io_count(struct trt_object engine);
const char *trt_io_name(struct trt_object engine, int32_t index); /* NULL past the end */
enum trt_mode trt_io_mode(struct trt_object engine, const char *name);
int32_t trt_io_type(struct trt_object engine, const char *name); /* enum trt_type, or another */
bool trt_io_on_host(struct trt_object engine, const char *name);
bool trt_io_is_linear(struct trt_object engine, const char *name); /* row after row, no padding */
struct trt_shape trt_io_shape(struct trt_object engine, const char *name);
int32_t trt_profiles(struct trt_object engine);
struct trt_shape trt_profile_shape(struct trt_object engine, const char *input, int32_t profile,
                                   enum trt_select select);

/* Bytes of the device's memory that a context takes beside inputs and outputs. */
int64_t trt_context_bytes(struct trt_object engine);

/* {.., NULL} if there is no memory for it or another reason, which the logger says. */
struct trt_object trt_context_new(struct trt_object engine);

/* --- context --- */

bool trt_set_profile(struct trt_object context, int32_t profile, void *stream);
bool trt_set_input_shape(struct trt_object context, const char *name,
                         const struct trt_shape *shape);
struct trt_shape trt_shape_now(struct trt_object context, const char *name);
bool trt_set_address(struct trt_object context, const char *name, void *data);
bool trt_enqueue(struct trt_object context, void *stream);

/* --- layers --- */

/* The engine as JSON (IEngineInspector), which the caller frees; NULL if it has none to give. */
char *trt_layers_json(struct trt_object engine);

/* An IProfiler of ours, which hands the times of a run's layers to report. free() it after the
 * context is gone. */
struct trt_profiler;
enum tare_status trt_profiler_new(enum trt_flavour flavour,
                                  void (*report)(void *data, const char *layer, float ms),
                                  void *data, struct trt_profiler **profiler, struct tare_err *err);
void trt_profiler_free(struct trt_profiler *profiler);

/* The context times its layers from now on; trt_report_profile() hands out those of the last run,
 * after it has ended. */
void trt_set_profiler(struct trt_object context, struct trt_profiler *profiler);
bool trt_report_profile(struct trt_object context);

#endif
