/* The calls of kserve.h over HTTP: paths and JSON. */
#include <string.h>

#include "base/json_tree.h"
#include "base/json_write.h"
#include "base/printable.h"
#include "kserve/kserve_client.h"
#include "kserve/url_escape.h"

#define PATH_MAX_BYTES ((size_t)4096)
#define BODY_MAX_BYTES ((size_t)65536)

/* Sends a request without a tensor; body NULL: a GET. The response is in client->response. */
static enum tare_status call(struct kserve_client *client, struct buf *path, const struct buf *body,
                             struct tare_err *err)
{
    struct buf head;
    struct iovec parts[2];
    struct exchange exchange = {.parts = parts,
                                .response_max = (int64_t)KSERVE_RESPONSE_MAX,
                                .sink = &exchange_to_buf,
                                .context = &client->response};
    enum tare_status status = buf_status(path, "a path", err);

    buf_init(&head, 2 * PATH_MAX_BYTES);
    buf_printf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\n", body ? "POST" : "GET", buf_text(path),
               client->address.text);
    if (body)
        buf_printf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body->size);
    buf_append_text(&head, "\r\n");
    if (status == TARE_OK)
        status = buf_status(&head, "a request", err);
    if (status == TARE_OK && body)
        status = buf_status(body, "a request", err);
    if (status == TARE_OK) {
        parts[0] = (struct iovec){head.data, head.size};
        if (body)
            parts[1] = (struct iovec){body->data, body->size};
        exchange.part_count = body ? 2 : 1;
        status = kserve_exchange(client, &exchange, 0, err);
    }
    buf_release(&head);
    buf_release(path);
    return status;
}

/* The same for a response that is JSON, which the caller frees. */
static enum tare_status call_json(struct kserve_client *client, struct buf *path,
                                  struct json_tree **tree, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    enum tare_status status = call(client, path, NULL, err);

    *tree = NULL;
    if (status == TARE_OK &&
        json_parse(buf_text(&client->response), client->response.size, tree, &inner) != TARE_OK)
        status = tare_fail(err, inner.status, "malformed response from '%s': %s",
                           client->address.text, inner.text);
    return status;
}

static struct buf path_of(const char *text)
{
    struct buf path;

    buf_init(&path, PATH_MAX_BYTES);
    buf_append_text(&path, text);
    return path;
}

/* "/v2/models/NAME/versions/VERSION" and what comes after it */
static struct buf model_path(const struct kserve_name *name, const char *rest)
{
    struct buf path = path_of("/v2/models/");

    url_escape(&path, name->model);
    if (name->version[0]) {
        buf_append_text(&path, "/versions/");
        url_escape(&path, name->version);
    }
    buf_append_text(&path, rest);
    return path;
}

static enum tare_status http_ready(struct kserve_client *client, bool live, struct tare_err *err)
{
    struct buf path = path_of(live ? "/v2/health/live" : "/v2/health/ready");
    struct tare_err inner = TARE_ERR_INIT;
    enum tare_status status = call(client, &path, NULL, &inner);

    if (status == TARE_INVALID)
        return tare_fail(err, TARE_FAILED, "the server at '%s' is not %s: %s", client->address.text,
                         live ? "live" : "ready", inner.text);
    return status == TARE_OK ? TARE_OK : tare_fail(err, status, "%s", inner.text);
}

static enum tare_status http_server(struct kserve_client *client, struct kserve_server *server,
                                    struct tare_err *err)
{
    struct buf path = path_of("/v2");
    struct json_tree *tree;
    enum tare_status status = call_json(client, &path, &tree, err);

    if (status == TARE_OK) {
        (void)snprintf(server->name, sizeof(server->name), "%s",
                       json_text(json_get(json_root(tree), "name"), ""));
        (void)snprintf(server->version, sizeof(server->version), "%s",
                       json_text(json_get(json_root(tree), "version"), ""));
        printable(server->name);
        printable(server->version);
    }
    json_free(tree);
    return status;
}

static enum tare_status http_model_ready(struct kserve_client *client,
                                         const struct kserve_name *name, struct tare_err *err)
{
    struct buf path = model_path(name, "/ready");
    struct tare_err inner = TARE_ERR_INIT;
    enum tare_status status = call(client, &path, NULL, &inner);

    if (status == TARE_INVALID || status == TARE_ABSENT)
        return tare_fail(err, TARE_ABSENT, "no model '%.100s' is ready at '%s'", name->model,
                         client->address.text);
    return status == TARE_OK ? TARE_OK : tare_fail(err, status, "%s", inner.text);
}

static enum tare_status add_side(struct kserve_model *model, bool input,
                                 const struct json_value *list, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < json_count(list) && status == TARE_OK; i++) {
        const struct json_value *value = json_at(list, i), *shape = json_get(value, "shape");
        int64_t sizes[TARE_MAX_RANK];
        struct kserve_said said = {json_text(json_get(value, "name"), ""),
                                   json_text(json_get(value, "datatype"), ""), sizes,
                                   json_count(shape)};

        for (size_t d = 0; d < said.rank && d < TARE_MAX_RANK; d++)
            sizes[d] = json_int(json_at(shape, d), INT64_MIN);
        status = kserve_model_add(model, input, &said, err);
    }
    return status;
}

static enum tare_status http_metadata(struct kserve_client *client, const struct kserve_name *name,
                                      struct kserve_model *model, struct tare_err *err)
{
    struct buf path = model_path(name, "");
    struct json_tree *tree;
    enum tare_status status = call_json(client, &path, &tree, err);

