/*
 * store.h - the result file: one SQLite database that holds runs and every sample of them.
 *
 * It keeps and gives back what was measured; it computes nothing (stats and measure/ledger do).
 *
 * Layout (application_id 0x74617265 "tare", user_version STORE_SCHEMA):
 *     run ─┬─ fact        host and environment, as text
 *          ├─ file        what went in, by hash
 *          ├─ document    whole texts that a later report needs (the annotations), compressed
 *          ├─ note        what a reader must know: not measured and why, warnings, trust
 *          ├─ line        the ledger's lines, fixed before the first visit
 *          └─ cell ─┬─ restart     a worker process: load, warm-up, memory
 *                   ├─ visit ── series   int64 samples, every one of them
 *                   ├─ figure      other numbers of a cell (agreement, SQNR), by name
 *                   └─ accuracy    COCO's 12 figures, by class, the detections themselves
 *
 * Compressed bytes (series.data, document.data, accuracy.detections) start with one byte:
 *     0  the bytes follow as they are
 *     1  a zlib stream follows
 * In a series those bytes are the samples' differences (the first from 0), zigzag-coded
 * (n << 1 ^ n >> 63), each as a little-endian base-128 varint of at most 10 bytes. Lengths before
 * compression stand in their own columns and are checked against stated maxima.
 *
 * Durability: rollback journal, synchronous FULL. Each call that writes is one transaction unless
 * the caller opened one with store_begin(); a crash or a full disk at any moment loses at most the
 * call in progress, and the file stays readable. After a failed write the store can still be used.
 *
 * Nothing in a file is trusted: types, lengths and references are checked as they are read, views
 * and triggers are off, and a damaged or foreign file gives TARE_BADDATA, never a crash.
 *
 * Texts in structs that are read (const char *) belong to the store and live until store_close();
 * lists are malloc'ed arrays that the caller frees with free(). A NULL text is written as "" and
 * read back as "". Ids are the database's own and positive; the writer leaves id fields 0.
 *
 * Threads: a store belongs to one thread at a time. Any number of processes may read a file while
 * one writes it.
 */
#ifndef TARE_STORE_STORE_H
#define TARE_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define STORE_SCHEMA       1
#define STORE_MAX_TEXT     ((size_t)16 << 20) /* bytes of one text column */
#define STORE_MAX_DOCUMENT ((size_t)1 << 30)  /* bytes of a document before compression */
#define STORE_MAX_SAMPLES  ((size_t)1 << 24)  /* samples of one series */
#define STORE_MAX_ROWS     ((size_t)1 << 22)  /* rows of one list */

/* STORE_SCHEMA counts changes of the tables. New modes, series, figures, facts and documents are
 * none: older files lack them, which every reader allows for. */

struct store;

enum store_mode {
    STORE_READ,   /* the file must be there; nothing can be written */
    STORE_WRITE,  /* the file must be there; a further run, or an interrupted one goes on */
    STORE_CREATE, /* made if it is not there or is empty, otherwise as STORE_WRITE */
};

enum store_run_state {
    STORE_RUN_RUNNING,
    STORE_RUN_COMPLETE,
    STORE_RUN_INTERRUPTED
};

struct store_run {
    int64_t id;
    const char *uuid;
    int64_t started_wall_ns; /* since 1970 */
    int64_t ended_wall_ns;   /* since 1970; 0 as long as it runs */
    const char *version;     /* of tare */
    const char *command;     /* the command line */
    const char *study;       /* JSON text, "" if there was none */
    int64_t seed;
    enum store_run_state state;
};

struct store_fact {
    const char *key; /* "cpu.model", "onnxruntime.version" */
    const char *value;
};

struct store_file {
    const char *role; /* "model", "annotations", "images", "plugin" */
    const char *path;
    const char *sha256; /* 64 hex digits, or "" where it is not one file */
    int64_t bytes;
};

enum store_note_kind {
    STORE_NOTE_NOT_MEASURED, /* subject: what; text: why */
    STORE_NOTE_WARNING,      /* subject: what it concerns; text: what is doubtful */
    STORE_NOTE_TRUST,        /* subject: the check; text: its verdict for this machine */
};

