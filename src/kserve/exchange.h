/*
 * exchange.h - one request and its response, apart from the connection (conn.h) that carries them:
 * what is sent, and who takes what comes. Plain data, which the caller owns; it and all that it
 * points to stay where they are from kserve_conn_start() until done is set.
 *
 * The bytes of the response go to a sink, piece by piece, so that tensors come to lie where they
 * belong without being collected first. What is not a success never gets there: an error status
 * becomes failure, with the text that the server gave.
 *
 * Threads: those of its connection.
 */
#ifndef TARE_KSERVE_EXCHANGE_H
#define TARE_KSERVE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tare/status.h"

/* A function that fails ends the exchange with that error; then no other is called. */
struct exchange_sink {
    /* A response has begun. Over HTTP json_bytes is its Inference-Header-Content-Length and
     * body_bytes its Content-Length, over gRPC 0 and the message's length; -1: not said. */
    enum tare_status (*begin)(void *context, int64_t json_bytes, int64_t body_bytes,
                              struct tare_err *err);

    /* The next bytes of it. */
    enum tare_status (*take)(void *context, const uint8_t *bytes, size_t size,
                             struct tare_err *err);

    /* Where the next bytes may be put, and how many; NULL: nowhere, they are to be taken. placed()
     * says how many were. Both may be left out (NULL). */
    uint8_t *(*room)(void *context, size_t *size);
    void (*placed)(void *context, size_t size);

    /* It is complete. */
    enum tare_status (*end)(void *context, struct tare_err *err);
};

struct exchange {
    const char *path;          /* gRPC: "/inference.GRPCInferenceService/ModelInfer" */
    const struct iovec *parts; // (part_count): HTTP: head and body, gRPC: prefix and message
    size_t part_count;
    int64_t response_max; /* bytes that the response may have */
    const struct exchange_sink *sink;
    void *context;

    bool done;               /* the response is complete, or failure says why not */
    struct tare_err failure; /* TARE_OK if it is a success */

    /* the connection's own */
    size_t part, part_at; /* how far it is sent */
    struct exchange *next;
    struct grpc_call *call;
};

/* Empties what start() is to find empty. */
void exchange_reset(struct exchange *exchange);

/* Sets done, and failure from err unless that is NULL or holds none. */
void exchange_finish(struct exchange *exchange, const struct tare_err *err);

/*
 * Cuts the next slices to send, of at most max_bytes together, into at most room iovecs, without
 * moving on. Returns their number.
 */
size_t exchange_slices(const struct exchange *exchange, size_t max_bytes, struct iovec *slices,
                       size_t room);

/* Moves on by so many bytes. */
void exchange_advance(struct exchange *exchange, size_t bytes);

/* How many bytes are left to send. */
size_t exchange_left(const struct exchange *exchange);

/* A sink of a whole response in memory; context is the struct buf, whose max holds. */
extern const struct exchange_sink exchange_to_buf;

#endif
