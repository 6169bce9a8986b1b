/*
 * cold.h - cold start (rule 5): from the start of a cell's process to its first result, once with
 * the model and the runtime's libraries dropped from the page cache and once with them in it.
 *
 * A phase of its own, after the visits and with all their workers ended. One uncounted start of a
 * cell says which files it has mapped. A repetition then drops them, checks what stayed, starts the
 * cell ("dropped"), ends it and starts it again ("warm"); the cells of a repetition come in a
 * random order. In the store each repetition is a set of the cell's figures, written together:
 *     cold.dropped.<n>.<part>   cold.warm.<n>.<part>   nanoseconds; parts as in
 * ledger_cold_part_name() cold.dropped.<n>.stayed                          share of the files'
 * pages that did not leave n counts from 0. Why a cell has fewer than asked for is the run's fact
 * cold.failed.<cell id>; how many were asked for is the fact run.cold.
 *
 * Threads: as sweeps.h.
 */
#ifndef TARE_MEASURE_COLD_H
#define TARE_MEASURE_COLD_H

#include "measure/ledger.h"
#include "measure/sweeps_inner.h"

#define COLD_FACT_ASKED  "run.cold"
#define COLD_FACT_FAILED "cold.failed."
#define COLD_MAX         1000 /* repetitions, as a study may ask for */

/* All repetitions that the store does not have yet. A cell that cannot be started is left out and
 * says why; only the store's errors and the user's own stop end the phase. Nothing if the study
 * asks for none. */
enum tare_status cold_run(struct sweeps *s, struct tare_err *err);

/* How long that will take, by the starts that the workers made; for the plan of a budget. */
int64_t cold_expected_ns(const struct sweeps *s);

#endif
