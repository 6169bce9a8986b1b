/*
 * Any bytes as a tensor of strings: how many elements, which is replaced, how long by; then its
 * memory. An element lies within it, one that is replaced reads as it was written, and the others
 * stay as they were.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tare/tensor.h"

#define ELEMENTS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct element {
    size_t size;
    uint8_t *bytes; // (size), a copy
};

/* Copies of all elements; false if one runs past the end. */
static bool copy_all(const struct tare_tensor *tensor, int64_t count, struct element *elements)
{
    size_t end = 0;

    for (int64_t i = 0; i < count; i++) {
        const uint8_t *at = tare_bytes_at(tensor, i, &elements[i].size);

        if (!at)
            return false;
        end = (size_t)(at - (const uint8_t *)tensor->data) + elements[i].size;
        if (end > tensor->capacity_bytes)
            abort();
        elements[i].bytes = malloc(elements[i].size + 1);
        if (!elements[i].bytes)
            return false;
        memcpy(elements[i].bytes, at, elements[i].size);
    }
    if (tare_bytes_used(tensor) != (int64_t)end)
        abort();
    return true;
}

static void replace(struct tare_tensor *tensor, int64_t count, int64_t index, size_t length)
{
    struct element before[ELEMENTS_MAX] = {{0, NULL}}, after[ELEMENTS_MAX] = {{0, NULL}};
    uint8_t text[256];
    bool whole = copy_all(tensor, count, before), set;

    memset(text, 'x', sizeof(text));
    set = tare_bytes_set(tensor, index, text, length);
    if (whole != (tare_bytes_used(tensor) >= 0) || (set && (!whole || index >= count)))
        abort();
    if (set && copy_all(tensor, count, after)) {
        for (int64_t i = 0; i < count; i++)
            if (i == index ? after[i].size != length || memcmp(after[i].bytes, text, length) != 0
                           : after[i].size != before[i].size ||
                                 memcmp(after[i].bytes, before[i].bytes, before[i].size) != 0)
                abort();
    } else if (set) {
        abort();
    }
    for (int64_t i = 0; i < ELEMENTS_MAX; i++) {
        free(before[i].bytes);
        free(after[i].bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tare_tensor tensor = {.name = "s", .dtype = TARE_BYTES, .rank = 1};

    if (size < 3)
        return 0;
    tensor.shape[0] = data[0] % (ELEMENTS_MAX + 1);
    tensor.capacity_bytes = size - 3;
    tensor.data = malloc(size - 3 ? size - 3 : 1);
    if (!tensor.data)
        return 0;
    memcpy(tensor.data, data + 3, size - 3);
    replace(&tensor, tensor.shape[0], data[1] % (ELEMENTS_MAX + 2), data[2]);
    free(tensor.data);
    return 0;
}
