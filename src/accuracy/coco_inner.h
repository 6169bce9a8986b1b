/*
 * coco_inner.h - what the files of coco.h share. Others include coco.h only.
 */
#ifndef TARE_ACCURACY_COCO_INNER_H
#define TARE_ACCURACY_COCO_INNER_H

#include "accuracy/coco.h"
#include "base/json_read.h"

#define COCO_THRESHOLDS    10  /* of IoU */
#define COCO_AREAS         4   /* all, small, medium, large */
#define COCO_RECALLS       101 /* points of the precision curve */
#define COCO_MAX_PER_IMAGE 100 /* detections of one class */

/* Where ids lie: open addressing over a power of two of slots. */
struct coco_map {
    struct coco_slot *slots; // (mask + 1)
    size_t mask;
};

/* All of them are within 0..count - 1 and ids differ; count < 2^31. TARE_NOMEM. */
enum tare_status coco_map_build(struct coco_map *map, const int64_t *ids, size_t count);
void coco_map_release(struct coco_map *map);
ptrdiff_t coco_map_find(const struct coco_map *map, int64_t id); /* -1: not there */

/* One annotated box. */
struct coco_truth {
    double x, y, width, height, area;
    uint32_t image, category; /* indices */
    bool crowd;
    bool unfindable; /* its id is 0 */
};

struct coco_names; /* a list of blocks of text */

struct coco_dataset {
    struct coco_image *images; // (image_count), ascending by id, as are the classes
    struct coco_category *categories;
    struct coco_truth *truths; // (truth_count) by class, then picture, then place in the file
    size_t *first_truth;       // (category_count + 1): where each class begins in truths
    size_t image_count, category_count, truth_count, left_out;
    struct coco_map image_map, category_map;
    struct coco_names *names;
};

/* Detections lie in blocks, in the order in which they came. */
struct coco_block {
    struct coco_detection *items; // (capacity)
    size_t count, capacity;
    size_t before; /* detections in earlier blocks */
};

struct coco_detections {
    struct coco_block *blocks;
    size_t block_count, block_capacity;
    size_t count;
};

/* Takes over items (malloc'ed, count of them). On error they stay the caller's. */
enum tare_status coco_detections_take(struct coco_detections *detections,
                                      struct coco_detection *items, size_t count,
                                      struct tare_err *err);

/* One class of one evaluation over all areas, best detection first: what a resample needs. */
struct coco_curve {
    uint32_t *images; // (count) index of the picture
    uint32_t *flags;  // (count) bit t: found at threshold t; bit 10 + t: counts at threshold t
    size_t count;
    uint32_t *truth_images; // (truth_count) one entry a box that counts
    size_t truth_count;
};

struct coco_matches {
    struct coco_curve *curves; // (category_count)
    size_t category_count;
    uint32_t *images; // (image_count) the evaluated ones, as indices of the dataset, ascending
    size_t image_count;
    size_t dataset_images;
};

void coco_matches_free(struct coco_matches *matches);

/* Grows *items (of item_bytes each) so that one more than count fits. TARE_LIMIT, TARE_NOMEM. */
enum tare_status coco_grow(void **items, size_t *capacity, size_t count, size_t item_bytes,
                           size_t max, const char *what, struct tare_err *err);

/* Threads that a request for 0 or more of them gets. */
int coco_thread_count(int threads);

/*
 * Calls task(context, worker, index) once for each index below count, on up to `threads` threads
 * (the caller's is worker 0). Where a thread can't be had, fewer do the work.
 */
typedef void coco_task(void *context, int worker, size_t index);
void coco_run_tasks(int threads, size_t count, coco_task *task, void *context);

/* "'NAME' line 3, column 14: expected a number". */
enum tare_status coco_json_status(const struct json_reader *reader, const char *name,
                                  struct tare_err *err);

/* Read the value that comes next, or set the reader's fault. */
bool coco_read_id(struct json_reader *reader, int64_t *id);
bool coco_read_finite(struct json_reader *reader, double *number);
bool coco_read_box(struct json_reader *reader, double box[4]);

#endif
