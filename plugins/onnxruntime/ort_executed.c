/*
 * ort_half.c - what a half-precision model is executed in by the library's own kernels. For an
 * operator that has none in half precision the library takes the one for fp32 and puts casts around
 * it, without a word; on x86 that is every convolution. So the graph as it will be executed is
 * written to memory and read back, which is part of what loading such a model is seen to take.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "onnx/onnx_precision.h"
#include "onnx/onnx_read.h"
#include "ort_session.h"

bool ort_must_read_back(const struct tare_open_options *options)
{
    bool half = strcmp(options->precision, "fp16") == 0 || strcmp(options->precision, "bf16") == 0;

    return half && strcmp(tare_option_text(options, ort_options, "provider"), "cpu") == 0;
}

static enum tare_status check_executed(struct tare_session *session, const char *graph_path,
                                       const struct tare_open_options *options,
                                       struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    struct onnx_model graph;

    if (onnx_read(graph_path, &graph, &inner) != TARE_OK)
        return tare_fail(err, inner.status, "cannot read back what is executed: %s", inner.text);
    (void)snprintf(session->executed, sizeof(session->executed), "%s",
                   onnx_computed_precision(graph.proto));
    onnx_model_release(&graph);
    if (!session->executed[0] || strcmp(session->executed, options->precision) == 0 ||
        tare_option_int(options, ort_options, "casts"))
        return TARE_OK;
    return tare_fail(err, TARE_UNSUPPORTED,
                     "ONNX Runtime executes %s as %s behind casts on this processor, which would "
                     "be another row; option casts=1 runs it all the same",
                     options->precision, session->executed);
}

enum tare_status ort_load_half(struct tare_session *session, struct ort_session_options *settings,
                               const struct tare_open_options *options, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    int fd = memfd_create("tare-graph", MFD_CLOEXEC);
    enum tare_status status;
    char path[48];

    if (fd < 0)
        return tare_fail(err, TARE_IO, "cannot make memory for a graph: %s", strerror(errno));
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    status = ort_api_check(api, api->set_optimized_model_path(settings, path),
                           "cannot ask for the graph that is executed", err);
    if (status == TARE_OK)
        status = ort_load_model(session, options->model_path, settings, err);
    if (status == TARE_OK)
        status = check_executed(session, path, options, err);
    (void)close(fd);
    return status;
}
