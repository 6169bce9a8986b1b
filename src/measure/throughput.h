/*
 * throughput.h - throughput mode: how many streams with how many threads each serve a cell best,
 * and visits of all of them at once. Private to this room.
 *
 * The setting is found by a pilot in workers of its own: one stream over all processors, one stream
 * a processor, the halvings between, then from the best one its neighbours, as long as one is more
 * than 1.5 % better. What is reported comes from fresh workers and visits, since the best of many
 * tries looks better than it is. The pilot's rates are kept as figures of the cell
 * (throughput.pilot.STREAMSxTHREADS).
 */
#ifndef TARE_MEASURE_THROUGHPUT_H
#define TARE_MEASURE_THROUGHPUT_H

#include "measure/sweeps_inner.h"

#define THROUGHPUT_STREAMS "throughput.streams" /* figures of a cell */
#define THROUGHPUT_THREADS "throughput.threads"

/* Sets the cell's streams and threads: from the store for a resumed run, else by the pilot. Threads
 * that the study sets stay. What is a worker's fault comes back in failure, with TARE_OK. */
enum tare_status throughput_choose(struct sweeps *s, size_t i, struct tare_err *failure,
                                   struct tare_err *err);

/* Starts the worker of cell i with its streams. */
enum tare_status throughput_start(struct sweeps *s, size_t i, struct tare_err *failure);

/*
 * One visit of all streams: as fast as they go or, with the study's rate_hz, an offered load
 * (flow.h). The worker's latencies lie in its shared memory afterwards, (visit->runs) of
 * SERIES_TOTAL; visit->wall_ns is the window of the rate. What is a worker's fault comes back in
 * failure.
 */
enum tare_status throughput_visit(struct sweeps *s, size_t i, int64_t sweep,
                                  struct crew_visit *visit, struct tare_err *failure);

/* Before latencies count every stream has waited its full turn: of so many streams of runs that
 * take run_ns alone. As long again may pass until the last of them are over. */
int64_t throughput_lead_ns(int64_t streams, int64_t run_ns);

/* Stores it: one total, the visit's time a run (visit->runs is at least 1), and the latencies. */
enum tare_status throughput_record(struct store *store, const struct store_visit *row,
                                   const struct crew_visit *visit,
                                   const struct protocol_shared *shared, struct tare_err *err);

#endif
