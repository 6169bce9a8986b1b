/*
 * engine_session.h - a TensorRT engine on one NVIDIA device. engine_open.c opens and closes it,
 * engine_file.c reads the file and what is noted beside it, engine_tensors.c lists inputs and
 * outputs, engine_bind.c binds them, engine_run.c runs, engine_layers.c says what is executed,
 * engine_profile.c times layers. The contract of every function is that of its slot in
 * tare/backend.h.
 */
#ifndef TARE_ENGINE_SESSION_H
#define TARE_ENGINE_SESSION_H

#include "base/file.h"
#include "cuda/cuda.h"
#include "tare/backend.h"
#include "tensorrt/trt_run.h"
#include "tensorrt/trt_sidecar.h"

#define ENGINE_BYTES_MAX ((size_t)16 << 30) /* of an engine's file */

/* One input or output, as it is bound. */
struct engine_tensor {
    void *host;   /* the caller's, copied in or out; NULL: it is bound on the device */
    void *device; /* what the engine reads or writes */
    void *owned;  /* device, if it is ours */
    size_t owned_bytes;
    size_t bytes;
    struct trt_shape shape;
};

struct engine_side {
    struct tare_tensor_info *infos; // (count)
    struct engine_tensor *tensors;  // (count)
    size_t count;
};

enum engine_event {
    ENGINE_START,
    ENGINE_COPIED_IN,
    ENGINE_COMPUTED,
    ENGINE_COPIED_OUT,
    ENGINE_EVENTS
};

struct engine_times; /* per layer */

struct tare_session {
    struct trt_library library;
    struct trt_logger *logger;
    struct trt_object runtime, engine, context;
    struct trt_profiler *profiler; /* NULL: layers are not timed */
    struct engine_times *times;
    struct cuda *cuda;
    int device;
    void *stream;
    void *events[ENGINE_EVENTS];
    struct engine_side inputs, outputs;
    void **pinned; // (pinned_count), what allocate() handed out
    size_t pinned_count;
    int32_t profile; /* the optimisation profile that the context is set to */
    bool bound;
    bool use_graph;
    int plain_runs; /* since the last bind */
    void *graph;    /* what a run enqueues between the copies; NULL: not captured */
};

extern const struct tare_option_info engine_options[];

/* TARE_UNSUPPORTED if the library does not run on the device at all. */
enum tare_status engine_check_device(const struct trt_library *library,
                                     const struct cuda_facts *facts, struct tare_err *err);

/*
 * Why TensorRT refused, as it says itself: "cannot WHAT: ..."; status, or as cuda_no_memory() where
 * it was memory.
 */
enum tare_status engine_refused(struct tare_session *session, enum tare_status status,
                                const char *what, struct tare_err *err);

/* Reads what is noted beside the engine. No note is no error: architecture is "" then, and
 * TensorRT's own checks must do. */
enum tare_status engine_read_note(const char *path, struct trt_sidecar *note, struct tare_err *err);

/* TARE_UNSUPPORTED, naming both sides, if the engine was made for another device, version or
 * precision than these; TARE_BADDATA if it was cut or changed since. */
enum tare_status engine_check_note(const struct trt_sidecar *note, const char *path,
                                   const struct trt_library *library,
                                   const struct cuda_facts *facts, const char *precision,
                                   struct tare_err *err);

/* Deserialises the file into session->engine. TARE_BADDATA with what TensorRT says of it, or
 * TARE_FAILED where that is of the device. */
enum tare_status engine_load(struct tare_session *session, const char *path, struct tare_err *err);

/* Lists inputs and outputs, and checks that some optimisation profile takes the batch. */
enum tare_status engine_read_sides(struct tare_session *session, int32_t batch,
                                   struct tare_err *err);

/* The optimisation profile that takes the inputs' shapes, or -1. */
int32_t engine_find_profile(const struct tare_session *session);

/* What of the layers is executed in which precision, and how many run beside the DLA. */
struct engine_layers {
    char precision[8]; /* of most layers that convolve or multiply; "": not to be read */
    int on_dla, on_gpu;
};
void engine_read_layers(struct trt_object engine, struct engine_layers *layers);

/* The same of the inspector's JSON. Anything else gives nothing. */
void engine_parse_layers(const char *json, struct engine_layers *layers);

enum tare_status engine_time_layers(struct tare_session *session, struct tare_err *err);
void engine_drop_times(struct engine_times *times);

enum tare_status engine_open(const struct tare_open_options *options, struct tare_session **session,
                             struct tare_open_report *report, struct tare_err *err);
void engine_close(struct tare_session *session);
enum tare_status engine_describe(struct tare_session *session, bool inputs,
                                 const struct tare_tensor_info **infos, size_t *count,
                                 struct tare_err *err);
enum tare_status engine_bind(struct tare_session *session, const struct tare_tensor *inputs,
                             size_t input_count, const struct tare_tensor *outputs,
                             size_t output_count, struct tare_err *err);
enum tare_status engine_run(struct tare_session *session, const struct tare_request *request,
                            struct tare_timing *timing, struct tare_err *err);
enum tare_status engine_bound_shape(struct tare_session *session, size_t index, int32_t *rank,
                                    int64_t *shape, struct tare_err *err);
enum tare_status engine_profile(struct tare_session *session, const struct tare_profile_row **rows,
                                size_t *count, struct tare_err *err);
enum tare_status engine_allocate(struct tare_session *session, size_t size_bytes,
                                 struct tare_tensor *tensor, struct tare_err *err);

#endif
