#include "kserve/kserve_socket.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/printable.h"

static bool is_port(const char *text)
{
    size_t length = strspn(text, "0123456789");

    return length > 0 && length < 6 && !text[length] && strtol(text, NULL, 10) > 0 &&
           strtol(text, NULL, 10) < 65536;
}

/* A host goes into an HTTP header and into messages: letters, digits and what addresses need. */
static bool is_host(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              strchr(".-_:%", c)))
            return false;
    }
    return length > 0 && length < KSERVE_HOST_MAX;
}

static enum tare_status bad_address(const char *url, struct tare_err *err)
{
    char shown[200];

    (void)snprintf(shown, sizeof(shown), "%s", url);
    printable_line(shown);
    return tare_fail(err, TARE_INVALID, "'%s' is no address of a server, need host:port", shown);
}

enum tare_status kserve_address_parse(const char *url, const char *default_port,
                                      struct kserve_address *address, struct tare_err *err)
{
    const char *host = url, *end, *port;
    bool literal = *url == '[';

    if (literal) {
        host = url + 1;
        end = strchr(host, ']');
        port = end ? end + 1 : NULL;
    } else {
        end = host + strcspn(host, ":");
        port = end;
    }
    if (!port || !is_host(host, (size_t)(end - host)) || (*port && *port != ':') ||
        !is_port(*port ? port + 1 : default_port))
        return bad_address(url, err);
    (void)snprintf(address->host, sizeof(address->host), "%.*s", (int)(end - host), host);
    (void)snprintf(address->port, sizeof(address->port), "%.5s", *port ? port + 1 : default_port);
    (void)snprintf(address->text, sizeof(address->text), literal ? "[%s]:%s" : "%s:%s",
                   address->host, address->port);
    return TARE_OK;
}

int kserve_wait_ms(int64_t deadline_ns)
{
    int64_t left = deadline_ns - clock_now_ns();

    if (deadline_ns == 0)
        return -1;
    if (left <= 0)
        return 0;
    left = (left + 999999) / 1000000;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* Waits for a connection that was begun. 0, or an error number. */
static int finish_connect(int fd, int64_t deadline_ns)
{
    struct pollfd poller = {fd, POLLOUT, 0};
    socklen_t length = sizeof(int);
    int error = 0, ready;

    do {
        int wait_ms = kserve_wait_ms(deadline_ns);

        ready = poll(&poller, 1, wait_ms);
        if (ready == 0 && wait_ms == 0)
            return ETIMEDOUT;
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    if (ready < 0)
        return errno;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

/* One of a name's addresses. 0, or an error number. */
static int connect_one(const struct addrinfo *info, int64_t deadline_ns, int *fd)
{
    int made = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, error = 0;

    if (made < 0)
        return errno;
    if (connect(made, info->ai_addr, info->ai_addrlen) != 0)
        error = errno == EINPROGRESS ? finish_connect(made, deadline_ns) : errno;
    if (!error && setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        error = errno;
    if (error) {
        (void)close(made);
        return error;
    }
    *fd = made;
    return 0;
}

enum tare_status kserve_connect(const struct kserve_address *address, int64_t deadline_ns, int *fd,
                                struct tare_err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error, looked_up;

    *fd = -1;
    looked_up = getaddrinfo(address->host, address->port, &hints, &found);
    if (looked_up != 0)
        return tare_fail(err, TARE_ABSENT, "no server at '%s': %s", address->text,
                         gai_strerror(looked_up));
    error = EHOSTUNREACH;
    for (const struct addrinfo *at = found; at && error; at = at->ai_next)
        error = connect_one(at, deadline_ns, fd);
    freeaddrinfo(found);
    if (error == ECONNREFUSED)
        return tare_fail(err, TARE_ABSENT, "no server at '%s'; start one by tare serve",
                         address->text);
    if (error == ETIMEDOUT)
        return tare_fail(err, TARE_TIMEOUT, "no answer from '%s' in time", address->text);
    if (error)
        return tare_fail(err, TARE_FAILED, "cannot connect to '%s': %s", address->text,
                         strerror(error));
    return TARE_OK;
}

ssize_t kserve_send(int fd, struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    ssize_t sent;

    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

ssize_t kserve_receive(int fd, void *bytes, size_t size)
{
    ssize_t count;

    do
        count = recv(fd, bytes, size, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0 && errno == EAGAIN)
        return 0;
    if (count == 0) {
        errno = 0;
        return -1;
    }
    return count;
}

bool kserve_is_quiet(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}
