/*
 * nghttp2 frames the data; the frames go out by sendmsg(2) straight from the caller's tensors: the
 * queue holds frame headers and control frames as bytes, and tensors as slices.
 */
#include <errno.h>
#include <string.h>

#include "kserve/grpc_inner.h"

#define FRAME_SLICES 16 /* slices that one DATA frame is cut into at most */
#define FRAME_HEAD   9  /* bytes */

bool grpc_flush(struct grpc_conn *grpc)
{
    if (kserve_conn_broken(&grpc->base))
        return false; /* what the slices point to may be gone */
    while (grpc->sent_slices < grpc->slice_count) {
        struct iovec *slice = &grpc->slices[grpc->sent_slices];
        ssize_t sent = kserve_send(grpc->base.fd, slice, grpc->slice_count - grpc->sent_slices);

        if (sent < 0)
            conn_break_errno(&grpc->base, errno);
        if (sent <= 0)
            return false;
        while (sent > 0) {
            size_t part = (size_t)sent < slice->iov_len ? (size_t)sent : slice->iov_len;

            slice->iov_base = (uint8_t *)slice->iov_base + part;
            slice->iov_len -= part;
            sent -= (ssize_t)part;
            if (slice->iov_len == 0) {
                slice++;
                grpc->sent_slices++;
            }
        }
    }
    grpc->slice_count = 0;
    grpc->sent_slices = 0;
    grpc->control_size = 0;
    return true;
}

/* Makes room for bytes and slices; false if the socket takes no more now. */
static bool make_room(struct grpc_conn *grpc, size_t bytes, size_t slices)
{
    if (grpc->control_size + bytes <= GRPC_CONTROL_BYTES &&
        grpc->slice_count + slices <= GRPC_SLICES_MAX)
        return true;
    return grpc_flush(grpc);
}

/* What a callback of nghttp2 says when make_room() found none. */
static int no_room(struct grpc_conn *grpc)
{
    grpc->blocked = true;
    return kserve_conn_broken(&grpc->base) ? NGHTTP2_ERR_CALLBACK_FAILURE : NGHTTP2_ERR_WOULDBLOCK;
}

static void queue_control(struct grpc_conn *grpc, const uint8_t *bytes, size_t size)
{
    struct iovec *last = grpc->slice_count ? &grpc->slices[grpc->slice_count - 1] : NULL;
    uint8_t *place = grpc->control + grpc->control_size;

    memcpy(place, bytes, size);
    grpc->control_size += size;
    if (last && (uint8_t *)last->iov_base + last->iov_len == place &&
        grpc->slice_count - 1 >= grpc->sent_slices) {
        last->iov_len += size;
        return;
    }
    grpc->slices[grpc->slice_count].iov_base = place;
    grpc->slices[grpc->slice_count++].iov_len = size;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    struct grpc_conn *grpc = user;

    (void)session;
    (void)flags;
    if (size > GRPC_CONTROL_BYTES)
        size = GRPC_CONTROL_BYTES;
    if (!make_room(grpc, size, 1))
        return no_room(grpc);
    queue_control(grpc, bytes, size);
    return (ssize_t)size;
}

static ssize_t on_frame_size(nghttp2_session *session, uint8_t type, int32_t stream,
                             int32_t session_window, int32_t stream_window, uint32_t frame_max,
                             void *user)
{
    int32_t size = session_window < stream_window ? session_window : stream_window;

    (void)session;
    (void)type;
    (void)stream;
    (void)user;
    return frame_max < (uint32_t)size ? (ssize_t)frame_max : size;
}

ssize_t grpc_on_read(nghttp2_session *session, int32_t stream, uint8_t *place, size_t size,
                     uint32_t *flags, nghttp2_data_source *source, void *user)
{
    const struct grpc_call *call = source->ptr;
    struct iovec slices[FRAME_SLICES];
    size_t total = 0, count;

    (void)session;
    (void)stream;
    (void)place;
    (void)user;
    if (!call->exchange)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    count = exchange_slices(call->exchange, size, slices, FRAME_SLICES);
    for (size_t i = 0; i < count; i++)
        total += slices[i].iov_len;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (total == exchange_left(call->exchange))
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)total;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t size, nghttp2_data_source *source, void *user)
{
    struct grpc_conn *grpc = user;
    const struct grpc_call *call = source->ptr;
    struct iovec slices[FRAME_SLICES];
    size_t count;

    (void)session;
    (void)frame;
    if (!call->exchange)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (!make_room(grpc, FRAME_HEAD, FRAME_SLICES + 1))
        return no_room(grpc);
    queue_control(grpc, head, FRAME_HEAD);
    count = exchange_slices(call->exchange, size, slices, FRAME_SLICES);
    memcpy(grpc->slices + grpc->slice_count, slices, count * sizeof(*slices));
    grpc->slice_count += count;
    exchange_advance(call->exchange, size);
    return 0;
}

void grpc_send(struct grpc_conn *grpc)
{
    bool flushed;

    do {
        int result;

        grpc->blocked = false;
        result = nghttp2_session_send(grpc->session);
        if (result != 0)
            conn_break(&grpc->base, TARE_FAILED, "cannot send to '%s': %s",
                       grpc->base.address->text, nghttp2_strerror(result));
        flushed = grpc_flush(grpc);
    } while (grpc->blocked && flushed);
}

void grpc_set_send_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, on_frame_size);
}
