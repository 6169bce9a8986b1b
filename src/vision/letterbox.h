/*
 * letterbox.h - a picture into a square network input, in one pass: resize to fit, pad with gray
 * 114, RGB planes, scaled to 0..1.
 *
 * Geometry (that of ultralytics' LetterBox with auto=False, scaleup=True, center=True), with S the
 * side of the square and round() to nearest, ties to even:
 *     scale = min(S / height, S / width); resized = round(width * scale), round(height * scale)
 *     left = round((S - resized width) / 2 - 0.1), top likewise; the rest is right and bottom
 *
 * Pixels: bilinear with OpenCV's 8-bit fixed-point arithmetic (cv::resize, INTER_LINEAR): source
 * position (x + 0.5) * (width / resized width) - 0.5 in float, weights in 1/2048, horizontal sum
 * >> 4, vertical products >> 16 each, + 2, >> 2. Then value / 255 in float, as NumPy does it.
 *
 * There is a vector path and a portable one; they give the same bits.
 *
 * Threads: one struct letterbox belongs to one thread at a time.
 */
#ifndef TARE_VISION_LETTERBOX_H
#define TARE_VISION_LETTERBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "tare/status.h"
#include "tare/tensor.h"
#include "vision/boxes.h"
#include "vision/picture.h"

#define LETTERBOX_MAX_SIZE BOXES_MAX_SIZE
#define LETTERBOX_GRAY     114

/* Where the picture lies in the square, in pixels of the square. */
struct letterbox_plan {
    int32_t size; /* S */
    int32_t left, top;
    int32_t width, height; /* of the resized picture */
};

struct letterbox_options {
    int32_t size;          /* S, 1..LETTERBOX_MAX_SIZE */
    enum tare_dtype dtype; /* of the tensor: TARE_FP32 or TARE_FP16 */
    bool portable;         /* without vector instructions, for tests */
};

struct letterbox;

/* TARE_INVALID for a size or dtype out of range. On success the caller passes *letterbox to
 * letterbox_free(). */
enum tare_status letterbox_new(const struct letterbox_options *options,
                               struct letterbox **letterbox, struct tare_err *err);

/* NULL is allowed. */
void letterbox_free(struct letterbox *letterbox);

/*
 * Writes the whole of out, (3, S, S) of the dtype, R G B. frame says how to get back to the
 * picture's pixels. Allocates nothing. TARE_INVALID
 * for a picture without pixels.
 */
enum tare_status letterbox_apply(struct letterbox *letterbox, const struct picture *picture,
                                 void *out, struct boxes_frame *frame, struct tare_err *err);

/* The geometry alone. width, height and size are at least 1. */
void letterbox_plan(int32_t width, int32_t height, int32_t size, struct letterbox_plan *plan,
                    struct boxes_frame *frame);

#endif
