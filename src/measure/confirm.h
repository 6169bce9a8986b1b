/*
 * confirm.h - the fastest of many cells is measured again on fresh sweeps (rule 11).
 *
 * The fastest of many looks faster than it is: it was picked for its luck too. After the sweeps and
 * the accuracy, the cell that the decision names and the runner-up are visited again by new
 * workers, in sweeps of their own. Their visits have the mode STORE_VISIT_CONFIRM, so that no other
 * figure is made of them; which two cells and how many sweeps stands in the store before the first
 * of them, so that a resumed run ends with the same.
 *
 * Threads: one study runs in one thread.
 */
#ifndef TARE_MEASURE_CONFIRM_H
#define TARE_MEASURE_CONFIRM_H

#include "measure/plan.h"
#include "store/store.h"
#include "tare/status.h"

struct sweeps;

/* What is measured again. */
struct confirm_pick {
    int64_t winner_id, other_id; /* cells in the store; 0: there is nothing to confirm */
    int64_t sweeps, restarts;
    char failure[200]; /* why it did not come to its end; "": it did, or may yet */
};

/* TARE_ABSENT if the run has none, TARE_BADDATA if it cannot be read. */
enum tare_status confirm_load(struct store *store, int64_t run_id, struct confirm_pick *pick,
                              struct tare_err *err);

/* The whole of it, after the sweeps. A worker that fails ends it with a reason, and costs the cell
 * nothing. */
enum tare_status confirm_run(struct sweeps *s, struct tare_err *err);

#endif
