/*
 * diff.h - two runs of the same cells, an old one and a new one: did anything become slower?
 *
 * The two were not interleaved, so what drifted on the machine between them counts as a difference.
 * A cell's change is the difference of its mean log medians a sweep, new minus old; its standard
 * error is Welch's over the two runs, each run's own being the larger of that of its sweeps and
 * that of its restarts (stats/paired.h). The 95 % intervals hold together over all cells
 * (Bonferroni).
 *
 * Threads: a diff belongs to one thread.
 */
#ifndef TARE_MEASURE_DIFF_H
#define TARE_MEASURE_DIFF_H

#include "measure/ledger.h"

enum diff_state {
    DIFF_COMPARED,
    DIFF_NEW,  /* not in the old run, or not measured there */
    DIFF_LOST, /* measured in the old run, no longer in the new one */
};

struct diff_cell {
    const struct ledger_cell *old_cell, *new_cell; /* NULL: not in that run */
    enum diff_state state;
    double ratio; /* new over old; NAN unless compared */
    struct ledger_interval interval;
    double ap_change; /* 0..1; NAN if one of them has none */
    bool over;        /* slower than the limit, and the interval excludes no change; or lost */
};

struct diff {
    struct diff_cell *cells; // (count), in the old run's order, then what is new
    size_t count;
    size_t over; /* cells */
};

struct diff_options {
    double fail_above; /* 0.03: a slow-down of 3 %; NAN: nothing is over */
    bool other_hosts;  /* compare runs of two machines */
    bool other_models; /* compare runs of other model files */
};

/*
 * Compares two ledgers, which must outlive the diff, and the stores that they were built from.
 * TARE_INVALID if the runs are of different machines or model files, unless allowed; if no cell
 * stands in both. On success diff_release() it.
 */
enum tare_status diff_build(struct store *old_store, const struct ledger *old_ledger,
                            struct store *new_store, const struct ledger *new_ledger,
                            const struct diff_options *options, struct diff *diff,
                            struct tare_err *err);
void diff_release(struct diff *diff); /* a zeroed struct is allowed */

#endif
