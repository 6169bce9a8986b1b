/*
 * flow.h - several sessions of one model in one process, each with a thread of its own that takes
 * the next picture as soon as it is done with the last: decode, letterbox, inference and boxes of
 * different pictures overlap over all cores. What comes out is the machine's throughput, and the
 * latency of a picture under that load.
 *
 * With a period the load is offered instead: run i is due at i periods from the start, whichever
 * stream is free takes it, and its latency counts from when it was due (an open loop, as MLPerf's
 * server scenario; where no stream is free in time the wait is part of the latency). Then the runs
 * that were due between the lead-in and the deadline are left, however late they end.
 *
 * Otherwise all streams are busy from the first to the last moment that counts: runs that end in
 * the lead-in or after the deadline are left out.
 *
 * In both cases the rate is taken between the first end (of the whole batch, where a server answers
 * several at once) and the last one that are left, so that neither start nor stop is in it; the
 * first end or batch only marks that moment and counts neither for the rate nor as a latency.
 *
 * Threads: a flow belongs to one thread; the streams' own threads live inside flow_run().
 */
#ifndef TARE_MEASURE_FLOW_H
#define TARE_MEASURE_FLOW_H

#include "measure/loop.h"
#include "measure/session_graph.h"

#define FLOW_MAX_STREAMS 256

struct flow_stream {
    struct session_graph graph; /* empty for a stream that borrows the caller's */
    struct loop loop;
};

struct flow {
    struct flow_stream *streams; // (count)
    size_t count;
    int64_t *starts_ns, *ends_ns; // (max_runs) each, scratch; an end of 0: the run did not end
    int64_t max_runs;
};

/* The first stream is the caller's loop, whose parts must outlive the flow. max_runs: room for runs
 * of one flow_run(). The caller passes the flow to flow_release(), after an error too. */
enum tare_status flow_begin(struct flow *flow, const struct loop *first, int64_t max_runs,
                            struct tare_err *err);

/* Adds a stream like the first, over a further session, which is the flow's from now on, on error
 * too. TARE_LIMIT if there are FLOW_MAX_STREAMS already. */
enum tare_status flow_add(struct flow *flow, struct backend_session *session,
                          const struct family_options *options, struct tare_err *err);

/* Frees all streams but the first one's parts. A zeroed struct is allowed. */
void flow_release(struct flow *flow);

struct flow_options {
    int64_t lead_ns;     /* runs that end (with a period: are due) before it is over are left out */
    int64_t duration_ns; /* after the lead-in */
    int64_t first_picture; /* of loop.pictures; each run takes the next ones */
    int64_t period_ns;     /* between the moments at which runs are due; 0: as fast as they go */
};

struct flow_result {
    int64_t runs;      /* that ended after the first that counts */
    int64_t window_ns; /* from that end to the last: rate = runs / window */
};

/*
 * latencies (max_runs) gets the times of result->runs runs in the order of their ends. The first
 * stream's error ends all; TARE_FAILED if no run ended after the first that counts, TARE_LIMIT if
 * that is as max_runs were over before.
 */
enum tare_status flow_run(struct flow *flow, const struct flow_options *options, int64_t *latencies,
                          struct flow_result *result, struct tare_err *err);

#endif
