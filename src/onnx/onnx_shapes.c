#include "onnx/onnx_shapes.h"

#include <stdlib.h>
#include <string.h>

#include "onnx/onnx_shape_rules.h"

#define SHAPES_MAX_BYTES ((size_t)512 << 20)

struct entry {
    const char *name; /* NULL: a free place */
    const Onnx__ValueInfoProto *declared;
    struct shape_value *value; /* NULL until the value is made */
};

struct onnx_shapes {
    struct arena arena;
    struct entry *table; // (capacity), open addressing
    size_t capacity;     /* a power of two, more than twice the names */
    int64_t free_dimension;
};

static size_t hash_name(const char *name)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return (size_t)(hash ^ hash >> 32);
}

/* Where a name is, or where it would go. */
static struct entry *find(const struct onnx_shapes *shapes, const char *name)
{
    size_t at = hash_name(name) & (shapes->capacity - 1);

    while (shapes->table[at].name && strcmp(shapes->table[at].name, name) != 0)
        at = (at + 1) & (shapes->capacity - 1);
    return &shapes->table[at];
}

static size_t count_names(const Onnx__GraphProto *graph)
{
    size_t count = graph->n_input + graph->n_initializer + graph->n_value_info + graph->n_output;

    for (size_t i = 0; i < graph->n_node; i++)
        count += graph->node[i]->n_output;
    return count;
}

static enum tare_status make_table(struct onnx_shapes *shapes, const Onnx__GraphProto *graph,
                                   struct tare_err *err)
{
    size_t wanted = count_names(graph) * 2 + 2;

    shapes->capacity = 16;
    while (shapes->capacity < wanted)
        shapes->capacity *= 2;
    shapes->table = arena_zero(&shapes->arena, shapes->capacity, sizeof(*shapes->table));
    return arena_status(&shapes->arena, "the shapes of the graph", err);
}

/* A new value of unknown type and rank under that name; NULL with err set if there is one. */
static struct shape_value *make_value(struct onnx_shapes *shapes, const char *name,
                                      struct tare_err *err)
{
    struct entry *entry = find(shapes, name);

    if (entry->value) {
        (void)tare_fail(err, TARE_BADDATA, "two values named '%.100s'", name);
        return NULL;
    }
    entry->name = name;
    entry->value = arena_zero(&shapes->arena, 1, sizeof(*entry->value));
    if (!entry->value) {
        (void)arena_status(&shapes->arena, "the shapes of the graph", err);
        return NULL;
    }
    entry->value->shape.rank = ONNX_UNKNOWN;
    entry->value->int_count = -1;
    return entry->value;
}

/* What the file says of a value. */
static void read_declared(const struct onnx_shapes *shapes, const Onnx__ValueInfoProto *info,
                          struct onnx_shape *shape)
{
    const Onnx__TypeProto__Tensor *tensor = info->type ? info->type->tensor_type : NULL;

    if (!tensor)
        return;
    shape->type = tensor->elem_type;
    if (!tensor->shape || tensor->shape->n_dim > TARE_MAX_RANK)
        return;
    shape->rank = (int32_t)tensor->shape->n_dim;
    for (int32_t i = 0; i < shape->rank; i++) {
        const Onnx__TensorShapeProto__Dimension *dim = tensor->shape->dim[i];
        bool known = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;

        shape->dims[i] = known ? dim->dim_value : shapes->free_dimension;
        if (shape->dims[i] < 0)
            shape->dims[i] = ONNX_UNKNOWN;
    }
}

static enum tare_status check_dims(const struct onnx_shape *shape, const char *name,
                                   struct tare_err *err)
{
    for (int32_t i = 0; i < shape->rank; i++)
        if (shape->dims[i] < ONNX_UNKNOWN || shape->dims[i] > SHAPE_MAX_DIM)
            return tare_fail(err, TARE_BADDATA, "value '%.100s' has a dimension of %lld", name,
                             (long long)shape->dims[i]);
    return TARE_OK;
}

static enum tare_status add_initializer(struct onnx_shapes *shapes, const Onnx__TensorProto *tensor,
                                        struct tare_err *err)
{
    struct shape_value *value = make_value(shapes, tensor->name, err);