    if (status == TARE_OK) {
        (void)snprintf(model->platform, sizeof(model->platform), "%s",
                       json_text(json_get(json_root(tree), "platform"), ""));
        printable(model->platform);
        status = add_side(model, true, json_get(json_root(tree), "inputs"), err);
    }
    if (status == TARE_OK)
        status = add_side(model, false, json_get(json_root(tree), "outputs"), err);
    json_free(tree);
    return status;
}

static enum tare_status http_config(struct kserve_client *client, const struct kserve_name *name,
                                    struct kserve_model *model, struct tare_err *err)
{
    struct buf path = model_path(name, "/config");
    struct json_tree *tree;
    enum tare_status status = call_json(client, &path, &tree, err);

    if (status == TARE_OK)
        model->max_batch_size = json_int(json_get(json_root(tree), "max_batch_size"), 0);
    json_free(tree);
    return status;
}

static enum tare_status http_load(struct kserve_client *client, const char *model, bool load,
                                  struct tare_err *err)
{
    struct buf path = path_of("/v2/repository/models/"), body = path_of("{}");
    enum tare_status status;

    url_escape(&path, model);
    buf_append_text(&path, load ? "/load" : "/unload");
    status = call(client, &path, &body, err);
    buf_release(&body);
    return status;
}

static void read_duration(const struct json_value *owner, const char *key,
                          struct kserve_duration *duration)
{
    const struct json_value *value = json_get(owner, key);

    duration->count = json_int(json_get(value, "count"), 0);
    duration->ns = json_int(json_get(value, "ns"), 0);
}

static void read_statistics(const struct json_value *model, struct kserve_statistics *statistics)
{
    const struct json_value *infer = json_get(model, "inference_stats");
    const struct json_value *batches = json_get(model, "batch_stats");

    statistics->inference_count = json_int(json_get(model, "inference_count"), 0);
    statistics->execution_count = json_int(json_get(model, "execution_count"), 0);
    read_duration(infer, "success", &statistics->success);
    read_duration(infer, "fail", &statistics->fail);
    read_duration(infer, "queue", &statistics->queue);
    read_duration(infer, "compute_input", &statistics->compute_input);
    read_duration(infer, "compute_infer", &statistics->compute_infer);
    read_duration(infer, "compute_output", &statistics->compute_output);
    for (size_t i = 0; i < json_count(batches) && i < KSERVE_BATCHES_MAX; i++) {
        const struct json_value *value = json_at(batches, i);
        struct kserve_batch *batch = &statistics->batches[statistics->batch_count++];

        batch->size = json_int(json_get(value, "batch_size"), 0);
        read_duration(value, "compute_input", &batch->compute_input);
        read_duration(value, "compute_infer", &batch->compute_infer);
        read_duration(value, "compute_output", &batch->compute_output);
    }
}

static enum tare_status http_statistics(struct kserve_client *client,
                                        const struct kserve_name *name,
                                        struct kserve_statistics *statistics, struct tare_err *err)
{
    struct buf path = model_path(name, "/stats");
    struct json_tree *tree;
    enum tare_status status = call_json(client, &path, &tree, err);
    const struct json_value *models = json_get(json_root(tree), "model_stats");

    if (status == TARE_OK && json_count(models) == 0)
        status = tare_fail(err, TARE_ABSENT, "'%s' keeps no statistics of '%.100s'",
                           client->address.text, name->model);
    if (status == TARE_OK)
        read_statistics(json_at(models, 0), statistics);
    json_free(tree);
    return status;
}

static struct buf region_path(const char *name, const char *rest)
{
    struct buf path = path_of("/v2/systemsharedmemory/region/");

    url_escape(&path, name);
    buf_append_text(&path, rest);
    return path;
}

static enum tare_status http_register(struct kserve_client *client,
                                      const struct shared_region *region, struct tare_err *err)
{
    struct buf path = region_path(shared_region_name(region), "/register"), body;
    struct json_writer writer;
    enum tare_status status;

    buf_init(&body, BODY_MAX_BYTES);
    json_start(&writer, &body, false);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "key", region->key);
    json_put_int(&writer, "offset", 0);
    json_put_int(&writer, "byte_size", (int64_t)region->size);
    json_close_object(&writer);
    status = call(client, &path, &body, err);
    buf_release(&body);
    return status;
}

static enum tare_status http_unregister(struct kserve_client *client, const char *name,
                                        struct tare_err *err)
{
    struct buf path = region_path(name, "/unregister"), body = path_of("{}");
    enum tare_status status = call(client, &path, &body, err);

    buf_release(&body);
    return status;
}

static enum tare_status http_stale_regions(struct kserve_client *client, struct buf *names,
                                           struct tare_err *err)
{
    struct buf path = path_of("/v2/systemsharedmemory/status");
    struct json_tree *tree;
    enum tare_status status = call_json(client, &path, &tree, err);
    const struct json_value *root = json_root(tree);

    for (size_t i = 0; status == TARE_OK && i < json_count(root); i++) {
        const char *name = json_text(json_get(json_at(root, i), "name"), "");

        if (!strchr(name, '\n') && shared_region_is_stale(name))
            buf_printf(names, "%s\n", name);
    }
    json_free(tree);
    return status;
}

const struct kserve_calls kserve_http_calls = {
    http_ready, http_server,     http_model_ready, http_metadata,   http_config,
    http_load,  http_statistics, http_register,    http_unregister, http_stale_regions,
};
