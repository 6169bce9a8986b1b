#include <stdlib.h>
#include <string.h>

#include "vino_session.h"

#define TENSORS_MAX 256

/* Pairs of dtype and the library's number for it. */
static const struct {
    enum tare_dtype dtype;
    int element_type;
} element_types[] = {
    {TARE_BOOL, 1},    {TARE_BF16, 2},    {TARE_FP16, 3},    {TARE_FP32, 4},   {TARE_FP64, 5},
    {TARE_INT8, 7},    {TARE_INT16, 8},   {TARE_INT32, 9},   {TARE_INT64, 10}, {TARE_UINT8, 16},
    {TARE_UINT16, 17}, {TARE_UINT32, 18}, {TARE_UINT64, 19},
};

#define ELEMENT_TYPES (sizeof(element_types) / sizeof(element_types[0]))

int vino_element_type(enum tare_dtype dtype)
{
    for (size_t i = 0; i < ELEMENT_TYPES; i++)
        if (element_types[i].dtype == dtype)
            return element_types[i].element_type;
    return 0;
}

enum tare_dtype vino_dtype(int element_type)
{
    for (size_t i = 0; i < ELEMENT_TYPES; i++)
        if (element_types[i].element_type == element_type)
            return element_types[i].dtype;
    return TARE_DTYPE_NONE;
}

bool vino_is_dynamic(const struct tare_tensor_info *info)
{
    for (int32_t i = 0; i < info->rank; i++)
        if (info->shape[i] < 0)
            return true;
    return false;
}

static bool is_fixed(const struct vino_dimension *dimension)
{
    return dimension->min == dimension->max;
}

/* An unknown rank is written as one dynamic dimension: one run will tell. */
static enum tare_status copy_shape(const struct vino_partial_shape *shape,
                                   struct tare_tensor_info *info, struct tare_err *err)
{
    bool known = is_fixed(&shape->rank);

    if (known && (shape->rank.max < 0 || shape->rank.max > TARE_MAX_RANK))
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' has rank %lld, need at most %d",
                         info->name, (long long)shape->rank.max, TARE_MAX_RANK);
    info->rank = known ? (int32_t)shape->rank.max : 1;
    for (int32_t i = 0; i < info->rank; i++)
        info->shape[i] = known && is_fixed(&shape->dims[i]) ? shape->dims[i].max : -1;
    return TARE_OK;
}

static enum tare_status read_name(const struct vino_api *api, const struct vino_port *port,
                                  struct tare_tensor_info *info, struct tare_err *err)
{
    char *name = NULL;
    enum tare_status status =
        vino_check(api, api->port_name(port, &name), "cannot read a tensor's name", err);

    if (status != TARE_OK)
        return status;
    if (strlen(name) >= sizeof(info->name))
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "tensor '%.40s...' has a name of %zu bytes, need at most %zu", name,
                           strlen(name), sizeof(info->name) - 1);
    else
        (void)snprintf(info->name, sizeof(info->name), "%s", name);
    api->text_free(name);
    return status;
}

static enum tare_status read_port(const struct vino_api *api, const struct vino_port *port,
                                  struct tare_tensor_info *info, struct tare_err *err)
{
    struct vino_partial_shape shape = {0};
    int element_type = 0;
    enum tare_status status = read_name(api, port, info, err);

    if (status == TARE_OK)
        status = vino_check(api, api->port_type(port, &element_type), "cannot read a tensor's type",
                            err);
    if (status != TARE_OK)
        return status;
    info->dtype = vino_dtype(element_type);
    if (info->dtype == TARE_DTYPE_NONE)
        return tare_fail(err, TARE_UNSUPPORTED, "tensor '%s' has OpenVINO's element type %d, %s",
                         info->name, element_type, "need a number type of 8 bits or more");
    status = vino_check(api, api->port_shape(port, &shape), "cannot read a tensor's shape", err);
    if (status != TARE_OK)
        return status;
    status = copy_shape(&shape, info, err);
    api->partial_shape_free(&shape);
    return status;
}

static enum tare_status read_side(const struct tare_session *session, bool inputs,
                                  struct vino_side *side, struct tare_err *err)
{
    const struct vino_api *api = &session->api;
    size_t count = 0;
    enum tare_status status =
        vino_check(api, (inputs ? api->inputs_size : api->outputs_size)(session->compiled, &count),
                   "cannot count the model's tensors", err);

    if (status != TARE_OK)
        return status;
    if (count > TENSORS_MAX)
        return tare_fail(err, TARE_LIMIT, "the model has %zu %s, need at most %d", count,
                         inputs ? "inputs" : "outputs", TENSORS_MAX);
    side->infos = calloc(count + 1, sizeof(*side->infos));
    if (!side->infos)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", count);
    side->count = count;
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        struct vino_port *port = NULL;

        status = vino_check(api, (inputs ? api->input : api->output)(session->compiled, i, &port),
                            "cannot read a tensor's type", err);
        if (status == TARE_OK)
            status = read_port(api, port, &side->infos[i], err);
        api->port_free(port);
    }
    return status;
}

enum tare_status vino_read_sides(struct tare_session *session, struct tare_err *err)
{
    enum tare_status status = read_side(session, true, &session->inputs, err);

    if (status == TARE_OK)
        status = read_side(session, false, &session->outputs, err);
    if (status != TARE_OK)
        return status;
    session->bound = calloc(session->outputs.count + 1, sizeof(*session->bound));
    return session->bound ? TARE_OK : tare_fail(err, TARE_NOMEM, "out of memory for the outputs");
}

static enum tare_status set_input_batch(const struct vino_api *api, const struct vino_model *model,
                                        size_t index, int32_t batch, struct tare_err *err)
{
    struct vino_partial_shape shape = {0};
    struct vino_port *port = NULL;
    enum tare_status status =
        vino_check(api, api->model_input(model, index, &port), "cannot read an input", err);

    if (status == TARE_OK)
        status = vino_check(api, api->port_shape(port, &shape), "cannot read an input", err);
    api->port_free(port);
    if (status != TARE_OK)
        return status;
    if (is_fixed(&shape.rank) && shape.rank.max > 0 && !is_fixed(&shape.dims[0])) {
        shape.dims[0] = (struct vino_dimension){batch, batch};
        status = vino_check(api, api->model_reshape(model, &index, &shape, 1),
                            "cannot set the batch", err);
    }
    api->partial_shape_free(&shape);
    return status;
}

enum tare_status vino_set_batch(const struct vino_api *api, const struct vino_model *model,
                                int32_t batch, struct tare_err *err)
{
    size_t count = 0;
    enum tare_status status = vino_check(api, api->model_inputs_size(model, &count),
                                         "cannot count the model's inputs", err);

    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = set_input_batch(api, model, i, batch, err);
    return status;
}
