/*
 * Prints what the ONNX room makes of a file, for test_onnx.py:
 *     value NAME TYPE RANK DIM...
 *     cost NAME OPERATOR FLOPS READ WEIGHTS WRITTEN KNOWN
 * With a second argument it writes the file again to that path instead.
 */
#include <stdio.h>

#include "onnx/onnx_cost.h"
#include "onnx/onnx_read.h"
#include "onnx/onnx_shapes.h"
#include "onnx/onnx_write.h"

static void print_value(const struct onnx_shapes *shapes, const char *name)
{
    const struct onnx_shape *shape = onnx_shapes_find(shapes, name);

    if (!shape)
        return;
    (void)printf("value %s %d %d", name, (int)shape->type, (int)shape->rank);
    for (int32_t i = 0; i < shape->rank; i++)
        (void)printf(" %lld", (long long)shape->dims[i]);
    (void)putchar('\n');
}

static void print_node(const struct onnx_shapes *shapes, const Onnx__NodeProto *node)
{
    struct onnx_cost cost = onnx_cost_node(shapes, node);

    for (size_t i = 0; i < node->n_output; i++)
        print_value(shapes, node->output[i]);
    (void)printf("cost %s %s %lld %lld %lld %lld %d\n", node->name, node->op_type,
                 (long long)cost.flops, (long long)cost.read_bytes, (long long)cost.weight_bytes,
                 (long long)cost.write_bytes, cost.known);
}

int main(int argc, char **argv)
{
    struct tare_err err = TARE_ERR_INIT;
    struct onnx_shapes *shapes = NULL;
    struct onnx_model model;

    if (argc < 2)
        return 2;
    if (onnx_read(argv[1], &model, &err) != TARE_OK)
        goto done;
    if (argc > 2) {
        (void)onnx_write(&model, argv[2], NULL, &err);
    } else if (onnx_shapes_infer(model.proto, ONNX_UNKNOWN, &shapes, &err) == TARE_OK) {
        for (size_t i = 0; i < model.proto->graph->n_node; i++)
            print_node(shapes, model.proto->graph->node[i]);
    }
    onnx_shapes_free(shapes);
    onnx_model_release(&model);
done:
    if (err.status != TARE_OK)
        (void)fprintf(stderr, "%s\n", err.text);
    return err.status == TARE_OK ? 0 : 1;
}
