/*
 * agree.h - runs the same pictures through a model and its reference, and says how far they agree
 * (accuracy/agreement.h has the figures). No annotations are needed.
 *
 * Both are scored as for published COCO figures: boxes over 0.001, IoU 0.7, at most 300 a picture,
 * several labels a box. Outputs are compared where both have one of the same name and size; the
 * full head, which mixes boxes in pixels with scores of 0..1, is compared as two parts, "boxes" and
 * "scores". Where one is a raw head and the other a full one, only boxes are compared.
 *
 * Threads: a session belongs to one thread at a time.
 */
#ifndef TARE_MEASURE_AGREE_H
#define TARE_MEASURE_AGREE_H

#include "accuracy/agreement.h"
#include "backend/session.h"

struct agree_options {
    char **paths; // (count) of JPEG files
    size_t count;
    struct agreement_options figures;
    void (*progress)(double share, void *data); /* after each batch; may be NULL */
    void *progress_data;
};

/*
 * Fills result. TARE_UNSUPPORTED if one of the graphs is of no family that predicts or their
 * batches differ, TARE_ABSENT or TARE_BADDATA naming a picture, TARE_BADDATA naming an output that
 * is not finite, TARE_STOPPED.
 */
enum tare_status agree_pictures(struct backend_session *reference, struct backend_session *model,
                                const struct agree_options *options,
                                struct agreement_result *result, struct tare_err *err);

/*
 * A reference that several models are to be compared with: it is run on every picture once, and its
 * outputs and boxes stay in memory (an FP32 number for each of its outputs' elements a picture).
 * The session and the paths must outlive it. On success agree_reference_free() it (NULL is
 * allowed). Errors as above.
 */
struct agree_reference;
enum tare_status agree_reference_new(struct backend_session *session,
                                     const struct agree_options *options,
                                     struct agree_reference **reference, struct tare_err *err);
void agree_reference_free(struct agree_reference *reference);

/* As agree_pictures(), without a word to progress. */
enum tare_status agree_with(const struct agree_reference *reference, struct backend_session *model,
                            struct agreement_result *result, struct tare_err *err);

#endif