struct store_note {
    enum store_note_kind kind;
    const char *subject; /* "energy", "cold start", a cell's key */
    const char *text;
};

enum store_cell_state {
    STORE_CELL_OK,
    STORE_CELL_FAILED,
    STORE_CELL_SKIPPED
};
enum store_head {
    STORE_HEAD_NONE,
    STORE_HEAD_RAW,
    STORE_HEAD_FULL
};

struct store_cell {
    int64_t id;
    const char *key;  /* unique in a run: "yolov8n/fp32/onnxruntime/cpu/b1/t1/direct" */
    const char *name; /* as the study calls it; "" if it does not */
    const char *model;
    const char *family;    /* "yolov8"; "" for any ONNX file */
    const char *precision; /* as asked for: "fp32", "int8" */
    const char *runtime;   /* the plugin: "onnxruntime" */
    const char *provider;  /* "CPUExecutionProvider", "" where there is no such choice */
    const char *device;    /* "cpu", "cuda:0" */
    int64_t batch;
    int64_t threads; /* 0: the runtime's default */
    const char *layer;
    enum store_head head;
    const char *options; /* JSON text of the runtime's options */
    const char *command; /* the command line that makes this row again */
    enum store_cell_state state;
    const char *reason;             /* why it failed or was skipped */
    const char *executed_precision; /* as the runtime says it executed; "" if it cannot say */
    const char *runtime_version;
};

enum store_line_kind {
    STORE_LINE_TAX,
    STORE_LINE_GAIN
};

struct store_line {
    int64_t id;
    int64_t ordinal;
    enum store_line_kind kind;
    const char *name; /* "Python binding", "INT8" */
    int64_t cell_id;
    int64_t baseline_id; /* a different cell of the same run */
};

struct store_restart {
    int64_t id;
    int64_t cell_id;
    int64_t ordinal; /* 0, 1, ... within the cell */
    int64_t pid;
    int64_t load_ns;      /* open: file to session; -1: not known */
    int64_t first_run_ns; /* -1: not known */
    int64_t warmup_runs;
    bool warmup_steady;     /* false: the series never became steady */
    int64_t peak_rss_bytes; /* -1: not known */
};

enum store_visit_mode {
    STORE_VISIT_BACK_TO_BACK,
    STORE_VISIT_PACED,
    STORE_VISIT_SOAK,
    STORE_VISIT_THROUGHPUT, /* several streams at once */
    STORE_VISIT_CONFIRM,    /* of the fastest and the one that came next, after everything else */
    STORE_VISIT_ENERGY,     /* a sensor of energy was read meanwhile, and no other worker lived */
    STORE_VISIT_IDLE,       /* the same of a worker that has its session and does not run */
    STORE_VISIT_MODES
};

struct store_visit {
    int64_t id;
    int64_t cell_id;
    int64_t restart_id;
    int64_t sweep;          /* 0, 1, ... */
    int64_t position;       /* in the sweep */
    int64_t predecessor_id; /* cell visited before; 0: none */
    enum store_visit_mode mode;
    int64_t started_ns; /* since the run's start */
    int64_t wall_ns;    /* of the timed part */
    int64_t cpu_ns;     /* of the worker in that part; -1: not known */
    int64_t major_faults;
    int64_t steal_ns;     /* -1: not known */
    double mean_clock_hz; /* -1: not readable */
    bool valid;
    const char *why_invalid;
    const struct store_series *more; // (more_count) written with the visit's series; never read
    size_t more_count;
};

/* Names of series. A sample is nanoseconds of one inference (of a whole batch at batch > 1).
 * In a throughput visit "total" is one sample: the visit's time a run, all streams together. */
#define STORE_SERIES_TOTAL        "total"        /* outside time: what the ledger uses */
#define STORE_SERIES_AFTER_SWITCH "after_switch" /* the first k runs of a visit, kept apart */
#define STORE_SERIES_INSIDE       "inside"       /* as the python layer timed itself */
#define STORE_SERIES_LATENESS     "lateness"     /* paced: real start minus scheduled start */
#define STORE_SERIES_LATENCY      "latency"      /* throughput: each run, under that load */
#define STORE_SERIES_DECODE       "decode"       /* stages of a picture */
#define STORE_SERIES_LETTERBOX    "letterbox"
#define STORE_SERIES_INFER        "infer"
#define STORE_SERIES_BOXES        "boxes"
#define STORE_SERIES_COPY_IN      "copy_in" /* of a cell on a device, by the device's own clock */
#define STORE_SERIES_COMPUTE      "compute"
#define STORE_SERIES_COPY_OUT     "copy_out"

