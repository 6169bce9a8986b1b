/*
 * server_http.h - one small question to a server on this machine: is it ready, what has it loaded.
 * A connection a question; what answers is trusted no more than any peer.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_SERVER_HTTP_H
#define TARE_SERVE_SERVER_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "tare/status.h"

/*
 * Asks 127.0.0.1:port, "GET" or "POST" (with an empty body), waits until deadline_ns
 * (CLOCK_MONOTONIC), and puts the answer's body (at most 16 MiB) into body, which is cleared first.
 * *code is the HTTP status. TARE_ABSENT if nobody listens, TARE_TIMEOUT, TARE_BADDATA for what is
 * no HTTP/1.1, TARE_STOPPED if the user asked to stop.
 */
enum tare_status server_http(int port, const char *method, const char *path, int64_t deadline_ns,
                             int *code, struct buf *body, struct tare_err *err);

/* A port of 127.0.0.1 that nobody listened on a moment ago; somebody may before it is used. */
enum tare_status server_free_port(int *port, struct tare_err *err);

/* Whether nobody listens on a port of 127.0.0.1. */
bool server_port_is_free(int port);

#endif
