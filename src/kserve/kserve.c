#include "kserve/kserve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/printable.h"
#include "kserve/kserve_client.h"

#define IDLE_NS        ((int64_t)1000000000) /* after which a connection is looked at before use */
#define RETIRE_NS      ((int64_t)2000000000) /* how long a region's end is asked for */
#define RETIRE_STEP_NS ((int64_t)20000000)

enum tare_status kserve_open(const struct kserve_options *options, struct kserve_client **client,
                             struct tare_err *err)
{
    bool grpc = options->transport == KSERVE_GRPC;
    struct kserve_client *opened = calloc(1, sizeof(*opened));
    enum tare_status status;

    *client = NULL;
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a client");
    buf_init(&opened->response, KSERVE_RESPONSE_MAX);
    opened->transport = options->transport;
    opened->calls = grpc ? &kserve_grpc_calls : &kserve_http_calls;
    opened->timeout_ns = options->timeout_ns;
    opened->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (opened->epoll_fd < 0)
        status = tare_fail(err, TARE_IO, "cannot wait for a server: %s", strerror(errno));
    else
        status = kserve_address_parse(options->url, grpc ? "8001" : "8000", &opened->address, err);
    if (status == TARE_OK)
        status = kserve_server_live(opened, err);
    if (status != TARE_OK)
        kserve_close(opened);
    else
        *client = opened;
    return status;
}

/* A server refuses as long as a request uses the region, as after a time-out: it is asked again for
 * a while. One that does not answer is not asked for the others. */
static enum tare_status unregister_region(struct kserve_client *client, const char *name)
{
    int64_t end_ns = clock_now_ns() + RETIRE_NS;

    for (;;) {
        enum tare_status status = client->calls->unregister_region(client, name, NULL);

        if (status == TARE_OK || status == TARE_ABSENT || status == TARE_TIMEOUT ||
            clock_now_ns() > end_ns)
            return status;
        clock_sleep_until(clock_now_ns() + RETIRE_STEP_NS);
    }
}

static void free_regions(struct kserve_client *client)
{
    enum tare_status status = TARE_OK;

    while (client->regions) {
        struct kserve_region *region = client->regions;

        client->regions = region->next;
        if (status == TARE_OK)
            status = unregister_region(client, shared_region_name(&region->shared));
        shared_region_release(&region->shared);
        free(region);
    }
}

void kserve_close(struct kserve_client *client)
{
    if (!client)
        return;
    free_regions(client);
    kserve_conn_close(client->conn);
    if (client->epoll_fd >= 0)
        (void)close(client->epoll_fd);
    buf_release(&client->response);
    free(client);
}

const struct kserve_address *kserve_where(const struct kserve_client *client)
{
    return &client->address;
}

enum kserve_transport kserve_transport(const struct kserve_client *client)
{
    return client->transport;
}

/* --- one exchange --- */

static void disconnect(struct kserve_client *client)
{
    kserve_conn_close(client->conn); /* which takes its socket out of the epoll set */
    client->conn = NULL;
}

/* A connection that can be used, made anew if need be. */
static enum tare_status connect_client(struct kserve_client *client, int64_t deadline_ns,
                                       struct tare_err *err)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    enum tare_status status;

    if (client->conn &&
        (kserve_conn_broken(client->conn) ||
         (clock_now_ns() - client->used_ns > IDLE_NS && !kserve_conn_usable(client->conn))))
        disconnect(client);
    if (client->conn)
        return TARE_OK;
    status = kserve_conn_open(&client->address, client->transport, deadline_ns, &client->conn, err);
    if (status == TARE_OK &&
        epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, kserve_conn_fd(client->conn), &event) != 0) {
        status = tare_fail(err, TARE_IO, "cannot wait for a server: %s", strerror(errno));
        disconnect(client);
    }
    return status;
}