    if (!value)
        return err->status;
    value->shape.type = tensor->data_type;
    if (tensor->n_dims > TARE_MAX_RANK)
        return TARE_OK;
    value->shape.rank = (int32_t)tensor->n_dims;
    if (tensor->n_dims)
        memcpy(value->shape.dims, tensor->dims, tensor->n_dims * sizeof(*tensor->dims));
    if (tensor->data_location != ONNX_LOCATION_EXTERNAL)
        value->tensor = tensor;
    value->int_count = (int32_t)onnx_tensor_ints(tensor, value->ints, SHAPE_MAX_INTS);
    return check_dims(&value->shape, tensor->name, err);
}

/* Old models list their initializers among the inputs too: those are made already. */
static enum tare_status add_inputs(struct onnx_shapes *shapes, const Onnx__GraphProto *graph,
                                   struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < graph->n_initializer && status == TARE_OK; i++)
        status = add_initializer(shapes, graph->initializer[i], err);
    for (size_t i = 0; i < graph->n_input && status == TARE_OK; i++) {
        const char *name = graph->input[i]->name;
        struct shape_value *value;

        if (find(shapes, name)->value)
            continue;
        value = make_value(shapes, name, err);
        if (!value)
            return err->status;
        read_declared(shapes, graph->input[i], &value->shape);
        status = check_dims(&value->shape, name, err);
    }
    for (size_t i = 0; i < graph->n_value_info && status == TARE_OK; i++) {
        struct entry *entry = find(shapes, graph->value_info[i]->name);

        entry->name = graph->value_info[i]->name;
        entry->declared = graph->value_info[i];
    }
    return status;
}

static enum tare_status gather_inputs(const struct onnx_shapes *shapes, struct shape_call *call)
{
    const Onnx__NodeProto *node = call->node;

    for (size_t i = 0; i < node->n_input; i++) {
        const struct entry *entry = find(shapes, node->input[i]);

        if (node->input[i][0] && !entry->value)
            return shape_fail(call, "reads '%.100s', which nothing before it makes",
                              node->input[i]);
        if (i < SHAPE_MAX_INPUTS)
            call->inputs[i] = node->input[i][0] ? entry->value : NULL;
    }
    call->input_count = node->n_input < SHAPE_MAX_INPUTS ? node->n_input : SHAPE_MAX_INPUTS;
    return TARE_OK;
}

static enum tare_status make_outputs(struct onnx_shapes *shapes, struct shape_call *call)
{
    const Onnx__NodeProto *node = call->node;

    for (size_t i = 0; i < node->n_output; i++) {
        struct shape_value *value = NULL;

        if (node->output[i][0]) {
            value = make_value(shapes, node->output[i], call->err);
            if (!value)
                return call->err->status;
        }
        if (i < SHAPE_MAX_OUTPUTS)
            call->outputs[i] = value;
    }
    call->output_count = node->n_output < SHAPE_MAX_OUTPUTS ? node->n_output : SHAPE_MAX_OUTPUTS;
    return TARE_OK;
}

/* Of the standard, or the one operator of ONNX Runtime's own that INT8 files made here hold. */
static bool is_known(const Onnx__NodeProto *node)
{
    if (strcmp(node->op_type, "QuickGelu") == 0)
        return strcmp(node->domain, "com.microsoft") == 0;
    return !node->domain[0] || strcmp(node->domain, "ai.onnx") == 0;
}

static enum tare_status infer_node(struct onnx_shapes *shapes, const Onnx__NodeProto *node,
                                   struct shape_call *call)
{
    shape_rule rule = is_known(node) ? shape_find_rule(node->op_type) : NULL;
    enum tare_status status;

    call->node = node;
    status = gather_inputs(shapes, call);
    if (status == TARE_OK)
        status = make_outputs(shapes, call);
    if (status == TARE_OK && rule && node->n_input <= SHAPE_MAX_INPUTS)
        status = rule(call);
    for (size_t i = 0; i < call->output_count && status == TARE_OK; i++) {
        const struct entry *entry = find(shapes, node->output[i]);

        if (!call->outputs[i])
            continue;
        if (call->outputs[i]->shape.rank < 0 && entry->declared)
            read_declared(shapes, entry->declared, &call->outputs[i]->shape);
        status = check_dims(&call->outputs[i]->shape, node->output[i], call->err);
    }
    return status;
}

