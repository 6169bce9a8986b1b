/*
 * onnx_model.h - an ONNX model in memory: the protobuf messages of onnx.proto and the arena that
 * everything they point to lives in. A model comes from onnx_read() or is made with onnx_graph.h.
 *
 * The messages are plain data, open to whoever transforms graphs; what a pass adds is allocated
 * from the model's arena (onnx_graph.h does it) and freed with the model. Texts that were absent in
 * a file read as "", never NULL.
 *
 * Threads: a model belongs to one thread at a time.
 */
#ifndef TARE_ONNX_ONNX_MODEL_H
#define TARE_ONNX_ONNX_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "onnx/onnx.pb-c.h"
#include "tare/status.h"
#include "tare/tensor.h"

/* TensorProto.data_type and TypeProto.Tensor.elem_type, by the ONNX specification. */
enum onnx_type {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_UINT16 = 4,
    ONNX_INT16 = 5,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_STRING = 8,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_UINT32 = 12,
    ONNX_UINT64 = 13,
    ONNX_COMPLEX64 = 14,
    ONNX_COMPLEX128 = 15,
    ONNX_BFLOAT16 = 16,
    ONNX_FLOAT8E4M3FN = 17,
    ONNX_FLOAT8E5M2 = 19,
    ONNX_UINT4 = 21,
    ONNX_INT4 = 22,
};

/* AttributeProto.type */
enum onnx_attribute_type {
    ONNX_ATTR_FLOAT = 1,
    ONNX_ATTR_INT = 2,
    ONNX_ATTR_STRING = 3,
    ONNX_ATTR_TENSOR = 4,
    ONNX_ATTR_GRAPH = 5,
    ONNX_ATTR_FLOATS = 6,
    ONNX_ATTR_INTS = 7,
    ONNX_ATTR_STRINGS = 8,
};

/* TensorProto.data_location */
enum onnx_location {
    ONNX_LOCATION_HERE = 0,
    ONNX_LOCATION_EXTERNAL = 1
};

struct onnx_model {
    struct arena arena;
    Onnx__ModelProto *proto; /* NULL until read or built; then its graph is never NULL */
};

/* An empty model whose arena holds at most max_bytes (0: 4 GiB). */
void onnx_model_init(struct onnx_model *model, size_t max_bytes);

/* Frees everything. The struct is empty afterwards. */
void onnx_model_release(struct onnx_model *model);

/* Bytes of one element in raw_data; 0 for strings, for types under a byte and for unknown types. */
size_t onnx_type_bytes(int32_t type);

/* The plugin-side name of an ONNX element type; TARE_DTYPE_NONE if there is none. */
enum tare_dtype onnx_type_dtype(int32_t type);

/* Number of elements of a tensor; -1 if a dimension is negative or the product overflows. */
int64_t onnx_tensor_count(const Onnx__TensorProto *tensor);

/*
 * Reads up to max elements of an integer tensor (INT64 or INT32, raw or typed) that passed
 * onnx_read()'s checks. Returns how many the tensor has, or -1 if it holds something else, is
 * stored outside the file or has more than max.
 */
int64_t onnx_tensor_ints(const Onnx__TensorProto *tensor, int64_t *values, size_t max);

/* The initializer of that name, or NULL. Linear in the number of initializers. */
Onnx__TensorProto *onnx_find_initializer(const Onnx__GraphProto *graph, const char *name);

/* An attribute of a node, or NULL. */
const Onnx__AttributeProto *onnx_find_attribute(const Onnx__NodeProto *node, const char *name);

/* An integer attribute, or the fallback if the node has none of that name. */
int64_t onnx_attribute_int(const Onnx__NodeProto *node, const char *name, int64_t fallback);

/* A metadata property, or NULL. */
const char *onnx_metadata(const Onnx__ModelProto *proto, const char *key);

/* The version of the default operator set, 0 if the model imports none. */
int64_t onnx_opset(const Onnx__ModelProto *proto);

#endif
