/*
 * agreeing.h - agreement of a study's cells with its reference, from the sessions that were timed.
 * Private to this room.
 *
 * The reference is the cell that the study names, else the first one in FP32. Scored is every cell
 * whose outputs may differ from it: another precision, runtime or provider, over at most
 * AGREEING_PICTURES pictures. Figures go to the cell ("agreement.found", "agreement.sqnr_db.cls8",
 * ..., with .low and .high); "agreement.reference" is the reference's id.
 */
#ifndef TARE_MEASURE_AGREEING_H
#define TARE_MEASURE_AGREEING_H

#include "measure/sweeps_inner.h"

#define AGREEING_PICTURES 128

/* A cell whose agreement cannot be had keeps its times, and a warning says why. Only the store's
 * and the user's own stop are errors. */
enum tare_status agreeing_run(struct sweeps *s, struct tare_err *err);

/* How long that will take, once every cell was started. */
int64_t agreeing_expected_ns(const struct sweeps *s);

#endif
