#include <stdlib.h>
#include <string.h>

#include "base/json_tree.h"
#include "inproc_session.h"

/* Pairs of dtype and Triton's number for it. */
static const struct {
    enum tare_dtype dtype;
    int number;
} dtypes[] = {
    {TARE_BOOL, 1},  {TARE_UINT8, 2}, {TARE_UINT16, 3}, {TARE_UINT32, 4}, {TARE_UINT64, 5},
    {TARE_INT8, 6},  {TARE_INT16, 7}, {TARE_INT32, 8},  {TARE_INT64, 9},  {TARE_FP16, 10},
    {TARE_FP32, 11}, {TARE_FP64, 12}, {TARE_BYTES, 13}, {TARE_BF16, 14},
};

#define DTYPES (sizeof(dtypes) / sizeof(dtypes[0]))

int inproc_dtype(enum tare_dtype dtype)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].number;
    return 0;
}

enum tare_dtype inproc_dtype_back(int number)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (dtypes[i].number == number)
            return dtypes[i].dtype;
    return TARE_DTYPE_NONE;
}

static enum tare_dtype dtype_named(const char *name)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (strcmp(tare_dtype_name(dtypes[i].dtype), name) == 0)
            return dtypes[i].dtype;
    return TARE_DTYPE_NONE;
}

/* A tensor of the model's metadata; its shape has the batch as -1 already. */
static enum tare_status read_tensor(const struct json_value *json, struct tare_tensor_info *info,
                                    struct tare_err *err)
{
    const struct json_value *shape = json_get(json, "shape");
    const char *name = json_text(json_get(json, "name"), "");
    const char *dtype = json_text(json_get(json, "datatype"), "");

    if (!name[0] || strlen(name) >= sizeof(info->name))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "tensor '%.40s' has a name of %zu bytes, need 1 to %zu", name,
                         strlen(name), sizeof(info->name) - 1);
    (void)snprintf(info->name, sizeof(info->name), "%s", name);
    info->dtype = dtype_named(dtype);
    if (info->dtype == TARE_DTYPE_NONE)
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' has the unknown type '%.40s'", name,
                         dtype);
    if (json_count(shape) > TARE_MAX_RANK)
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' has rank %zu, need at most %d", name,
                         json_count(shape), TARE_MAX_RANK);
    info->rank = (int32_t)json_count(shape);
    for (int32_t i = 0; i < info->rank; i++) {
        int64_t size = json_int(json_at(shape, (size_t)i), -1);

        info->shape[i] = size < 0 ? -1 : size;
    }
    return TARE_OK;
}

static enum tare_status read_side(const struct json_value *json, struct inproc_side *side,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    size_t count = json_count(json);

    if (count > INPROC_TENSORS_MAX)
        return tare_fail(err, TARE_LIMIT, "the model has %zu inputs or outputs, need at most %d",
                         count, INPROC_TENSORS_MAX);
    side->infos = calloc(count + 1, sizeof(*side->infos));
    if (!side->infos)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", count);
    side->count = count;
    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = read_tensor(json_at(json, i), &side->infos[i], err);
    return status;
}

/* Parses a message of the server's, and deletes it. */
static enum tare_status parse(const struct inproc_api *api, struct inproc_message *message,
                              struct json_tree **tree, struct tare_err *err)
{
    const char *text = "";
    size_t bytes = 0;
    enum tare_status status = inproc_check(api, api->message_json(message, &text, &bytes),
                                           "cannot read the server's answer", err);

    if (status == TARE_OK)
        status = json_parse(text, bytes, tree, err);
    inproc_drop(api, api->message_delete(message));
    return status;
}

static enum tare_status read_metadata(struct tare_session *session, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    struct inproc_message *message = NULL;
    struct json_tree *tree = NULL;
    enum tare_status status = inproc_check(
        api, api->model_metadata(session->server, session->model, session->version, &message),
        "cannot describe the model", err);

    if (status == TARE_OK)
        status = parse(api, message, &tree, err);
    if (status == TARE_OK)
        status = read_side(json_get(json_root(tree), "inputs"), &session->inputs, err);
    if (status == TARE_OK)
        status = read_side(json_get(json_root(tree), "outputs"), &session->outputs, err);
    json_free(tree);
    return status;
}

/* A parameter of the configuration; "" if it has none of that name. */
static const char *parameter(const struct json_value *config, const char *name)
{
    const struct json_value *one = json_get(json_get(config, "parameters"), name);

    return json_text(json_get(one, "string_value"), "");
}

static void keep_config(struct tare_session *session, const struct json_value *config)
{
    const struct json_value *groups = json_get(config, "instance_group");
    const char *backend = json_text(json_get(config, "backend"), "");
    long threads = strtol(parameter(config, "threads"), NULL, 10);

    session->max_batch = json_int(json_get(config, "max_batch_size"), 0);
    session->threads = threads > 0 && threads <= 1024 ? (int32_t)threads : 0;
    (void)snprintf(session->precision, sizeof(session->precision), "%s",
                   parameter(config, "precision"));
    (void)snprintf(session->backend, sizeof(session->backend), "%s",
                   backend[0] ? backend : json_text(json_get(config, "platform"), ""));
    for (size_t i = 0; i < json_count(groups); i++) {
        const char *kind = json_text(json_get(json_at(groups, i), "kind"), "");

        session->on_cpu = session->on_cpu || strcmp(kind, "KIND_CPU") == 0;
        session->on_gpu = session->on_gpu || strcmp(kind, "KIND_GPU") == 0;
    }
}

static enum tare_status read_config(struct tare_session *session, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    struct inproc_message *message = NULL;
    struct json_tree *tree = NULL;
    enum tare_status status = inproc_check(
        api, api->model_config(session->server, session->model, session->version, 1, &message),
        "cannot read the model's configuration", err);

    if (status == TARE_OK)
        status = parse(api, message, &tree, err);
    if (status == TARE_OK)
        keep_config(session, json_root(tree));
    json_free(tree);
    return status;
}

static enum tare_status read_release(struct tare_session *session, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    struct inproc_message *message = NULL;
    struct json_tree *tree = NULL;
    enum tare_status status = inproc_check(api, api->server_metadata(session->server, &message),
                                           "cannot read the server's version", err);

    if (status == TARE_OK)
        status = parse(api, message, &tree, err);
    if (status == TARE_OK)
        (void)snprintf(session->release, sizeof(session->release), "%s",
                       json_text(json_get(json_root(tree), "version"), "?"));
    json_free(tree);
    return status;
}

enum tare_status inproc_read_model(struct tare_session *session, struct tare_err *err)
{
    enum tare_status status = read_release(session, err);

    if (status == TARE_OK)
        status = read_config(session, err);
    if (status == TARE_OK)
        status = read_metadata(session, err);
    if (status != TARE_OK)
        return status;
    session->in = calloc(session->inputs.count + 1, sizeof(*session->in));
    session->out = calloc(session->outputs.count + 1, sizeof(*session->out));
    if (!session->in || !session->out)
        return tare_fail(err, TARE_NOMEM, "out of memory for the model's tensors");
    return TARE_OK;
}

enum tare_status inproc_describe(struct tare_session *session, bool inputs,
                                 const struct tare_tensor_info **infos, size_t *count,
                                 struct tare_err *err)
{
    const struct inproc_side *side = inputs ? &session->inputs : &session->outputs;

    (void)err;
    *infos = side->infos;
    *count = side->count;
    return TARE_OK;
}
