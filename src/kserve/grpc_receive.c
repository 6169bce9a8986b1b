/* Responses as they come: headers and trailers, and the one message of each, to its sink. */
#include <errno.h>
#include <string.h>

#include "base/printable.h"
#include "kserve/grpc_inner.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* grpc-message is percent-encoded. */
static void keep_message(struct grpc_call *call, const char *value, size_t size)
{
    size_t at = 0;

    for (size_t i = 0; i < size && at < GRPC_MESSAGE_MAX; i++) {
        int high = value[i] == '%' && i + 2 < size ? hex_digit(value[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(value[i + 2]) : -1;

        call->message[at] = low >= 0 ? (char)(high * 16 + low) : value[i];
        if (!call->message[at])
            call->message[at] = '?';
        at++;
        i += low >= 0 ? 2 : 0;
    }
    call->message[at] = '\0';
    printable_line(call->message);
}

static int small_number(const uint8_t *value, size_t size)
{
    int number = 0;

    if (size == 0 || size > 3)
        return -1;
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9')
            return -1;
        number = number * 10 + (value[i] - '0');
    }
    return number;
}

static bool is_name(const uint8_t *name, size_t size, const char *known)
{
    return size == strlen(known) && memcmp(name, known, size) == 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags;
    if (kserve_conn_broken(&((struct grpc_conn *)user)->base))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!call)
        return 0;
    if (is_name(name, name_size, ":status"))
        call->http_status = small_number(value, value_size);
    else if (is_name(name, name_size, "grpc-status"))
        call->grpc_status = small_number(value, value_size);
    else if (is_name(name, name_size, "grpc-message"))
        keep_message(call, (const char *)value, value_size);
    return 0;
}

/* The five bytes in front of a message. */
static enum tare_status begin_message(struct grpc_call *call, struct tare_err *err)
{
    const uint8_t *prefix = call->prefix;
    const char *server = call->conn->base.address->text;
    int64_t size = (int64_t)prefix[1] << 24 | prefix[2] << 16 | prefix[3] << 8 | prefix[4];

    if (prefix[0] != 0)
        return tare_fail(err, TARE_BADDATA, "'%s' sends a compressed response, unasked", server);
    if (size > call->exchange->response_max)
        return tare_fail(err, TARE_LIMIT, "'%s' sends a response of %lld bytes, over %lld", server,
                         (long long)size, (long long)call->exchange->response_max);
    call->message_left = size;
    call->message_complete = size == 0;
    return call->exchange->sink->begin(call->exchange->context, 0, size, err);
}

static enum tare_status take_data(struct grpc_call *call, const uint8_t *bytes, size_t size,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    while (size && status == TARE_OK) {
        size_t part = 1;

        if (call->message_complete)
            return tare_fail(err, TARE_BADDATA, "'%s' sends more than one response",
                             call->conn->base.address->text);
        if (call->prefix_size < GRPC_PREFIX_BYTES) {
            call->prefix[call->prefix_size++] = *bytes;
            if (call->prefix_size == GRPC_PREFIX_BYTES)
                status = begin_message(call, err);
        } else {
            part = (int64_t)size > call->message_left ? (size_t)call->message_left : size;
            status = call->exchange->sink->take(call->exchange->context, bytes, part, err);
            call->message_left -= (int64_t)part;
            call->message_complete = call->message_left == 0;
        }
        bytes += part;
        size -= part;
    }
    return status;
}

/* What comes after a failure, and from a server that refuses by HTTP, is passed over. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t size, void *user)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, stream);

    (void)flags;
    if (kserve_conn_broken(&((struct grpc_conn *)user)->base))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!call || !call->exchange || call->failed.status != TARE_OK || call->http_status != 200)
        return 0;
    if (take_data(call, bytes, size, &call->failed) != TARE_OK)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
    return 0;
}

static enum tare_status status_of(int grpc_status)
{
    switch (grpc_status) { /* numbers of the gRPC protocol */
    case 3:                /* INVALID_ARGUMENT */
        return TARE_INVALID;
    case 4: /* DEADLINE_EXCEEDED */
        return TARE_TIMEOUT;
    case 5: /* NOT_FOUND */
        return TARE_ABSENT;
    case 8: /* RESOURCE_EXHAUSTED */
        return TARE_LIMIT;
    case 12: /* UNIMPLEMENTED */
        return TARE_UNSUPPORTED;
    default:
        return TARE_FAILED;
    }
}