enum tare_status onnx_shapes_infer(const Onnx__ModelProto *proto, int64_t free_dimension,
                                   struct onnx_shapes **shapes, struct tare_err *err)
{
    struct tare_err ignored = TARE_ERR_INIT;
    struct onnx_shapes *self = calloc(1, sizeof(*self));
    struct shape_call *call = calloc(1, sizeof(*call));
    enum tare_status status;

    *shapes = NULL;
    err = err ? err : &ignored;
    if (!self || !call) {
        status = tare_fail(err, TARE_NOMEM, "out of memory for the shapes of the graph");
        goto done;
    }
    arena_init(&self->arena, SHAPES_MAX_BYTES);
    self->free_dimension = free_dimension;
    call->err = err;
    status = make_table(self, proto->graph, err);
    if (status == TARE_OK)
        status = add_inputs(self, proto->graph, err);
    for (size_t i = 0; i < proto->graph->n_node && status == TARE_OK; i++)
        status = infer_node(self, proto->graph->node[i], call);

done:
    free(call);
    if (status == TARE_OK)
        *shapes = self;
    else
        onnx_shapes_free(self);
    return status;
}

void onnx_shapes_free(struct onnx_shapes *shapes)
{
    if (!shapes)
        return;
    arena_release(&shapes->arena);
    free(shapes);
}

const struct onnx_shape *onnx_shapes_find(const struct onnx_shapes *shapes, const char *name)
{
    const struct entry *entry = find(shapes, name);

    return entry->value ? &entry->value->shape : NULL;
}

bool onnx_shapes_is_constant(const struct onnx_shapes *shapes, const char *name)
{
    const struct entry *entry = find(shapes, name);

    return entry->value && entry->value->tensor;
}

int64_t onnx_shape_count(const struct onnx_shape *shape)
{
    return shape && shape->rank >= 0 ? tare_shape_count(shape->rank, shape->dims) : -1;
}

const struct shape_value *shape_input(const struct shape_call *call, size_t index)
{
    return index < call->input_count ? call->inputs[index] : NULL;
}

const struct shape_value *shape_ranked(const struct shape_call *call, size_t index)
{
    const struct shape_value *value = shape_input(call, index);

    return value && value->shape.rank >= 0 ? value : NULL;
}

bool shape_ints(const struct shape_call *call, const char *attribute, size_t input, int64_t *ints,
                int32_t *count)
{
    const Onnx__AttributeProto *found = onnx_find_attribute(call->node, attribute);
    const struct shape_value *value = shape_input(call, input);

    if (found && found->n_ints <= SHAPE_MAX_INTS) {
        *count = (int32_t)found->n_ints;
        if (found->n_ints)
            memcpy(ints, found->ints, found->n_ints * sizeof(*ints));
        return true;
    }
    if (!value || value->int_count < 0)
        return false;
    *count = value->int_count;
    memcpy(ints, value->ints, (size_t)value->int_count * sizeof(*ints));
    return true;
}

struct onnx_shape *shape_output(struct shape_call *call, int32_t type, int32_t rank)
{
    struct onnx_shape *shape;

    if (call->output_count == 0 || !call->outputs[0])
        return NULL;
    shape = &call->outputs[0]->shape;
    shape->type = type;
    shape->rank = rank;
    for (int32_t i = 0; i < TARE_MAX_RANK; i++)
        shape->dims[i] = ONNX_UNKNOWN;
    return shape;
}

bool shape_axis(int64_t *axis, int32_t rank)
{
    if (*axis < 0)
        *axis += *axis < -(int64_t)rank ? 0 : rank;
    return *axis >= 0 && *axis < rank;
}

enum tare_status shape_fail(const struct shape_call *call, const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    return tare_fail(call->err, TARE_BADDATA, "node '%.100s' (%.40s): %s", call->node->name,
                     call->node->op_type, text);
}
