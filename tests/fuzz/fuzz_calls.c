/*
 * Any bytes as a server's answer to a call that is no inference: metadata, configuration,
 * statistics, shared memory. The first byte chooses the transport and the call; the rest is the
 * message of gRPC or the body of HTTP. It is read or refused, and what was read is in range.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "kserve/kserve_client.h"

#define MESSAGE_MAX ((size_t)16000) /* fits one frame of HTTP/2, and an unread socket */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A frame's head and what is in it. */
static void put_frame(struct buf *out, uint8_t type, uint8_t flags, uint8_t stream,
                      const void *bytes, size_t size)
{
    const uint8_t head[9] = {
        (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type, flags, 0, 0, 0, stream};

    buf_append(out, head, sizeof(head));
    buf_append(out, bytes, size);
}

static void put_grpc(struct buf *out, const uint8_t *message, size_t size)
{
    static const uint8_t headers[] = {0x88}; /* :status 200 */
    static const char trailers[] = "\0\013grpc-status\0010";
    const uint8_t prefix[5] = {0, 0, 0, (uint8_t)(size >> 8), (uint8_t)size};
    struct buf data = BUF_INIT;

    buf_append(&data, prefix, sizeof(prefix));
    buf_append(&data, message, size);
    put_frame(out, 4, 0, 0, "", 0);
    put_frame(out, 1, 4, 1, headers, sizeof(headers));
    put_frame(out, 0, 0, 1, data.data, data.size);
    put_frame(out, 1, 5, 1, trailers, sizeof(trailers) - 1);
    buf_release(&data);
}

static void check_model(const struct kserve_model *model)
{
    if (model->input_count > INFER_TENSORS_MAX || model->output_count > INFER_TENSORS_MAX)
        abort();
    for (size_t i = 0; i < model->input_count; i++) {
        const struct tare_tensor_info *info = &model->inputs[i];

        if (!info->name[0] || info->rank < 0 || info->rank > TARE_MAX_RANK)
            abort();
        for (int32_t k = 0; k < info->rank; k++)
            if (info->shape[k] < -1)
                abort();
    }
}

static void make_call(struct kserve_client *client, unsigned which, struct tare_err *err)
{
    static const struct kserve_name name = {"m", ""};
    const struct kserve_calls *calls = client->calls;
    struct kserve_statistics statistics = {.batch_count = 0};
    struct kserve_model model = {.input_count = 0};
    struct kserve_server server;
    struct buf names = BUF_INIT;

    if (which == 0)
        (void)calls->server(client, &server, err);
    else if (which == 1)
        (void)calls->metadata(client, &name, &model, err);
    else if (which == 2)
        (void)calls->config(client, &name, &model, err);
    else if (which == 3)
        (void)calls->statistics(client, &name, &statistics, err);
    else
        (void)calls->stale_regions(client, &names, err);
    check_model(&model);
    if (statistics.batch_count > KSERVE_BATCHES_MAX)
        abort();
    kserve_model_release(&model);
    buf_release(&names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    struct kserve_client client = {.address = {"127.0.0.1", "1", "127.0.0.1:1"}};
    struct tare_err err = TARE_ERR_INIT;
    struct buf out = BUF_INIT;
    int ends[2];

    if (size == 0 || size > MESSAGE_MAX)
        return 0;
    client.transport = data[0] & 1 ? KSERVE_GRPC : KSERVE_HTTP;
    client.calls = data[0] & 1 ? &kserve_grpc_calls : &kserve_http_calls;
    client.used_ns = clock_now_ns();
    client.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    buf_init(&client.response, KSERVE_RESPONSE_MAX);
    if (client.transport == KSERVE_GRPC)
        put_grpc(&out, data + 1, size - 1);
    else
        buf_printf(&out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size - 1);
    if (client.transport == KSERVE_HTTP)
        buf_append(&out, data + 1, size - 1);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0 ||
        (client.transport == KSERVE_GRPC ? conn_grpc : conn_http).open(&client.conn, NULL) ||
        epoll_ctl(client.epoll_fd, EPOLL_CTL_ADD, ends[0], &event) != 0 ||
        send(ends[1], out.data, out.size, MSG_NOSIGNAL) != (ssize_t)out.size)
        abort();
    client.conn->kind = client.transport == KSERVE_GRPC ? &conn_grpc : &conn_http;
    client.conn->address = &client.address;
    client.conn->fd = ends[0];
    make_call(&client, (data[0] >> 1) % 5, &err);
    kserve_conn_close(client.conn);
    (void)close(client.epoll_fd);
    (void)close(ends[1]);
    buf_release(&client.response);
    buf_release(&out);
    return 0;
}
