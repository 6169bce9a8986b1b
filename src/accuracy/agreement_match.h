/*
 * agreement_match.h - which boxes of a model are which of its reference, in one picture; the rule
 * is agreement.h's. Private to this room.
 */
#ifndef TARE_ACCURACY_AGREEMENT_MATCH_H
#define TARE_ACCURACY_AGREEMENT_MATCH_H

#include <stddef.h>

#include "vision/boxes.h"

struct agreement_match {
    size_t reference, model; /* boxes over min_score */
    size_t found, faded;     /* of the reference's; added are model - found */
};

/* Boxes come best score first. taken (model_count) is scratch memory. */
struct agreement_match agreement_match_boxes(const struct box *reference, size_t reference_count,
                                             const struct box *model, size_t model_count,
                                             double min_score, double min_iou, bool *taken);

/* Intersection over union, in double; 0 for two empty boxes. */
double agreement_iou(const struct box *a, const struct box *b);

#endif