/* What the cell's GPU was doing: a sample is a look at it, -1 where it did not say. */
#define STORE_SERIES_GPU_AT           "gpu_at"           /* ns since the visit's start */
#define STORE_SERIES_GPU_CLOCK        "gpu_clock"        /* kHz, of the multiprocessors */
#define STORE_SERIES_GPU_MEMORY_CLOCK "gpu_memory_clock" /* kHz */
#define STORE_SERIES_GPU_TEMPERATURE  "gpu_temperature"  /* thousandths of a degree Celsius */
#define STORE_SERIES_GPU_POWER        "gpu_power"        /* mW */
#define STORE_SERIES_GPU_REASONS      "gpu_reasons"      /* bits: power_reason_name() */

struct store_series {
    const char *name;
    const int64_t *samples; // (count)
    size_t count;
};

struct store_figure {
    const char *name; /* "boxes_found_again", "sqnr_db.head0" */
    double value;
};

#define STORE_COCO_FIGURES 12

struct store_accuracy {
    int64_t cell_id;
    int64_t pictures;
    double coco[STORE_COCO_FIGURES]; /* pycocotools' order; -1 where undefined */
    const char *by_class;            /* JSON: {"person": 0.51, ...} */
};

/*
 * Opens a result file. TARE_ABSENT if it is not there (STORE_READ, STORE_WRITE); TARE_BADDATA if it
 * is no SQLite file or not tare's; TARE_UNSUPPORTED if its schema is another than STORE_SCHEMA;
 * TARE_IO if it cannot be read or locked. On success store_close() it.
 */
enum tare_status store_open(const char *path, enum store_mode mode, struct store **store,
                            struct tare_err *err);

/* Closes it and frees all texts that were read from it. An open transaction is rolled back. NULL
 * is allowed. */
void store_close(struct store *store);

const char *store_path(const struct store *store);

/* A transaction over several writing calls. They do not nest. store_commit() may fail (full disk),
 * and then nothing of the transaction is in the file. store_rollback() without a transaction does
 * nothing. */
enum tare_status store_begin(struct store *store, struct tare_err *err);
enum tare_status store_commit(struct store *store, struct tare_err *err);
void store_rollback(struct store *store);

/* --- writing: TARE_IO for a refused write, TARE_INVALID for a value that may not stand there
 * (a key twice, an id of no row, a text over STORE_MAX_TEXT). id may be NULL. --- */

enum tare_status store_add_run(struct store *store, const struct store_run *run, int64_t *id,
                               struct tare_err *err);

/* Sets how a run ended; ended_wall_ns 0 while it goes on (a resumed run). */
enum tare_status store_end_run(struct store *store, int64_t run_id, enum store_run_state state,
                               int64_t ended_wall_ns, struct tare_err *err);

/* A fact that is there already is replaced. */
enum tare_status store_put_fact(struct store *store, int64_t run_id, const char *key,
                                const char *value, struct tare_err *err);

enum tare_status store_add_file(struct store *store, int64_t run_id, const struct store_file *file,
                                struct tare_err *err);

enum tare_status store_add_note(struct store *store, int64_t run_id, const struct store_note *note,
                                struct tare_err *err);

/* A whole text under a name ("annotations"), at most STORE_MAX_DOCUMENT; replaced if there. */
enum tare_status store_put_document(struct store *store, int64_t run_id, const char *name,
                                    const char *text, size_t size, struct tare_err *err);

enum tare_status store_add_cell(struct store *store, int64_t run_id, const struct store_cell *cell,
                                int64_t *id, struct tare_err *err);

/* What became of a cell: takes state, reason, executed_precision, runtime_version, provider and
 * family of cell. */
enum tare_status store_set_cell_state(struct store *store, int64_t cell_id,
                                      const struct store_cell *cell, struct tare_err *err);

