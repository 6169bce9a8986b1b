/*
 * tritonserver.h - a private tritonserver on this machine: found, started over a model repository
 * with every address on 127.0.0.1, waited for, asked what it has loaded, and stopped.
 *
 * Models load on their own: one that fails leaves the others served, and the server says why.
 * Models can be loaded and unloaded through its API (explicit model control; all of the repository
 * at the start).
 *
 * The server runs in a process group of its own, so that Ctrl-C at a terminal reaches the caller
 * alone, which stops it. If the caller dies, it is told to stop by the kernel. After
 * tritonserver_stop() no process, port, temporary folder or shared memory of it is left, however it
 * ended.
 *
 * Threads: one server belongs to one thread at a time, that which started it: the kernel tells the
 * server to stop when that thread ends.
 */
#ifndef TARE_SERVE_TRITONSERVER_H
#define TARE_SERVE_TRITONSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tare/status.h"

#define TRITONSERVER_NAME   256
#define TRITONSERVER_REASON 600

struct tritonserver;

/* What is 0 or NULL gets the value named here. */
struct tritonserver_options {
    const char *repository; /* the models' folder; required */
    const char *binary;     /* where server_find() finds it */
    int http_port;          /* a free one each */
    int grpc_port;
    int metrics_port;
    int64_t patience_ns; /* for all models to load: 5 minutes */
};

/* How a running one is reached; all ports on 127.0.0.1. */
struct tritonserver_facts {
    int http_port, grpc_port, metrics_port;
    pid_t pid;
    char version[32]; /* of the server */
    char note[300];   /* what its Python backend lacks; "" if nothing */
};

struct tritonserver_model {
    char name[TRITONSERVER_NAME];
    bool ready;
    char reason[TRITONSERVER_REASON]; /* why it is not ready, one line */
};

/*
 * Starts a server and waits until it answers, its models loaded or failed. TARE_ABSENT if there is
 * no tritonserver, or no tare backend for it; TARE_FAILED if it died, with the reason from its log,
 * or a given port is in use; TARE_TIMEOUT; TARE_STOPPED. On success the caller passes *server to
 * tritonserver_stop(); on error nothing is held.
 */
enum tare_status tritonserver_start(const struct tritonserver_options *options,
                                    struct tritonserver **server, struct tare_err *err);

/* Ends it: SIGTERM, then up to patience_ns (0: 20 s) for requests and models, then SIGKILL. NULL is
 * allowed. */
void tritonserver_stop(struct tritonserver *server, int64_t patience_ns);

const struct tritonserver_facts *tritonserver_facts(const struct tritonserver *server);

/*
 * Every model of the repository with its state, by name. On success the caller frees *models. An
 * error as tritonserver_start()'s, or TARE_BADDATA for an answer that cannot be read.
 */
enum tare_status tritonserver_models(const struct tritonserver *server,
                                     struct tritonserver_model **models, size_t *count,
                                     struct tare_err *err);

/* The same of a server that another process started and listens on http_port: without its log, so
 * that a reason may be missing. */
enum tare_status tritonserver_ask_models(int http_port, struct tritonserver_model **models,
                                         size_t *count, struct tare_err *err);

/* Whether it has died; *err then says how and, from its log, why. Also keeps the log short. */
bool tritonserver_died(struct tritonserver *server, struct tare_err *err);

#endif
