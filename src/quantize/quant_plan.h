/*
 * quant_plan.h - which parts of a graph become 8-bit, found from the graph alone.
 *
 * From the graph's inputs on, a value belongs to the region as long as each step on the way is one
 * that runs in 8 bits: convolutions with constant weights, SiLU (Sigmoid and Mul), Relu, Add,
 * Concat and Split of channels, MaxPool, Resize to the nearest. What comes after (a detector's
 * decode: Reshape, Softmax, box arithmetic) stays in float; so do, in a profile that says so, the
 * first convolutions and those whose output leaves the region. An Add none of whose sides comes
 * from an 8-bit operator stays in float too.
 *
 * Values that Concat, Split, MaxPool and Resize only move share one range with where they come
 * from: they are a group.
 *
 * Threads: what quant_plan_make() returns is immutable but for what its caller fills in.
 */
#ifndef TARE_QUANTIZE_QUANT_PLAN_H
#define TARE_QUANTIZE_QUANT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnx/onnx_shapes.h"
#include "quantize/lags.h"
#include "quantize/range.h"

/* Where Q/DQ pairs go, and in which integers. */
struct quant_profile {
    const char *name;
    bool symmetric;            /* activations signed without a zero point; else unsigned with one */
    bool everywhere;           /* after every operator of the region, as ONNX Runtime fuses it; else
                                  only where a value is made that an 8-bit operator reads */
    bool float_silu;           /* SiLU as ONNX Runtime's float QuickGelu, its sigmoid not rounded */
    bool float_last;           /* convolutions whose output leaves the region stay in float */
    int32_t float_first;       /* so many convolutions, from the input on, too */
    int32_t weight_most;       /* weights are within -most..most: 127, or 64 against saturation */
    const char *const *floats; // (float_count) convolutions that stay in float besides, each the
    size_t float_count;        /* name of a node or of its output */
};

enum quant_role {
    QUANT_FLOAT,   /* stays as it is */
    QUANT_CONV,    /* 8-bit weights, input and, in an everywhere profile, output */
    QUANT_SIGMOID, /* of a SiLU */
    QUANT_SILU,    /* its Mul */
    QUANT_RELU,
    QUANT_ADD,
    QUANT_VIEW /* moves values only */
};

/* A value of the region. */
struct quant_value {
    const char *name; /* the model's */
    size_t maker;     /* index of its node; SIZE_MAX: an input of the graph */
    size_t group;     /* index of the value that stands for the group */
    size_t seen;      /* index in observed of what it is or is the SiLU of; SIZE_MAX: a view */
    bool silu;        /* it is the SiLU of that */
    bool before_silu; /* it is the input of a SiLU: its range is its own */
    bool wanted;      /* gets a Q/DQ pair */
    bool windows;     /* a 3 × 3 convolution reads it: its lags are wanted */
    struct range range;
    uint64_t histogram;  /* what tells its distribution from others; 0: not known */
    const double *means; // (channels), of the plan's arena; NULL: not known
    const double *lags;  // (LAGS_COUNT) normalised, of the plan's arena; NULL: not known
};

/* A channel of a value: of which observed tensor, and which of its channels. */
struct quant_channel {
    uint32_t value; /* index of a value with seen != SIZE_MAX */
    uint32_t channel;
};

struct quant_plan {
    const Onnx__GraphProto *graph;
    const struct onnx_shapes *shapes;
    enum quant_role *roles; // (nodes)
    size_t node_count;
    struct quant_value *values; // (value_count)
    size_t value_count;
    size_t *observed; // (observed_count): indices of the values whose distribution is wanted
    size_t observed_count;
    size_t conv_count; /* QUANT_CONV */
    struct arena arena;
    const struct quant_channel **sources; // (value_count): of each value, (its channels)
    size_t *channel_counts;               // (value_count)
};

/*
 * proto and shapes must outlive the plan. TARE_UNSUPPORTED, saying why, for a graph that is
 * quantised already, is not FP32, is of an operator set before 13, or has no convolution that can
 * be quantised; TARE_INVALID naming one of floats that is no such convolution. On success
 * quant_plan_free() it.
 */
enum tare_status quant_plan_make(const Onnx__ModelProto *proto, const struct onnx_shapes *shapes,
                                 const struct quant_profile *profile, struct quant_plan **plan,
                                 struct tare_err *err);
void quant_plan_free(struct quant_plan *plan);

/* The value of that name; NULL if it is none of the region. */
struct quant_value *quant_plan_value(const struct quant_plan *plan, const char *name);

#endif
