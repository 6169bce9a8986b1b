/*
 * kserve_socket.h - a TCP connection to a server, non-blocking, as conn.h uses it.
 *
 * Threads: no shared state.
 */
#ifndef TARE_KSERVE_SOCKET_H
#define TARE_KSERVE_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "tare/status.h"

#define KSERVE_HOST_MAX    254 /* with its NUL: the longest name that DNS knows */
#define KSERVE_ADDRESS_MAX (KSERVE_HOST_MAX + 9)

struct kserve_address {
    char host[KSERVE_HOST_MAX];
    char port[6];
    char text[KSERVE_ADDRESS_MAX]; /* "127.0.0.1:8000", "[::1]:8000": as messages and HTTP say it */
};

/* Reads "host:port", "[address]:port" or either without its port, which then is default_port.
 * TARE_INVALID for anything else. */
enum tare_status kserve_address_parse(const char *url, const char *default_port,
                                      struct kserve_address *address, struct tare_err *err);

/*
 * Connects, with Nagle's delay off. TARE_ABSENT if nothing listens there, TARE_TIMEOUT after
 * deadline_ns (CLOCK_MONOTONIC; 0: none; looking a name up is not bounded by it). On success the
 * caller closes *fd.
 */
enum tare_status kserve_connect(const struct kserve_address *address, int64_t deadline_ns, int *fd,
                                struct tare_err *err);

/* Sends what it can of count parts: bytes sent, 0 if the socket takes none now, -1 with errno. */
ssize_t kserve_send(int fd, struct iovec *parts, size_t count);

/* Receives up to size bytes: how many, 0 if there are none now, -1 with errno, which is 0 if the
 * peer has closed. */
ssize_t kserve_receive(int fd, void *bytes, size_t size);

/* Whether the peer has neither sent anything that is not read yet, nor closed the connection. */
bool kserve_is_quiet(int fd);

/* Milliseconds until a deadline as poll(2) and epoll_wait(2) take them, rounded up; -1: for ever.
 */
int kserve_wait_ms(int64_t deadline_ns);

#endif
