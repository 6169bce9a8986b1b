/*
 * repository.h - a model repository for Triton, rendered from the templates in triton_repo/ for a
 * target and a YOLOv8 model with the raw head, in the layout that Triton requires:
 *
 *     DIR/README.md               what is still to be made on the target, and how it is served
 *     DIR/tare-repository.json    what tare wrote: by it a folder is known as a rendered one
 *     DIR/MODEL/config.pbtxt
 *     DIR/MODEL/1/...             the model's file, where it is one that tare has
 *
 * Models: preprocess (JPEG to square), yolov8 (square to raw head), nms and nms_python (head to
 * boxes), yolov8_ensemble and yolov8_ensemble_python (JPEG to boxes through the former), and
 * yolov8_fused (the same in one model). An ensemble brings the models that it goes through.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_REPOSITORY_H
#define TARE_SERVE_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "tare/status.h"

#define REPOSITORY_TARGETS       "cpu|a6000|orin"
#define REPOSITORY_MARK          "tare-repository.json"
#define REPOSITORY_MODELS_MAX    16
#define REPOSITORY_MISSING_MAX   4
#define REPOSITORY_MAX_BATCH     1024
#define REPOSITORY_MAX_DELAY_US  10000000
#define REPOSITORY_MAX_INSTANCES 64
#define REPOSITORY_MAX_THREADS   1024

/* What is 0 or NULL gets the value named here. */
struct repository_options {
    const char *target;     /* one of REPOSITORY_TARGETS; cpu */
    const char *model_path; /* an ONNX file; required */
    const char *source;     /* what the model was made from, for people to read; model_path */
    const char *version;    /* of the program, for the mark; "" */
    const char *models;     /* "a,b": those and what they go through; all */
    const char *plugin;     /* onnxruntime */
    const char *precision;  /* the file's; on a6000 and orin the plan's: fp16, or the file's int8 */
    int64_t max_batch;      /* 8, or the graph's own if that is fixed */
    bool delay_given;       /* whether queue_delay_us counts */
    int64_t queue_delay_us; /* that a picture may wait for others; the target's */
    int64_t instances;      /* of yolov8 and yolov8_fused; the target's */
    int64_t threads;        /* of the plugin; its own choice */
    int64_t pool_threads;   /* that decode JPEGs and find boxes; one a core */
    double min_score, iou;  /* 0.25, 0.7 */
    int64_t max_boxes;      /* 300 */
    bool multi_label;       /* several classes a box */
    bool force;             /* replace a folder that tare did not render, with all in it */
};

/* A file that is made on the target. */
struct repository_missing {
    char path[64];     /* below the folder */
    char command[512]; /* that makes it, run in the folder */
};

struct repository_summary {
    const char *models[REPOSITORY_MODELS_MAX]; /* constant names, in the order of a request */
    size_t model_count;
    struct repository_missing missing[REPOSITORY_MISSING_MAX];
    size_t missing_count;
};

/*
 * Renders into dir, whole or not at all. TARE_INVALID for options that are out of range or don't
 * fit the file, TARE_UNSUPPORTED for a model that is none of YOLOv8 with the raw head; TARE_FAILED
 * if dir is there and was not rendered by tare, or holds files that tare did not write, unless
 * force. summary may be NULL.
 */
enum tare_status repository_render(const struct repository_options *options, const char *dir,
                                   struct repository_summary *summary, struct tare_err *err);

/* Whether a folder bears the mark of a rendered one. */
bool repository_is_rendered(const char *dir);

#endif
