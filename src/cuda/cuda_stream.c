#include <math.h>

#include "cuda/cuda_inner.h"

#define STREAM_NON_BLOCKING  1 /* CU_STREAM_NON_BLOCKING */
#define CAPTURE_THREAD_LOCAL 1 /* CU_STREAM_CAPTURE_MODE_THREAD_LOCAL */

enum tare_status cuda_stream_new(struct cuda *cuda, void **stream, struct tare_err *err)
{
    int result = cuda->driver.stream_create(stream, STREAM_NON_BLOCKING);

    if (result != CUDA_OK)
        *stream = NULL;
    return cuda_check(cuda, result, "make a stream", err);
}

void cuda_stream_free(struct cuda *cuda, void *stream)
{
    if (stream)
        (void)cuda->driver.stream_destroy(stream);
}

enum tare_status cuda_stream_sync(struct cuda *cuda, void *stream, struct tare_err *err)
{
    return cuda_check(cuda, cuda->driver.stream_sync(stream), "finish the work", err);
}

enum tare_status cuda_event_new(struct cuda *cuda, void **event, struct tare_err *err)
{
    int result = cuda->driver.event_create(event, 0);

    if (result != CUDA_OK)
        *event = NULL;
    return cuda_check(cuda, result, "make an event", err);
}

void cuda_event_free(struct cuda *cuda, void *event)
{
    if (event)
        (void)cuda->driver.event_destroy(event);
}

enum tare_status cuda_event_record(struct cuda *cuda, void *event, void *stream,
                                   struct tare_err *err)
{
    return cuda_check(cuda, cuda->driver.event_record(event, stream), "record an event", err);
}

enum tare_status cuda_event_elapsed(struct cuda *cuda, void *start, void *end, int64_t *ns,
                                    struct tare_err *err)
{
    float milliseconds = 0;
    int result = cuda->driver.event_elapsed(&milliseconds, start, end);

    *ns = result == CUDA_OK ? (int64_t)llround((double)milliseconds * 1e6) : 0;
    return cuda_check(cuda, result, "read the time between events", err);
}

enum tare_status cuda_capture_begin(struct cuda *cuda, void *stream, struct tare_err *err)
{
    return cuda_check(cuda, cuda->driver.capture_begin(stream, CAPTURE_THREAD_LOCAL),
                      "begin a graph", err);
}

enum tare_status cuda_capture_end(struct cuda *cuda, void *stream, void **graph,
                                  struct tare_err *err)
{
    void *captured = NULL;
    int result = cuda->driver.capture_end(stream, &captured);

    *graph = NULL;
    if (result != CUDA_OK || !captured)
        return result != CUDA_OK ? cuda_check(cuda, result, "end a graph", err)
                                 : tare_fail(err, TARE_FAILED,
                                             "cannot end a graph on cuda:%d: nothing was captured",
                                             cuda->facts.index);
    result = cuda->driver.graph_instantiate(graph, captured, 0);
    (void)cuda->driver.graph_destroy(captured);
    if (result != CUDA_OK)
        *graph = NULL;
    return cuda_check(cuda, result, "instantiate a graph", err);
}

enum tare_status cuda_graph_launch(struct cuda *cuda, void *graph, void *stream,
                                   struct tare_err *err)
{
    return cuda_check(cuda, cuda->driver.graph_launch(graph, stream), "launch a graph", err);
}

void cuda_graph_free(struct cuda *cuda, void *graph)
{
    if (graph)
        (void)cuda->driver.instance_destroy(graph);
}
