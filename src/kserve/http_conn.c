/* HTTP/1.1 under conn.h: one exchange at a time, the next one on the same connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/json_read.h"
#include "base/printable.h"
#include "kserve/conn.h"
#include "kserve/http_read.h"

#define RECEIVE_BYTES 65536
#define SLICES_MAX    64
#define ERROR_MAX     4096            /* bytes kept of the body of an error */
#define DIRECT_MIN    (RECEIVE_BYTES) /* what is worth receiving straight into a tensor */

struct http_conn {
    struct kserve_conn base;
    struct http_reader reader;
    bool answered; /* a response has begun, on this connection */
    bool sent;     /* all of the request */
    bool refused;  /* the status is an error: the body is its text */
    size_t error_bytes;
    char error[ERROR_MAX];
    uint8_t received[RECEIVE_BYTES];
};

static struct http_conn *of(struct kserve_conn *conn)
{
    return (struct http_conn *)conn;
}

static enum tare_status http_open(struct kserve_conn **conn, struct tare_err *err)
{
    struct http_conn *http = calloc(1, sizeof(*http));

    if (!http)
        return tare_fail(err, TARE_NOMEM, "out of memory for a connection");
    *conn = &http->base;
    return TARE_OK;
}

static void http_release(struct kserve_conn *conn)
{
    free(of(conn));
}

/* A server sends nothing unasked. */
static bool http_usable(struct kserve_conn *conn)
{
    return !conn->first && kserve_is_quiet(conn->fd);
}

static enum tare_status status_of(int http_status)
{
    switch (http_status) {
    case 400:
        return TARE_INVALID;
    case 404:
        return TARE_ABSENT;
    case 408:
    case 504:
        return TARE_TIMEOUT;
    case 413:
        return TARE_LIMIT;
    case 501:
        return TARE_UNSUPPORTED;
    default:
        return TARE_FAILED;
    }
}

/* The text of {"error": "..."}; false if the body is anything else. */
static bool error_text(const struct http_conn *http, char *text, size_t text_bytes)
{
    struct json_reader reader;
    struct json_span key, value;
    bool found = false;

    json_read_start(&reader, http->error, http->error_bytes);
    if (json_enter_object(&reader))
        while (json_next_member(&reader, &key)) {
            if (json_span_is(&key, "error") && json_peek(&reader) == JSON_TEXT)
                found = json_read_text(&reader, &value) &&
                        json_decode(&value, text, text_bytes) >= 0 && text[0];
            else
                (void)json_skip(&reader);
        }
    return found;
}

static void fail_refused(const struct http_conn *http, struct tare_err *err)
{
    char text[ERROR_MAX + 1];

    if (error_text(http, text, sizeof(text))) {
        printable_line(text);
        (void)tare_fail(err, status_of(http->reader.status), "'%s' says: %.400s",
                        http->base.address->text, text);
    } else {
        (void)tare_fail(err, status_of(http->reader.status), "status %d from '%s'",
                        http->reader.status, http->base.address->text);
    }
}

static void finish(struct http_conn *http)
{
    struct exchange *exchange = http->base.first;
    struct tare_err err = TARE_ERR_INIT;

    if (http->refused)
        fail_refused(http, &err);
    else
        (void)exchange->sink->end(exchange->context, &err);
    conn_remove(&http->base, exchange);
    exchange_finish(exchange, &err);
    if (!http->reader.keep_alive || !http->sent)
        conn_break(&http->base, TARE_FAILED, "the server at '%s' ended the connection",
                   http->base.address->text);
}

/* The sink has refused the response: what else would come of it is not wanted. */
static void give_up(struct http_conn *http, const struct tare_err *err)
{
    struct exchange *exchange = http->base.first;

    conn_remove(&http->base, exchange);
    exchange_finish(exchange, err);
    conn_break(&http->base, TARE_FAILED, "the connection to '%s' was given up",
               http->base.address->text);
}

static enum tare_status take_event(struct http_conn *http, enum http_event event,
                                   const struct http_piece *piece, struct tare_err *err)
{
    struct exchange *exchange = http->base.first;

    if (event == HTTP_HEAD) {
        http->answered = true;
        http->refused = http->reader.status >= 300;
        http->error_bytes = 0;
        return http->refused ? TARE_OK
                             : exchange->sink->begin(exchange->context, http->reader.json_bytes,
                                                     http->reader.content_length, err);
    }
    if (!http->refused)
        return exchange->sink->take(exchange->context, (const uint8_t *)piece->bytes, piece->size,
                                    err);
    if (piece->size <= sizeof(http->error) - http->error_bytes) {
        memcpy(http->error + http->error_bytes, piece->bytes, piece->size);
        http->error_bytes += piece->size;
    }
    return TARE_OK;
}

