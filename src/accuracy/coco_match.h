/*
 * coco_match.h - which detections of one class find which annotated boxes, at every IoU threshold
 * and in every area range at once, and what follows for the precision curve.
 *
 * Detections are taken best first over all pictures: within a picture that is the order in which
 * COCOeval's evaluateImg() takes them, and pictures do not touch each other.
 */
#ifndef TARE_ACCURACY_COCO_MATCH_H
#define TARE_ACCURACY_COCO_MATCH_H

#include "accuracy/coco_sort.h"

/* IoU thresholds 0.50, 0.55 .. 0.95, as numpy.linspace gives them. */
double coco_threshold(int index);

/* Scratch memory of one thread. */
struct coco_matcher;

/* most_truths and most_entries: of any one class. NULL if memory ran out. */
struct coco_matcher *coco_matcher_new(const struct coco_dataset *dataset,
                                      const struct coco_detections *detections,
                                      const bool *selected, size_t most_truths,
                                      size_t most_entries);
void coco_matcher_free(struct coco_matcher *matcher);

/* What one class came to. Belongs to the matcher, valid until its next call. */
struct coco_tally {
    size_t truths[COCO_AREAS]; /* boxes that count */
    size_t pictures;           /* with at least one box that counts in area range 0 */
    size_t found[COCO_AREAS][COCO_THRESHOLDS];
    size_t found_early[2][COCO_THRESHOLDS]; /* area range 0, by the best 1 and the best 10 */

    /* (COCO_AREAS, COCO_THRESHOLDS, stride): for the n-th box found (from 0), how many detections
     * that count came up to and with the one that found it. */
    const uint32_t *ranks;
    size_t stride;
};

/*
 * Sorts and matches one class. curve gets the class's part of coco_matches, owned by the caller.
 * TARE_NOMEM.
 */
enum tare_status coco_match_class(struct coco_matcher *matcher, size_t category,
                                  struct coco_entry *entries, size_t count,
                                  struct coco_tally *tally, struct coco_curve *curve);

#endif
