/* roofline_cost.c - what a graph asks of a machine, with its open dimensions closed. */
#include <math.h>
#include <string.h>

#include "measure/roofline.h"
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

/* --- kept with a cell --- */

static const struct {
    const char *name;
    size_t offset;
} figures[] = {
    {"graph.operations", offsetof(struct roofline_cost, operations)},
    {"graph.int8_operations", offsetof(struct roofline_cost, int8_operations)},
    {"graph.weight_bytes", offsetof(struct roofline_cost, weight_bytes)},
    {"graph.edge_bytes", offsetof(struct roofline_cost, edge_bytes)},
};

#define FIGURES (sizeof(figures) / sizeof(figures[0]))

enum tare_status roofline_put_cost(struct store *store, int64_t cell_id,
                                   const struct roofline_cost *cost, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < FIGURES && status == TARE_OK; i++) {
        double value;

        memcpy(&value, (const char *)cost + figures[i].offset, sizeof(value));
        status = store_put_figure(store, cell_id, figures[i].name, value, err);
    }
    return status;
}

bool roofline_find_cost(const struct store_figure *items, size_t count, struct roofline_cost *cost)
{
    size_t found = 0;

    memset(cost, 0, sizeof(*cost));
    for (size_t i = 0; i < FIGURES; i++)
        for (size_t k = 0; k < count; k++)
            if (strcmp(items[k].name, figures[i].name) == 0 && isfinite(items[k].value) &&
                items[k].value >= 0) {
                memcpy((char *)cost + figures[i].offset, &items[k].value, sizeof(double));
                found++;
                break;
            }
    return found == FIGURES;
}
