/*
 * eval_model.h - runs a model over annotated pictures, with a progress display, for `tare eval`.
 */
#ifndef TARE_CMD_EVAL_MODEL_H
#define TARE_CMD_EVAL_MODEL_H

#include "accuracy/coco.h"
#include "backend/session.h"

struct eval_model {
    const char *model, *images; /* file, and the folder of the pictures */
    const char *runtime, *options, *device, *precision;
    int32_t threads, batch, size; /* 0: the runtime's, 1, the model's */
    bool quiet;                   /* no progress */
};

/*
 * Opens the model. The caller closes *session, then frees *backend (both may be NULL), on error
 * too.
 */
enum tare_status eval_open_session(const struct eval_model *run, struct backend **backend,
                                   struct backend_session **session, struct tare_err *err);

/*
 * Detections of all pictures of the dataset, to be freed by the caller on success. version gets the
 * runtime's. Errors as evaluate_pictures().
 */
enum tare_status eval_run_model(const struct eval_model *run, const struct coco_dataset *dataset,
                                struct coco_detections **detections, char version[64],
                                struct tare_err *err);

#endif
