/*
 * coco.h - COCO box AP: annotations in, detections in, the twelve figures out, and whether two
 * detection sets differ.
 *
 * Figures equal those of pycocotools 2.0.11 (COCOeval, iouType "bbox", default parameters) to the
 * last bit on the same detections: IoU 0.50:0.05:0.95, 101 recall points, areas all, small (under
 * 32^2), medium, large (over 96^2), at most 1, 10 and 100 detections a picture and class. So an
 * annotation whose id is 0 never counts as found, as there. What differs is what is refused: where
 * pycocotools takes the last of two annotations, pictures or classes with one id, this is an error.
 *
 * Files: annotations are an object with "images" [{id, file_name, width, height}], "categories"
 * [{id, name}] and "annotations" [{id, image_id, category_id, bbox [x, y, w, h], area, iscrowd}];
 * detections an array of {image_id, category_id, bbox, score}. Other members are skipped.
 *
 * Threads: a dataset and detections that nobody adds to may be read by any number of threads.
 */
#ifndef TARE_ACCURACY_COCO_H
#define TARE_ACCURACY_COCO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define COCO_MAX_DETECTIONS ((size_t)100 << 20)
#define COCO_MAX_IMAGES     ((size_t)1 << 24)
#define COCO_MAX_CATEGORIES ((size_t)1 << 13)
#define COCO_MAX_BYTES      ((size_t)16 << 30) /* of one file */

struct coco_dataset;
struct coco_detections;
struct coco_matches;

struct coco_image {
    int64_t id;
    const char *file_name; /* "" if the file gives none; belongs to the dataset */
    int32_t width, height; /* 0 if the file gives none */
};

struct coco_category {
    int64_t id;
    const char *name; /* "" if the file gives none; belongs to the dataset */
};

/* Pixels of the original picture; x and y are the left upper corner. */
struct coco_detection {
    int64_t image_id, category_id;
    double x, y, width, height;
    double score;
};

/* --- annotations ------------------------------------------------------------------------------ */

/*
 * Reads an annotation file, or the same from memory (name is what errors call it; text need not
 * outlive the call). TARE_ABSENT if there is no such file; TARE_BADDATA with line and column for
 * malformed JSON, a missing or wrong member, or an id that stands twice; TARE_LIMIT. On success the
 * caller passes *dataset to coco_dataset_free(). An annotation of a picture or a class that the
 * file does not list is left out, as in pycocotools, and counted.
 */
enum tare_status coco_dataset_load(const char *path, struct coco_dataset **dataset,
                                   struct tare_err *err);
enum tare_status coco_dataset_parse(const char *text, size_t size, const char *name,
                                    struct coco_dataset **dataset, struct tare_err *err);
void coco_dataset_free(struct coco_dataset *dataset); /* NULL is allowed */

/* In ascending order of id; NULL past the end. */
size_t coco_image_count(const struct coco_dataset *dataset);
const struct coco_image *coco_image(const struct coco_dataset *dataset, size_t index);
size_t coco_category_count(const struct coco_dataset *dataset);
const struct coco_category *coco_category(const struct coco_dataset *dataset, size_t index);

/* Index by id; -1 if there is none. */
ptrdiff_t coco_find_image(const struct coco_dataset *dataset, int64_t id);
ptrdiff_t coco_find_category(const struct coco_dataset *dataset, int64_t id);

/* Boxes in the file that count, and those that were left out (see coco_dataset_load). */
size_t coco_annotation_count(const struct coco_dataset *dataset);
size_t coco_annotations_left_out(const struct coco_dataset *dataset);

/* --- detections ------------------------------------------------------------------------------- */

/* An empty set. On success the caller passes *detections to coco_detections_free(). */
enum tare_status coco_detections_new(struct coco_detections **detections, struct tare_err *err);
void coco_detections_free(struct coco_detections *detections); /* NULL is allowed */

/* Adds one at the end. TARE_LIMIT over COCO_MAX_DETECTIONS, TARE_INVALID if a number is not
 * finite, TARE_NOMEM. */
