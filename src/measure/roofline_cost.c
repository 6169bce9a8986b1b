/* roofline_cost.c - what a graph asks of a machine, with its open dimensions closed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_tree.h"
#include "base/json_write.h"
#include "measure/roofline_inner.h"
#include "onnx/onnx_cost.h"
#include "onnx/onnx_read.h"

#define PICTURE_SIDE 640

/* Writes numbers for the open dimensions of an input, as a session gets them: the first is the
 * batch, the others a picture's side. */
static void close_input(Onnx__ValueInfoProto *input, int64_t batch, int64_t size)
{
    Onnx__TypeProto__Tensor *tensor = input->type ? input->type->tensor_type : NULL;
    Onnx__TensorShapeProto *shape = tensor ? tensor->shape : NULL;

    for (size_t i = 0; shape && i < shape->n_dim; i++) {
        Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];

        if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
            dim->dim_value > 0)
            continue;
        dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dim->dim_value = i == 0 ? batch : size;
    }
}

/* The node that makes a value; NULL for weights and inputs. Linear: graphs are small. */
static const Onnx__NodeProto *maker_of(const Onnx__GraphProto *graph, const char *value)
{
    for (size_t i = 0; i < graph->n_node; i++)
        for (size_t k = 0; k < graph->node[i]->n_output; k++)
            if (strcmp(graph->node[i]->output[k], value) == 0)
                return graph->node[i];
    return NULL;
}

static bool comes_dequantised(const Onnx__GraphProto *graph, const char *value)
{
    const Onnx__NodeProto *maker = maker_of(graph, value);

    return maker && strcmp(maker->op_type, "DequantizeLinear") == 0;
}

bool roofline_node_is_int8(const Onnx__GraphProto *graph, const Onnx__NodeProto *node)
{
    static const char *const products[] = {"Conv", "Gemm", "MatMul", "ConvTranspose"};

    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++)
        if (strcmp(node->op_type, products[i]) == 0)
            return node->n_input >= 2 && comes_dequantised(graph, node->input[0]) &&
                   comes_dequantised(graph, node->input[1]);
    return false;
}

bool roofline_node_converts(const Onnx__NodeProto *node)
{
    return strcmp(node->op_type, "QuantizeLinear") == 0 ||
           strcmp(node->op_type, "DequantizeLinear") == 0;
}

static double value_bytes(const struct onnx_shapes *shapes, const char *name)
{
    const struct onnx_shape *shape = onnx_shapes_find(shapes, name);
    int64_t count = onnx_shape_count(shape);

    return count > 0 ? (double)count * (double)onnx_type_bytes(shape->type) : 0;
}

static enum tare_status add_nodes(const Onnx__GraphProto *graph, const struct onnx_shapes *shapes,
                                  struct roofline_cost *cost, struct tare_err *err)
{
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        struct onnx_cost own = onnx_cost_node(shapes, node);

        if (roofline_node_converts(node)) /* the model's format, not arithmetic that it needs */
            continue;
        if (!own.known)
            return tare_fail(err, TARE_UNSUPPORTED, "what its operator '%.60s' costs is not known",
                             node->op_type);
        if (roofline_node_is_int8(graph, node))
            cost->int8_operations += (double)own.flops;
        else
            cost->operations += (double)own.flops;
    }
    return TARE_OK;
}

static void add_bytes(const Onnx__GraphProto *graph, const struct onnx_shapes *shapes,
                      struct roofline_cost *cost)
{
    for (size_t i = 0; i < graph->n_initializer; i++)
        cost->weight_bytes += value_bytes(shapes, graph->initializer[i]->name);
    for (size_t i = 0; i < graph->n_input; i++)
        if (!onnx_shapes_is_constant(shapes, graph->input[i]->name))
            cost->edge_bytes += value_bytes(shapes, graph->input[i]->name);
    for (size_t i = 0; i < graph->n_output; i++)
        cost->edge_bytes += value_bytes(shapes, graph->output[i]->name);
}

enum tare_status roofline_read_graph(const char *path, int64_t batch, int64_t size,
                                     struct onnx_model *model, struct onnx_shapes **shapes,
                                     struct tare_err *err)
{
    enum tare_status status = onnx_read(path, model, err);

