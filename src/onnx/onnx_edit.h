/*
 * onnx_edit.h - what a pass over a graph needs beyond adding to it (onnx_graph.h): the nodes taken
 * out and put back in another order with new ones between them, edges led elsewhere, and weights
 * that nobody reads any more left out. Errors are the builder's.
 *
 * Threads: a builder belongs to one thread at a time.
 */
#ifndef TARE_ONNX_ONNX_EDIT_H
#define TARE_ONNX_ONNX_EDIT_H

#include <stdbool.h>

#include "onnx/onnx_graph.h"

/*
 * Takes all nodes out of the graph: *nodes (of the model's arena) are *count of them, and the
 * graph has none until onnx_put_node() puts them back or new ones are added.
 */
void onnx_take_nodes(struct onnx_builder *builder, Onnx__NodeProto ***nodes, size_t *count);

/* Appends a node of this model. */
void onnx_put_node(struct onnx_builder *builder, Onnx__NodeProto *node);

/* Lets input or output `index` of a node be another value; an input may be one more than there are.
 */
void onnx_set_input(struct onnx_builder *builder, Onnx__NodeProto *node, size_t index,
                    const char *name);
void onnx_set_output(struct onnx_builder *builder, Onnx__NodeProto *node, size_t index,
                     const char *name);

/* "NAMEsuffix", of the model's arena; "" if there is no memory. */
const char *onnx_join_name(struct onnx_builder *builder, const char *name, const char *suffix);

/* Lets a node be an operator of that domain. */
void onnx_set_domain(struct onnx_builder *builder, Onnx__NodeProto *node, const char *domain);

/* Lets the model use a domain's operators of that version, if it does not import the domain yet. */
void onnx_import_domain(struct onnx_builder *builder, const char *domain, int64_t version);

/* Drops the initializers that no node reads and that are no output, and every value_info, which may
 * describe values that are gone. */
void onnx_drop_unread(struct onnx_builder *builder);

/*
 * Copies up to max elements of a float tensor (raw or typed) that passed onnx_read()'s checks.
 * Returns how many it has, or -1 if it holds something else, is stored outside the file or has more
 * than max.
 */
int64_t onnx_tensor_floats(const Onnx__TensorProto *tensor, float *values, size_t max);

#endif
