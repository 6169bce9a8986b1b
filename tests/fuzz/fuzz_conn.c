/*
 * Any bytes as what a server sends on a connection, over gRPC or HTTP, to an inference that is
 * under way: it ends, and memory beside its outputs stays as it was. The first byte chooses the
 * transport, and whether the rest comes at once or in pieces.
 */
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz_infer.h"

#define PIECE_BYTES 7
#define SENT_MAX    ((size_t)1 << 16) /* what a socket takes without being read */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void drain(int fd)
{
    char bytes[4096];

    while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        continue;
}

static void serve(struct kserve_conn *conn, int peer, const uint8_t *data, size_t size, size_t step)
{
    for (size_t at = 0; at < size; at += step) {
        size_t part = size - at < step ? size - at : step;

        if (send(peer, data + at, part, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)part)
            break;
        kserve_conn_advance(conn, EPOLLIN | EPOLLOUT);
        drain(peer);
    }
    (void)shutdown(peer, SHUT_RDWR);
    kserve_conn_advance(conn, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct kserve_address address = {"127.0.0.1", "1", "127.0.0.1:1"};
    enum kserve_transport transport = size && data[0] & 1 ? KSERVE_GRPC : KSERVE_HTTP;
    const struct conn_kind *kind = transport == KSERVE_GRPC ? &conn_grpc : &conn_http;
    struct fuzz_outputs memory;
    struct infer_request *request;
    struct exchange *exchange;
    struct kserve_conn *conn;
    int ends[2];

    if (size == 0 || size > SENT_MAX)
        return 0;
    request = fuzz_request(transport, &memory);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0 ||
        kind->open(&conn, NULL) != TARE_OK ||
        infer_request_prepare(request, NULL, &exchange, NULL) != TARE_OK)
        abort();
    conn->kind = kind;
    conn->address = &address;
    conn->fd = ends[0];
    if (kserve_conn_start(conn, exchange, NULL) == TARE_OK)
        serve(conn, ends[1], data + 1, size - 1, data[0] & 2 ? PIECE_BYTES : size);
    if (!exchange->done || conn->first)
        abort();
    for (size_t i = 24; i < FUZZ_ROOM; i++)
        if (memory.numbers[i] != 0xEE)
            abort();
    kserve_conn_close(conn);
    (void)close(ends[1]);
    infer_request_free(request);
    return 0;
}
