/*
 * kserve.h - a client of a KServe v2 server such as Triton: blocking calls over one connection, by
 * HTTP/1.1 or by gRPC, and shared memory beside either.
 *
 * This is the convenience. What it stands on is for whoever has many requests in flight at once:
 * conn.h (a connection that never waits), exchange.h (a request and its response) and
 * infer_request.h (an inference prepared once).
 *
 * A connection that broke is made anew by the next call; a call that failed is not sent again.
 * Every call ends after timeout_ns with TARE_TIMEOUT. Errors of every call: TARE_ABSENT if nothing
 * listens there, TARE_FAILED if the connection breaks, TARE_BADDATA if the response is malformed,
 * else the server's own error with its text: TARE_ABSENT if it knows no such model, TARE_INVALID,
 * TARE_UNSUPPORTED, TARE_LIMIT, TARE_FAILED.
 *
 * Threads: a client, and all that was made with it, belongs to one thread at a time.
 */
#ifndef TARE_KSERVE_KSERVE_H
#define TARE_KSERVE_KSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kserve/infer_request.h"

#define KSERVE_TIMEOUT_NS ((int64_t)60 * 1000000000) /* usual */

struct kserve_options {
    const char *url; /* "host:port"; without a port 8000 for HTTP, 8001 for gRPC */
    enum kserve_transport transport;
    int64_t timeout_ns; /* of each call; 0: none */
};

struct kserve_client;

/* Connects. On success kserve_close() it. */
enum tare_status kserve_open(const struct kserve_options *options, struct kserve_client **client,
                             struct tare_err *err);

/* Unregisters and frees its regions, which no request may use any longer. NULL is allowed. */
void kserve_close(struct kserve_client *client);

const struct kserve_address *kserve_where(const struct kserve_client *client);
enum kserve_transport kserve_transport(const struct kserve_client *client);

/* --- the server --- */

/* TARE_OK if the server is ready, else TARE_FAILED. */
enum tare_status kserve_server_ready(struct kserve_client *client, struct tare_err *err);
enum tare_status kserve_server_live(struct kserve_client *client, struct tare_err *err);

struct kserve_server {
    char name[64]; /* "triton" */
    char version[64];
};
enum tare_status kserve_server_metadata(struct kserve_client *client, struct kserve_server *server,
                                        struct tare_err *err);

/* --- models --- */

/* Asks whether a model is ready. version: "" for any. */
enum tare_status kserve_model_ready(struct kserve_client *client, const char *model,
                                    const char *version, struct tare_err *err);

struct kserve_model {
    char platform[64];               /* "onnxruntime_onnx"; "" for a backend's own */
    int64_t max_batch_size;          /* 0: the model does not batch; the first dimension is the
                                        model's own */
    struct tare_tensor_info *inputs; // (input_count); a batch dimension is the first, and -1
    struct tare_tensor_info *outputs;
    size_t input_count, output_count;
};

/* On success kserve_model_release() it. TARE_UNSUPPORTED for tensors that tare has no words for. */
enum tare_status kserve_model_metadata(struct kserve_client *client, const char *model,
                                       const char *version, struct kserve_model *found,
                                       struct tare_err *err);
void kserve_model_release(struct kserve_model *model);

/* For a server in explicit model control. May take as long as the model takes to load. */
enum tare_status kserve_model_load(struct kserve_client *client, const char *model,
                                   struct tare_err *err);
enum tare_status kserve_model_unload(struct kserve_client *client, const char *model,
                                     struct tare_err *err);

/* Totals since the model was loaded, of the one version asked for or, for "", the first listed. */
#define KSERVE_BATCHES_MAX 64
struct kserve_duration {
    int64_t count, ns;
};
struct kserve_batch {
    int64_t size;
    struct kserve_duration compute_input, compute_infer, compute_output;
};
struct kserve_statistics {
    int64_t inference_count, execution_count;
    struct kserve_duration success, fail, queue, compute_input, compute_infer, compute_output;
    struct kserve_batch batches[KSERVE_BATCHES_MAX]; // (batch_count): by size of what was executed
    size_t batch_count;
};
enum tare_status kserve_model_statistics(struct kserve_client *client, const char *model,
                                         const char *version, struct kserve_statistics *statistics,
                                         struct tare_err *err);

/* --- shared memory --- */

struct kserve_region; /* a server's and this process's: one tensor or several */

/* Makes at least size bytes, zeroed, and registers them with the server, which must be on this
 * machine. First it unregisters what killed processes of tare left there. The client's until
 * kserve_close(). */
enum tare_status kserve_region_new(struct kserve_client *client, size_t size,
                                   struct kserve_region **region, struct tare_err *err);
uint8_t *kserve_region_data(const struct kserve_region *region, size_t *size);

/* Where bytes lie in the client's regions: fills place; false if they are in none of them. */
bool kserve_find_place(const struct kserve_client *client, const void *data, size_t size,
                       struct infer_place *place);

/* --- inference --- */

/* Sends a prepared request (infer_request.h) and waits for the response. sequence may be NULL; its
 * deadline_ns counts beside the client's own timeout. */
enum tare_status kserve_infer(struct kserve_client *client, struct infer_request *request,
                              const struct tare_request *sequence, struct tare_err *err);

#endif
