/*
 * onnx_shapes.h - the type and shape of every value of a graph, worked out from its inputs and
 * initializers node by node, as the ONNX specification defines each operator.
 *
 * What is known of a value: its rank and its dimensions, each of which may be unknown (-1), and for
 * small integer tensors (shapes on their way to a Reshape) the values themselves. An operator that
 * is not known here gives values of unknown rank, which is no error; shapes that contradict each
 * other are.
 *
 * Threads: what onnx_shapes_infer() returns is immutable.
 */
#ifndef TARE_ONNX_ONNX_SHAPES_H
#define TARE_ONNX_ONNX_SHAPES_H

#include <stdbool.h>
#include <stdint.h>

#include "onnx/onnx_model.h"

#define ONNX_UNKNOWN (-1)

struct onnx_shape {
    int32_t type; /* enum onnx_type; 0: unknown */
    int32_t rank; /* ONNX_UNKNOWN: nothing is known of the shape */
    int64_t dims[TARE_MAX_RANK];
};

struct onnx_shapes;

/*
 * Works the shapes out. free_dimension is what a symbolic dimension of an input becomes ("batch");
 * ONNX_UNKNOWN leaves it unknown. TARE_BADDATA, naming the node, if shapes contradict each other, a
 * value is used before it is made or made twice. A rank over TARE_MAX_RANK counts as unknown. The
 * model must outlive the result. On success onnx_shapes_free() it.
 */
enum tare_status onnx_shapes_infer(const Onnx__ModelProto *proto, int64_t free_dimension,
                                   struct onnx_shapes **shapes, struct tare_err *err);
void onnx_shapes_free(struct onnx_shapes *shapes);

/* The shape of a value by its name; NULL if there is no such value. */
const struct onnx_shape *onnx_shapes_find(const struct onnx_shapes *shapes, const char *name);

/* Whether a value is an initializer or a Constant whose elements the file holds. */
bool onnx_shapes_is_constant(const struct onnx_shapes *shapes, const char *name);

/* Number of elements; -1 if not all of the shape is known, or NULL was passed. */
int64_t onnx_shape_count(const struct onnx_shape *shape);

#endif
