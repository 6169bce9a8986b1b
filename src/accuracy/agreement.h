/*
 * agreement.h - how far a model (another precision, another runtime) agrees with its reference on
 * the same pictures. Needs no annotations, and resolves what AP on some hundred pictures cannot.
 *
 * Figures, each with the 95 % interval of a bootstrap over pictures:
 *
 * SQNR of each head, in dB: 10 log10(sum r^2 / sum (r - m)^2), r the reference's output and m the
 * model's, summed in double over all elements of all pictures. Equal outputs have an infinite one.
 *
 * found: of the reference's boxes with a score of at least min_score, the share that the model has
 * too: same class, IoU of at least min_iou, its own score at least min_score. One to one: the
 * reference's boxes choose in descending order of score, each the free box of the model with the
 * highest IoU (of equal ones the one with the higher score). The others of the reference's are
 * lost.
 *
 * faded: of those lost, the ones that the model has with a score under min_score (they choose among
 * those boxes in the same way).
 *
 * added: the model's boxes over min_score that no box of the reference chose, as a share of the
 * model's.
 *
 * AP, AP50: COCO's, with the reference's boxes over min_score as if they were annotated ones and
 * all of the model's boxes as detections (accuracy/coco.h). A model that is its own reference
 * has 1.
 *
 * SQNR, found, faded and added are pooled: a picture weighs what it holds.
 *
 * Memory: 16 bytes a picture and head, and about 150 a box; nothing of the outputs is kept.
 *
 * Threads: a struct agreement belongs to one thread at a time.
 */
#ifndef TARE_ACCURACY_AGREEMENT_H
#define TARE_ACCURACY_AGREEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"
#include "vision/boxes.h"

#define AGREEMENT_MAX_HEADS    64
#define AGREEMENT_MAX_PICTURES ((size_t)1 << 20)
#define AGREEMENT_NAME         128 /* bytes of a head's name, with its final NUL */

struct agreement;

/* What is 0 gets the value named here. */
struct agreement_options {
    double min_score; /* 0.25 */
    double min_iou;   /* 0.9 */
    int resamples;    /* 1000 */
    uint64_t seed;
};

/* NAN: not known. low and high are NAN with fewer than two pictures. */
struct agreement_figure {
    double value, low, high;
};

struct agreement_head {
    char name[AGREEMENT_NAME];
    struct agreement_figure sqnr_db; /* infinite where all outputs are equal */
    double largest;                  /* |r - m| of any element */
};

struct agreement_result {
    size_t pictures;
    struct agreement_head heads[AGREEMENT_MAX_HEADS];
    size_t head_count;
    size_t reference_boxes, model_boxes; /* over min_score */
    size_t found_boxes, faded_boxes, added_boxes;
    struct agreement_figure found, faded, added; /* shares, 0..1 */
    struct agreement_figure ap, ap50;            /* 0..1 */
    double min_score, min_iou;
};

/*
 * An empty one with heads of these names (longer ones are cut); head_count may be 0 where outputs
 * cannot be compared. TARE_INVALID over AGREEMENT_MAX_HEADS. On success the caller passes
 * *agreement to agreement_free().
 */
enum tare_status agreement_new(const struct agreement_options *options, const char *const *heads,
                               size_t head_count, struct agreement **agreement,
                               struct tare_err *err);
void agreement_free(struct agreement *agreement); /* NULL is allowed */

/* The calls that follow are about a further picture. TARE_LIMIT, TARE_NOMEM. */
enum tare_status agreement_next_picture(struct agreement *agreement, struct tare_err *err);

/* Elements of one head in the present picture; may be called several times for its parts.
 * TARE_BADDATA, naming the head, if a value is not finite. */
enum tare_status agreement_add_outputs(struct agreement *agreement, size_t head,
                                       const float *reference, const float *model, size_t count,
                                       struct tare_err *err);

/* Boxes of the present picture, best score first, as vision/boxes.h gives them; those with a score
 * far under min_score too, since AP wants them. Once a picture. */
enum tare_status agreement_add_boxes(struct agreement *agreement, const struct box *reference,
                                     size_t reference_count, const struct box *model,
                                     size_t model_count, struct tare_err *err);

/* All figures of the pictures so far. TARE_NOMEM. */
enum tare_status agreement_finish(const struct agreement *agreement,
                                  struct agreement_result *result, struct tare_err *err);

/* The least SQNR of the heads; NULL if there are none. */
const struct agreement_head *agreement_worst_head(const struct agreement_result *result);

#endif
