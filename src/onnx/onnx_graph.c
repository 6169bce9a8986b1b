#include "onnx/onnx_graph.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define ONNX_IR_VERSION 8

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "raw_data is little-endian; this host needs a byte swap that was never written"
#endif

static char *copy_text(struct onnx_builder *b, const char *text)
{
    return arena_text(&b->model->arena, text, strlen(text));
}

/* Makes room for one more pointer at the end of a repeated field. False on error. */
static bool grow(struct onnx_builder *b, void *field, size_t count, struct onnx_room *room)
{
    void *items;
    void *grown;

    memcpy(&items, field, sizeof(items));
    if (room->items != items || !items) {
        room->items = items;
        room->capacity = count;
    }
    if (count < room->capacity)
        return true;
    grown = arena_zero(&b->model->arena, count < 8 ? 16 : count * 2, sizeof(void *));
    if (!grown)
        return false;
    if (count)
        memcpy(grown, items, count * sizeof(void *));
    memcpy(field, &grown, sizeof(grown));
    room->items = grown;
    room->capacity = count < 8 ? 16 : count * 2;
    return true;
}

void onnx_build_on(struct onnx_builder *b, struct onnx_model *model)
{
    memset(b, 0, sizeof(*b));
    b->model = model;
    b->graph = model->proto ? model->proto->graph : NULL;
}

void onnx_build_new(struct onnx_builder *b, struct onnx_model *model, const char *graph_name,
                    int64_t opset)
{
    Onnx__ModelProto *proto = arena_alloc(&model->arena, sizeof(*proto));
    Onnx__GraphProto *graph = arena_alloc(&model->arena, sizeof(*graph));
    Onnx__OperatorSetIdProto *set = arena_alloc(&model->arena, sizeof(*set));
    Onnx__OperatorSetIdProto **sets = arena_zero(&model->arena, 1, sizeof(*sets));

    onnx_build_on(b, model);
    if (!proto || !graph || !set || !sets)
        return;
    onnx__model_proto__init(proto);
    onnx__graph_proto__init(graph);
    onnx__operator_set_id_proto__init(set);
    b->graph = graph;
    graph->name = copy_text(b, graph_name);
    proto->has_ir_version = 1;
    proto->ir_version = ONNX_IR_VERSION;
    proto->graph = graph;
    set->domain = copy_text(b, "");
    set->has_version = 1;
    set->version = opset;
    sets[0] = set;
    proto->opset_import = sets;
    proto->n_opset_import = 1;
    model->proto = proto;
}

bool onnx_room_for_node(struct onnx_builder *b)
{
    return grow(b, &b->graph->node, b->graph->n_node, &b->nodes);
}

static char **copy_names(struct onnx_builder *b, const char *const *names, size_t count)
{
    char **copy = arena_zero(&b->model->arena, count, sizeof(*copy));

    for (size_t i = 0; copy && i < count; i++)
        copy[i] = copy_text(b, names[i]);
    return copy;
}

Onnx__NodeProto *onnx_add_node(struct onnx_builder *b, const char *op_type, const char *name,
                               const char *const *inputs, size_t input_count,
                               const char *const *outputs, size_t output_count)
{
    Onnx__NodeProto *node = arena_alloc(&b->model->arena, sizeof(*node));

    if (!node || !onnx_room_for_node(b))
        return NULL;
    onnx__node_proto__init(node);
    node->op_type = copy_text(b, op_type);
    node->name = copy_text(b, name);
    node->input = copy_names(b, inputs, input_count);
    node->output = copy_names(b, outputs, output_count);
    if (b->model->arena.status != TARE_OK)
        return NULL;
    node->n_input = input_count;
    node->n_output = output_count;
    b->graph->node[b->graph->n_node++] = node;
    return node;
}

Onnx__NodeProto *onnx_add_simple(struct onnx_builder *b, const char *op_type, const char *name,
                                 const char *first, const char *second, const char *output)
{
    const char *inputs[2];

    inputs[0] = first;
    inputs[1] = second;
    return onnx_add_node(b, op_type, name, inputs, second ? 2 : 1, &output, 1);
}

