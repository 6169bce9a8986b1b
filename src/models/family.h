/*
 * family.h - a model family: what surrounds a graph. It turns a picture into the graph's inputs and
 * the graph's outputs into predictions.
 *
 * A family is a constant table of functions. Its state, one per worker, holds scratch memory, so
 * that after the first picture of a size nothing is allocated.
 *
 * The order of calls, once a session is open and its tensors are bound:
 *     family = family_find(&graph)
 *     family->open()
 *     per picture: family->load() for each batch slot, run the session, family->boxes() for each
 *     family->close()
 * Before a session is open, family_input_shape() says which shape to open it with.
 *
 * Threads: the tables are constant; one state belongs to one thread at a time.
 */
#ifndef TARE_MODELS_FAMILY_H
#define TARE_MODELS_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"
#include "tare/tensor.h"
#include "vision/boxes.h"

#define FAMILY_SIZE 640 /* of a square picture input that the graph leaves open */

struct family_state;

/*
 * The bound tensors of a session: names, dtypes and actual shapes; the data of inputs is written by
 * load(), that of outputs read by boxes(). Copies of the structs do, as long as the data is the
 * same.
 */
struct family_graph {
    struct tare_tensor *inputs; // (input_count)
    size_t input_count;
    const struct tare_tensor *outputs; // (output_count)
    size_t output_count;
};

/* What is 0 gets the value named here. */
struct family_options {
    float min_score;   /* confidence below which a box is dropped; 0.25, and 0.001 for AP */
    float iou;         /* NMS threshold; 0.7 */
    int32_t max_boxes; /* per picture; 300 */
    bool multi_label;  /* several classes a box; true for AP, false to look at */
    uint64_t seed;     /* of random inputs */
};

/* Where the time of one picture went. Nanoseconds of CLOCK_MONOTONIC. */
struct family_stages {
    int64_t decode_ns;    /* JPEG to RGB */
    int64_t letterbox_ns; /* resize, pad, normalise into the input tensor */
    int64_t boxes_ns;     /* outputs to boxes: decode, NMS, back to picture coordinates */
};

struct family {
    const char *name;

    /* Whether load() looks at the picture and boxes() predicts anything. */
    bool predicts;

    /* Whether the graph is one of this family. */
    bool (*matches)(const struct family_graph *graph);

    /*
     * graph and what it points to must stay as they are until close(). On success the caller passes
     * *state to close(); on error it is NULL. TARE_UNSUPPORTED for a graph that does not match, or
     * an input that is not in host memory or whose dtype load() can't write.
     */
    enum tare_status (*open)(const struct family_graph *graph, const struct family_options *options,
                             struct family_state **state, struct tare_err *err);

    /* NULL is allowed. */
    void (*close)(struct family_state *state);

    /*
     * Fills batch slot `slot` of the input tensors from one JPEG file in memory. A family that does
     * not predict ignores the picture (which may be NULL) and writes random values that depend on
     * the seed and the slot only. stages may be NULL; only the stages that took place are written.
     * TARE_BADDATA for a broken picture, TARE_INVALID for a slot outside the batch.
     */
    enum tare_status (*load)(struct family_state *state, const void *jpeg, size_t jpeg_bytes,
                             int32_t slot, struct family_stages *stages, struct tare_err *err);

    /*
     * Boxes of batch slot `slot` in the pixels of the picture that load() put there, best first.
     * *boxes belongs to the state and is valid until its next call. A family that does not predict
     * gives none. stages as for load().
     */
    enum tare_status (*boxes)(struct family_state *state, int32_t slot, const struct box **boxes,
                              size_t *count, struct family_stages *stages, struct tare_err *err);

    /* Slots of a batch: how many pictures one run takes. At least 1. */
    int32_t (*slots)(const struct family_state *state);
};

/* The family of a graph, or the generic one (shaped random input, no predictions). Never NULL. */
const struct family *family_find(const struct family_graph *graph);

/* By name ("yolov8", "pipeline", "generic"); NULL if there is none. */
const struct family *family_by_name(const char *name);

/*
 * A shape for one input of a graph: what is fixed stays; a dynamic first dimension becomes batch;
 * dynamic height and width of a (N, 1 or 3, height, width) input become size (0: FAMILY_SIZE); any
 * other dynamic dimension becomes 1. shape has TARE_MAX_RANK places, info->rank of which are
 * written.
 */
void family_input_shape(const struct tare_tensor_info *info, int32_t batch, int32_t size,
                        int64_t *shape);

/* The options with every zero replaced by its default. */
struct family_options family_defaults(const struct family_options *options);

extern const struct family family_yolov8, family_pipeline, family_generic;

#endif
