/*
 * serving.h - what stands behind a served layer in a worker: the folder of backends that Triton's
 * C API is given, or a tritonserver of the worker's own. Private to this room.
 *
 * A server per worker is started and ended with its cell, so that a restart is one of the server
 * too, and no cell's requests pass through what another one left behind.
 *
 * Threads: that of worker_open.h; the server ends with the thread that began it.
 */
#ifndef TARE_MEASURE_SERVING_H
#define TARE_MEASURE_SERVING_H

#include "base/file.h"
#include "measure/layer.h"
#include "serve/tritonserver.h"
#include "tare/backend.h"

#define SERVING_OPTIONS         4           /* that a served layer adds at most */
#define SERVING_BACKENDS_SUFFIX ".backends" /* beside the repository, server_places.h's links */

/* {0} is empty. */
struct serving {
    struct tritonserver *server;
    char backends[FILE_MAX_PATH], url[64];
};

/*
 * Starts what the layer needs over a rendered repository and says with which options its plugin
 * opens the model: writes up to SERVING_OPTIONS of them, which point into serving. A serving that
 * has begun is used again. TARE_ABSENT if there is no tritonserver; TARE_FAILED if the model did
 * not load, with the server's reason. The caller ends it with serving_end(), after an error too.
 */
enum tare_status serving_begin(struct serving *serving, const struct layer *layer,
                               const char *repository, struct tare_option_value *options,
                               size_t *count, struct tare_err *err);

/* An empty one is allowed. */
void serving_end(struct serving *serving);

#endif