static void judge(struct grpc_call *call, uint32_t error_code, struct tare_err *err)
{
    const char *server = call->conn->base.address->text;

    if (call->failed.status != TARE_OK)
        (void)tare_fail(err, call->failed.status, "%s", call->failed.text);
    else if (call->grpc_status > 0 && call->message[0])
        (void)tare_fail(err, status_of(call->grpc_status), "'%s' says: %s", server, call->message);
    else if (call->grpc_status > 0)
        (void)tare_fail(err, status_of(call->grpc_status), "gRPC status %d from '%s'",
                        call->grpc_status, server);
    else if (error_code != NGHTTP2_NO_ERROR)
        (void)tare_fail(err, TARE_FAILED, "'%s' ended a request: %s", server,
                        nghttp2_http2_strerror(error_code));
    else if (call->http_status != 200)
        (void)tare_fail(err, TARE_FAILED, "status %d from '%s'", call->http_status, server);
    else if (call->grpc_status < 0)
        (void)tare_fail(err, TARE_BADDATA, "'%s' ends a response without its grpc-status", server);
    else if (!call->message_complete)
        (void)tare_fail(err, TARE_BADDATA, "'%s' sends a response that ends too early", server);
    else
        (void)call->exchange->sink->end(call->exchange->context, err);
}

void grpc_recycle(struct grpc_call *call)
{
    call->exchange = NULL;
    call->next_spare = call->conn->spare;
    call->conn->spare = call;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error_code,
                           void *user)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, stream);
    struct grpc_conn *grpc = user;
    struct tare_err err = TARE_ERR_INIT;

    if (kserve_conn_broken(&grpc->base))
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!call)
        return 0;
    if (call->exchange) {
        struct exchange *exchange = call->exchange;

        judge(call, error_code, &err);
        conn_remove(&grpc->base, exchange);
        exchange_finish(exchange, &err);
        if (grpc->slice_count) /* a frame is half sent, and its tensor is the caller's again */
            conn_break(&grpc->base, TARE_FAILED, "'%s' answered before it was asked in full",
                       grpc->base.address->text);
    }
    grpc_recycle(call);
    return 0;
}

/* What nghttp2 holds against the peer. The first is what counts. */
static int on_error(nghttp2_session *session, int code, const char *text, size_t size, void *user)
{
    struct grpc_conn *grpc = user;

    (void)session;
    (void)text;
    (void)size;
    if (!grpc->error)
        grpc->error = code;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct grpc_conn *grpc = user;

    (void)session;
    grpc->greeted = true;
    grpc->leaving = grpc->leaving || frame->hd.type == NGHTTP2_GOAWAY;
    return 0;
}

/* The peer is not understood: error is nghttp2's, 0 if it gave none. */
static void break_protocol(struct grpc_conn *grpc, int error)
{
    conn_break(&grpc->base, TARE_BADDATA, "'%s' does not speak HTTP/2 as it should: %s%s",
               grpc->base.address->text, error ? nghttp2_strerror(error) : "Protocol error",
               error == NGHTTP2_ERR_SETTINGS_EXPECTED ? " (is it the HTTP port?)" : "");
}

static void break_closed(struct grpc_conn *grpc, int error)
{
    if (!error && !grpc->greeted)
        conn_break(&grpc->base, TARE_BADDATA,
                   "'%s' closed the connection without a response (is it the HTTP port?)",
                   grpc->base.address->text);
    else
        conn_break_errno(&grpc->base, error);
}

/* A short read means that there is no more for now, unless the peer has closed behind it. */
void grpc_receive(struct grpc_conn *grpc, bool closed)
{
    ssize_t count = GRPC_RECEIVE_BYTES;

    while ((count == GRPC_RECEIVE_BYTES || closed) && !kserve_conn_broken(&grpc->base)) {
        ssize_t read;

        errno = 0;
        count = kserve_receive(grpc->base.fd, grpc->received, GRPC_RECEIVE_BYTES);
        if (count < 0)
            break_closed(grpc, errno);
        if (count <= 0)
            return;
        read = nghttp2_session_mem_recv(grpc->session, grpc->received, (size_t)count);
        if (read < 0 || grpc->error == NGHTTP2_ERR_SETTINGS_EXPECTED) {
            break_protocol(grpc, read < 0 ? (int)read : grpc->error);
            return;
        }
        grpc_send(grpc); /* settings, window updates and pings are answered at once */
        if (nghttp2_session_want_read(grpc->session))
            continue;
        if (grpc->leaving)
            conn_break_errno(&grpc->base, 0);
        else
            break_protocol(grpc, grpc->error);
    }
}

void grpc_set_receive_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
