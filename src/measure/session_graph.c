#include "measure/session_graph.h"

#include <stdlib.h>
#include <string.h>

enum tare_status session_graph_describe(struct backend_session *session,
                                        struct session_graph *graph, struct tare_err *err)
{
    size_t inputs = backend_session_count(session, true);
    size_t outputs = backend_session_count(session, false);
    struct tare_tensor *tensors = calloc(inputs + outputs + 1, sizeof(*tensors));

    memset(graph, 0, sizeof(*graph));
    if (!tensors)
        return tare_fail(err, TARE_NOMEM, "out of memory for a graph's description");
    for (size_t i = 0; i < inputs + outputs; i++)
        tensors[i] = i < inputs ? *backend_session_tensor(session, true, i)
                                : *backend_session_tensor(session, false, i - inputs);
    graph->tensors = tensors;
    graph->graph = (struct family_graph){tensors, inputs, tensors + inputs, outputs};
    return TARE_OK;
}

void session_graph_release(struct session_graph *graph)
{
    free(graph->tensors);
    memset(graph, 0, sizeof(*graph));
}
