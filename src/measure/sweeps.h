/*
 * sweeps.h - runs a study: worker processes, interleaved sweeps, everything into the store as it
 * comes.
 *
 * Words (docs/measurement.md): a visit runs one cell for a while, a sweep visits every cell once in
 * a new random order, a restart is a new worker process for a cell. Sweeps are dealt out evenly
 * over the restarts. Accuracy comes from the last restart's sessions, the ones that were timed.
 *
 * A cell whose worker fails becomes one row that says why; the others go on.
 *
 * Threads: one study runs in one thread.
 */
#ifndef TARE_MEASURE_SWEEPS_H
#define TARE_MEASURE_SWEEPS_H

#include "measure/study.h"
#include "store/store.h"

/* What is happening, for a progress display. */
struct sweeps_progress {
    const char *stage; /* "starting", "sweep", "accuracy", "cold start" */
    const char *cell;  /* its name; "" between cells */
    int64_t sweep;     /* the current one, from 1; 0 before the first */
    int64_t sweeps;
    double share;    /* of all the work, 0..1 */
    int64_t left_ns; /* estimated; -1: not known yet */
};

struct sweeps_options {
    const char *version;    /* of tare */
    const char *command;    /* the command line */
    const char *study_text; /* JSON that reads back to the study */
    int64_t resume_run_id;  /* goes on with that run of the store; 0: a new one */
    int64_t resume_wall_ns; /* when that run began, since 1970 */
    void (*progress)(const struct sweeps_progress *progress, void *data); /* may be NULL */
    void *progress_data;
    bool profile;     /* each cell whose runtime can is timed node by node afterwards */
    bool skip_limits; /* the machine's peaks are not measured, and no row gets a limit */
};

struct sweeps_result {
    int64_t run_id;
    size_t measured, failed, skipped; /* cells */
    int64_t sweeps_done;
    int64_t wall_ns, visit_ns; /* of the whole, and the part of it spent in visits */
};

/*
 * Runs it. TARE_STOPPED if the user asked to stop: what was measured is in the store, and the run
 * is marked interrupted. Failed cells are no error here; TARE_FAILED if no cell could be measured
 * at all. store stays the caller's.
 */
enum tare_status sweeps_run(const struct study *study, struct store *store,
                            const struct sweeps_options *options, struct sweeps_result *result,
                            struct tare_err *err);

#endif
