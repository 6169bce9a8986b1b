/*
 * conn.h - one non-blocking connection to a KServe v2 server, over HTTP/1.1 or gRPC (HTTP/2). It
 * carries exchanges (exchange.h): over HTTP one at a time, over gRPC as many as the server allows.
 * Nothing here waits: whoever owns it waits with epoll, edge-triggered, for as many connections as
 * it likes, and passes on what happened:
 *
 *     event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
 *     epoll_ctl(epoll, EPOLL_CTL_ADD, kserve_conn_fd(conn), &event);
 *     kserve_conn_start(conn, exchange, err);
 *     while (!exchange->done) {
 *         epoll_wait(epoll, events, ...);
 *         kserve_conn_advance(conn, events[0].events);
 *     }
 *
 * Once a connection is broken (refused, closed, malformed bytes, a time-out in the middle of a
 * request), every exchange on it is done with that failure, and nothing more can be started.
 *
 * Threads: a connection belongs to one thread.
 */
#ifndef TARE_KSERVE_CONN_H
#define TARE_KSERVE_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "kserve/exchange.h"
#include "kserve/kserve_socket.h"

enum kserve_transport {
    KSERVE_HTTP,
    KSERVE_GRPC
};

struct kserve_conn;

/* Connects, blocking until deadline_ns (CLOCK_MONOTONIC; 0: none). address must outlive it. On
 * success kserve_conn_close() it. Errors of kserve_connect(). */
enum tare_status kserve_conn_open(const struct kserve_address *address,
                                  enum kserve_transport transport, int64_t deadline_ns,
                                  struct kserve_conn **conn, struct tare_err *err);

/* NULL is allowed. What is under way on it is done with a failure. */
void kserve_conn_close(struct kserve_conn *conn);

int kserve_conn_fd(const struct kserve_conn *conn);

/* Whether another exchange can be started now; first reads what came while none was under way. */
bool kserve_conn_usable(struct kserve_conn *conn);

/* Whether it is of no more use. */
bool kserve_conn_broken(const struct kserve_conn *conn);

/* Begins an exchange and sends what can be sent at once. TARE_LIMIT if there is no room for one
 * more. On any other error the exchange is done as well. */
enum tare_status kserve_conn_start(struct kserve_conn *conn, struct exchange *exchange,
                                   struct tare_err *err);

/* Goes on after epoll said so: events are all that it said. */
void kserve_conn_advance(struct kserve_conn *conn, uint32_t events);

/* Gives an exchange up: it is done with err's failure. Over HTTP, and where part of a frame is
 * sent, the connection is broken by it. */
void kserve_conn_cancel(struct kserve_conn *conn, struct exchange *exchange,
                        const struct tare_err *err);

/* For the two transports. */
struct conn_kind {
    enum tare_status (*open)(struct kserve_conn **conn, struct tare_err *err);
    void (*release)(struct kserve_conn *conn); /* frees what is its own, not the socket */
    bool (*usable)(struct kserve_conn *conn);
    enum tare_status (*start)(struct kserve_conn *conn, struct exchange *exchange,
                              struct tare_err *err);
    void (*advance)(struct kserve_conn *conn, uint32_t events);
    void (*cancel)(struct kserve_conn *conn, struct exchange *exchange, const struct tare_err *err);
};

struct kserve_conn {
    const struct conn_kind *kind;
    const struct kserve_address *address;
    int fd;
    struct exchange *first; /* those under way */
    struct tare_err why;    /* what broke it */
};

extern const struct conn_kind conn_http, conn_grpc;

/* Breaks a connection: all exchanges on it are done with that failure. */
void conn_break(struct kserve_conn *conn, enum tare_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same after a call on the socket failed with errno, which is 0 if the peer closed it. */
void conn_break_errno(struct kserve_conn *conn, int error);

void conn_add(struct kserve_conn *conn, struct exchange *exchange);
void conn_remove(struct kserve_conn *conn, struct exchange *exchange);

#endif
