/*
 * triton_session.h - a plugin's session that serves batches of any size up to its largest.
 *
 * The session is opened once, for the largest batch, with memory of its own for it. Each run then
 * uses the first rows of that memory, or memory of a request's where that can be bound, and binds
 * anew only where an address or a shape has changed. A model whose batch is fixed always runs all
 * of it; the rows past the batch hold what was there before, and nobody gets their results.
 *
 * Threads: one session belongs to one thread at a time.
 */
#ifndef TARE_TRITON_SESSION_H
#define TARE_TRITON_SESSION_H

#include "backend/session.h"
#include "triton_settings.h"

struct triton_side {
    struct triton_tensors there; /* what the model has, without the batch dimension */
    struct tare_tensor *own;     // (count): the session's memory, in the shape of the largest batch
    struct tare_tensor *next;    // (count): what the next run uses
    struct tare_tensor *bound;   // (count): what the last run used
    void **grown;                // (count): memory for what outgrew the session's, or NULL
};

struct triton_session {
    struct backend_session *session;
    struct triton_side inputs, outputs;
    int32_t fixed;  /* rows of every run; 0: as many as there are */
    bool borrows;   /* TARE_CAP_BORROWS */
    bool allocates; /* it binds the plugin's own memory alone */
    bool is_bound;
};

/*
 * Opens the model for max_batch rows. TARE_INVALID if a tensor has no batch dimension, or the
 * model's batch is fixed at fewer rows; otherwise as backend_session_open(). On success the caller
 * closes it; on error nothing is held.
 */
enum tare_status triton_session_open(struct triton_session *session, const struct backend *backend,
                                     const struct backend_session_options *options,
                                     struct tare_err *err);

/* A zeroed one is allowed. */
void triton_session_close(struct triton_session *session);

/*
 * Prepares a run in the session's own memory: inputs.next and outputs.next describe it. The caller
 * sets the dimensions that the model leaves open, then the rows, then makes room with
 * triton_session_fit(), and may then, if the session borrows, put other memory there.
 */
void triton_session_prepare(struct triton_session *session);

/* Rows of the next run; all tensors have them, or the model's fixed batch. */
void triton_session_rows(struct triton_session *session, int32_t rows);

/* Makes the session's own memory large enough for the shapes of inputs.next and outputs.next.
 * TARE_LIMIT, TARE_NOMEM. */
enum tare_status triton_session_fit(struct triton_session *session, struct tare_err *err);

/* Whether an output may come out in another shape than outputs.next says. */
bool triton_session_is_open(const struct triton_session *session, size_t output);

/* Binds what has changed. */
enum tare_status triton_session_bind(struct triton_session *session, struct tare_err *err);

/*
 * Runs what was bound. Afterwards outputs.next has the actual shapes of open outputs, and the next
 * run expects them; memory for one that has outgrown its own is found by running again.
 */
enum tare_status triton_session_run(struct triton_session *session, struct tare_err *err);

#endif
