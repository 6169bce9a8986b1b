/*
 * residency.h - how many workers may be resident at once (rule 9): together they hold at most 60 %
 * of the memory that was free at the start. Cells that do not fit are dealt into sets, which meet
 * only through the common baseline.
 *
 * The baseline of most ledger lines is a member of every set. Set k uses the sweeps from k times
 * the study's number of sweeps on, so that cells of one set share sweeps and others do not.
 */
#ifndef TARE_MEASURE_RESIDENCY_H
#define TARE_MEASURE_RESIDENCY_H

#include "measure/study.h"

struct sweeps;
struct plan_pilot;

#define RESIDENCY_SHARE     0.6
#define RESIDENCY_EVERY_SET (-1) /* in place of a set's number: the common baseline */

/* The cell that most lines have as their baseline; the first one where there are no lines. */
size_t residency_baseline(const struct study *study);

/*
 * First fit in the order of the study: bytes (count) is what each cell's worker held at most; 0:
 * none. set (count) gets 0, 1, ..., RESIDENCY_EVERY_SET for the baseline unless one set holds all.
 * A cell that fits nowhere is alone with the baseline. Returns the number of sets, at least 1.
 */
int64_t residency_deal(const int64_t *bytes, size_t count, size_t baseline, int64_t limit_bytes,
                       int64_t *set);

/*
 * What the worker of cell i holds, before there is a plan. Once the workers hold more together than
 * they may, none stays: the rest are weighed one by one.
 */
enum tare_status residency_weigh(struct sweeps *s, size_t i, struct tare_err *err);

/* Whether a worker of the pilot failed for memory beside others that could be ended. */
bool residency_may_fit_alone(const struct sweeps *s, const struct tare_err *failure);

/* Ends the others and starts it again. */
enum tare_status residency_start_alone(struct sweeps *s, size_t i, struct tare_err *failure,
                                       struct tare_err *err);

/* Deals the cells into the pilot's sets, and says so in the store if there are several. */
enum tare_status residency_deal_cells(struct sweeps *s, struct plan_pilot *pilot,
                                      struct tare_err *err);

#endif