    *shapes = NULL;
    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < model->proto->graph->n_input; i++)
        close_input(model->proto->graph->input[i], batch, size > 0 ? size : PICTURE_SIDE);
    status = onnx_shapes_infer(model->proto, batch, shapes, err);
    if (status != TARE_OK)
        onnx_model_release(model);
    return status;
}

enum tare_status roofline_cost_of(const char *path, int64_t batch, int64_t size,
                                  struct roofline_cost *cost, struct tare_err *err)
{
    struct onnx_shapes *shapes;
    struct onnx_model model;
    enum tare_status status = roofline_read_graph(path, batch, size, &model, &shapes, err);

    memset(cost, 0, sizeof(*cost));
    if (status != TARE_OK)
        return status;
    status = add_nodes(model.proto->graph, shapes, cost, err);
    add_bytes(model.proto->graph, shapes, cost);
    onnx_shapes_free(shapes);
    onnx_model_release(&model);
    return status;
}

/* --- kept in the store --- */

static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    {"operations", offsetof(struct roofline_cost, operations)},
    {"int8_operations", offsetof(struct roofline_cost, int8_operations)},
    {"weight_bytes", offsetof(struct roofline_cost, weight_bytes)},
    {"edge_bytes", offsetof(struct roofline_cost, edge_bytes)},
};

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

void roofline_write_graphs(const struct roofline_graphs *graphs, struct buf *out)
{
    struct json_writer w;

    json_start(&w, out, false);
    json_open_array(&w, NULL);
    for (size_t i = 0; i < graphs->count; i++) {
        const struct roofline_graph *graph = &graphs->items[i];

        json_open_object(&w, NULL);
        json_put_int(&w, "cell", graph->cell_id);
        json_put_text(&w, "why", graph->known ? NULL : graph->why);
        for (size_t k = 0; k < NUMBERS && graph->known; k++) {
            double value;

            memcpy(&value, (const char *)&graph->cost + numbers[k].offset, sizeof(value));
            json_put_number(&w, numbers[k].name, value);
        }
        json_close_object(&w);
    }
    json_close_array(&w);
}

static void read_graph(const struct json_value *row, struct roofline_graph *graph)
{
    graph->cell_id = json_int(json_get(row, "cell"), 0);
    (void)snprintf(graph->why, sizeof(graph->why), "%s", json_text(json_get(row, "why"), ""));
    graph->known = graph->why[0] == '\0';
    for (size_t k = 0; k < NUMBERS; k++) {
        double value = json_number(json_get(row, numbers[k].name), -1);

        graph->known = graph->known && isfinite(value) && value >= 0;
        memcpy((char *)&graph->cost + numbers[k].offset, &value, sizeof(value));
    }
}

enum tare_status roofline_read_graphs(struct store *store, int64_t run_id,
                                      struct roofline_graphs *graphs, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    struct json_tree *tree = NULL;
    char *text = NULL;
    size_t size = 0;
    enum tare_status status = store_document(store, run_id, ROOFLINE_GRAPHS, &text, &size, &inner);

    memset(graphs, 0, sizeof(*graphs));
    if (status == TARE_ABSENT)
        return TARE_OK;
    if (status != TARE_OK)
        return tare_fail(err, status, "%s", inner.text);
    status = json_parse(text, size, &tree, err);
    if (status == TARE_OK) {
        graphs->count = json_count(json_root(tree));
        graphs->items = calloc(graphs->count + 1, sizeof(*graphs->items));
        if (!graphs->items) {
            graphs->count = 0;
            status = tare_fail(err, TARE_NOMEM, "out of memory for what graphs ask");
        }
    }
    for (size_t i = 0; i < graphs->count; i++)
        read_graph(json_at(json_root(tree), i), &graphs->items[i]);
    json_free(tree);
    free(text);
    return status;
}

void roofline_release_graphs(struct roofline_graphs *graphs)
{
    free(graphs->items);
    memset(graphs, 0, sizeof(*graphs));
}

const struct roofline_graph *roofline_find_graph(const struct roofline_graphs *graphs,
                                                 int64_t cell_id)
{
    for (size_t i = 0; i < graphs->count; i++)
        if (graphs->items[i].cell_id == cell_id)
            return &graphs->items[i];
    return NULL;
}
