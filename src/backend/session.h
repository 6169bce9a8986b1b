/*
 * session.h - one model, opened and ready to run: the session of a plugin with tensors for one
 * batch, allocated, zeroed and bound. Bench, predict and eval all run models through it.
 *
 * What a plugin says of its tensors is checked here before anyone relies on it: names end, ranks,
 * types and sizes are in range.
 *
 * Strings of bytes (TARE_BYTES) get BACKEND_ELEMENT_ROOM an element, each empty at first;
 * tare_bytes_set() fills them in and fails where that is too little.
 *
 * Dynamic dimensions: an input's first one becomes the batch; any other needs a shape, or somebody
 * who chooses one, from the caller. An output's first one becomes the batch if some input's first
 * one is dynamic; where an output's shape is still unknown, one run at opening time finds it.
 *
 * Threads: a session belongs to one thread at a time.
 */
#ifndef TARE_BACKEND_SESSION_H
#define TARE_BACKEND_SESSION_H

#include "backend/loader.h"

#define BACKEND_TENSORS_MAX      256               /* inputs, and outputs, of a model */
#define BACKEND_TENSOR_BYTES_MAX ((size_t)4 << 30) /* of one tensor */
#define BACKEND_ELEMENT_ROOM     ((size_t)8 << 20) /* of a string of bytes, such as a JPEG file */

/* The whole shape of one input, by name. */
struct backend_shape {
    const char *name;
    int32_t rank;
    int64_t shape[TARE_MAX_RANK];
};

/* Zero is the default of every field. Strings belong to the caller. */
struct backend_session_options {
    const char *model_path;                  /* may be NULL for a backend with TARE_CAP_NO_MODEL */
    const char *device;                      /* NULL: "cpu" */
    const char *precision;                   /* NULL: "fp32" */
    int32_t threads;                         /* intra-op; 0: the runtime's default */
    int32_t batch;                           /* 0: 1 */
    const struct tare_option_value *options; /* the backend's own, see backend_options.h */
    size_t option_count;
    const struct backend_shape *shapes;
    size_t shape_count;

    /* Closes the open dimensions of an input that shapes does not name: writes info->rank numbers.
     * NULL: an open dimension but the first is an error. family_input_shape() is one. */
    void (*choose_shape)(const struct tare_tensor_info *info, int32_t batch, int32_t size,
                         int64_t *shape);
    int32_t size; /* passed on to choose_shape: height and width of pictures; 0: its own choice */
};

struct backend_session;

/*
 * Opens a model on a probed backend, which must outlive the session. On success the caller owns
 * *session and closes it; on error it is NULL. TARE_INVALID if an option is not in the backend's
 * table or out of range, a dynamic dimension has no size, a given shape does not fit the model, or
 * the model's batch is fixed at another number; TARE_BROKEN if the plugin's answers make no sense;
 * otherwise the plugin's error.
 */
enum tare_status backend_session_open(const struct backend *backend,
                                      const struct backend_session_options *options,
                                      struct backend_session **session, struct tare_err *err);

/* Frees the session and its tensors. NULL is allowed. */
void backend_session_close(struct backend_session *session);

/* What open() reported; every text ends. Belongs to the session. */
const struct tare_open_report *backend_session_report(const struct backend_session *session);

/* Number of inputs or outputs. */
size_t backend_session_count(const struct backend_session *session, bool inputs);

/* What the model says of one of them; NULL past the end. Belongs to the session. */
const struct tare_tensor_info *backend_session_info(const struct backend_session *session,
                                                    bool inputs, size_t index);

/*
 * The bound tensor of that input or output; NULL past the end. Belongs to the session. Write an
 * input's data between runs, read an output's data after one. Change nothing else.
 */
struct tare_tensor *backend_session_tensor(struct backend_session *session, bool inputs,
                                           size_t index);

/* The index of the input or output of that name; -1 if there is none. */
int backend_session_find(const struct backend_session *session, bool inputs, const char *name);

/*
 * Binds other tensors for the runs to come, such as a part of the batch, or memory of the caller's:
 * all inputs and all outputs in their order, each with the name and dtype of
 * backend_session_tensor()'s, which stay as they are and may be bound again (an array of copies of
 * them does). Memory of the caller's must stay valid until the next bind or close, or as
 * TARE_CAP_BORROWS says. An output that the model leaves open may come out in another shape, see
 * backend_session_output_shape(), and may have no data, to learn its shape by a run.
 * TARE_INVALID if a tensor is not of its name and dtype or has less room than its shape needs;
 * otherwise the plugin's error, after which nothing is bound.
 */
enum tare_status backend_session_bind(struct backend_session *session,
                                      const struct tare_tensor *inputs, // (count of inputs)
                                      const struct tare_tensor *outputs, struct tare_err *err);

/* One inference; request and timing may be NULL. Allocates, locks and logs nothing itself. */
enum tare_status backend_session_run(struct backend_session *session,
                                     const struct tare_request *request, struct tare_timing *timing,
                                     struct tare_err *err);

/* Time per node of the runs so far, as the runtime names its nodes; rows belong to the session
 * until it runs or closes. TARE_UNSUPPORTED if the runtime does not profile. */
enum tare_status backend_session_profile(struct backend_session *session,
                                         const struct tare_profile_row **rows, size_t *count,
                                         struct tare_err *err);

/* The shape that an output had in the last run; shape has TARE_MAX_RANK places. */
enum tare_status backend_session_output_shape(struct backend_session *session, size_t index,
                                              int32_t *rank, int64_t *shape, struct tare_err *err);

#endif