/* A node has few attributes, so its array is made anew for each. */
static Onnx__AttributeProto *add_attribute(struct onnx_builder *b, Onnx__NodeProto *node,
                                           const char *name, enum onnx_attribute_type type)
{
    Onnx__AttributeProto *attribute = arena_alloc(&b->model->arena, sizeof(*attribute));
    Onnx__AttributeProto **all;

    if (!node || !attribute)
        return NULL;
    all = arena_zero(&b->model->arena, node->n_attribute + 1, sizeof(*all));
    if (!all)
        return NULL;
    onnx__attribute_proto__init(attribute);
    attribute->name = copy_text(b, name);
    if (!attribute->name)
        return NULL;
    attribute->has_type = 1;
    attribute->type = type;
    if (node->n_attribute)
        memcpy(all, node->attribute, node->n_attribute * sizeof(*all));
    all[node->n_attribute++] = attribute;
    node->attribute = all;
    return attribute;
}

void onnx_set_int(struct onnx_builder *b, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *attribute = add_attribute(b, node, name, ONNX_ATTR_INT);

    if (!attribute)
        return;
    attribute->has_i = 1;
    attribute->i = value;
}

void onnx_set_float(struct onnx_builder *b, Onnx__NodeProto *node, const char *name, float value)
{
    Onnx__AttributeProto *attribute = add_attribute(b, node, name, ONNX_ATTR_FLOAT);

    if (!attribute)
        return;
    attribute->has_f = 1;
    attribute->f = value;
}

void onnx_set_text(struct onnx_builder *b, Onnx__NodeProto *node, const char *name,
                   const char *text)
{
    Onnx__AttributeProto *attribute = add_attribute(b, node, name, ONNX_ATTR_STRING);
    char *copy = copy_text(b, text);

    if (!attribute || !copy)
        return;
    attribute->has_s = 1;
    attribute->s.data = (uint8_t *)copy;
    attribute->s.len = strlen(text);
}

void onnx_set_ints(struct onnx_builder *b, Onnx__NodeProto *node, const char *name,
                   const int64_t *values, size_t count)
{
    Onnx__AttributeProto *attribute = add_attribute(b, node, name, ONNX_ATTR_INTS);
    int64_t *copy = arena_zero(&b->model->arena, count, sizeof(*copy));

    if (!attribute || !copy)
        return;
    memcpy(copy, values, count * sizeof(*copy));
    attribute->ints = copy;
    attribute->n_ints = count;
}

void *onnx_add_tensor(struct onnx_builder *b, const char *name, enum onnx_type type, int32_t rank,
                      const int64_t *shape)
{
    Onnx__TensorProto *tensor = arena_alloc(&b->model->arena, sizeof(*tensor));
    int64_t *dims = arena_zero(&b->model->arena, (size_t)rank, sizeof(*dims));
    size_t item = onnx_type_bytes(type);
    int64_t count = tare_shape_count(rank, shape);
    size_t bytes = 0;

    assert(item > 0 && count >= 0);
    if (!tensor || !dims ||
        !grow(b, &b->graph->initializer, b->graph->n_initializer, &b->initializers))
        return NULL;
    if (__builtin_mul_overflow((size_t)count, item, &bytes))
        bytes = SIZE_MAX;
    onnx__tensor_proto__init(tensor);
    tensor->name = copy_text(b, name);
    tensor->raw_data.data = arena_alloc(&b->model->arena, bytes);
    if (!tensor->name || !tensor->raw_data.data)
        return NULL;
    if (rank > 0)
        memcpy(dims, shape, (size_t)rank * sizeof(*dims));
    tensor->dims = dims;
    tensor->n_dims = (size_t)rank;
    tensor->has_data_type = 1;
    tensor->data_type = type;
    tensor->has_raw_data = 1;
    tensor->raw_data.len = bytes;
    b->graph->initializer[b->graph->n_initializer++] = tensor;
    return tensor->raw_data.data;
}

void onnx_add_int64s(struct onnx_builder *b, const char *name, const int64_t *values, size_t count)
{
    int64_t shape = (int64_t)count;
    void *data = onnx_add_tensor(b, name, ONNX_INT64, 1, &shape);

    if (data)
        memcpy(data, values, count * sizeof(*values));
}

