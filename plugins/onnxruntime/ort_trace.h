/*
 * ort_trace.h - time per node from the trace that ONNX Runtime writes: a JSON array of events, of
 * which those of category "Node" called NODE_kernel_time are one execution of a node, with its
 * duration in microseconds as "dur" and its operator as "op_name" of "args".
 *
 * Needs no library, so that tests reach it. Nothing in a trace is trusted. Threads: no shared
 * state.
 */
#ifndef TARE_ORT_TRACE_H
#define TARE_ORT_TRACE_H

#include "tare/backend.h"

struct ort_trace {
    struct tare_profile_row *rows; // (count), slowest first; their texts are owned
    size_t count;
};

/*
 * Sums the events of each node, but for its first, which makes its memory: a node of one event has
 * no call. TARE_BADDATA if it is no JSON array, TARE_LIMIT for more than 8192 nodes. On success
 * ort_trace_release() it; on error nothing is held.
 */
enum tare_status ort_trace_read(const char *text, size_t size, struct ort_trace *trace,
                                struct tare_err *err);
void ort_trace_release(struct ort_trace *trace); /* a zeroed struct is allowed */

#endif
