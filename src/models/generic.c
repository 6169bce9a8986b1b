/*
 * generic.c - any graph: random inputs of the right shapes, no predictions.
 *
 * Values are such as most graphs can take: floats uniform over 0..1, 8-bit integers over all
 * their values (pictures, quantised tensors), wider integers over 0..7 (indices, token ids),
 * booleans 0 or 1. A graph that indexes a table smaller than that refuses them itself.
 */
#include <stdlib.h>
#include <string.h>

#include "models/family.h"
#include "stats/random.h"
#include "vision/half.h"

#define SMALL_INTEGERS 8

struct family_state {
    const struct family_graph *graph;
    int32_t slots;
    uint64_t seed;
};

static bool generic_matches(const struct family_graph *graph)
{
    (void)graph;
    return true;
}

/* A batch is what the first dimensions of all inputs agree on. */
static int32_t count_slots(const struct family_graph *graph)
{
    int64_t slots =
        graph->input_count > 0 && graph->inputs[0].rank > 0 ? graph->inputs[0].shape[0] : 1;

    for (size_t i = 0; i < graph->input_count; i++)
        if (graph->inputs[i].rank == 0 || graph->inputs[i].shape[0] != slots)
            return 1;
    return slots >= 1 && slots <= INT32_MAX ? (int32_t)slots : 1;
}

static enum tare_status generic_open(const struct family_graph *graph,
                                     const struct family_options *options,
                                     struct family_state **state, struct tare_err *err)
{
    struct family_state *s;

    *state = NULL;
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct tare_tensor *input = &graph->inputs[i];
        size_t element = tare_dtype_bytes(input->dtype);
        int64_t count = tare_shape_count(input->rank, input->shape);

        if (element == 0 || input->memory == TARE_MEM_DEVICE)
            return tare_fail(err, TARE_UNSUPPORTED,
                             "cannot make random values for input '%s' of type %s", input->name,
                             tare_dtype_name(input->dtype));
        if (count < 0 || (size_t)count > input->capacity_bytes / element ||
            (count > 0 && !input->data))
            return tare_fail(err, TARE_INVALID, "input '%s' has room for %zu bytes only",
                             input->name, input->capacity_bytes);
    }
    s = calloc(1, sizeof(*s));
    if (!s)
        return tare_fail(err, TARE_NOMEM, "out of memory for a model family");
    s->graph = graph;
    s->slots = count_slots(graph);
    s->seed = options->seed;
    *state = s;
    return TARE_OK;
}

static void generic_close(struct family_state *state)
{
    free(state);
}

/* Truncated, which is enough for noise. */
static uint16_t bfloat_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (uint16_t)(bits >> 16);
}

static void put_random(struct random *random, enum tare_dtype dtype, void *at)
{
    float value = (float)(random_next(random) >> 40) * 0x1p-24F; /* 24 bits: exact */
    uint64_t whole = random_next(random) >> 32;
    uint64_t small = whole % SMALL_INTEGERS; /* little-endian, as every supported machine is */
    double wide = (double)value;
    uint16_t half;

    switch (dtype) {
    case TARE_FP64:
        memcpy(at, &wide, sizeof(wide));
        break;
    case TARE_FP32:
        memcpy(at, &value, sizeof(value));
        break;
    case TARE_FP16:
    case TARE_BF16:
        half = dtype == TARE_BF16 ? bfloat_of(value) : half_from_float(value);
        memcpy(at, &half, sizeof(half));
        break;
    case TARE_INT8:
    case TARE_UINT8:
        *(uint8_t *)at = (uint8_t)whole;
        break;
    case TARE_BOOL:
        *(uint8_t *)at = (uint8_t)(whole & 1);
        break;
    default:
        memcpy(at, &small, tare_dtype_bytes(dtype));
    }
}

static enum tare_status generic_load(struct family_state *state, const void *jpeg,
                                     size_t jpeg_bytes, int32_t slot, struct family_stages *stages,
                                     struct tare_err *err)
{
    (void)jpeg;
    (void)jpeg_bytes;
    (void)stages;
    if (slot < 0 || slot >= state->slots)
        return tare_fail(err, TARE_INVALID, "batch slot %d, the batch has %d", slot, state->slots);
    for (size_t i = 0; i < state->graph->input_count; i++) {
        const struct tare_tensor *input = &state->graph->inputs[i];
        size_t element = tare_dtype_bytes(input->dtype);
        size_t count = (size_t)tare_shape_count(input->rank, input->shape) / (size_t)state->slots;
        uint8_t *at = (uint8_t *)input->data + (size_t)slot * count * element;
        struct random random;

        random_seed(&random, state->seed ^ ((uint64_t)(uint32_t)slot << 32) ^ (uint64_t)i);
        for (size_t k = 0; k < count; k++)
            put_random(&random, input->dtype, at + k * element);
    }
    return TARE_OK;
}

static enum tare_status generic_boxes(struct family_state *state, int32_t slot,
                                      const struct box **boxes, size_t *count,
                                      struct family_stages *stages, struct tare_err *err)
{
    (void)state;
    (void)slot;
    (void)stages;
    (void)err;
    *boxes = NULL;
    *count = 0;
    return TARE_OK;
}

static int32_t generic_slots(const struct family_state *state)
{
    return state->slots;
}

const struct family family_generic = {
    .name = "generic",
    .predicts = false,
    .matches = generic_matches,
    .open = generic_open,
    .close = generic_close,
    .load = generic_load,
    .boxes = generic_boxes,
    .slots = generic_slots,
};
