#include "serve/raw_head.h"

#include <stdio.h>
#include <string.h>

#include "base/printable.h"
#include "onnx/onnx_precision.h"
#include "onnx/onnx_read.h"
#include "vision/boxes.h"

#define RANK 4

static const Onnx__TensorShapeProto *shape_of(const Onnx__ValueInfoProto *value)
{
    return value->type && value->type->tensor_type ? value->type->tensor_type->shape : NULL;
}

/* A dimension; 0 where the graph leaves it open. */
static int64_t dimension(const Onnx__TensorShapeProto *shape, size_t index)
{
    const Onnx__TensorShapeProto__Dimension *dim = shape->dim[index];

    return dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE ? dim->dim_value
                                                                                   : 0;
}

static bool is_float_4d(const Onnx__ValueInfoProto *value)
{
    const Onnx__TensorShapeProto *shape = shape_of(value);

    return shape && shape->n_dim == RANK && value->type->tensor_type->elem_type == ONNX_FLOAT;
}

/* A graph's inputs proper: older files list their weights there too. */
static const Onnx__ValueInfoProto *only_input(const Onnx__GraphProto *graph)
{
    const Onnx__ValueInfoProto *found = NULL;

    for (size_t i = 0; i < graph->n_input; i++) {
        if (onnx_find_initializer(graph, graph->input[i]->name))
            continue;
        if (found)
            return NULL;
        found = graph->input[i];
    }
    return found;
}

/* Names go into a configuration between quotes. */
static bool is_plain_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < RAW_HEAD_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-") ==
               length;
}

static enum tare_status read_input(const Onnx__GraphProto *graph, struct raw_head *head,
                                   struct tare_err *err)
{
    const Onnx__ValueInfoProto *input = only_input(graph);
    const Onnx__TensorShapeProto *shape;

    if (!input || !is_float_4d(input))
        return tare_fail(err, TARE_UNSUPPORTED, "need one input of FP32 (N, 3, S, S)");
    if (!is_plain_name(input->name))
        return tare_fail(err, TARE_UNSUPPORTED, "the input's name is too long, or not plain text");
    shape = shape_of(input);
    head->batch = dimension(shape, 0);
    head->size = dimension(shape, 2);
    if (head->batch < 0 || dimension(shape, 1) != 3 || dimension(shape, 3) != head->size ||
        head->size < 32 || head->size > BOXES_MAX_SIZE || head->size % 32 != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the input '%s' is not (N, 3, S, S) with S a multiple of 32 up to %d",
                         input->name, BOXES_MAX_SIZE);
    (void)snprintf(head->input, sizeof(head->input), "%s", input->name);
    return TARE_OK;
}

static const Onnx__ValueInfoProto *find_output(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_output; i++)
        if (strcmp(graph->output[i]->name, name) == 0)
            return graph->output[i];
    return NULL;
}

/* place counts box8, cls8, box16 ... A dimension that the graph leaves open is taken as right. */
static enum tare_status read_output(const Onnx__GraphProto *graph, size_t place,
                                    struct raw_head *head, struct tare_err *err)
{
    const Onnx__ValueInfoProto *output;
    const Onnx__TensorShapeProto *shape;
    bool box = place % 2 == 0;
    int64_t side = head->size / (8 << place / 2), channels;
    char name[16];

    (void)snprintf(name, sizeof(name), "%s%d", box ? "box" : "cls", 8 << place / 2);
    output = find_output(graph, name);
    if (!output || !is_float_4d(output))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "no output '%s' of FP32 (N, C, H, W); 'tare export' without --head makes "
                         "the raw head",
                         name);
    shape = shape_of(output);
    channels = dimension(shape, 1);
    if (!box && head->classes == 0)
        head->classes = channels;
    if (channels != (box ? 4 * BOXES_BINS : head->classes) || channels < 1 ||
        channels > BOXES_MAX_CLASSES || (dimension(shape, 0) != head->batch) ||
        dimension(shape, 2) != side || dimension(shape, 3) != side)
        return tare_fail(err, TARE_UNSUPPORTED, "the output '%s' has not the shape of a raw head",
                         name);
    head->sides[place / 2] = side;
    return TARE_OK;
}

static enum tare_status read_graph(const Onnx__GraphProto *graph, struct raw_head *head,
                                   struct tare_err *err)
{
    enum tare_status status = read_input(graph, head, err);

    if (status == TARE_OK && graph->n_output != 2 * RAW_HEAD_LEVELS)
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "%zu outputs, need the 6 of the raw head; 'tare export' without --head "
                           "makes it",
                           graph->n_output);
    for (size_t place = 0; place < 2 * (size_t)RAW_HEAD_LEVELS && status == TARE_OK; place++)
        status = read_output(graph, place, head, err);
    return status;
}

enum tare_status raw_head_read(const char *path, struct raw_head *head, struct tare_err *err)
{
    struct tare_err cause = TARE_ERR_INIT;
    struct onnx_model model;
    enum tare_status status;

    memset(head, 0, sizeof(*head));
    onnx_model_init(&model, 0);
    status = onnx_read(path, &model, err);
    if (status == TARE_OK) {
        (void)snprintf(head->precision, sizeof(head->precision), "%s", onnx_precision(model.proto));
        status = read_graph(model.proto->graph, head, &cause);
        printable_line(cause.text);
        if (status != TARE_OK)
            (void)tare_fail(err, status, "'%s' is not a YOLOv8 detector with the raw head: %s",
                            path, cause.text);
    }
    onnx_model_release(&model);
    return status;
}
