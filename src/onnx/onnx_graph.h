/*
 * onnx_graph.h - adds nodes, attributes, initializers, inputs, outputs and metadata to a model.
 *
 * Everything added is allocated from the model's arena, and every text is copied. Errors are
 * sticky, as in a buf: after running out of room each call returns NULL and does nothing, calls on
 * a NULL node or tensor do nothing, and onnx_builder_status() tells at the end.
 *
 * Works on a new model (onnx_build_new) and on one that was read (onnx_build_on). Names are not
 * checked for being unique.
 *
 * Threads: a builder belongs to one thread at a time.
 */
#ifndef TARE_ONNX_ONNX_GRAPH_H
#define TARE_ONNX_ONNX_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnx/onnx_model.h"

struct onnx_room {
    void *items; /* the array that has this capacity; another one in its place has none to spare */
    size_t capacity;
};

struct onnx_builder {
    struct onnx_model *model;
    Onnx__GraphProto *graph;
    struct onnx_room nodes, initializers, inputs, outputs, metadata;
};

/* Starts a new model of one graph: IR version 8, the operator set asked for. */
void onnx_build_new(struct onnx_builder *builder, struct onnx_model *model, const char *graph_name,
                    int64_t opset);

/* Goes on with a model that has a graph. */
void onnx_build_on(struct onnx_builder *builder, struct onnx_model *model);

/* Appends a node; inputs and outputs are names, "" for an optional input that is left out. */
Onnx__NodeProto *onnx_add_node(struct onnx_builder *builder, const char *op_type, const char *name,
                               const char *const *inputs, size_t input_count,
                               const char *const *outputs, size_t output_count);

/* The frequent case: at most two inputs (second NULL: one) and one output. */
Onnx__NodeProto *onnx_add_simple(struct onnx_builder *builder, const char *op_type,
                                 const char *name, const char *first, const char *second,
                                 const char *output);

void onnx_set_int(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                  int64_t value);
void onnx_set_float(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                    float value);
void onnx_set_text(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                   const char *text);
void onnx_set_ints(struct onnx_builder *builder, Onnx__NodeProto *node, const char *name,
                   const int64_t *values, size_t count);

/*
 * Adds an initializer of that type and shape with its values in raw_data, and returns where the
 * caller writes them (little-endian, dense, row-major; not initialised). NULL on error; a type of
 * unknown size is a programmer's error.
 */
void *onnx_add_tensor(struct onnx_builder *builder, const char *name, enum onnx_type type,
                      int32_t rank, const int64_t *shape);

/* Adds a one-dimensional INT64 initializer. */
void onnx_add_int64s(struct onnx_builder *builder, const char *name, const int64_t *values,
                     size_t count);

/* Adds a one-dimensional FP32 initializer. */
void onnx_add_floats(struct onnx_builder *builder, const char *name, const float *values,
                     size_t count);

/* Declares an input or output; a dimension of -1 becomes the symbol free_name ("batch"). */
void onnx_add_input(struct onnx_builder *builder, const char *name, enum onnx_type type,
                    int32_t rank, const int64_t *shape, const char *free_name);
void onnx_add_output(struct onnx_builder *builder, const char *name, enum onnx_type type,
                     int32_t rank, const int64_t *shape, const char *free_name);

/* Adds a metadata property. */
void onnx_add_metadata(struct onnx_builder *builder, const char *key, const char *value);

/* Sets producer_name and producer_version. */
void onnx_set_producer(struct onnx_builder *builder, const char *name, const char *version);

/* Makes room for one more node at the end of the graph; false on error. For onnx_edit.c. */
bool onnx_room_for_node(struct onnx_builder *builder);

/* TARE_OK, TARE_NOMEM or TARE_LIMIT. */
enum tare_status onnx_builder_status(const struct onnx_builder *builder, struct tare_err *err);

#endif
