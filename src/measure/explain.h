/*
 * explain.h - everything that stands behind one cell of a ledger, with the numbers that let a
 * reader check it by hand: restarts, visits, dependence, scatter, and each line's arithmetic.
 *
 * Plain data like the ledger's, from the same visits and by the same functions; nothing is printed.
 * Threads: an explanation belongs to one thread; a built one is only read.
 */
#ifndef TARE_MEASURE_EXPLAIN_H
#define TARE_MEASURE_EXPLAIN_H

#include "measure/ledger.h"
#include "stats/components.h"
#include "stats/paired.h"

struct explain_restart {
    struct store_restart row;
    size_t visits;    /* valid ones */
    double median_ns; /* of its visits' medians; NAN: none */
};

/* One row of the mode that the ledger speaks of, valid or not. */
struct explain_visit {
    struct store_visit row; /* texts belong to the store */
    int64_t restart;        /* ordinal; -1: of none */
    size_t samples;
    double median_ns; /* NAN if it is not valid */
};

/* Visits of the cell that came right after another cell. */
struct explain_predecessor {
    size_t cell;                     /* index in the ledger */
    struct paired_estimate estimate; /* of log(visit's median / the cell's p50) */
};

/* The pairs of one ledger line. */
struct explain_pair {
    int64_t sweep;
    double cell_ns, baseline_ns, log_ratio;
    int64_t cluster; /* pairs of the same two workers have the same */
};

struct explain_line {
    size_t line;                /* index in the ledger */
    struct explain_pair *pairs; // (pair_count)
    size_t pair_count;
    struct paired_estimate estimate; /* what the ledger uses */
    struct paired_estimate sweeps;   /* the same with sweeps as independent */
    double critical;                 /* the ledger's, for all lines together; NAN: no interval */
    double alone;                    /* Student's t for this line alone */
    struct components components;    /* of the log ratios, by pair of workers */
};

struct explain {
    const struct ledger *ledger;
    size_t cell;
    const struct store_file *model;   /* NULL: it is not known which file it was */
    struct explain_restart *restarts; // (restart_count)
    size_t restart_count;
    struct explain_visit *visits; // (visit_count), in the order of time
    size_t visit_count;
    double lag1_within;  /* mean over visits of their samples' lag-1 autocorrelation */
    double lag1_between; /* of the visits' medians, in the order of time */
    double effective_p50;
    double clock_low_hz, clock_high_hz; /* NAN: not readable */
    int64_t steal_ns, wall_ns;          /* over valid visits; steal -1: not known */
    int64_t major_faults;
    struct explain_predecessor *predecessors; // (predecessor_count)
    size_t predecessor_count;
    struct components components; /* of the log medians of visits, by restart */
    struct explain_line *lines;   // (line_count)
    size_t line_count;
};

/* The cell that a user means: its label, its name or its key. TARE_ABSENT lists what there is. */
enum tare_status explain_find(const struct ledger *ledger, const char *name, size_t *cell,
                              struct tare_err *err);

/* On success explain_release() it; the ledger and its store must outlive it. */
enum tare_status explain_build(struct store *store, const struct ledger *ledger, size_t cell,
                               struct explain *explain, struct tare_err *err);
void explain_release(struct explain *explain); /* a zeroed struct is allowed */

#endif