static void break_malformed(struct http_conn *http)
{
    const char *hint = http->reader.status ? "" : " (is it the gRPC port?)";

    conn_break(&http->base, TARE_BADDATA, "malformed response from '%s': %s%s",
               http->base.address->text, http->reader.fault, hint);
}

/* Passes received bytes on. False once the exchange is done. */
static bool read_received(struct http_conn *http, size_t size)
{
    const char *bytes = (const char *)http->received;
    size_t at = 0;

    for (;;) {
        struct tare_err err = TARE_ERR_INIT;
        struct http_piece piece = {NULL, 0};
        size_t used;
        enum http_event event = http_read_next(&http->reader, bytes + at, size - at, &used, &piece);

        at += used;
        if (event == HTTP_MORE)
            return true;
        if (event == HTTP_BAD) {
            break_malformed(http);
            return false;
        }
        if (event == HTTP_DONE) {
            finish(http);
            if (at < size)
                conn_break(&http->base, TARE_BADDATA, "'%s' sends more than its response",
                           http->base.address->text);
            return false;
        }
        if (take_event(http, event, &piece, &err) != TARE_OK) {
            give_up(http, &err);
            return false;
        }
    }
}

/* Receives once: straight to where the bytes belong if there are many, else into the buffer. How
 * many were asked for and came; -1: none, or the exchange is done. */
static ssize_t receive_once(struct http_conn *http, size_t *asked)
{
    struct exchange *exchange = http->base.first;
    int64_t plain = http->refused ? 0 : http_read_plain(&http->reader);
    size_t room = 0;
    uint8_t *place = plain >= DIRECT_MIN && exchange->sink->room
                         ? exchange->sink->room(exchange->context, &room)
                         : NULL;
    ssize_t count;

    if (place && (int64_t)room > plain)
        room = (size_t)plain;
    if (!place || room < DIRECT_MIN) {
        *asked = sizeof(http->received);
        count = kserve_receive(http->base.fd, http->received, *asked);
        return count > 0 && !read_received(http, (size_t)count) ? -1 : count;
    }
    *asked = room;
    count = kserve_receive(http->base.fd, place, room);
    if (count > 0) {
        http_read_skip(&http->reader, (size_t)count);
        exchange->sink->placed(exchange->context, (size_t)count);
        if (!read_received(http, 0)) /* it may have been the last byte */
            return -1;
    }
    return count;
}

/* A short read means that there is no more for now, unless the peer has closed behind it. */
static void receive_all(struct http_conn *http, bool closed)
{
    while (http->base.first) {
        size_t asked = 0;
        ssize_t count;

        errno = 0;
        count = receive_once(http, &asked);
        if (count < 0 && http->base.first) {
            int error = errno;

            if (!error && !http->answered)
                conn_break(&http->base, TARE_BADDATA,
                           "'%s' closed the connection without a response (is it the gRPC port?)",
                           http->base.address->text);
            else if (error || http_read_closed(&http->reader) == HTTP_BAD)
                conn_break_errno(&http->base, error);
            else
                finish(http);
        }
        if (count <= 0 || (count < (ssize_t)asked && !closed))
            return;
    }
}

static void send_all(struct http_conn *http)
{
    struct exchange *exchange = http->base.first;
    struct iovec slices[SLICES_MAX];
    size_t count;

    while ((count = exchange_slices(exchange, SIZE_MAX, slices, SLICES_MAX)) > 0) {
        ssize_t sent = kserve_send(http->base.fd, slices, count);

        if (sent < 0 && errno != EPIPE && errno != ECONNRESET) {
            conn_break_errno(&http->base, errno);
            return;
        }
        if (sent <= 0)
            return; /* a peer that closed may have said why: that is read first */
        exchange_advance(exchange, (size_t)sent);
    }
    http->sent = true;
}

static enum tare_status http_start(struct kserve_conn *conn, struct exchange *exchange,
                                   struct tare_err *err)
{
    struct http_conn *http = of(conn);

    if (conn->first)
        return tare_fail(err, TARE_LIMIT, "an HTTP connection carries one request at a time");
    conn_add(conn, exchange);
    http_read_start(&http->reader, exchange->response_max);
    http->sent = false;
    http->refused = false;
    send_all(http);
    return TARE_OK;
}

static void http_advance(struct kserve_conn *conn, uint32_t events)
{
    struct http_conn *http = of(conn);

    if (conn->first && !http->sent && events & EPOLLOUT)
        send_all(http);
    if (conn->first && events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
        receive_all(http, (events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) != 0);
}

static void http_cancel(struct kserve_conn *conn, struct exchange *exchange,
                        const struct tare_err *err)
{
    conn_remove(conn, exchange);
    exchange_finish(exchange, err);
    conn_break(conn, TARE_FAILED, "a request to '%s' was given up", conn->address->text);
}

const struct conn_kind conn_http = {
    http_open, http_release, http_usable, http_start, http_advance, http_cancel,
};
