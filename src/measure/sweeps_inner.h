/*
 * sweeps_inner.h - the state of a study while it runs. Private to sweeps.c and resume.c.
 */
#ifndef TARE_MEASURE_SWEEPS_INNER_H
#define TARE_MEASURE_SWEEPS_INNER_H

#include "measure/crew.h"
#include "measure/plan.h"
#include "measure/sweeps.h"

/* A cell while it is being measured. */
struct cell_state {
    int64_t id;         /* in the store */
    int64_t restart_id; /* of its present worker */
    int64_t pilot_ns;   /* median of one run, from its last warm-up */
    int64_t restarts;   /* workers so far, those of an interrupted run too */
    struct crew_opened opened;
    bool opened_once;
    bool ended;  /* failed or skipped: no further visits */
    bool scored; /* its accuracy is in the store */
};

struct sweeps {
    const struct study *study;
    const struct sweeps_options *options;
    struct store *store;
    struct sweeps_result *result;
    struct crew_member *crew; // (cell_count)
    struct cell_state *cells; // (cell_count)
    struct crew_pictures pictures;
    struct plan plan;
    bool planned;
    bool *visited;          // (plan.sweeps, cell_count), once planned
    int64_t start_ns;       /* of this process's work */
    int64_t epoch_ns;       /* of the run, which may have begun in another process */
    int64_t predecessor_id; /* the cell of the last visit; 0: none */
    double done, work;      /* for the progress: visits, with starts counted as some */
};

/* Room for what was visited, once there is a plan. */
enum tare_status sweeps_make_room(struct sweeps *s, struct tare_err *err);

/* Takes up the run options->resume_run_id: its cells, its plan, what was visited and scored. */
enum tare_status resume_run(struct sweeps *s, struct tare_err *err);

#endif
