#include "tensorrt/trt_network.h"

#include <stdlib.h>

#include "tensorrt/trt_calls.h"

#define MAX_LAYERS  (1 << 20)
#define MAX_TENSORS (1 << 10) /* of one layer */

/* nvinfer1::LayerType, as far as it is the same in all versions */
enum {
    LAYER_CONVOLUTION = 0,
    LAYER_POOLING = 3,
    LAYER_DECONVOLUTION = 7,
    LAYER_CONCATENATION = 8,
    LAYER_PADDING = 12,
    LAYER_SHUFFLE = 13,
    LAYER_MATRIX_MULTIPLY = 17,
};

/* and as far as it is not: 10 left one out in the middle */
enum {
    LAYER_IDENTITY_8 = 21,
    LAYER_SLICE_8 = 23,
    LAYER_RESIZE_8 = 26,
    LAYER_DEQUANTIZE_8 = 34,
};

/* The tensors that hold values of 8 bits: a hash table of addresses, never more than half full. */
struct tensors {
    const void **slots; // (mask + 1) NULL: free
    size_t mask;
};

static const void **find(const struct tensors *tensors, const void *tensor)
{
    size_t at = (size_t)(((uint64_t)(uintptr_t)tensor >> 4) * 0x9e3779b97f4a7c15u >> 32);

    for (at &= tensors->mask; tensors->slots[at] && tensors->slots[at] != tensor;
         at = (at + 1) & tensors->mask)
        continue;
    return &tensors->slots[at];
}

static bool holds(const struct tensors *tensors, const void *tensor)
{
    return tensor && *find(tensors, tensor);
}

/* Room for every tensor of a network. */
static enum tare_status make_room(enum trt_flavour flavour, const void *network, int32_t layers,
                                  struct tensors *tensors, struct tare_err *err)
{
    size_t count = 1, room = 64;

    for (int32_t i = 0; i < layers; i++) {
        const void *layer = trt_call_object_at(flavour, network, TRT_NETWORK_LAYER, i);
        int32_t outputs = layer ? trt_call_int(flavour, layer, TRT_LAYER_OUTPUTS) : -1;

        if (outputs < 0 || outputs > MAX_TENSORS)
            return tare_fail(err, TARE_BROKEN, "TensorRT reports %d outputs of layer %d",
                             (int)outputs, (int)i);
        count += (size_t)outputs;
    }
    while (room < 2 * count)
        room *= 2;
    tensors->mask = room - 1;
    tensors->slots = calloc(room, sizeof(*tensors->slots));
    return tensors->slots ? TARE_OK
                          : tare_fail(err, TARE_NOMEM, "out of memory for the tensors of %d layers",
                                      (int)layers);
}

/* --- what holds 8 bits --- */

static bool is_dequantizing(enum trt_flavour flavour, int32_t type)
{
    return type == LAYER_DEQUANTIZE_8 - (flavour != TRT_8_6);
}

/* Whether a layer only moves or chooses values, so that TensorRT can do it in 8 bits. */
static bool moves(enum trt_flavour flavour, int32_t type)
{
    int32_t later = flavour != TRT_8_6;

    return type == LAYER_POOLING || type == LAYER_CONCATENATION || type == LAYER_PADDING ||
           type == LAYER_SHUFFLE || type == LAYER_IDENTITY_8 - later ||
           type == LAYER_SLICE_8 - later || type == LAYER_RESIZE_8 - later;
}

/* A concatenation needs all its inputs, any other the first: the rest are sizes. */
static bool reads_8_bits(enum trt_flavour flavour, const void *layer, int32_t type,
                         const struct tensors *tensors)
{
    int32_t inputs =
        type == LAYER_CONCATENATION ? trt_call_int(flavour, layer, TRT_LAYER_INPUTS) : 1;
    bool all = inputs > 0 && inputs <= MAX_TENSORS;

    for (int32_t i = 0; i < inputs && all; i++)
        all = holds(tensors, trt_call_object_at(flavour, layer, TRT_LAYER_INPUT, i));
    return all;
}

static void add_outputs(enum trt_flavour flavour, const void *layer, struct tensors *tensors)
{
    int32_t outputs = trt_call_int(flavour, layer, TRT_LAYER_OUTPUTS);

    for (int32_t i = 0; i < outputs; i++) {
        const void *tensor = trt_call_object_at(flavour, layer, TRT_LAYER_OUTPUT, i);

        if (tensor)
            *find(tensors, tensor) = tensor;
    }
}

/* --- counting --- */

static bool is_convolution(int32_t type)
{
    return type == LAYER_CONVOLUTION || type == LAYER_DECONVOLUTION ||
           type == LAYER_MATRIX_MULTIPLY;
}

static void count_convolution(enum trt_flavour flavour, const void *layer,
                              const struct tensors *tensors, struct trt_network_facts *facts)
{
    const void *input = trt_call_object_at(flavour, layer, TRT_LAYER_INPUT, 0);
    int32_t type = input ? trt_call_int(flavour, input, TRT_VALUE_TYPE) : -1;

    facts->convolutions++;
    if (type == TRT_INT8 || holds(tensors, input))
        facts->int8++;
    else if (type == TRT_FLOAT)
        facts->fp32++;
    else if (type == TRT_HALF)
        facts->fp16++;
    else
        facts->other++;
}

/* Layers stand in the order of the file's nodes, each after those that it reads. */
enum tare_status trt_network_count(enum trt_flavour flavour, const void *network,
                                   struct trt_network_facts *facts, struct tare_err *err)
{
    int32_t layers = trt_call_int(flavour, network, TRT_NETWORK_LAYERS);
    struct tensors tensors = {0};
    enum tare_status status;

    *facts = (struct trt_network_facts){.layers = layers};
    if (layers < 0 || layers > MAX_LAYERS)
        return tare_fail(err, TARE_BROKEN, "TensorRT reports a network of %d layers", (int)layers);
    status = make_room(flavour, network, layers, &tensors, err);
    if (status != TARE_OK)
        return status;
    for (int32_t i = 0; i < layers; i++) {
        const void *layer = trt_call_object_at(flavour, network, TRT_NETWORK_LAYER, i);
        int32_t type = trt_call_int(flavour, layer, TRT_LAYER_TYPE);

        if (is_dequantizing(flavour, type) ||
            (moves(flavour, type) && reads_8_bits(flavour, layer, type, &tensors)))
            add_outputs(flavour, layer, &tensors);
        else if (is_convolution(type))
            count_convolution(flavour, layer, &tensors, facts);
    }
    free(tensors.slots);
    return TARE_OK;
}

const char *trt_network_precision(const struct trt_network_facts *facts)
{
    if (facts->int8 > 0)
        return "int8";
    if (facts->fp16 > facts->fp32 && facts->fp16 >= facts->other)
        return "fp16";
    return facts->other > facts->fp32 ? "other" : "fp32";
}
