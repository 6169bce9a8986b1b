/*
 * onnx_cost.h - what a graph asks of a machine: operations and bytes of each node, from its shapes.
 *
 * Operations: a multiplication and an addition count as two, as everywhere (a Conv of K × K × C
 * weights an output element: 2 K K C, plus 1 for a bias). Element by element operators count one
 * for each output element, Softmax and the like five, pooling one for each element in the window.
 * Operators that only move data count none.
 *
 * Bytes: what a node would read and write if nothing stayed in a cache and nothing was fused:
 * inputs, weights and outputs, each once. An upper bound on traffic, not a forecast.
 *
 * Threads: no shared state.
 */
#ifndef TARE_ONNX_ONNX_COST_H
#define TARE_ONNX_ONNX_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "onnx/onnx_shapes.h"

struct onnx_cost {
    int64_t flops;
    int64_t read_bytes; /* activations */
    int64_t weight_bytes;
    int64_t write_bytes;
    bool
        known; /* false: the operator or one of its shapes is not known, and what is missing is 0 */
};

/* The cost of one node of a graph whose shapes were inferred. */
struct onnx_cost onnx_cost_node(const struct onnx_shapes *shapes, const Onnx__NodeProto *node);

/* The sum over all nodes; known only if it is of each. */
struct onnx_cost onnx_cost_graph(const Onnx__GraphProto *graph, const struct onnx_shapes *shapes);

#endif