static void wait_done(struct kserve_client *client, struct exchange *exchange, int64_t deadline_ns)
{
    struct tare_err late = TARE_ERR_INIT;

    while (!exchange->done) {
        struct epoll_event event = {0};
        int wait_ms = kserve_wait_ms(deadline_ns);
        int ready = epoll_wait(client->epoll_fd, &event, 1, wait_ms);

        if (ready > 0) {
            kserve_conn_advance(client->conn, event.events);
        } else if (ready == 0 && wait_ms == 0) {
            (void)tare_fail(&late, TARE_TIMEOUT, "no answer from '%s' in time",
                            client->address.text);
            kserve_conn_cancel(client->conn, exchange, &late);
        } else if (ready < 0 && errno != EINTR) {
            (void)tare_fail(&late, TARE_IO, "cannot wait for '%s': %s", client->address.text,
                            strerror(errno));
            kserve_conn_cancel(client->conn, exchange, &late);
        }
    }
}

enum tare_status kserve_exchange(struct kserve_client *client, struct exchange *exchange,
                                 int64_t deadline_ns, struct tare_err *err)
{
    int64_t own = client->timeout_ns ? clock_now_ns() + client->timeout_ns : 0;
    enum tare_status status;

    if (!deadline_ns || (own && own < deadline_ns))
        deadline_ns = own;
    status = connect_client(client, deadline_ns, err);
    if (status == TARE_OK)
        status = kserve_conn_start(client->conn, exchange, err);
    if (status != TARE_OK) {
        disconnect(client);
        return status;
    }
    wait_done(client, exchange, deadline_ns);
    client->used_ns = clock_now_ns();
    if (exchange->failure.status != TARE_OK)
        return tare_fail(err, exchange->failure.status, "%s", exchange->failure.text);
    return TARE_OK;
}

/* --- calls --- */

enum tare_status kserve_server_ready(struct kserve_client *client, struct tare_err *err)
{
    return client->calls->ready(client, false, err);
}

enum tare_status kserve_server_live(struct kserve_client *client, struct tare_err *err)
{
    return client->calls->ready(client, true, err);
}

enum tare_status kserve_server_metadata(struct kserve_client *client, struct kserve_server *server,
                                        struct tare_err *err)
{
    memset(server, 0, sizeof(*server));
    return client->calls->server(client, server, err);
}

enum tare_status kserve_model_ready(struct kserve_client *client, const char *model,
                                    const char *version, struct tare_err *err)
{
    const struct kserve_name name = {model, version};

    return client->calls->model_ready(client, &name, err);
}

enum tare_status kserve_model_metadata(struct kserve_client *client, const char *model,
                                       const char *version, struct kserve_model *found,
                                       struct tare_err *err)
{
    const struct kserve_name name = {model, version};
    struct tare_err inner = TARE_ERR_INIT;
    enum tare_status status;

    memset(found, 0, sizeof(*found));
    status = client->calls->metadata(client, &name, found, err);
    /* The configuration is an extension of Triton's: another server may not know the question. */
    if (status == TARE_OK)
        status = client->calls->config(client, &name, found, &inner);
    if (inner.status == TARE_ABSENT || inner.status == TARE_UNSUPPORTED ||
        inner.status == TARE_INVALID)
        status = TARE_OK;
    else if (inner.status != TARE_OK)
        (void)tare_fail(err, status, "%s", inner.text);
    if (status != TARE_OK)
        kserve_model_release(found);
    return status;
}

void kserve_model_release(struct kserve_model *model)
{
    free(model->inputs);
    free(model->outputs);
    memset(model, 0, sizeof(*model));
}