void onnx_add_floats(struct onnx_builder *b, const char *name, const float *values, size_t count)
{
    int64_t shape = (int64_t)count;
    void *data = onnx_add_tensor(b, name, ONNX_FLOAT, 1, &shape);

    if (data)
        memcpy(data, values, count * sizeof(*values));
}

static Onnx__TensorShapeProto *new_shape(struct onnx_builder *b, int32_t rank, const int64_t *shape,
                                         const char *free_name)
{
    struct arena *arena = &b->model->arena;
    Onnx__TensorShapeProto *result = arena_alloc(arena, sizeof(*result));
    Onnx__TensorShapeProto__Dimension **dims = arena_zero(arena, (size_t)rank, sizeof(*dims));

    if (!result || !dims)
        return NULL;
    onnx__tensor_shape_proto__init(result);
    for (int32_t i = 0; i < rank; i++) {
        dims[i] = arena_alloc(arena, sizeof(*dims[i]));
        if (!dims[i])
            return NULL;
        onnx__tensor_shape_proto__dimension__init(dims[i]);
        if (shape[i] < 0) {
            dims[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dims[i]->dim_param = copy_text(b, free_name);
        } else {
            dims[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dims[i]->dim_value = shape[i];
        }
    }
    result->dim = dims;
    result->n_dim = (size_t)rank;
    return result;
}

static Onnx__ValueInfoProto *new_value(struct onnx_builder *b, const char *name,
                                       enum onnx_type type, int32_t rank, const int64_t *shape,
                                       const char *free_name)
{
    struct arena *arena = &b->model->arena;
    Onnx__ValueInfoProto *value = arena_alloc(arena, sizeof(*value));
    Onnx__TypeProto *proto = arena_alloc(arena, sizeof(*proto));
    Onnx__TypeProto__Tensor *tensor = arena_alloc(arena, sizeof(*tensor));

    if (!value || !proto || !tensor)
        return NULL;
    onnx__value_info_proto__init(value);
    onnx__type_proto__init(proto);
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = 1;
    tensor->elem_type = type;
    tensor->shape = new_shape(b, rank, shape, free_name);
    proto->tensor_type = tensor;
    value->type = proto;
    value->name = copy_text(b, name);
    return arena->status == TARE_OK ? value : NULL;
}

void onnx_add_input(struct onnx_builder *b, const char *name, enum onnx_type type, int32_t rank,
                    const int64_t *shape, const char *free_name)
{
    Onnx__ValueInfoProto *value = new_value(b, name, type, rank, shape, free_name);

    if (value && grow(b, &b->graph->input, b->graph->n_input, &b->inputs))
        b->graph->input[b->graph->n_input++] = value;
}

void onnx_add_output(struct onnx_builder *b, const char *name, enum onnx_type type, int32_t rank,
                     const int64_t *shape, const char *free_name)
{
    Onnx__ValueInfoProto *value = new_value(b, name, type, rank, shape, free_name);

    if (value && grow(b, &b->graph->output, b->graph->n_output, &b->outputs))
        b->graph->output[b->graph->n_output++] = value;
}

void onnx_add_metadata(struct onnx_builder *b, const char *key, const char *value)
{
    Onnx__ModelProto *proto = b->model->proto;
    Onnx__StringStringEntryProto *entry = arena_alloc(&b->model->arena, sizeof(*entry));

    if (!entry || !grow(b, &proto->metadata_props, proto->n_metadata_props, &b->metadata))
        return;
    onnx__string_string_entry_proto__init(entry);
    entry->key = copy_text(b, key);
    entry->value = copy_text(b, value);
    if (entry->key && entry->value)
        proto->metadata_props[proto->n_metadata_props++] = entry;
}

void onnx_set_producer(struct onnx_builder *b, const char *name, const char *version)
{
    if (!b->model->proto)
        return;
    b->model->proto->producer_name = copy_text(b, name);
    b->model->proto->producer_version = copy_text(b, version);
}

enum tare_status onnx_builder_status(const struct onnx_builder *b, struct tare_err *err)
{
    return arena_status(&b->model->arena, "the ONNX graph", err);
}
