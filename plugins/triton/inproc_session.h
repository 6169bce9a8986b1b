/*
 * inproc_session.h - one model of a repository, served by a tritonserver inside this process. The
 * server is in inproc_server.c, what its model takes and gives in inproc_model.c, binding in
 * inproc_bind.c, running in inproc_run.c; the contract of every function of a slot is that of the
 * slot in tare/backend.h.
 *
 * Threads: a run is started by the caller's thread and answered on the server's. In between the
 * server's threads write the outputs' memory, `response`, `surplus` and the outputs' `refused` and
 * `loose`; `state` hands them back, with release and acquire.
 */
#ifndef TARE_INPROC_SESSION_H
#define TARE_INPROC_SESSION_H

#include <stdatomic.h>

#include "inproc_api.h"
#include "tare/backend.h"

#define INPROC_TENSORS_MAX 256

struct inproc_input {
    struct tare_tensor tensor; /* as bound */
    size_t bytes;              /* of it that the request holds; of TARE_BYTES they may change */
};

struct inproc_output {
    struct tare_tensor tensor; /* as bound */
    void *loose;               /* if tensor.data is NULL: where it is put, for its shape */
    size_t loose_bytes;
    size_t refused; /* bytes that the model wanted to write, if they do not fit; else 0 */
    bool seen;      /* the last run gave it */
    int32_t rank;   /* of the last run */
    int64_t shape[TARE_MAX_RANK];
};

/* The inputs or the outputs of a model. */
struct inproc_side {
    struct tare_tensor_info *infos; // (count)
    size_t count;
};

struct tare_session {
    struct inproc_api api;
    struct inproc_server *server;
    struct inproc_allocator *allocator;
    struct inproc_request *request; /* NULL: nothing is bound */
    char model[256];
    int64_t version;     /* -1: the newest */
    int64_t max_batch;   /* 0: the model has no batch dimension of Triton's */
    char backend[64];    /* what executes it: "tare", "tensorrt_plan", "ensemble" */
    char release[32];    /* of the server: "2.51.0" */
    int32_t threads;     /* as the model's configuration says; 0: it does not */
    char precision[16];  /* the same; "" */
    bool on_gpu, on_cpu; /* kinds of its instance groups; both false: it does not say */
    struct inproc_side inputs, outputs;
    struct inproc_input *in;   // (inputs.count)
    struct inproc_output *out; // (outputs.count)
    uint64_t sequence_id;      /* as the request has them now */
    uint32_t flags;
    int64_t spin_ns;                  /* how long to look before sleeping */
    bool logs;                        /* the server logs where the user wants it */
    bool running;                     /* a request is with the server */
    struct inproc_response *response; /* the first of the run */
    uint32_t surplus;                 /* responses after it */
    _Atomic uint32_t state;           /* enum inproc_state bits */
};

extern const struct tare_option_info inproc_options[];

/* Starts the server over a repository folder, with no model loaded, and loads session->model. What
 * is half done, inproc_close() frees. */
enum tare_status inproc_serve(struct tare_session *session, const struct tare_open_options *options,
                              struct tare_err *err);

/* Unloads everything and ends the server; NULL is allowed. */
void inproc_end_server(struct tare_session *session);

/* Lists the model's inputs and outputs, and reads of its configuration what struct tare_session
 * keeps. TARE_UNSUPPORTED for a type or rank that tensor.h has not. */
enum tare_status inproc_read_model(struct tare_session *session, struct tare_err *err);

/* Number of a dtype in Triton's API, and back; 0 and TARE_DTYPE_NONE if there is none. */
int inproc_dtype(enum tare_dtype dtype);
enum tare_dtype inproc_dtype_back(int number);

/* Frees the request and where outputs of unknown shape lie. */
void inproc_unbind(struct tare_session *session);

/* Waits for a run that was submitted, and forgets what it gave. */
void inproc_forget_run(struct tare_session *session);

/* What the server calls on its own threads; user is the session. */
void inproc_released(struct inproc_request *request, uint32_t flags, void *user);
void inproc_responded(struct inproc_response *response, uint32_t flags, void *user);

enum tare_status inproc_open(const struct tare_open_options *options, struct tare_session **session,
                             struct tare_open_report *report, struct tare_err *err);
void inproc_close(struct tare_session *session);
enum tare_status inproc_describe(struct tare_session *session, bool inputs,
                                 const struct tare_tensor_info **infos, size_t *count,
                                 struct tare_err *err);
enum tare_status inproc_bind(struct tare_session *session, const struct tare_tensor *inputs,
                             size_t input_count, const struct tare_tensor *outputs,
                             size_t output_count, struct tare_err *err);
enum tare_status inproc_run(struct tare_session *session, const struct tare_request *request,
                            struct tare_timing *timing, struct tare_err *err);
enum tare_status inproc_submit(struct tare_session *session, const struct tare_request *request,
                               struct tare_err *err);
enum tare_status inproc_wait(struct tare_session *session, struct tare_timing *timing,
                             struct tare_err *err);
enum tare_status inproc_bound_shape(struct tare_session *session, size_t index, int32_t *rank,
                                    int64_t *shape, struct tare_err *err);

#endif