enum tare_status kserve_model_add(struct kserve_model *model, bool input,
                                  const struct kserve_said *said, struct tare_err *err)
{
    struct tare_tensor_info **infos = input ? &model->inputs : &model->outputs, *info;
    size_t *count = input ? &model->input_count : &model->output_count;
    size_t length = strlen(said->name);

    if (*count == INFER_TENSORS_MAX)
        return tare_fail(err, TARE_LIMIT, "the model has over %d tensors on one side",
                         INFER_TENSORS_MAX);
    if (!*infos)
        *infos = calloc(INFER_TENSORS_MAX, sizeof(**infos));
    if (!*infos)
        return tare_fail(err, TARE_NOMEM, "out of memory for tensors");
    info = &(*infos)[*count];
    if (length == 0 || length >= sizeof(info->name))
        return tare_fail(err, TARE_UNSUPPORTED, "a tensor's name has %zu bytes, need 1 to %zu",
                         length, sizeof(info->name) - 1);
    memcpy(info->name, said->name, length + 1);
    info->dtype = infer_dtype(said->dtype, strlen(said->dtype));
    if (info->dtype == TARE_DTYPE_NONE || said->rank > TARE_MAX_RANK)
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' is %.20s of rank %zu, need at most %d",
                         info->name, said->dtype, said->rank, TARE_MAX_RANK);
    info->rank = (int32_t)said->rank;
    for (size_t i = 0; i < said->rank; i++) {
        if (said->shape[i] < -1)
            return tare_fail(err, TARE_BADDATA, "tensor '%s' has dimension %lld", info->name,
                             (long long)said->shape[i]);
        info->shape[i] = said->shape[i];
    }
    (*count)++;
    return TARE_OK;
}

enum tare_status kserve_model_load(struct kserve_client *client, const char *model,
                                   struct tare_err *err)
{
    return client->calls->load(client, model, true, err);
}

enum tare_status kserve_model_unload(struct kserve_client *client, const char *model,
                                     struct tare_err *err)
{
    return client->calls->load(client, model, false, err);
}

enum tare_status kserve_model_statistics(struct kserve_client *client, const char *model,
                                         const char *version, struct kserve_statistics *statistics,
                                         struct tare_err *err)
{
    const struct kserve_name name = {model, version};

    memset(statistics, 0, sizeof(*statistics));
    return client->calls->statistics(client, &name, statistics, err);
}

/* --- shared memory --- */

/* What killed processes left: files here, registrations there. A server that won't say is no
 * reason not to go on. */
static void sweep(struct kserve_client *client)
{
    struct buf names;
    char *line, *end;

    client->swept = true;
    shared_region_sweep();
    buf_init(&names, KSERVE_RESPONSE_MAX);
    if (client->calls->stale_regions(client, &names, NULL) == TARE_OK)
        for (line = names.data; line && (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            (void)client->calls->unregister_region(client, line, NULL);
        }
    buf_release(&names);
}

enum tare_status kserve_region_new(struct kserve_client *client, size_t size,
                                   struct kserve_region **region, struct tare_err *err)
{
    struct kserve_region *made = calloc(1, sizeof(*made));
    enum tare_status status;

    *region = NULL;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory for a region");
    if (!client->swept)
        sweep(client);
    status = shared_region_make(&made->shared, size, err);
    if (status == TARE_OK)
        status = client->calls->register_region(client, &made->shared, err);
    shared_region_unlink(&made->shared);
    if (status != TARE_OK) {
        shared_region_release(&made->shared);
        free(made);
        return status;
    }
    made->next = client->regions;
    client->regions = made;
    *region = made;
    return TARE_OK;
}

uint8_t *kserve_region_data(const struct kserve_region *region, size_t *size)
{
    if (size)
        *size = region->shared.size;
    return region->shared.data;
}

bool kserve_find_place(const struct kserve_client *client, const void *data, size_t size,
                       struct infer_place *place)
{
    uintptr_t at = (uintptr_t)data;

    for (const struct kserve_region *region = client->regions; region; region = region->next) {
        uintptr_t base = (uintptr_t)region->shared.data;

        if (at >= base && at - base <= region->shared.size &&
            size <= region->shared.size - (at - base)) {
            place->region = shared_region_name(&region->shared);
            place->offset = at - base;
            return true;
        }
    }
    return false;
}

/* --- inference --- */

enum tare_status kserve_infer(struct kserve_client *client, struct infer_request *request,
                              const struct tare_request *sequence, struct tare_err *err)
{
    struct exchange *exchange;
    enum tare_status status = infer_request_prepare(request, sequence, &exchange, err);

    return status == TARE_OK
               ? kserve_exchange(client, exchange, sequence ? sequence->deadline_ns : 0, err)
               : status;
}
