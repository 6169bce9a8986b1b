/*
 * evaluate.h - runs annotated pictures through an open session and collects COCO detections.
 *
 * The settings are those of published COCO figures: confidence over 0.001, IoU 0.7, at most 300
 * boxes a picture, several labels a box. Class index k of the model is the k-th category of the
 * annotations in ascending order of id, as in all 80-class COCO models.
 *
 * Threads: a session belongs to one thread at a time.
 */
#ifndef TARE_MEASURE_EVALUATE_H
#define TARE_MEASURE_EVALUATE_H

#include "accuracy/coco.h"
#include "backend/session.h"

struct evaluate_options {
    const char *images; /* folder that the annotations' file names are relative to */
    void (*progress)(double share, void *data); /* after each batch; may be NULL */
    void *progress_data;
};

/*
 * Whether all pictures of the dataset are in the folder. TARE_ABSENT names the first that is not,
 * TARE_BADDATA an image without a file name. To be asked before the first run, not after an hour.
 */
enum tare_status evaluate_check(const struct coco_dataset *dataset, const char *images,
                                struct tare_err *err);

/*
 * Adds the detections of all pictures of the dataset. TARE_UNSUPPORTED if the graph is of no family
 * that predicts or has more classes than the dataset, TARE_ABSENT naming the first picture that is
 * not there (before anything is run), TARE_BADDATA for a broken one, TARE_STOPPED.
 */
enum tare_status evaluate_pictures(struct backend_session *session,
                                   const struct coco_dataset *dataset,
                                   const struct evaluate_options *options,
                                   struct coco_detections *detections, struct tare_err *err);

#endif
