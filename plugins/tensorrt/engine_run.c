#include <string.h>

#include "engine_session.h"

/* Runs before a graph is captured: what TensorRT does once, it does in those. */
#define RUNS_BEFORE_CAPTURE 2

static enum tare_status enqueue(struct tare_session *session, struct tare_err *err)
{
    if (trt_enqueue(session->context, session->stream))
        return TARE_OK;
    return engine_refused(session, TARE_FAILED, "run", err);
}

/* The stream is idle, so that nothing but the engine's own work is captured. */
static enum tare_status capture(struct tare_session *session, struct tare_err *err)
{
    struct tare_err reason = TARE_ERR_INIT, ending = TARE_ERR_INIT;
    enum tare_status status = cuda_capture_begin(session->cuda, session->stream, &reason);

    if (status == TARE_OK) {
        void *graph = NULL;

        status = enqueue(session, &reason);
        if (cuda_capture_end(session->cuda, session->stream, &graph, &ending) != TARE_OK)
            status = tare_fail(&reason, ending.status, "%s", ending.text);
        if (status == TARE_OK)
            session->graph = graph;
        else
            cuda_graph_free(session->cuda, graph);
    }
    return status == TARE_OK ? TARE_OK
                             : tare_fail(err, status,
                                         "cannot capture a CUDA graph: %s "
                                         "(cuda_graph=0 runs without)",
                                         reason.text);
}

static enum tare_status copy_in(struct tare_session *session, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < session->inputs.count && status == TARE_OK; i++) {
        const struct engine_tensor *tensor = &session->inputs.tensors[i];

        if (tensor->host)
            status = cuda_copy_in(session->cuda, tensor->device, tensor->host, tensor->bytes,
                                  session->stream, err);
    }
    return status;
}

static enum tare_status copy_out(struct tare_session *session, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < session->outputs.count && status == TARE_OK; i++) {
        const struct engine_tensor *tensor = &session->outputs.tensors[i];

        if (tensor->host)
            status = cuda_copy_out(session->cuda, tensor->host, tensor->device, tensor->bytes,
                                   session->stream, err);
    }
    return status;
}

static enum tare_status mark(struct tare_session *session, enum engine_event event,
                             struct tare_err *err)
{
    return cuda_event_record(session->cuda, session->events[event], session->stream, err);
}

static enum tare_status enqueue_all(struct tare_session *session, struct tare_err *err)
{
    enum tare_status status = mark(session, ENGINE_START, err);

    if (status == TARE_OK)
        status = copy_in(session, err);
    if (status == TARE_OK)
        status = mark(session, ENGINE_COPIED_IN, err);
    if (status == TARE_OK)
        status = session->graph
                     ? cuda_graph_launch(session->cuda, session->graph, session->stream, err)
                     : enqueue(session, err);
    if (status == TARE_OK)
        status = mark(session, ENGINE_COMPUTED, err);
    if (status == TARE_OK)
        status = copy_out(session, err);
    if (status == TARE_OK)
        status = mark(session, ENGINE_COPIED_OUT, err);
    return status;
}

static enum tare_status read_times(struct tare_session *session, struct tare_timing *timing,
                                   struct tare_err *err)
{
    int64_t ns[ENGINE_EVENTS - 1] = {0};
    enum tare_status status = TARE_OK;

    for (int i = 0; i + 1 < ENGINE_EVENTS && status == TARE_OK; i++)
        status = cuda_event_elapsed(session->cuda, session->events[i], session->events[i + 1],
                                    &ns[i], err);
    *timing = (struct tare_timing){-1, ns[ENGINE_START], ns[ENGINE_COPIED_IN], ns[ENGINE_COMPUTED]};
    return status;
}

enum tare_status engine_run(struct tare_session *session, const struct tare_request *request,
                            struct tare_timing *timing, struct tare_err *err)
{
    enum tare_status status;

    (void)request;
    if (!session->bound)
        return tare_fail(err, TARE_INVALID, "nothing is bound");
    status = cuda_make_current(session->cuda, err);
    if (status == TARE_OK && session->use_graph && !session->graph &&
        session->plain_runs >= RUNS_BEFORE_CAPTURE)
        status = capture(session, err);
    if (status == TARE_OK)
        status = enqueue_all(session, err);
    /* after an error too: nothing may be under way when the caller takes its memory back */
    if (cuda_stream_sync(session->cuda, session->stream, status == TARE_OK ? err : NULL) != TARE_OK)
        return status == TARE_OK ? err->status : status;
    if (status != TARE_OK)
        return status;
    if (session->plain_runs < RUNS_BEFORE_CAPTURE)
        session->plain_runs++;
    if (session->profiler && !trt_report_profile(session->context))
        return engine_refused(session, TARE_FAILED, "read times of layers", err);
    return timing ? read_times(session, timing, err) : TARE_OK;
}
