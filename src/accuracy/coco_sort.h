/*
 * coco_sort.h - the detections of an evaluation by class, each class best score first.
 *
 * Equal scores keep the order that pycocotools gives them: by picture, then by place in the file.
 *
 * Threads: coco_sort_class() may run for several classes at once, each with its own spare memory.
 */
#ifndef TARE_ACCURACY_COCO_SORT_H
#define TARE_ACCURACY_COCO_SORT_H

#include "accuracy/coco_inner.h"

/* One detection; ascending keys are descending scores. */
struct coco_entry {
    uint64_t key;
    uint32_t detection; /* index */
    uint32_t image : 24;
    uint32_t inside : 4; /* bit a: its size is within area range a */
};

struct coco_grouped {
    struct coco_entry *entries; // (entry_count) by class, in the order of the set
    size_t *first;              // (category_count + 1) where each class begins
    size_t entry_count, left_out;
};

/* Whether a box of this area counts in area range 0..COCO_AREAS - 1. */
bool coco_area_inside(double area, int range);

/*
 * Groups the detections of selected pictures (selected: (image_count) of the dataset) by class.
 * TARE_BADDATA if one is of no picture of the dataset, TARE_NOMEM. On success coco_group_release().
 */
enum tare_status coco_group(const struct coco_dataset *dataset,
                            const struct coco_detections *detections, const bool *selected,
                            int threads, struct coco_grouped *grouped, struct tare_err *err);
void coco_group_release(struct coco_grouped *grouped); /* a zeroed struct is allowed */

/* Sorts one class in place. spare: (count). */
void coco_sort_class(struct coco_entry *entries, struct coco_entry *spare, size_t count);

#endif
