/*
 * ort_session.h - a model opened by ONNX Runtime on the CPU. Opening and describing are in
 * ort_session.c, execution providers in ort_provider.c, what half precision is executed in in
 * ort_half.c, binding and running in ort_run.c; the contract of every function is that of its slot
 * in tare/backend.h.
 */
#ifndef TARE_ORT_SESSION_H
#define TARE_ORT_SESSION_H

#include "ort_api.h"
#include "ort_trace.h"
#include "tare/backend.h"

struct ort_output {
    struct tare_tensor tensor; /* as bound */
    bool loose;                /* the runtime places it, and a run copies it to tensor.data */
    int32_t rank;              /* of the last run, if loose */
    int64_t shape[TARE_MAX_RANK];
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
    struct ort_memory_info *memory;
    struct ort_allocator *allocator; /* the library's own, never released */
    struct ort_binding *binding;     /* NULL: nothing is bound */
    struct ort_side inputs, outputs;
    struct ort_output *bound; // (outputs.count)
    char executed[16];        /* precision, read back; "": not known */
    bool profiling;           /* a trace is being written */
    struct ort_trace trace;   /* once it was read */
    bool any_loose;
    bool may_loosen; /* some output in place has dynamic dimensions, so its bound shape may be wrong
                      */
};

extern const struct tare_option_info ort_options[];

/* The execution provider that was asked for; TARE_UNSUPPORTED if it is none that can be had. */
enum tare_status ort_check_provider(const struct tare_open_options *options, struct tare_err *err);
enum ort_build ort_provider_build(const struct tare_open_options *options);

/* Whether the CUDA provider can be used, which is never yet: says what is missing for it first. */
enum tare_status ort_check_cuda(const struct tare_open_options *options, struct tare_err *err);

/* Puts the provider, if it is not the CPU's own, into the options of a session to be made. */
enum tare_status ort_add_provider(const struct ort_api *api,
                                  const struct tare_open_options *options,
                                  struct ort_session_options *to, struct tare_err *err);

/*
 * Writes the providers that the session's graph was really given to, "A+B" if several; fails if the
 * one that was asked for got none of it.
 */
enum tare_status ort_read_provider(const struct tare_session *session,
                                   const struct tare_open_options *options, char *text,
                                   size_t text_bytes, struct tare_err *err);

/*
 * Loads the model for the provider cpu in half precision, and reads back what it will be executed
 * in; TARE_UNSUPPORTED if that is another precision and option casts=1 does not say so.
 */
bool ort_must_read_back(const struct tare_open_options *options);
enum tare_status ort_load_half(struct tare_session *session, struct ort_session_options *settings,
                               const struct tare_open_options *options, struct tare_err *err);
enum tare_status ort_load_model(struct tare_session *session, const char *path,
                                const struct ort_session_options *settings, struct tare_err *err);

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
