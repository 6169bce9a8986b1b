#include "onnx/onnx_model.h"

#include <string.h>

#define ONNX_MODEL_MAX_BYTES ((size_t)4 << 30)

void onnx_model_init(struct onnx_model *model, size_t max_bytes)
{
    arena_init(&model->arena, max_bytes ? max_bytes : ONNX_MODEL_MAX_BYTES);
    model->proto = NULL;
}

void onnx_model_release(struct onnx_model *model)
{
    arena_release(&model->arena);
    model->proto = NULL;
}

enum tare_dtype onnx_type_dtype(int32_t type)
{
    switch (type) {
    case ONNX_FLOAT:
        return TARE_FP32;
    case ONNX_UINT8:
        return TARE_UINT8;
    case ONNX_INT8:
        return TARE_INT8;
    case ONNX_UINT16:
        return TARE_UINT16;
    case ONNX_INT16:
        return TARE_INT16;
    case ONNX_INT32:
        return TARE_INT32;
    case ONNX_INT64:
        return TARE_INT64;
    case ONNX_STRING:
        return TARE_BYTES;
    case ONNX_BOOL:
        return TARE_BOOL;
    case ONNX_FLOAT16:
        return TARE_FP16;
    case ONNX_DOUBLE:
        return TARE_FP64;
    case ONNX_UINT32:
        return TARE_UINT32;
    case ONNX_UINT64:
        return TARE_UINT64;
    case ONNX_BFLOAT16:
        return TARE_BF16;
    default:
        return TARE_DTYPE_NONE;
    }
}

size_t onnx_type_bytes(int32_t type)
{
    switch (type) {
    case ONNX_COMPLEX64:
        return 8;
    case ONNX_COMPLEX128:
        return 16;
    case ONNX_FLOAT8E4M3FN:
    case ONNX_FLOAT8E5M2:
        return 1;
    default:
        return tare_dtype_bytes(onnx_type_dtype(type));
    }
}

int64_t onnx_tensor_count(const Onnx__TensorProto *tensor)
{
    int64_t count = 1;

    for (size_t i = 0; i < tensor->n_dims; i++)
        if (tensor->dims[i] < 0 || __builtin_mul_overflow(count, tensor->dims[i], &count))
            return -1;
    return count;
}

static int64_t raw_int(const Onnx__TensorProto *tensor, size_t index)
{
    int64_t wide = 0;
    int32_t narrow = 0;

    if (tensor->data_type == ONNX_INT64) {
        memcpy(&wide, tensor->raw_data.data + index * sizeof(wide), sizeof(wide));
        return wide;
    }
    memcpy(&narrow, tensor->raw_data.data + index * sizeof(narrow), sizeof(narrow));
    return narrow;
}

int64_t onnx_tensor_ints(const Onnx__TensorProto *tensor, int64_t *values, size_t max)
{
    int64_t count = onnx_tensor_count(tensor);

    if ((tensor->data_type != ONNX_INT64 && tensor->data_type != ONNX_INT32) || count < 0 ||
        (uint64_t)count > max || tensor->data_location == ONNX_LOCATION_EXTERNAL)
        return -1;
    for (size_t i = 0; i < (size_t)count; i++) {
        if (tensor->has_raw_data)
            values[i] = raw_int(tensor, i);
        else if (tensor->data_type == ONNX_INT64)
            values[i] = tensor->int64_data[i];
        else
            values[i] = tensor->int32_data[i];
    }
    return count;
}

Onnx__TensorProto *onnx_find_initializer(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (strcmp(graph->initializer[i]->name, name) == 0)
            return graph->initializer[i];
    return NULL;
}

const Onnx__AttributeProto *onnx_find_attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++)
        if (strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i];
    return NULL;
}

int64_t onnx_attribute_int(const Onnx__NodeProto *node, const char *name, int64_t fallback)
{
    const Onnx__AttributeProto *attribute = onnx_find_attribute(node, name);

    return attribute && attribute->has_i ? attribute->i : fallback;
}

const char *onnx_metadata(const Onnx__ModelProto *proto, const char *key)
{
    for (size_t i = 0; i < proto->n_metadata_props; i++)
        if (strcmp(proto->metadata_props[i]->key, key) == 0)
            return proto->metadata_props[i]->value;
    return NULL;
}

int64_t onnx_opset(const Onnx__ModelProto *proto)
{
    for (size_t i = 0; i < proto->n_opset_import; i++) {
        const char *domain = proto->opset_import[i]->domain;

        if (domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0)
            return proto->opset_import[i]->version;
    }
    return 0;
}
