#include "onnx/onnx_edit.h"

#include <stdlib.h>
#include <string.h>

void onnx_take_nodes(struct onnx_builder *b, Onnx__NodeProto ***nodes, size_t *count)
{
    *nodes = b->graph->node;
    *count = b->graph->n_node;
    b->graph->node = NULL;
    b->graph->n_node = 0;
}

void onnx_put_node(struct onnx_builder *b, Onnx__NodeProto *node)
{
    if (node && onnx_room_for_node(b))
        b->graph->node[b->graph->n_node++] = node;
}

void onnx_set_input(struct onnx_builder *b, Onnx__NodeProto *node, size_t index, const char *name)
{
    char *copy = arena_text(&b->model->arena, name, strlen(name));
    char **inputs;

    if (!node || !copy)
        return;
    if (index == node->n_input) {
        inputs = arena_zero(&b->model->arena, index + 1, sizeof(*inputs));
        if (!inputs)
            return;
        if (index)
            memcpy(inputs, node->input, index * sizeof(*inputs));
        node->input = inputs;
        node->n_input++;
    }
    node->input[index] = copy;
}

void onnx_set_output(struct onnx_builder *b, Onnx__NodeProto *node, size_t index, const char *name)
{
    char *copy = arena_text(&b->model->arena, name, strlen(name));

    if (node && copy)
        node->output[index] = copy;
}

static int by_text(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;

    return strcmp(*x, *y);
}

/* The names that are read, sorted; NULL if there is no memory. */
static const char **read_names(const Onnx__GraphProto *graph, size_t *count)
{
    const char **names;
    size_t total = graph->n_output;

    for (size_t i = 0; i < graph->n_node; i++)
        total += graph->node[i]->n_input;
    names = malloc((total + 1) * sizeof(*names));
    *count = 0;
    for (size_t i = 0; names && i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_input; k++)
            names[(*count)++] = graph->node[i]->input[k];
    for (size_t i = 0; names && i < graph->n_output; i++)
        names[(*count)++] = graph->output[i]->name;
    if (names)
        qsort(names, *count, sizeof(*names), by_text);
    return names;
}

static char *join(struct onnx_builder *builder, const char *name, const char *suffix)
{
    size_t length = strlen(name), more = strlen(suffix);
    char *text = arena_alloc(&builder->model->arena, length + more + 1);

    if (!text)
        return NULL;
    memcpy(text, name, length);
    memcpy(text + length, suffix, more + 1);
    return text;
}

void onnx_import_domain(struct onnx_builder *b, const char *domain, int64_t version)
{
    Onnx__ModelProto *proto = b->model->proto;
    Onnx__OperatorSetIdProto *set, **all;
    char *copy;

    for (size_t i = 0; i < proto->n_opset_import; i++)
        if (strcmp(proto->opset_import[i]->domain, domain) == 0)
            return;
    set = arena_alloc(&b->model->arena, sizeof(*set));
    all = arena_zero(&b->model->arena, proto->n_opset_import + 1, sizeof(*all));
    copy = join(b, domain, "");
    if (!set || !all || !copy)
        return;
    onnx__operator_set_id_proto__init(set);
    set->domain = copy;
    set->has_version = 1;
    set->version = version;
    if (proto->n_opset_import)
        memcpy(all, proto->opset_import, proto->n_opset_import * sizeof(*all));
    all[proto->n_opset_import++] = set;
    proto->opset_import = all;
}

const char *onnx_join_name(struct onnx_builder *b, const char *name, const char *suffix)
{
    const char *joined = join(b, name, suffix);

    return joined ? joined : "";
}

void onnx_set_domain(struct onnx_builder *b, Onnx__NodeProto *node, const char *domain)
{
    char *copy = join(b, domain, "");

    if (node && copy)
        node->domain = copy;
}

void onnx_drop_unread(struct onnx_builder *b)
{
    Onnx__GraphProto *graph = b->graph;
    size_t count, kept = 0;
    const char **names = read_names(graph, &count);

    for (size_t i = 0; names && i < graph->n_initializer; i++) {
        const char *name = graph->initializer[i]->name;

        if (bsearch(&name, names, count, sizeof(*names), by_text))
            graph->initializer[kept++] = graph->initializer[i];
    }
    if (names)
        graph->n_initializer = kept;
    graph->n_value_info = 0;
    free(names);
}

int64_t onnx_tensor_floats(const Onnx__TensorProto *tensor, float *values, size_t max)
{
    int64_t count = onnx_tensor_count(tensor);

    if (tensor->data_type != ONNX_FLOAT || count < 0 || (uint64_t)count > max ||
        tensor->data_location == ONNX_LOCATION_EXTERNAL)
        return -1;
    if (count)
        memcpy(values,
               tensor->has_raw_data ? (const void *)tensor->raw_data.data
                                    : (const void *)tensor->float_data,
               (size_t)count * sizeof(*values));
    return count;
}
