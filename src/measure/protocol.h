/*
 * protocol.h - what the parent and a worker say to each other.
 *
 * A worker is `tare worker`: this program, started again, one process for one cell. Commands and
 * answers are lines of JSON over file descriptor 3, one answer a command, never during a timed
 * run. Samples go through shared memory (file descriptor 4), which both sides have touched before.
 *
 *     {"op": "open", "plugin": "onnxruntime", "model": "x.onnx", "device": "cpu",
 *      "precision": "fp32", "threads": 1, "batch": 1, "options": {"spinning": "off"},
 *      "pictures": ["a.jpg", ...], "min_score": 0.25, "iou": 0.7, "seed": 1,
 *      "runs_alone": false,                                  visits load no pictures
 *      "layer": "triton-http", "repository": "folder"}      the last two of a served layer alone
 *         -> {"ok": true, "family": "yolov8", "predicts": true, "load_ns": ..., "first_run_ns":
 * ..., "runtime_version": "...", "provider": "...", "executed_precision": "...", "timing": false,
 *             "reached_ns": [serving, plugin loaded, session open, input ready, first result]}
 *         reached_ns is CLOCK_MONOTONIC, which parent and worker share. With "cold": true nothing
 *         but the runtime reads the model, and its precision is not checked against the cell's.
 *     {"op": "visit", "runs": 10, "first_picture": 0, "period_ns": 0}
 *         -> {"ok": true, "runs": 10, "wall_ns": ..., "major_faults": 0}
 *     {"op": "warmup", "min_runs": 20, "min_ns": 2000000000}     the answer as visit's
 *     {"op": "profile", "runs": 20}
 *         -> as visit's, with "nodes": [{"node": "conv1", "op": "Conv", "total_ns": 9, "calls": 2}]
 *     {"op": "eval", "images": "folder", "annotations": "a.json", "detections": "out.json"}
 *         -> {"progress": 0.25} any number of times, then {"ok": true, "pictures": 24}
 *     {"op": "agree", "reference": {all that "open" has}, "pictures": ["a.jpg", ...], "seed": 1}
 *         a session of the reference is opened beside the worker's own, for this command
 *         -> {"ok": true, "figures": {"agreement.found": 0.97, ...}}
 *     {"op": "streams", "count": 2, and all that "open" has}: further sessions, alike
 *         -> {"ok": true, "streams": 2}
 *     {"op": "flow", "lead_ns": 200000000, "duration_ns": 2000000000, "first_picture": 0,
 *      "period_ns": 0}
 *         the answer as visit's: runs that ended in wall_ns, by all streams together
 *     {"op": "hold", "device": "cuda:0"}: opens the device and loads nothing
 *         -> {"ok": true, "device": "NVIDIA ..."}
 *     {"op": "peaks", "device": 0}: of a CUDA device, instead of a session
 *         -> {"ok": true, "name": "...", "rates": [...]}, as measure/peak_cuda.h writes them
 *     {"op": "quit"}                                              no answer
 * A command that failed: {"ok": false, "status": -6, "text": "..."}; the worker goes on.
 *
 * Nothing that a worker says is trusted: it may have been overwritten by a runtime's bug.
 */
#ifndef TARE_MEASURE_PROTOCOL_H
#define TARE_MEASURE_PROTOCOL_H

#include <stdint.h>

#define PROTOCOL_MAX_RUNS     16384 /* runs of one visit or warm-up whose samples are kept */
#define PROTOCOL_MAX_PICTURES 64    /* kept in memory for visits */

/* Series of one visit; a sample is nanoseconds. */
enum protocol_series {
    SERIES_TOTAL,     /* picture in memory to boxes; one run for families without pictures */
    SERIES_DECODE,    /* JPEG to RGB */
    SERIES_LETTERBOX, /* resize, pad, normalise */
    SERIES_INFER,     /* one run of the session, seen from outside */
    SERIES_BOXES,     /* outputs to boxes */
    SERIES_INSIDE,    /* the run, as the runtime or its binding timed itself */
    SERIES_LATENESS,  /* paced: real start after the scheduled one */
    SERIES_COPY_IN,   /* by a device's own clock: inputs to it, -1 if not known */
    SERIES_COPY_OUT,  /* outputs from it; what lies between is SERIES_INSIDE */
    SERIES_COUNT,
};

/* What a worker has reached, from its start to its first result. */
enum protocol_step {
    STEP_SERVING, /* its program runs and reads commands */
    STEP_PLUGIN,  /* the plugin and its runtime's libraries are loaded */
    STEP_SESSION, /* the model is open */
    STEP_INPUT,   /* pictures are mapped, or random input is made */
    STEP_RESULT,  /* the first run is over */
    PROTOCOL_STEPS,
};

/* The shared memory, whole. */
struct protocol_shared {
    int64_t samples[SERIES_COUNT][PROTOCOL_MAX_RUNS];
};

#endif
