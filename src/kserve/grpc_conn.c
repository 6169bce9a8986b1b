/*
 * gRPC under conn.h: unary calls, each a stream of HTTP/2, by nghttp2. Windows are as large as
 * HTTP/2 allows, so that a response of many megabytes never waits for us.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "kserve/grpc_inner.h"

#define WINDOW_MAX INT32_MAX

static struct grpc_conn *of(struct kserve_conn *conn)
{
    return (struct grpc_conn *)conn;
}

static enum tare_status make_session(struct grpc_conn *grpc)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_MAX},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 1 << 20},
    };
    nghttp2_session_callbacks *callbacks;
    int result;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return TARE_NOMEM;
    grpc_set_send_callbacks(callbacks);
    grpc_set_receive_callbacks(callbacks);
    result = nghttp2_session_client_new(&grpc->session, callbacks, grpc);
    nghttp2_session_callbacks_del(callbacks);
    if (result != 0 ||
        nghttp2_submit_settings(grpc->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof(settings) / sizeof(settings[0])) != 0 ||
        nghttp2_session_set_local_window_size(grpc->session, NGHTTP2_FLAG_NONE, 0, WINDOW_MAX) != 0)
        return TARE_NOMEM;
    return TARE_OK;
}

static void free_calls(struct grpc_call *call)
{
    while (call) {
        struct grpc_call *next = call->next;

        free(call);
        call = next;
    }
}

static void grpc_release(struct kserve_conn *conn)
{
    struct grpc_conn *grpc = of(conn);

    nghttp2_session_del(grpc->session);
    free_calls(grpc->calls);
    free(grpc);
}

static enum tare_status grpc_open(struct kserve_conn **conn, struct tare_err *err)
{
    struct grpc_conn *grpc = calloc(1, sizeof(*grpc));

    if (!grpc || make_session(grpc) != TARE_OK) {
        if (grpc)
            grpc_release(&grpc->base);
        return tare_fail(err, TARE_NOMEM, "out of memory for a connection");
    }
    *conn = &grpc->base;
    return TARE_OK;
}

static bool grpc_usable(struct kserve_conn *conn)
{
    struct grpc_conn *grpc = of(conn);

    grpc_receive(grpc, true);
    return !kserve_conn_broken(conn) && nghttp2_session_check_request_allowed(grpc->session) != 0;
}

static struct grpc_call *new_call(struct grpc_conn *grpc, struct exchange *exchange)
{
    struct grpc_call *call = grpc->spare;

    if (call) {
        grpc->spare = call->next_spare;
    } else {
        call = calloc(1, sizeof(*call));
        if (!call)
            return NULL;
        call->next = grpc->calls;
        grpc->calls = call;
        call->conn = grpc;
    }
    tare_err_clear(&call->failed);
    call->prefix_size = 0;
    call->message_complete = false;
    call->message[0] = '\0';
    call->exchange = exchange;
    call->http_status = -1;
    call->grpc_status = -1;
    return call;
}

static nghttp2_nv header(const char *name, const char *value)
{
    nghttp2_nv nv = {(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                     strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};

    return nv;
}

static enum tare_status grpc_start(struct kserve_conn *conn, struct exchange *exchange,
                                   struct tare_err *err)
{
    struct grpc_conn *grpc = of(conn);
    const nghttp2_nv headers[] = {
        header(":method", "POST"),         header(":scheme", "http"),
        header(":path", exchange->path),   header(":authority", conn->address->text),
        header("te", "trailers"),          header("content-type", "application/grpc"),
        header("user-agent", "grpc-tare"),
    };
    struct grpc_call *call = new_call(grpc, exchange);
    nghttp2_data_provider data = {.source.ptr = call, .read_callback = grpc_on_read};

    if (!call)
        return tare_fail(err, TARE_NOMEM, "out of memory for a call");
    call->stream = nghttp2_submit_request(grpc->session, NULL, headers,
                                          sizeof(headers) / sizeof(headers[0]), &data, call);
    if (call->stream < 0) {
        int result = call->stream;

        grpc_recycle(call);
        return tare_fail(err, TARE_LIMIT, "cannot start a call to '%s': %s", conn->address->text,
                         nghttp2_strerror(result));
    }
    exchange->call = call;
    conn_add(conn, exchange);
    grpc_send(grpc);
    return TARE_OK;
}

static void grpc_advance(struct kserve_conn *conn, uint32_t events)
{
    struct grpc_conn *grpc = of(conn);

    if (events & EPOLLOUT && grpc_flush(grpc))
        grpc_send(grpc);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP))
        grpc_receive(grpc, (events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) != 0);
}

static void grpc_cancel(struct kserve_conn *conn, struct exchange *exchange,
                        const struct tare_err *err)
{
    struct grpc_conn *grpc = of(conn);

    exchange->call->exchange = NULL;
    conn_remove(conn, exchange);
    exchange_finish(exchange, err);
    if (grpc->slice_count) {
        conn_break(conn, TARE_FAILED, "a request to '%s' was given up", conn->address->text);
        return;
    }
    (void)nghttp2_submit_rst_stream(grpc->session, NGHTTP2_FLAG_NONE, exchange->call->stream,
                                    NGHTTP2_CANCEL);
    grpc_send(grpc);
}

const struct conn_kind conn_grpc = {
    grpc_open, grpc_release, grpc_usable, grpc_start, grpc_advance, grpc_cancel,
};
