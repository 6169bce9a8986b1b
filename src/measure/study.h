/*
 * study.h - what is to be measured: the cells, how long, and the ledger's lines, fixed beforehand.
 *
 * A study comes from a JSON file or from a command line's matrix. It is plain data; nothing here
 * touches a runtime.
 *
 * The file (every field but model and cells or matrix may be left out):
 *     {
 *       "name": "quick",
 *       "model": "yolov8n.pt",              relative to the study's folder, or absolute
 *       "images": "sample/images",          JPEG pictures, for families that look at pictures
 *       "annotations": "sample/instances.json",   COCO; adds accuracy
 *       "calibration": "calibration",             JPEG pictures that INT8 files are made with
 *       "reference": "direct",      the cell that others are to agree with, else the first in fp32
 *       "sweeps": 20, "restarts": 5, "visit_ms": 0, "runs": 0, "after_switch": 2,
 *       "warmup_runs": 20, "warmup_ms": 2000, "timeout_ms": 0,
 *       "budget_ms": 0, "width": 0, "max_sweeps": 200,
 *       "memory_limit_mb": 0, "resident_limit_mb": 0, "cpus": "0-3", "seed": 1, "confirm": true,
 *       "timed": "picture",         or "run": pictures are made ready before, a run alone is timed
 *       "freeze": false,            other workers are stopped by signal, not waited for
 *       "mode": "back_to_back", "rate_hz": 0, "streams": 0, "soak_ms": 60000, "cold": 0,
 *       "energy": false, "energy_ms": 0, "energy_visits": 4,
 *       "min_score": 0.25, "iou": 0.7, "max_drop": 0, "max_ap_drop": 0,
 *       "forms": ["default", "quiet"],      of every cell whose runtime has a quiet form
 *       "defaults": {"runtime": "onnxruntime", "precision": "fp32", ...},
 *       "cells": [{"name": "direct", "runtime": "onnxruntime", "layer": "direct",
 *                  "precision": "fp32", "device": "cpu", "batch": 1, "threads": 1,
 *                  "head": "raw", "size": 640, "model": "other.onnx", "energy": true,
 *                  "options": {"spinning": "off"}}],
 *       "matrix": {"threads": [1, 2], "head": ["full", "raw"]},
 *       "ledger": [{"kind": "tax", "name": "binding", "cell": "python", "baseline": "direct"}]
 *     }
 * An unknown key is an error: a misspelt setting must not silently be the default. "matrix" makes
 * one cell for each point of the product, in row-major order of its keys. Without "ledger" the
 * lines are derived: each cell against the earlier cell that differs from it in the fewest ways.
 *
 * Threads: a study belongs to one thread.
 */
#ifndef TARE_MEASURE_STUDY_H
#define TARE_MEASURE_STUDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/file.h"
#include "tare/status.h"

#define STUDY_MAX_CELLS   256
#define STUDY_MAX_LINES   512
#define STUDY_MAX_OPTIONS 16
#define STUDY_MAX_FILE    ((size_t)1 << 20) /* bytes of a study file */

/* One name=value for the runtime. */
struct study_option {
    char name[48];
    char value[208];
};

struct study_cell {
    char key[256];  /* "yolov8n/fp32/onnxruntime/cpu/b1/t1/direct/raw": unique in the study */
    char name[128]; /* as the study calls it; the key if it does not */
    char model[FILE_MAX_PATH];      /* as the study says, .onnx or .pt */
    char model_path[FILE_MAX_PATH]; /* the file to open; whoever exports a .pt sets it */
    char if_missing[480];           /* what to say if that file is not there; "": the usual */
    char repository[FILE_MAX_PATH]; /* where Triton serves it from; whoever renders it sets it */
    char runtime[48];               /* "onnxruntime" */
    char layer[24];                 /* "direct", or another one of layer.h */
    char precision[12];             /* "fp32" */
    char device[24];                /* "cpu" */
    char head[8];                   /* "raw", "full"; "" for a model without such a choice */
    int32_t batch;
    int32_t threads; /* 0: the runtime's default */
    int32_t size;    /* of a square picture input that the graph leaves open; 0: 640 */
    bool energy;     /* takes part where the study asks for joules; true unless it says so */
    struct study_option options[STUDY_MAX_OPTIONS];
    size_t option_count;
};

struct study_line {
    bool gain; /* otherwise a tax */
    char name[160];
    size_t cell, baseline; /* indices of cells */
};

