/*
 * family.h - a model family: what surrounds a graph. It turns a picture into the graph's inputs and
 * the graph's outputs into predictions.
 *
 * A family is a constant table of functions. Its state, one per worker, holds scratch memory, so
 * that after the first picture of a size nothing is allocated.
 *
 * The order of calls:
 *     family = family_find(&graph)
 *     family->shape()   what to bind: names, dtypes and actual shapes, no memory
 *     family->open()
 *     per picture: family->load() for each batch slot, run the session, family->boxes() for each
 *     family->close()
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

struct family_state;

/* A graph as its runtime describes it. Everything is the caller's and outlives the state. */
struct family_graph {
    const struct tare_tensor_info *inputs; // (input_count)
    size_t input_count;
    const struct tare_tensor_info *outputs; // (output_count)
    size_t output_count;
};

/* Zero in a field means the value named here as default. */
struct family_options {
    int32_t batch;     /* what a dynamic batch dimension becomes; 1 */
    int32_t size;      /* what dynamic height and width of a picture input become; 640 */
    float min_score;   /* confidence below which a box is dropped; 0.25, and 0.001 for AP */
    float iou;         /* NMS threshold; 0.7 */
    int32_t max_boxes; /* per picture; 300 */
    bool multi_label;  /* several classes a box; so for AP */
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

    /* Whether boxes() predicts anything and load() looks at the picture. */
    bool predicts;

    /* Whether the graph is one of this family. */
    bool (*matches)(const struct family_graph *graph);

    /*
     * Name, dtype, rank and actual shape of every tensor to bind: inputs has graph->input_count
     * elements, outputs graph->output_count. data and capacity_bytes are left 0 for the caller to
     * fill. An output dimension that can't be known before a run is 1. TARE_UNSUPPORTED for a dtype
     * that load() can't write (TARE_BYTES), TARE_INVALID for a batch that the graph does not take,
     * TARE_LIMIT for a tensor over FAMILY_MAX_TENSOR_BYTES.
     */
    enum tare_status (*shape)(const struct family_graph *graph,
                              const struct family_options *options, struct tare_tensor *inputs,
                              struct tare_tensor *outputs, struct tare_err *err);

    /* On success the caller passes *state to close(). */
    enum tare_status (*open)(const struct family_graph *graph, const struct family_options *options,
                             struct family_state **state, struct tare_err *err);

    /* NULL is allowed. */
    void (*close)(struct family_state *state);

    /*
     * Fills batch slot `slot` of the bound input tensors from one JPEG file in memory. A family
     * that does not predict ignores the picture (which may be NULL) and writes random values that
     * depend on the seed and the slot only. *stages may be NULL; only the stages that took place
     * are written. TARE_BADDATA for a broken picture.
     */
    enum tare_status (*load)(struct family_state *state, const void *jpeg, size_t jpeg_bytes,
                             int32_t slot, struct tare_tensor *inputs, struct family_stages *stages,
                             struct tare_err *err);

    /*
     * Boxes of batch slot `slot` in the pixels of the picture that load() put there, best first.
     * *boxes belongs to the state and is valid until its next call. A family that does not predict
     * gives none. stages as for load().
     */
    enum tare_status (*boxes)(struct family_state *state, const struct tare_tensor *outputs,
                              int32_t slot, const struct box **boxes, size_t *count,
                              struct family_stages *stages, struct tare_err *err);
};

#define FAMILY_MAX_TENSOR_BYTES ((int64_t)8 << 30)
#define FAMILY_MAX_BATCH        1024

/* The family of a graph, or the generic one (shaped random input, no predictions). Never NULL. */
const struct family *family_find(const struct family_graph *graph);

/* By name ("yolov8", "generic"); NULL if there is none. */
const struct family *family_by_name(const char *name);

/*
 * The options with every zero replaced by its default. min_score and iou are replaced only where
 * they are exactly 0.
 */
struct family_options family_defaults(const struct family_options *options);

/* The bytes that a tensor of known shape needs; 0 for TARE_BYTES. */
size_t family_tensor_bytes(const struct tare_tensor *tensor);

extern const struct family family_yolov8, family_generic;

#endif
