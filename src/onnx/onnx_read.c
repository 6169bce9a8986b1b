#include "onnx/onnx_read.h"

#include <stdbool.h>
#include <string.h>

#include "base/file.h"
#include "base/printable.h"

#define ONNX_MAX_FILE_BYTES ((size_t)INT32_MAX)
#define ONNX_MAX_RANK       64
#define ONNX_SPARE_BYTES    ((size_t)64 << 20)
#define ONNX_GROWTH         16

static void *take(void *arena, size_t bytes)
{
    return arena_alloc(arena, bytes);
}

/* The arena frees everything at the end. */
static void keep(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

struct check {
    char *empty; /* what an absent text reads as; in the model's arena */
    struct tare_err *err;
};

static void fill(const struct check *check, char **text)
{
    if (!*text)
        *text = check->empty;
}

/* How many typed values a tensor of that type and count must have, and how many it has. */
static bool typed_data_fits(const Onnx__TensorProto *tensor, size_t count)
{
    switch (tensor->data_type) {
    case ONNX_FLOAT:
        return tensor->n_float_data == count;
    case ONNX_COMPLEX64:
        return tensor->n_float_data / 2 == count && tensor->n_float_data % 2 == 0;
    case ONNX_DOUBLE:
        return tensor->n_double_data == count;
    case ONNX_COMPLEX128:
        return tensor->n_double_data / 2 == count && tensor->n_double_data % 2 == 0;
    case ONNX_INT64:
        return tensor->n_int64_data == count;
    case ONNX_UINT32:
    case ONNX_UINT64:
        return tensor->n_uint64_data == count;
    case ONNX_STRING:
        return tensor->n_string_data == count;
    case ONNX_INT4:
    case ONNX_UINT4:
        return tensor->n_int32_data == count / 2 + count % 2;
    default:
        return tensor->n_int32_data == count;
    }
}

static bool raw_data_fits(const Onnx__TensorProto *tensor, size_t count)
{
    size_t item = onnx_type_bytes(tensor->data_type);
    size_t bytes;

    if (tensor->data_type == ONNX_INT4 || tensor->data_type == ONNX_UINT4)
        return tensor->raw_data.len == count / 2 + count % 2;
    if (item == 0) /* a type newer than this program: nothing here will look inside */
        return tensor->data_type != ONNX_STRING;
    return !__builtin_mul_overflow(count, item, &bytes) && bytes == tensor->raw_data.len;
}

static enum tare_status check_tensor(Onnx__TensorProto *tensor, const struct check *check)
{
    int64_t count;

    fill(check, &tensor->name);
    if (tensor->n_dims > ONNX_MAX_RANK)
        return tare_fail(check->err, TARE_LIMIT, "tensor '%.100s' has %zu dimensions, at most %d",
                         tensor->name, tensor->n_dims, ONNX_MAX_RANK);
    count = onnx_tensor_count(tensor);
    if (count < 0)
        return tare_fail(check->err, TARE_BADDATA,
                         "tensor '%.100s' has a negative or overflowing shape", tensor->name);
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        fill(check, &tensor->external_data[i]->key);
        fill(check, &tensor->external_data[i]->value);
    }
    if (tensor->data_location == ONNX_LOCATION_EXTERNAL)
        return TARE_OK;
    if (tensor->has_raw_data ? !raw_data_fits(tensor, (size_t)count)
                             : !typed_data_fits(tensor, (size_t)count))
        return tare_fail(check->err, TARE_BADDATA,
                         "tensor '%.100s' has a shape of %lld elements, but not as many values",
                         tensor->name, (long long)count);
    return TARE_OK;
}

static enum tare_status check_node(Onnx__NodeProto *node, const struct check *check)
{
    enum tare_status status = TARE_OK;

    fill(check, &node->name);
    fill(check, &node->op_type);
    fill(check, &node->domain);
    if (!node->op_type[0])
        return tare_fail(check->err, TARE_BADDATA, "node '%.100s' has no operator", node->name);
    for (size_t i = 0; i < node->n_attribute && status == TARE_OK; i++) {
        Onnx__AttributeProto *attribute = node->attribute[i];

        fill(check, &attribute->name);
        if (attribute->t)
            status = check_tensor(attribute->t, check);
    }
    return status;
}