enum tare_status coco_detections_add(struct coco_detections *detections,
                                     const struct coco_detection *detection, struct tare_err *err);

size_t coco_detections_count(const struct coco_detections *detections);

/* NULL past the end; valid until the next add. */
const struct coco_detection *coco_detections_get(const struct coco_detections *detections,
                                                 size_t index);

/* Reads a results file, or the same from memory. threads: 0 for one a core, at most 16. Errors as
 * for coco_dataset_load(). */
enum tare_status coco_detections_load(const char *path, int threads,
                                      struct coco_detections **detections, struct tare_err *err);
enum tare_status coco_detections_parse(const char *text, size_t size, const char *name, int threads,
                                       struct coco_detections **detections, struct tare_err *err);

/* Writes a results file that reads back to the same numbers; "-" is standard output. */
enum tare_status coco_detections_save(const struct coco_detections *detections, const char *path,
                                      struct tare_err *err);

/* --- the figures ------------------------------------------------------------------------------ */

enum coco_figure {
    COCO_AP = 0,
    COCO_AP50,
    COCO_AP75,
    COCO_AP_SMALL,
    COCO_AP_MEDIUM,
    COCO_AP_LARGE,
    COCO_AR1,
    COCO_AR10,
    COCO_AR100,
    COCO_AR_SMALL,
    COCO_AR_MEDIUM,
    COCO_AR_LARGE,
    COCO_FIGURES
};

/* "ap", "ap50", ..., "ar_large": the key in JSON. */
const char *coco_figure_key(enum coco_figure figure);

struct coco_class_result {
    int64_t category_id;
    size_t boxes;                 /* annotated, not crowd */
    size_t pictures;              /* with at least one of them */
    double ap, ap50, ap75, ar100; /* -1: no boxes */
};

/* Zero in a field means the default named here. */
struct coco_options {
    const int64_t *image_ids; // (image_count); NULL: all pictures of the dataset
    size_t image_count;
    int threads; /* 0: one a core, at most 16 */
};

struct coco_result {
    double figures[COCO_FIGURES];      /* 0..1; -1 where no annotated box is */
    struct coco_class_result *classes; // (class_count), in the dataset's order
    size_t class_count;
    size_t pictures, boxes;       /* evaluated; crowd is not counted */
    size_t detections;            /* of those pictures and of known classes */
    size_t left_out;              /* detections of classes that the dataset does not have */
    struct coco_matches *matches; /* what coco_compare() needs */
};

/*
 * Evaluates. TARE_BADDATA if a detection is of a picture that the dataset does not have,
 * TARE_INVALID if image_ids names one, TARE_NOMEM. On success coco_result_release() it; on error
 * nothing is held. With image_ids, detections of other pictures are left aside.
 */
enum tare_status coco_evaluate(const struct coco_dataset *dataset,
                               const struct coco_detections *detections,
                               const struct coco_options *options, struct coco_result *result,
                               struct tare_err *err);
void coco_result_release(struct coco_result *result); /* a zeroed struct is allowed */

/* --- the difference of two detection sets ------------------------------------------------------
 */

struct coco_compare_options {
    int resamples; /* 0: 1000; at most 100000 */
    uint64_t seed; /* the same seed gives the same interval, whatever the threads */
    int threads;   /* 0: one a core, at most 16 */
};

/* One figure's difference a - b, and the central 95 % of its resampled values. */
struct coco_interval {
    double difference, low, high;
    double deviation; /* standard deviation of the resampled differences */
    bool resolved;    /* 0 lies outside low..high */
};

struct coco_difference {
    struct coco_interval ap, ap50, ap75;
    int resamples;
    size_t pictures;
};

/*
 * Paired bootstrap over pictures (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
 * percentile interval): each resample draws as many pictures as there are, with replacement, the
 * same for both sets, and AP is accumulated again. TARE_INVALID unless both results are of one
 * dataset and the same pictures.
 */
enum tare_status coco_compare(const struct coco_result *a, const struct coco_result *b,
                              const struct coco_compare_options *options,
                              struct coco_difference *difference, struct tare_err *err);

#endif
