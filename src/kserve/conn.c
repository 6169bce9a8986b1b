#include "kserve/conn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum tare_status kserve_conn_open(const struct kserve_address *address,
                                  enum kserve_transport transport, int64_t deadline_ns,
                                  struct kserve_conn **conn, struct tare_err *err)
{
    const struct conn_kind *kind = transport == KSERVE_GRPC ? &conn_grpc : &conn_http;
    enum tare_status status;
    int fd;

    *conn = NULL;
    status = kserve_connect(address, deadline_ns, &fd, err);
    if (status != TARE_OK)
        return status;
    status = kind->open(conn, err);
    if (status != TARE_OK) {
        (void)close(fd);
        return status;
    }
    (*conn)->kind = kind;
    (*conn)->address = address;
    (*conn)->fd = fd;
    return TARE_OK;
}

void kserve_conn_close(struct kserve_conn *conn)
{
    if (!conn)
        return;
    conn_break(conn, TARE_FAILED, "the connection to '%s' was closed", conn->address->text);
    (void)close(conn->fd);
    conn->kind->release(conn);
}

int kserve_conn_fd(const struct kserve_conn *conn)
{
    return conn->fd;
}

bool kserve_conn_broken(const struct kserve_conn *conn)
{
    return conn->why.status != TARE_OK;
}

bool kserve_conn_usable(struct kserve_conn *conn)
{
    return !kserve_conn_broken(conn) && conn->kind->usable(conn);
}

enum tare_status kserve_conn_start(struct kserve_conn *conn, struct exchange *exchange,
                                   struct tare_err *err)
{
    enum tare_status status;

    exchange_reset(exchange);
    if (kserve_conn_broken(conn)) {
        exchange_finish(exchange, &conn->why);
        return tare_fail(err, conn->why.status, "%s", conn->why.text);
    }
    status = conn->kind->start(conn, exchange, err);
    if (status != TARE_OK || !exchange->done || exchange->failure.status == TARE_OK)
        return status;
    return tare_fail(err, exchange->failure.status, "%s", exchange->failure.text);
}

void kserve_conn_advance(struct kserve_conn *conn, uint32_t events)
{
    if (!kserve_conn_broken(conn))
        conn->kind->advance(conn, events);
}

void kserve_conn_cancel(struct kserve_conn *conn, struct exchange *exchange,
                        const struct tare_err *err)
{
    if (!exchange->done)
        conn->kind->cancel(conn, exchange, err);
}

void conn_break(struct kserve_conn *conn, enum tare_status status, const char *format, ...)
{
    va_list args;

    if (conn->why.status == TARE_OK) {
        va_start(args, format);
        (void)vsnprintf(conn->why.text, sizeof(conn->why.text), format, args);
        va_end(args);
        conn->why.status = status;
    }
    while (conn->first) {
        struct exchange *exchange = conn->first;

        conn_remove(conn, exchange);
        exchange_finish(exchange, &conn->why);
    }
}

void conn_break_errno(struct kserve_conn *conn, int error)
{
    if (error)
        conn_break(conn, TARE_FAILED, "the connection to '%s' broke: %s", conn->address->text,
                   strerror(error));
    else
        conn_break(conn, TARE_FAILED, "the server at '%s' closed the connection",
                   conn->address->text);
}

void conn_add(struct kserve_conn *conn, struct exchange *exchange)
{
    exchange->next = conn->first;
    conn->first = exchange;
}

void conn_remove(struct kserve_conn *conn, struct exchange *exchange)
{
    for (struct exchange **at = &conn->first; *at; at = &(*at)->next)
        if (*at == exchange) {
            *at = exchange->next;
            break;
        }
    exchange->next = NULL;
}