static void fill_value(Onnx__ValueInfoProto *value, const struct check *check)
{
    const Onnx__TypeProto__Tensor *tensor = value->type ? value->type->tensor_type : NULL;

    fill(check, &value->name);
    for (size_t i = 0; tensor && tensor->shape && i < tensor->shape->n_dim; i++) {
        Onnx__TensorShapeProto__Dimension *dim = tensor->shape->dim[i];

        if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM)
            fill(check, &dim->dim_param);
    }
}

static enum tare_status check_graph(Onnx__GraphProto *graph, const struct check *check)
{
    enum tare_status status = TARE_OK;

    fill(check, &graph->name);
    for (size_t i = 0; i < graph->n_node && status == TARE_OK; i++)
        status = check_node(graph->node[i], check);
    for (size_t i = 0; i < graph->n_initializer && status == TARE_OK; i++)
        status = check_tensor(graph->initializer[i], check);
    for (size_t i = 0; i < graph->n_input; i++)
        fill_value(graph->input[i], check);
    for (size_t i = 0; i < graph->n_output; i++)
        fill_value(graph->output[i], check);
    for (size_t i = 0; i < graph->n_value_info; i++)
        fill_value(graph->value_info[i], check);
    return status;
}

static enum tare_status check_model(Onnx__ModelProto *proto, const struct check *check)
{
    if (!proto->graph || !proto->has_ir_version)
        return tare_fail(check->err, TARE_BADDATA, "not an ONNX model: it has no %s",
                         proto->graph ? "IR version" : "graph");
    fill(check, &proto->producer_name);
    fill(check, &proto->producer_version);
    for (size_t i = 0; i < proto->n_opset_import; i++)
        fill(check, &proto->opset_import[i]->domain);
    for (size_t i = 0; i < proto->n_metadata_props; i++) {
        fill(check, &proto->metadata_props[i]->key);
        fill(check, &proto->metadata_props[i]->value);
    }
    if (proto->graph->n_node == 0)
        return tare_fail(check->err, TARE_BADDATA, "the ONNX model's graph has no nodes");
    return check_graph(proto->graph, check);
}

enum tare_status onnx_parse(const uint8_t *data, size_t size, struct onnx_model *model,
                            struct tare_err *err)
{
    ProtobufCAllocator allocator = {take, keep, &model->arena};
    struct check check = {NULL, err};
    enum tare_status status = TARE_OK;

    onnx_model_init(model, ONNX_SPARE_BYTES + size * ONNX_GROWTH);
    if (size > ONNX_MAX_FILE_BYTES)
        status =
            tare_fail(err, TARE_LIMIT, "an ONNX file has at most %zu bytes", ONNX_MAX_FILE_BYTES);
    if (status == TARE_OK && size > 0)
        model->proto = onnx__model_proto__unpack(&allocator, size, data);
    if (status == TARE_OK && !model->proto) {
        status = arena_status(&model->arena, "the ONNX model", err);
        if (status == TARE_OK)
            status = tare_fail(err, TARE_BADDATA, "not an ONNX model, or a truncated one");
    }
    check.empty = arena_text(&model->arena, "", 0);
    if (status == TARE_OK && !check.empty)
        status = arena_status(&model->arena, "the ONNX model", err);
    if (status == TARE_OK)
        status = check_model(model->proto, &check);
    if (status != TARE_OK)
        onnx_model_release(model);
    return status;
}

enum tare_status onnx_read(const char *path, struct onnx_model *model, struct tare_err *err)
{
    struct file_map map = {NULL, 0};
    struct tare_err cause = TARE_ERR_INIT;
    enum tare_status status;

    onnx_model_init(model, 0);
    status = file_map(path, ONNX_MAX_FILE_BYTES, &map, err);
    if (status != TARE_OK)
        return status;
    status = onnx_parse(map.data, map.size, model, &cause);
    file_unmap(&map);
    printable(cause.text);
    return status == TARE_OK ? status
                             : tare_fail(err, status, "cannot read '%s': %s", path, cause.text);
}
