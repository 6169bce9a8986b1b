/*
 * ort_executed.c - what a model is executed in. For an operator that has no kernel in half
 * precision the library takes the one for fp32 and puts casts around it, without a word; on x86
 * that is every convolution. The CUDA provider has no convolution in 8 bits, and what it has no
 * kernel for runs on the processor, behind copies. So the graph as it will be executed is written
 * to memory and read back, which is part of what loading such a model is seen to take. A graph that
 * TensorRT has compiled cannot be written.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx/onnx_precision.h"
#include "onnx/onnx_read.h"
#include "ort_session.h"

#define GRAPH_BYTES_MAX ((off_t)1 << 30) /* of a model that is written once more */

static bool must_read_back(const struct tare_open_options *options)
{
    bool half = strcmp(options->precision, "fp16") == 0 || strcmp(options->precision, "bf16") == 0;
    enum ort_provider provider = ort_provider_of(options);
    struct stat facts;

    if (provider == ORT_CUDA)
        return stat(options->model_path, &facts) == 0 && facts.st_size <= GRAPH_BYTES_MAX;
    return half && provider == ORT_CPU;
}

static long count_copies(const Onnx__GraphProto *graph)
{
    long count = 0;

    for (size_t i = 0; i < graph->n_node; i++)
        count += strcmp(graph->node[i]->op_type, "MemcpyFromHost") == 0 ||
                 strcmp(graph->node[i]->op_type, "MemcpyToHost") == 0;
    return count;
}

static enum tare_status check_executed(struct tare_session *session, const char *graph_path,
                                       const struct tare_open_options *options,
                                       struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    const char *executed;
    struct onnx_model graph;

    if (onnx_read(graph_path, &graph, &inner) != TARE_OK)
        return tare_fail(err, inner.status, "cannot read back what is executed: %s", inner.text);
    executed = onnx_computed_precision(graph.proto);
    if (session->device)
        session->copies = count_copies(graph.proto->graph);
    if (session->device && strcmp(executed, "fp32") == 0 &&
        tare_option_int(options, ort_options, "tf32"))
        executed = "tf32";
    (void)snprintf(session->executed, sizeof(session->executed), "%s", executed);
    onnx_model_release(&graph);
    if (!session->executed[0] || strcmp(session->executed, options->precision) == 0 ||
        (strcmp(options->precision, "fp16") != 0 && strcmp(options->precision, "bf16") != 0) ||
        tare_option_int(options, ort_options, "casts"))
        return TARE_OK;
    return tare_fail(err, TARE_UNSUPPORTED,
                     "ONNX Runtime executes %s as %s behind casts on this %s, which would "
                     "be another row; option casts=1 runs it all the same",
                     options->precision, session->executed,
                     session->device ? "device" : "processor");
}

enum tare_status ort_load(struct tare_session *session, struct ort_session_options *settings,
                          const struct tare_open_options *options, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    enum tare_status status;
    char path[48];
    int fd;

    if (!must_read_back(options))
        return ort_load_model(session, options->model_path, settings, err);
    fd = memfd_create("tare-graph", MFD_CLOEXEC);
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
