/*
 * sweeps_inner.h - the state of a study while it runs. Private to sweeps.c and the files that it
 * stands on.
 */
#ifndef TARE_MEASURE_SWEEPS_INNER_H
#define TARE_MEASURE_SWEEPS_INNER_H

#include "measure/crew.h"
#include "measure/gpu.h"
#include "measure/plan.h"
#include "measure/sweeps.h"

#define SWEEPS_START_WORK 4.0 /* a start with its warm-up, in visits */
#define SWEEPS_COLD_WORK  0.5 /* a repetition of cold starts, in visits; for the progress */

/* A cell while it is being measured. */
struct cell_state {
    int64_t id;         /* in the store */
    int64_t restart_id; /* of its present worker */
    int64_t pilot_ns;   /* median of one run, from its last warm-up */
    int64_t start_ns;   /* what its last start took, with one round of warm-up */
    int64_t restarts;   /* workers so far, those of an interrupted run too */
    struct crew_opened opened;
    int64_t peak_bytes; /* what its worker held in the pilot */
    bool opened_once;
    bool ended;                        /* failed or skipped: no further visits */
    bool scored;                       /* its accuracy is in the store */
    int busy_threads, outside_threads; /* most in any visit so far: thread_count.h */
    int32_t streams, threads;          /* throughput mode: as the pilot found; 0: not yet */
};

struct sweeps {
    const struct study *study;
    const struct sweeps_options *options;
    struct store *store;
    struct sweeps_result *result;
    struct crew_member *crew; // (cell_count)
    struct cell_state *cells; // (cell_count)
    struct crew_pictures pictures;
    struct cores_plan cores; /* where the cells and this process run */
    cpu_set_t allowed;       /* before that was planned */
    bool memory_bound;       /* to cores.node */
    struct crew_watch watch; /* the workers' clocks after the last visit or warm-up */
    struct plan plan;
    enum store_visit_mode mode; /* of the visits that are made now */
    int64_t confirm_sweeps;     /* how many there are in the mode "confirm" */
    bool planned;
    bool *visited;          // (plan.sweeps, cell_count), once planned
    size_t visited_room;    /* its elements */
    int64_t held_bytes;     /* what the workers held in the pilot, at most */
    bool exceeded;          /* that was more than they may hold together */
    int64_t set;            /* of cells, that is measured now (residency.h) */
    int64_t start_ns;       /* of this process's work */
    int64_t epoch_ns;       /* of the run, which may have begun in another process */
    int64_t predecessor_id; /* the cell of the last visit; 0: none */
    struct gpus gpus;       /* of the cells, once they were asked for */
    struct gpu_watch looks; /* at the GPU of the last visit */
    double done, work;      /* for the progress: visits, with starts counted as some */
};

/* How this study visits. */
enum store_visit_mode sweeps_mode(const struct study *study);

/* Tells the progress display; more: work done since, in visits. */
void sweeps_tell(struct sweeps *s, const char *stage, const char *cell, int64_t sweep, double more);

/* Makes a worker's failure a row. Only the store's and the user's own stop end the study. */
enum tare_status sweeps_end_cell(struct sweeps *s, size_t i, const struct tare_err *failure,
                                 struct tare_err *err);

/* Starts a worker for cell i, warms it up and stores that. What is the worker's fault comes back in
 * failure, with TARE_OK. */
enum tare_status sweeps_start_cell(struct sweeps *s, size_t i, struct tare_err *failure,
                                   struct tare_err *err);

/* One visit, stored; failure as above. */
enum tare_status sweeps_visit_cell(struct sweeps *s, size_t i, int64_t sweep, int64_t position,
                                   struct tare_err *failure, struct tare_err *err);

/* Fixes the number of sweeps of a study with a width from those of the pilot, all of which are in
 * the store, and stores the plan. spent_ns: what they took. */
enum tare_status width_settle(struct sweeps *s, int64_t spent_ns, struct tare_err *err);

/* Whether a cell has an AP and agrees with a reference: not a served pipeline, which gives boxes
 * over its own least score alone. */
bool sweeps_scores(const struct cell_state *cell);

/* How long the run has taken so far, in all of its processes that came to their end. */
int64_t sweeps_spent_ns(struct sweeps *s);

/* Ends all workers; what they held at most is stored. */
enum tare_status sweeps_stop_crew(struct sweeps *s, struct tare_err *err);

/* Room for what was visited, once there is a plan. */
enum tare_status sweeps_make_room(struct sweeps *s, struct tare_err *err);

/* Takes up the run options->resume_run_id: its cells, its plan, what was visited and scored. */
enum tare_status resume_run(struct sweeps *s, struct tare_err *err);

#endif
