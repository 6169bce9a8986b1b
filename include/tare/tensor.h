/*
 * tensor.h - what a tensor is to tare and to its plugins: plain data, no behaviour, no ownership.
 *
 * A tensor's memory always belongs to whoever made the struct. Elements lie densely in row-major
 * (C) order; there are no strides.
 *
 * TARE_BYTES: data holds, for each element in order, its length as 4 bytes little-endian, then its
 * bytes (KServe's and Triton's encoding). An element's length may change from run to run without a
 * new bind: what data holds says itself how far it reaches (tare_bytes_used()), and capacity_bytes
 * is the room. Zeroed memory holds empty elements.
 *
 * Threads: plain data; whoever shares it locks it.
 */
#ifndef TARE_TENSOR_H
#define TARE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TARE_MAX_RANK 8
#define TARE_MAX_NAME 128 /* with its final NUL */

enum tare_dtype {
    TARE_DTYPE_NONE = 0,
    TARE_FP64 = 1,
    TARE_FP32 = 2,
    TARE_FP16 = 3,
    TARE_BF16 = 4,
    TARE_INT8 = 5,
    TARE_INT16 = 6,
    TARE_INT32 = 7,
    TARE_INT64 = 8,
    TARE_UINT8 = 9,
    TARE_UINT16 = 10,
    TARE_UINT32 = 11,
    TARE_UINT64 = 12,
    TARE_BOOL = 13, /* one byte an element */
    TARE_BYTES =
        14, /* strings of bytes: 4-byte little-endian length, then the bytes, per element */
};

enum tare_memory_kind {
    TARE_MEM_HOST = 0,   /* ordinary memory of this process */
    TARE_MEM_PINNED = 1, /* host memory that a device can read by itself */
    TARE_MEM_DEVICE = 2, /* memory of device device_id */
};

/* What a model says of one input or output. */
struct tare_tensor_info {
    char name[TARE_MAX_NAME];
    enum tare_dtype dtype;
    int32_t rank;                 /* 0 is a scalar */
    int64_t shape[TARE_MAX_RANK]; /* -1: dynamic */
};

/* One bound tensor. shape is actual: no -1. */
struct tare_tensor {
    char name[TARE_MAX_NAME];
    enum tare_dtype dtype;
    enum tare_memory_kind memory;
    int32_t device_id; /* for TARE_MEM_DEVICE and TARE_MEM_PINNED, else 0 */
    int32_t rank;
    int64_t shape[TARE_MAX_RANK];
    void *data;            /* aligned to 64 bytes, or as TARE_CAP_BORROWS allows */
    size_t capacity_bytes; /* room at data; at least the product of shape times the element size,
                              which for TARE_BYTES is the 4 bytes of its length */
};

/* Bytes of one element; 0 for TARE_BYTES (variable) and for an unknown dtype. */
__attribute__((unused)) static size_t tare_dtype_bytes(enum tare_dtype dtype)
{
    switch (dtype) {
    case TARE_FP64:
    case TARE_INT64:
    case TARE_UINT64:
        return 8;
    case TARE_FP32:
    case TARE_INT32:
    case TARE_UINT32:
        return 4;
    case TARE_FP16:
    case TARE_BF16:
    case TARE_INT16:
    case TARE_UINT16:
        return 2;
    case TARE_INT8:
    case TARE_UINT8:
    case TARE_BOOL:
        return 1;
    default:
        return 0;
    }
}

/* The name that KServe v2 and Triton use ("FP32", "BYTES"); "NONE" for an unknown dtype. */
__attribute__((unused)) static const char *tare_dtype_name(enum tare_dtype dtype)
{
    static const char *const names[] = {"NONE",   "FP64",   "FP32",   "FP16",  "BF16",
                                        "INT8",   "INT16",  "INT32",  "INT64", "UINT8",
                                        "UINT16", "UINT32", "UINT64", "BOOL",  "BYTES"};

    return (unsigned)dtype < sizeof(names) / sizeof(names[0]) ? names[dtype] : "NONE";
}

/*
 * Number of elements of a shape; -1 if a dimension is negative (dynamic) or the product overflows.
 * A rank of 0 has one element.
 */
__attribute__((unused)) static int64_t tare_shape_count(int32_t rank, const int64_t *shape)
{
    int64_t count = 1;

    for (int32_t i = 0; i < rank; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(count, shape[i], &count))
            return -1;
    return count;
}

/*
 * Element `index` of a host tensor of TARE_BYTES: where its bytes start, *size how many there are.
 * NULL if there is no such element or a length on the way runs past capacity_bytes.
 */
__attribute__((unused)) static uint8_t *tare_bytes_at(const struct tare_tensor *tensor,
                                                      int64_t index, size_t *size)
{
    size_t at = 0, room = tensor->capacity_bytes;
    uint8_t *data = (uint8_t *)tensor->data;

    *size = 0;
    if (index < 0 || index >= tare_shape_count(tensor->rank, tensor->shape))
        return NULL;
    for (int64_t i = 0; room - at >= 4; i++) {
        size_t length = (size_t)data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16 |
                        (size_t)data[at + 3] << 24;

        at += 4;
        if (length > room - at)
            return NULL;
        if (i == index) {
            *size = length;
            return data + at;
        }
        at += length;
    }
    return NULL;
}

/* How many bytes of data the elements of a host tensor of TARE_BYTES take, lengths included; -1 if
 * a length runs past capacity_bytes. */
__attribute__((unused)) static int64_t tare_bytes_used(const struct tare_tensor *tensor)
{
    int64_t count = tare_shape_count(tensor->rank, tensor->shape);
    const uint8_t *last;
    size_t size;

    if (count == 0)
        return 0;
    last = tare_bytes_at(tensor, count - 1, &size);
    return last ? (int64_t)((size_t)(last - (const uint8_t *)tensor->data) + size) : -1;
}

/* Replaces element `index`; those behind it move up or down. False, and nothing has changed, if
 * there is no such element or no room. */
__attribute__((unused)) static bool tare_bytes_set(struct tare_tensor *tensor, int64_t index,
                                                   const void *bytes, size_t size)
{
    int64_t used = tare_bytes_used(tensor);
    size_t old, tail;
    uint8_t *at = tare_bytes_at(tensor, index, &old);

    if (!at || used < 0 || size > UINT32_MAX || size > tensor->capacity_bytes - (size_t)used + old)
        return false;
    tail = (size_t)used - (size_t)(at - (uint8_t *)tensor->data) - old;
    if (tail && size != old)
        memmove(at + size, at + old, tail);
    for (int i = 0; i < 4; i++)
        at[i - 4] = (uint8_t)(size >> 8 * i);
    if (size)
        memcpy(at, bytes, size);
    return true;
}

#endif
