/*
 * ort_session.h - a model opened by ONNX Runtime. Opening and describing are in ort_session.c, the
 * options in ort_options.c, execution providers in ort_provider.c, those for NVIDIA's devices in
 * ort_cuda.c and ort_plugin.c, what is executed in ort_executed.c, memory in ort_memory.c, binding
 * and running in ort_run.c; the contract of every function is that of its slot in tare/backend.h.
 */
#ifndef TARE_ORT_SESSION_H
#define TARE_ORT_SESSION_H

#include "ort_api.h"
#include "ort_device.h"
#include "ort_trace.h"
#include "tare/backend.h"

struct ort_output {
    struct tare_tensor tensor; /* as bound */
    bool loose;                /* the runtime places it, and a run copies it to tensor.data */
    int32_t rank;              /* of the last run, if loose */
    int64_t shape[TARE_MAX_RANK];
};

enum ort_provider {
    ORT_CPU,
    ORT_OPENVINO,
    ORT_CUDA,
    ORT_TENSORRT,
    ORT_NVTENSORRTRTX,
    ORT_PROVIDERS, /* how many, and: none of them */
};

/* Memory that allocate() handed out. */
struct ort_block {
    void *data;
    bool pinned;
};

/* The inputs or the outputs of a model. */
struct ort_side {
    struct tare_tensor_info *infos; // (count)
    size_t count;
};

struct tare_session {
    struct ort_api api;
    struct ort_env *env;
    struct ort_session *session;
    struct ort_run_options *run_options;
    struct ort_memory_info *memory; /* where tensors are bound: the device's if there is one */
    struct ort_device *device;      /* NULL: the provider is a processor's */
    struct ort_block *blocks;       // (block_count)
    size_t block_count;
    struct ort_allocator *allocator; /* the library's own, never released */
    struct ort_binding *binding;     /* NULL: nothing is bound */
    struct ort_side inputs, outputs;
    struct ort_output *bound; // (outputs.count)
    char executed[16];        /* precision, read back; "": not known */
    long copies;              /* between processor and device, read back; -1: not known */
    bool graph;               /* runs are captured as a CUDA graph and replayed */
    long graph_id;            /* of the last one */
    bool profiling;           /* a trace is being written */
    struct ort_trace trace;   /* once it was read */
    bool any_loose;
    bool may_loosen; /* some output in place has dynamic dimensions, so its bound shape may be wrong
                      */
};

/* As ort_api_check(), and where memory ran out with a device as cuda_no_memory(). */
enum tare_status ort_check(const struct tare_session *session, ort_result result, const char *what,
                           struct tare_err *err);

extern const struct tare_option_info ort_options[];

/* TARE_INVALID for an option that the chosen provider does not have, or a value it cannot take. */
enum tare_status ort_check_options(const struct tare_open_options *options, struct tare_err *err);

/* Puts all options but the provider's into those of a session to be made. */
enum tare_status ort_configure(const struct ort_api *api, const struct tare_open_options *options,
                               struct ort_session_options *to, struct tare_err *err);

enum ort_provider ort_provider_of(const struct tare_open_options *options);
bool ort_is_on_device(const struct tare_open_options *options);

/* The execution provider that was asked for; TARE_UNSUPPORTED if it is none that can be had. */
enum tare_status ort_check_provider(const struct tare_open_options *options, struct tare_err *err);
enum ort_build ort_provider_build(const struct tare_open_options *options);

/* Puts the provider, if it is not the CPU's own, into the options of a session to be made. */
enum tare_status ort_add_provider(struct tare_session *session,
                                  const struct tare_open_options *options,
                                  struct ort_session_options *to, struct tare_err *err);

/* The same for CUDA and TensorRT, and for a provider that comes as a library of its own. */
enum tare_status ort_add_cuda(struct tare_session *session, const struct tare_open_options *options,
                              struct ort_session_options *to, struct tare_err *err);
enum tare_status ort_add_plugin(struct tare_session *session,
                                const struct tare_open_options *options,
                                struct ort_session_options *to, struct tare_err *err);

/*
 * Writes the providers that the session's graph was really given to, "A+B" if several, by shorter
 * names if need be, and how many copies there are between them; fails if the one that was asked for
 * got none of it.
 */
enum tare_status ort_read_provider(const struct tare_session *session,
                                   const struct tare_open_options *options, char *text,
                                   size_t text_bytes, struct tare_err *err);

/*
 * Loads the model and, where it can be known and is worth the while, reads back what it will be
 * executed in; TARE_UNSUPPORTED if half precision was asked for and becomes another one, and option
 * casts=1 does not allow that.
 */
enum tare_status ort_load(struct tare_session *session, struct ort_session_options *settings,
                          const struct tare_open_options *options, struct tare_err *err);
enum tare_status ort_load_model(struct tare_session *session, const char *path,
                                const struct ort_session_options *settings, struct tare_err *err);

/* For what has just been bound: the number of the CUDA graph that a run captures or replays. */
enum tare_status ort_graph_choose(struct tare_session *session, struct tare_err *err);

enum tare_status ort_allocate(struct tare_session *session, size_t size_bytes,
                              struct tare_tensor *tensor, struct tare_err *err);
void ort_free_blocks(struct tare_session *session);

/* Element type of the ONNX format for a dtype, and back; 0 and TARE_DTYPE_NONE if there is none. */
int ort_element_type(enum tare_dtype dtype);
enum tare_dtype ort_dtype(int element_type);

enum tare_status ort_open(const struct tare_open_options *options, struct tare_session **session,
                          struct tare_open_report *report, struct tare_err *err);
void ort_close(struct tare_session *session);
enum tare_status ort_describe(struct tare_session *session, bool inputs,
                              const struct tare_tensor_info **infos, size_t *count,
                              struct tare_err *err);
enum tare_status ort_bind(struct tare_session *session, const struct tare_tensor *inputs,
                          size_t input_count, const struct tare_tensor *outputs,
                          size_t output_count, struct tare_err *err);
enum tare_status ort_run(struct tare_session *session, const struct tare_request *request,
                         struct tare_timing *timing, struct tare_err *err);
/* Option profile=1 starts a trace; the slot ends and reads it; what is left of it goes with the
 * session. */
enum tare_status ort_start_profile(struct tare_session *session,
                                   const struct tare_open_options *options,
                                   struct ort_session_options *to, struct tare_err *err);
enum tare_status ort_profile(struct tare_session *session, const struct tare_profile_row **rows,
                             size_t *count, struct tare_err *err);
void ort_drop_profile(struct tare_session *session);
enum tare_status ort_bound_shape(struct tare_session *session, size_t index, int32_t *rank,
                                 int64_t *shape, struct tare_err *err);

#endif
