#include "serve/server_http.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"
#include "kserve/http_read.h"
#include "kserve/kserve_socket.h"

#define ANSWER_MAX (16 << 20)
#define STEP       4096
#define PORT_LOW   15000
#define PORT_HIGH  32000
#define PORT_TRIES 200

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
}

static int bind_port(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

    /* As servers do it: a port whose last connections linger is free. */
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

bool server_port_is_free(int port)
{
    int fd = bind_port(port);

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* Not of those that the kernel gives to outgoing connections: they come and go. */
enum tare_status server_free_port(int *port, struct tare_err *err)
{
    uint16_t random;

    for (int i = 0; i < PORT_TRIES; i++) {
        if (getrandom(&random, sizeof(random), 0) != sizeof(random))
            break;
        *port = PORT_LOW + random % (PORT_HIGH - PORT_LOW);
        if (server_port_is_free(*port))
            return TARE_OK;
    }
    return tare_fail(err, TARE_FAILED, "no free port found between %d and %d", PORT_LOW, PORT_HIGH);
}

/* Milliseconds that are left; an error if none are, or the user asked to stop. */
static enum tare_status check_time(int64_t deadline_ns, int64_t *left_ms, struct tare_err *err)
{
    *left_ms = (deadline_ns - clock_now_ns()) / 1000000;
    if (stop_requested())
        return tare_fail(err, TARE_STOPPED, "stopped");
    return *left_ms > 0 ? TARE_OK
                        : tare_fail(err, TARE_TIMEOUT, "the server did not answer in time");
}

static enum tare_status wait_for(int fd, short event, int64_t deadline_ns, struct tare_err *err)
{
    for (;;) {
        struct pollfd poller = {fd, event, 0};
        int64_t left_ms;
        enum tare_status status = check_time(deadline_ns, &left_ms, err);
        int ready;

        if (status != TARE_OK)
            return status;
        ready = poll(&poller, 1, left_ms > 200 ? 200 : (int)left_ms);
        if (ready > 0)
            return TARE_OK;
        if (ready < 0 && errno != EINTR)
            return tare_fail(err, TARE_IO, "cannot wait for the server: %s", strerror(errno));
    }
}

static enum tare_status open_connection(int port, int64_t deadline_ns, int *fd,
                                        struct tare_err *err)
{
    struct kserve_address address;
    char url[32];
    enum tare_status status;

    (void)snprintf(url, sizeof(url), "127.0.0.1:%d", port);
    status = kserve_address_parse(url, "", &address, err);
    return status == TARE_OK ? kserve_connect(&address, deadline_ns, fd, err) : status;
}

static enum tare_status send_all(int fd, const struct buf *text, int64_t deadline_ns,
                                 struct tare_err *err)
{
    size_t sent = 0;
    enum tare_status status = buf_status(text, "a request", err);

    while (status == TARE_OK && sent < text->size) {
        ssize_t count = send(fd, text->data + sent, text->size - sent, MSG_NOSIGNAL);

        if (count > 0)
            sent += (size_t)count;
        else if (errno == EAGAIN)
            status = wait_for(fd, POLLOUT, deadline_ns, err);
        else if (errno != EINTR)
            status = tare_fail(err, TARE_IO, "cannot ask the server: %s", strerror(errno));
    }
    return status;
}

/* Reads on in the answer; *done says whether that was its end. */
static enum tare_status read_bytes(struct http_reader *reader, const char *bytes, size_t size,
                                   struct buf *body, bool *done, struct tare_err *err)
{
    size_t at = 0, used;
    struct http_piece piece;

    while (at < size && !*done) {
        enum http_event event = http_read_next(reader, bytes + at, size - at, &used, &piece);

        at += used;
        if (event == HTTP_BAD)
            return tare_fail(err, TARE_BADDATA, "the server's answer is malformed: %s",
                             reader->fault);
        if (event == HTTP_BODY)
            buf_append(body, piece.bytes, piece.size);
        *done = event == HTTP_DONE;
    }
    return buf_status(body, "the server's answer", err);
}

static enum tare_status receive(int fd, int64_t deadline_ns, int *code, struct buf *body,
                                struct tare_err *err)
{
    struct http_reader reader;
    enum tare_status status = TARE_OK;
    char bytes[STEP];
    int64_t left_ms;
    bool done = false;

    http_read_start(&reader, ANSWER_MAX);
    while (status == TARE_OK && !done) {
        ssize_t count = recv(fd, bytes, sizeof(bytes), 0);

        if (count > 0) {
            status = read_bytes(&reader, bytes, (size_t)count, body, &done, err);
            if (status == TARE_OK && !done) /* one who never pauses is never waited for */
                status = check_time(deadline_ns, &left_ms, err);
        } else if (count == 0 && http_read_closed(&reader) == HTTP_DONE)
            done = true;
        else if (count == 0)
            status = tare_fail(err, TARE_BADDATA, "the server's answer is cut");
        else if (errno == EAGAIN)
            status = wait_for(fd, POLLIN, deadline_ns, err);
        else if (errno != EINTR)
            status = tare_fail(err, TARE_IO, "the server hung up: %s", strerror(errno));
    }
    *code = reader.status;
    return status;
}

enum tare_status server_http(int port, const char *method, const char *path, int64_t deadline_ns,
                             int *code, struct buf *body, struct tare_err *err)
{
    struct buf request;
    int fd = -1;
    enum tare_status status;

    buf_init(&request, STEP);
    buf_clear(body);
    *code = 0;
    buf_printf(&request,
               "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 0\r\n"
               "Connection: close\r\n\r\n",
               method, path, port);
    status = open_connection(port, deadline_ns, &fd, err);
    if (status == TARE_OK)
        status = send_all(fd, &request, deadline_ns, err);
    if (status == TARE_OK)
        status = receive(fd, deadline_ns, code, body, err);
    if (fd >= 0)
        (void)close(fd);
    buf_release(&request);
    return status;
}