enum tare_status store_add_line(struct store *store, int64_t run_id, const struct store_line *line,
                                int64_t *id, struct tare_err *err);

enum tare_status store_add_restart(struct store *store, const struct store_restart *restart,
                                   int64_t *id, struct tare_err *err);

/* Peak memory is known at a worker's end only. */
enum tare_status store_set_peak_rss(struct store *store, int64_t restart_id, int64_t bytes,
                                    struct tare_err *err);

/* One visit with all its series: both or nothing reach the file. */
enum tare_status store_add_visit(struct store *store, const struct store_visit *visit,
                                 const struct store_series *series, size_t series_count,
                                 int64_t *id, struct tare_err *err);

/* A figure that is there already is replaced. */
enum tare_status store_put_figure(struct store *store, int64_t cell_id, const char *name,
                                  double value, struct tare_err *err);

/* detections: COCO result JSON of detection_bytes; replaced if there. */
enum tare_status store_put_accuracy(struct store *store, const struct store_accuracy *accuracy,
                                    const char *detections, size_t detection_bytes,
                                    struct tare_err *err);

/* --- reading: TARE_BADDATA for a damaged file, TARE_ABSENT for a row that is not there,
 * TARE_LIMIT over a stated maximum. On error *items is NULL and *count 0. --- */

/* All runs, oldest first. */
enum tare_status store_runs(struct store *store, struct store_run **items, size_t *count,
                            struct tare_err *err);

/* In order of key. */
enum tare_status store_facts(struct store *store, int64_t run_id, struct store_fact **items,
                             size_t *count, struct tare_err *err);

/* In the order in which they were written, as all lists that follow. */
enum tare_status store_files(struct store *store, int64_t run_id, struct store_file **items,
                             size_t *count, struct tare_err *err);
enum tare_status store_notes(struct store *store, int64_t run_id, struct store_note **items,
                             size_t *count, struct tare_err *err);
enum tare_status store_cells(struct store *store, int64_t run_id, struct store_cell **items,
                             size_t *count, struct tare_err *err);

/* In order of ordinal. */
enum tare_status store_lines(struct store *store, int64_t run_id, struct store_line **items,
                             size_t *count, struct tare_err *err);
enum tare_status store_restarts(struct store *store, int64_t cell_id, struct store_restart **items,
                                size_t *count, struct tare_err *err);

/* Of one cell, every mode, in the order of time. */
enum tare_status store_visits(struct store *store, int64_t cell_id, struct store_visit **items,
                              size_t *count, struct tare_err *err);

enum tare_status store_figures(struct store *store, int64_t cell_id, struct store_figure **items,
                               size_t *count, struct tare_err *err);

/* malloc'ed text with a NUL after its last byte; the caller frees it. */
enum tare_status store_document(struct store *store, int64_t run_id, const char *name, char **text,
                                size_t *size, struct tare_err *err);

/* malloc'ed samples that the caller frees; a series that the visit has not got is TARE_ABSENT. */
enum tare_status store_series(struct store *store, int64_t visit_id, const char *name,
                              int64_t **samples, size_t *count, struct tare_err *err);

/* Names of a visit's series, in alphabetical order; the texts belong to the store. */
enum tare_status store_series_names(struct store *store, int64_t visit_id, const char ***names,
                                    size_t *count, struct tare_err *err);

/* TARE_ABSENT if the cell has no accuracy. */
enum tare_status store_accuracy(struct store *store, int64_t cell_id,
                                struct store_accuracy *accuracy, struct tare_err *err);

/* malloc'ed COCO result JSON with a NUL after its last byte; the caller frees it. */
enum tare_status store_detections(struct store *store, int64_t cell_id, char **text, size_t *size,
                                  struct tare_err *err);

/* Words for the enums: "complete", "failed", "raw", "tax", "back_to_back". */
const char *store_run_state_name(enum store_run_state state);
const char *store_note_kind_name(enum store_note_kind kind);
const char *store_cell_state_name(enum store_cell_state state);
const char *store_head_name(enum store_head head);
const char *store_line_kind_name(enum store_line_kind kind);
const char *store_visit_mode_name(enum store_visit_mode mode);

#endif
