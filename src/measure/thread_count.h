/*
 * thread_count.h - how many threads of each cell really worked, by the kernel's clocks, against the
 * number that was asked for; and the processors that all cells had. Private to this room.
 */
#ifndef TARE_MEASURE_THREAD_COUNT_H
#define TARE_MEASURE_THREAD_COUNT_H

#include "measure/ledger.h"
#include "measure/sweeps_inner.h"

/* Figures of a cell. */
#define THREAD_COUNT_ASKED   "threads.asked"   /* 0: the runtime's choice */
#define THREAD_COUNT_BUSY    "threads.busy"    /* most in any visit */
#define THREAD_COUNT_OUTSIDE "threads.outside" /* of those, free to leave the cells' processors */

/* Facts of a run. */
#define FACT_CPUS         "run.cpus"         /* "0-2" */
#define FACT_HARNESS_CPUS "run.harness_cpus" /* "3" */
#define FACT_SHARED_CORES "run.shared_cores" /* "yes", "no" */
#define FACT_MEMORY_NODE  "run.memory_node"  /* "0 of 2"; not there: the machine has one */

/* After a visit: keeps the figures where they grew. */
enum tare_status thread_count_keep(struct sweeps *s, size_t cell, const struct crew_visit *visit,
                                   struct tare_err *err);

/* What an interrupted run had seen. */
void thread_count_resume(struct sweeps *s, size_t cell);

/* Fixes the processors of this study and keeps the harness to the cells', so that the machine's
 * limits are measured where the cells run; facts of the run say which. */
enum tare_status thread_count_plan(struct sweeps *s, struct tare_err *err);
enum tare_status thread_count_record(struct sweeps *s, struct tare_err *err);

/* The ledger's notes about both. */
enum tare_status thread_count_notes(struct ledger *ledger, struct tare_err *err);

#endif
