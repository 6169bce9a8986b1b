/*
 * grpc_inner.h - what the files of conn.h's gRPC share. Private to them.
 */
#ifndef TARE_KSERVE_GRPC_INNER_H
#define TARE_KSERVE_GRPC_INNER_H

#include <nghttp2/nghttp2.h>

#include "kserve/conn.h"

#define GRPC_RECEIVE_BYTES 262144
#define GRPC_SLICES_MAX    256
#define GRPC_CONTROL_BYTES 65536
#define GRPC_MESSAGE_MAX   400 /* bytes of grpc-message that are kept */
#define GRPC_PREFIX_BYTES  5   /* before a message: compressed or not, length */

struct grpc_conn {
    struct kserve_conn base;
    nghttp2_session *session;
    size_t slice_count, sent_slices, control_size;
    struct iovec slices[GRPC_SLICES_MAX];
    uint8_t control[GRPC_CONTROL_BYTES];
    uint8_t received[GRPC_RECEIVE_BYTES];
    bool blocked;            /* nghttp2 has more to send than the socket took */
    bool greeted;            /* some frame came */
    bool leaving;            /* the peer has said that it will close */
    int error;               /* what nghttp2 holds against the peer; 0: nothing */
    struct grpc_call *calls; /* all that were made */
    struct grpc_call *spare; /* those of them that are over, to be used again */
};

struct grpc_call {
    struct grpc_conn *conn;
    struct exchange *exchange; /* NULL: given up */
    struct grpc_call *next, *next_spare;
    int32_t stream;
    int http_status, grpc_status; /* -1: not said */
    uint8_t prefix[GRPC_PREFIX_BYTES];
    size_t prefix_size;
    int64_t message_left;  /* bytes of the message that have not come yet */
    bool message_complete; /* a unary response is one message */
    struct tare_err failed;
    char message[GRPC_MESSAGE_MAX + 1];
};

/* --- grpc_send.c: frames out --- */

/* Sends what there is to send, as far as the socket takes it. */
void grpc_send(struct grpc_conn *grpc);

/* Writes out what is queued. False if some of it is left, or the connection is broken. */
bool grpc_flush(struct grpc_conn *grpc);

/* nghttp2's callback: how much of the request the next frame has. */
ssize_t grpc_on_read(nghttp2_session *session, int32_t stream, uint8_t *place, size_t size,
                     uint32_t *flags, nghttp2_data_source *source, void *user);

void grpc_set_send_callbacks(nghttp2_session_callbacks *callbacks);

/* --- grpc_receive.c: frames in --- */

/* Receives what there is, until the end if the peer has closed. */
void grpc_receive(struct grpc_conn *grpc, bool closed);

/* A call that is over. */
void grpc_recycle(struct grpc_call *call);

void grpc_set_receive_callbacks(nghttp2_session_callbacks *callbacks);

#endif
