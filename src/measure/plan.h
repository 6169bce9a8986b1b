/*
 * plan.h - how much is measured: decided once, after the first warm-up (the pilot) and before the
 * first visit, then kept in the store, so that a resumed run ends with the same tables.
 * Private to this room.
 */
#ifndef TARE_MEASURE_PLAN_H
#define TARE_MEASURE_PLAN_H

#include "measure/study.h"
#include "store/store.h"

#define PLAN_MIN_SWEEPS 5 /* what a budget never goes below */

#define PLAN_CONFIRM_CELLS 3 /* least number whose fastest is confirmed */
#define PLAN_PICK_CELLS    2 /* that are measured again */

#define PLAN_SHARE 0.83 /* of the time that visits aim to have; 0.8 is promised */

struct plan {
    int64_t sweeps, restarts;             /* all of them */
    int64_t pilot_sweeps, pilot_restarts; /* the first of them, which a width is set from; all of
                                             them where the study names no width */
    bool settled;                         /* the number of sweeps is final */
    int64_t visit_ns;                     /* what a visit aims to be */
    int64_t runs[STUDY_MAX_CELLS];        /* timed runs of one visit, after_switch not counted */
    int64_t sets;                         /* of cells that are resident together (residency.h) */
    int64_t set[STUDY_MAX_CELLS];         /* which of them; RESIDENCY_EVERY_SET */
    bool shortened;                       /* the budget took sweeps or restarts away */
};

/* What the pilot found. */
struct plan_pilot {
    int64_t run_ns[STUDY_MAX_CELLS]; /* median of one run; 0: the cell could not be started */
    bool pictures[STUDY_MAX_CELLS];  /* the cell looks at pictures */
    int64_t start_ns;                /* what starting and warming up all cells took */
    int64_t restart_ns;              /* what it will take again, with one round of warm-up */
    int64_t sets;                    /* of cells that fit in memory together; 0 is 1 */
    int64_t set[STUDY_MAX_CELLS];    /* residency.h */
    size_t baseline;                 /* the cell that is in every set */
    int64_t other_ns;                /* besides visits and starts: the peaks, accuracy */
};

/*
 * Cells that look at pictures get one number of runs, so that sweep by sweep they see the same
 * pictures: that of their geometric mean. The others each fill their visit.
 *
 * A study that names no length of a visit gets one that leaves PLAN_SHARE of the time to visits,
 * from 0.5 s (0.3 s under a budget) to 10 s. A budget takes restarts away while they cost more than
 * the rest of that share, but leaves two where these cost no more than 40 % of it; then it shortens
 * visits, then it takes sweeps.
 *
 * Of several sets of cells each has all sweeps, and their number is not set by a width.
 *
 * Of a study with a width this is the pilot, which may take half of the budget.
 */
void plan_choose(const struct study *study, const struct plan_pilot *pilot, struct plan *plan);

/* What a budget keeps for confirming the fastest of so many cells (confirm.h); 0: it won't be. */
int64_t plan_reserved_ns(const struct study *study, size_t cells);

/* What is known before a confirmation. */
struct plan_confirm {
    size_t index[PLAN_PICK_CELLS];   /* which cells they are */
    int64_t run_ns[PLAN_PICK_CELLS]; /* median of one run; 0: not known */
    int64_t start_ns;                /* starting all of them once */
    int64_t left_ns;                 /* of the budget; negative: there is none */
};

/* As many sweeps and generations of workers as the study has; under a budget what fits, at least
 * PLAN_MIN_SWEEPS and one. */
void plan_confirm(const struct study *study, const struct plan *plan,
                  const struct plan_confirm *found, int64_t *sweeps, int64_t *restarts);

/* The first sweep of a generation of workers; of the one after it, where that one ends. A
 * generation has as many sweeps in the pilot as after it. */
int64_t plan_first_sweep(const struct plan *plan, int64_t ordinal);

/* What the pilot's sweeps showed, for plan_settle(). */
struct plan_width {
    double half; /* the widest line's half width, of the log ratio; NAN: no line has one */
    int64_t generation_ns; /* what a generation of workers with its sweeps took */
    int64_t left_ns;       /* of the budget; negative: there is none */
};

/*
 * Fixes the number of sweeps from the pilot's (Stein 1945): a half width falls with the root of the
 * number of generations, so that pilot_restarts * (half / log(1 + width))^2 of them are needed; not
 * fewer than the pilot's, nor more than max_sweeps and the budget allow.
 */
void plan_settle(const struct study *study, const struct plan_width *found, struct plan *plan);

enum tare_status plan_save(struct store *store, int64_t run_id, size_t cells,
                           const struct plan *plan, struct tare_err *err);

/* TARE_ABSENT if the run never came so far, TARE_BADDATA if it is of another study. */
enum tare_status plan_load(struct store *store, int64_t run_id, size_t cells, struct plan *plan,
                           struct tare_err *err);

#endif
