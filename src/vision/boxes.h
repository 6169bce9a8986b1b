/*
 * boxes.h - from the head of a YOLOv8 graph to boxes in a picture: decode, non-maximum suppression
 * (NMS), and back from the letterboxed square to the picture's own pixels.
 *
 * Two forms of the head give the same boxes:
 *   raw   for each stride s of 8, 16, 32, with (h, w) = (S / s, S / s):
 *         box logits (64, h, w): 4 sides (left, top, right, bottom) of 16 bins each
 *         class logits (C, h, w)
 *   full  (4 + C, A), A the sum of all h * w, in that order of strides: centre x, centre y, width
 *         and height in input pixels, then C scores of 0..1
 *
 * Raw decode, per cell (x, y): side_k = sum_j j * softmax(logits[k])_j, in cells from the anchor
 * point (x + 0.5, y + 0.5); the score is the sigmoid of the class logit. (Li et al., "Generalized
 * Focal Loss", 2020, section 3.2; the head of YOLOv8.) Only cells with a class logit over
 * logit(min_score) are decoded.
 *
 * NMS: candidates over min_score, the best BOXES_MAX_CANDIDATES of them by score, sorted by score
 * (of equal scores the earlier cell, then the lower class, comes first); two boxes of one class
 * suppress each other where their intersection over union is greater than iou, boxes of two classes
 * never do. As in ultralytics and torchvision, overlap is computed in float on coordinates moved by
 * class * BOXES_CLASS_OFFSET, whose rounding decides a few close cases: so the same boxes survive.
 *
 * A box with a value that is not finite, or with its sides the wrong way round, is dropped.
 *
 * Memory: all of it is bounded; a struct boxes allocates only for a head with more cells than any
 * before it.
 *
 * Threads: one struct boxes belongs to one thread at a time.
 */
#ifndef TARE_VISION_BOXES_H
#define TARE_VISION_BOXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define BOXES_LEVELS         3      /* strides 8, 16, 32 */
#define BOXES_BINS           16     /* bins of one side of a raw box */
#define BOXES_MAX_CANDIDATES 30000  /* what goes into NMS at most */
#define BOXES_MAX_SIZE       4096   /* of the square input, pixels */
#define BOXES_MAX_ANCHORS    344064 /* cells of the three levels at that size */
#define BOXES_MAX_CLASSES    8192
#define BOXES_CLASS_OFFSET   7680.0F /* pixels; more than an input is wide, as a rule */

/* One prediction, in pixels of the original picture; x2 and y2 are outer edges. */
struct box {
    float x1, y1, x2, y2;
    float score;
    int32_t class_id;
};

struct boxes_options {
    float min_score;   /* a box needs a score greater than this; 0.001 for AP, 0.25 to look at */
    float iou;         /* boxes that overlap by more than this suppress each other; 0.7 */
    int32_t max_boxes; /* at most so many per picture; 300 */
    bool multi_label;  /* each class over min_score makes a box; otherwise only the best class */
};

/* How a picture lies in the square input; letterbox.h makes it. */
struct boxes_frame {
    int32_t width, height; /* of the original picture */
    float scale;           /* input pixels per picture pixel */
    float left, top;       /* padding, in input pixels */
};

/* The raw head of one picture. */
struct boxes_raw {
    const float *box[BOXES_LEVELS]; // (4 * BOXES_BINS, size / stride, size / stride)
    const float *cls[BOXES_LEVELS]; // (classes, size / stride, size / stride)
    int32_t classes;
    int32_t size; /* of the square input, pixels; a multiple of 32 */
};

/* The full head of one picture. */
struct boxes_full {
    const float *data; // (4 + classes, anchors)
    int32_t classes;
    int32_t anchors;
};

struct boxes;

/*
 * Makes the scratch memory and keeps a copy of options. TARE_INVALID for a score or an IoU outside
 * 0..1 or a max_boxes outside 1..BOXES_MAX_CANDIDATES. On success the caller passes *boxes to
 * boxes_free().
 */
enum tare_status boxes_new(const struct boxes_options *options, struct boxes **boxes,
                           struct tare_err *err);

/* NULL is allowed. */
void boxes_free(struct boxes *boxes);

/*
 * Boxes of one picture, best score first, clipped to the picture. *found belongs to boxes and is
 * valid until its next call; *count may be 0. TARE_INVALID for sizes that are out of range.
 */
enum tare_status boxes_from_raw(struct boxes *boxes, const struct boxes_raw *raw,
                                const struct boxes_frame *frame, const struct box **found,
                                size_t *count, struct tare_err *err);
enum tare_status boxes_from_full(struct boxes *boxes, const struct boxes_full *full,
                                 const struct boxes_frame *frame, const struct box **found,
                                 size_t *count, struct tare_err *err);

#endif
