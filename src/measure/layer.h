/*
 * layer.h - the layers that a request may go through to reach a runtime.
 *
 *     direct            the runtime's C API, in the worker
 *     python            the runtime's own Python binding
 *     triton-inproc     Triton's C API in the worker, the runtime behind tare's backend
 *     triton-shm        a tritonserver of the worker's own, tensors in shared memory, HTTP
 *     triton-grpc       the same, tensors in gRPC messages
 *     triton-http       the same, tensors in HTTP bodies
 *     fused             JPEG to boxes as one model, Triton's C API in the worker
 *     ensemble          JPEG to boxes as three models in C, likewise
 *     ensemble-python   the same with the boxes found by Triton's Python backend
 *     fused-http, ensemble-http, ensemble-python-http    the last three over HTTP
 *
 * Any other name is that of a plugin.
 *
 * Threads: constant data.
 */
#ifndef TARE_MEASURE_LAYER_H
#define TARE_MEASURE_LAYER_H

#include <stdbool.h>

#define LAYER_NAMES                                                                                \
    "direct, python, triton-inproc, triton-shm, triton-grpc, triton-http, fused, ensemble, "       \
    "ensemble-python, fused-http, ensemble-http, ensemble-python-http"

/* How a served layer is reached. */
struct layer {
    const char *name;
    const char *plugin;    /* "triton" in the worker, "kserve" over a connection */
    const char *served;    /* the model of the repository that answers */
    const char *transport; /* of kserve: "http", "grpc"; NULL in the worker */
    const char *memory;    /* of kserve: "wire", "shared" */
    bool pipeline;         /* takes a JPEG, gives boxes */
};

/* The served layer of that name; NULL if none of these is. */
const struct layer *layer_find(const char *name);

#endif