struct study {
    char name[64];
    char images[FILE_MAX_PATH];      /* "": none */
    char annotations[FILE_MAX_PATH]; /* "": none */
    char calibration[FILE_MAX_PATH]; /* pictures to make INT8 files with; "": they must be there */
    char reference[128];             /* cell that others are to agree with; "": the first in FP32 */
    int64_t sweeps;                  /* 20 */
    int64_t restarts;                /* worker processes a cell, 5 */
    int64_t visit_ns;                /* aimed at; 0: so long that visits have most of the time */
    int64_t runs;                    /* timed runs a visit; 0: chosen by a pilot from visit_ns */
    int64_t after_switch;            /* first runs of a visit, kept apart; 2 */
    int64_t warmup_runs;             /* 20, and ... */
    int64_t warmup_ns;               /* ... 2 s, whichever is longer */
    int64_t timeout_ns; /* opening, warm-up or visit that takes longer is a hang; 0: 10 minutes, and
                           ten times what is expected for a visit, at least 30 s */
    int64_t budget_ns;  /* for all of it: fewer sweeps and restarts if need be; 0: none */
    double width; /* sweeps until every line's interval is at most so wide either way (0.02: 2 %),
                     their number set by the first `sweeps`; 0: sweeps are as said */
    int64_t max_sweeps;      /* 200: what a width never goes beyond */
    int64_t memory_limit_mb; /* MiB that a worker may hold; 0: 60 % of what is free at the start */
    int64_t resident_limit_mb; /* MiB that all workers may hold at once; 0: the same 60 % */
    char cpus[128]; /* processors of every cell, "0-3,8"; "": all, but one for the harness if there
                       are four or more */
    int64_t seed;
    bool runs_alone;   /* visits time the session's run on pictures that were made ready before */
    bool freeze;       /* before a visit of a sweep, other workers are stopped by signal instead of
                          waited for (freeze.h) */
    bool confirm;      /* the fastest of three or more is measured again on fresh sweeps */
    bool soak;         /* contiguous visits in A B B A, instead of sweeps */
    int64_t soak_ns;   /* how long each of them is, 60 s */
    int64_t cold;      /* starts of every cell at the end, each with page cache dropped and warm */
    bool energy;       /* joules of an inference, in a phase of their own, where a sensor answers */
    int64_t energy_ns; /* of a visit in it; 0: 50 of the sensor's periods, at least 2 s */
    int64_t energy_visits; /* of a cell, 4 */
    bool paced;
    bool throughput; /* several streams at once, as many as serve best; not with paced */
    int64_t streams; /* throughput: so many at once; 0: found by a pilot */
    double rate_hz;  /* paced: starts a second; throughput: the same over all streams, 0: as fast as
                        they go */
    double min_score, iou;
    double max_drop;    /* share of the reference's boxes that a cell may lose and still be chosen;
                           0: agreement decides nothing */
    double max_ap_drop; /* AP below the best FP32 cell's, 0..1, at which a cell may still be chosen;
                           0: as the reader of the report says */
    unsigned forms;     /* which forms were asked for (forms.h); the cells are made accordingly */
    struct study_cell *cells; // (cell_count)
    size_t cell_count;
    struct study_line *lines; // (line_count)
    size_t line_count;
};

/* Documented defaults, no cells. */
void study_init(struct study *study);
void study_release(struct study *study);

/*
 * Reads a study file; relative paths become relative to the file's folder. TARE_BADDATA names the
 * key that is wrong. On error the study is released.
 */
enum tare_status study_load(const char *path, struct study *study, struct tare_err *err);

/* The same from memory: name is what messages call it, folder what relative paths start from. */
enum tare_status study_parse(const char *text, size_t size, const char *name, const char *folder,
                             struct study *study, struct tare_err *err);

/* Appends the study as JSON that reads back to the same study, paths as they are. */
void study_write(const struct study *study, struct buf *out);

/* A cell with the documented defaults (onnxruntime, direct, fp32, cpu, batch 1, threads 0). */
void study_cell_init(struct study_cell *cell, const char *model);

/* Adds a copy. key is made here; TARE_INVALID if a cell with this key is there already. */
enum tare_status study_add_cell(struct study *study, const struct study_cell *cell,
                                struct tare_err *err);

/* Makes key of the other fields, and name of key where it is "". */
enum tare_status study_make_key(struct study_cell *cell, struct tare_err *err);

/* The cell of that name or key; cell_count if there is none. */
size_t study_find_cell(const struct study *study, const char *name);

/* Adds name=value to a cell, or replaces it. */
enum tare_status study_set_option(struct study_cell *cell, const char *name, const char *value,
                                  struct tare_err *err);

/* The value of a cell's option; NULL if the cell does not set it. */
const char *study_option_of(const struct study_cell *cell, const char *name);

/* Derives the lines, if there are none (see above). */
enum tare_status study_derive_lines(struct study *study, struct tare_err *err);

/* The plugin that runs a cell: the runtime's own, or the layer's ("python", "triton"). */
const char *study_cell_plugin(const struct study_cell *cell);

/* Whether the plugin opens the checkpoint itself (torch), so that nothing is exported and head and
 * size are options of the plugin. */
bool study_opens_checkpoint(const char *plugin, const char *model);
bool study_cell_opens_checkpoint(const struct study_cell *cell);

#endif
