/*
 * session_graph.h - an open session's graph as the model families want it.
 */
#ifndef TARE_MEASURE_SESSION_GRAPH_H
#define TARE_MEASURE_SESSION_GRAPH_H

#include "backend/session.h"
#include "models/family.h"

struct session_graph {
    struct family_graph graph;
    struct tare_tensor *tensors; /* copies of all of them, inputs first; owned */
};

/* On success session_graph_release() it, after the family's state that was opened with it. */
enum tare_status session_graph_describe(struct backend_session *session,
                                        struct session_graph *graph, struct tare_err *err);
void session_graph_release(struct session_graph *graph);

#endif
