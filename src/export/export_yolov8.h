/*
 * export_yolov8.h - a YOLOv8 detection checkpoint to an ONNX graph.
 *
 * The graph is built by walking the module tree in the checkpoint, so that every size (n to x),
 * every number of classes and both of ultralytics' module layouts work. BatchNorm is folded into
 * the convolutions (in double), SiLU is Sigmoid and Mul, FP16 weights are widened to FP32. Operator
 * set 17, IR version 8. Input "images", FP32, (N, 3, S, S).
 *
 * Threads: no shared state.
 */
#ifndef TARE_EXPORT_EXPORT_YOLOV8_H
#define TARE_EXPORT_EXPORT_YOLOV8_H

#include <stdbool.h>
#include <stdint.h>

#include "export/checkpoint.h"
#include "onnx/onnx_model.h"

#define YOLOV8_DYNAMIC   (-1)
#define YOLOV8_MAX_BATCH 1024
#define YOLOV8_MIN_SIZE  32
#define YOLOV8_MAX_SIZE  8192

enum yolov8_head {
    /* The head's tensors as its last convolutions give them: box8 (N, 64, S/8, S/8), cls8 (N, C,
     * S/8, S/8), box16, cls16, box32, cls32, in this order. What tare measures. */
    YOLOV8_RAW = 0,
    /* output0 (N, 4 + C, A): centre x, y, width, height in pixels, then the classes' scores, for
     * each of A candidates (8400 at 640): a drop-in for ultralytics' own export. */
    YOLOV8_FULL = 1,
};

struct yolov8_options {
    enum yolov8_head head;
    int64_t batch;       /* 0: 1; YOLOV8_DYNAMIC: a free dimension named "batch" */
    int64_t size;        /* S in pixels, a multiple of the model's stride; 0: see yolov8_build() */
    const char *version; /* of the program, for the metadata */
};

/* What came out, for the summary. */
struct yolov8_summary {
    int64_t size;
    int64_t classes;
    int64_t stride;     /* the largest */
    int64_t parameters; /* after folding */
    bool ema;           /* the averaged weights were there and were taken */
    char saved_by[64];  /* version of ultralytics that wrote the checkpoint, or "" */
};

/*
 * Builds the graph into model, which onnx_model_init() has made empty. options->size 0 means the
 * size that the checkpoint was trained at, or 640 if it does not say. TARE_INVALID for options that
 * do not fit the model, TARE_BADDATA and TARE_UNSUPPORTED (naming the module: "model.4.cv1.conv")
 * for a checkpoint that is none of YOLOv8 detection. summary may be NULL.
 */
enum tare_status yolov8_build(const struct checkpoint *checkpoint,
                              const struct yolov8_options *options, struct onnx_model *model,
                              struct yolov8_summary *summary, struct tare_err *err);

#endif
