/*
 * to_half.h - an FP32 model in memory to FP16 or BF16: weights rounded to nearest even, casts where
 * the precision changes, and FP32 where half a float does not do.
 *
 * Kept in FP32, each with its reason (enum to_half_reason):
 *     operator  Softmax, Exp, sums and means over many elements, and whatever is not known here:
 *               exponentials overflow FP16 from 11.1 on, sums lose what is small
 *     decode    what lies between the last convolutions or matrix products and the outputs, the DFL
 *               convolution behind a Softmax counted in: a coordinate of 513 to 1024 has a step of
 *               0.5 pixel in FP16 and of 4 in BF16. It is under 1 % of the work.
 *     range     nodes with a constant that overflows the type (65504 in FP16)
 *     type      nodes with an input whose element type could not be worked out
 * So a raw YOLOv8 head, which ends in convolutions, is converted whole.
 *
 * BF16 convolutions exist from operator set 22 on, so a BF16 model is raised to it (IR version 10),
 * if it uses operators only whose meaning has not changed since the one that it was made for.
 *
 * Inputs and outputs stay FP32 unless asked otherwise. value_info is dropped: it would be stale.
 *
 * Threads: a model belongs to one thread at a time.
 */
#ifndef TARE_QUANTIZE_TO_HALF_H
#define TARE_QUANTIZE_TO_HALF_H

#include <stdbool.h>
#include <stddef.h>

#include "onnx/onnx_model.h"

enum to_half_reason {
    TO_HALF_CONVERTED,
    TO_HALF_OPERATOR,
    TO_HALF_DECODE,
    TO_HALF_RANGE,
    TO_HALF_TYPE,
    TO_HALF_REASONS
};

struct to_half_options {
    bool bf16;    /* otherwise FP16 */
    bool half_io; /* inputs and outputs in the new type too */
};

struct to_half_node {
    const char *name, *op_type; /* belong to the model */
    enum to_half_reason reason;
};

struct to_half_report {
    size_t nodes[TO_HALF_REASONS]; /* by what became of them */
    struct to_half_node *kept;     // (kept_count) belong to the model
    size_t kept_count, casts;
    size_t weights;                   /* constants rounded */
    size_t subnormals;                /* of them, those that fell under the type's normal range */
    size_t flushed;                   /* of those, the ones that became 0 */
    double largest_error;             /* of one weight: |x - rounded x| */
    const char *largest_error_tensor; /* "" if every weight is exact; belongs to the model */
};

/*
 * Converts in place. TARE_UNSUPPORTED if the model is not FP32 (quantised, or half already), for a
 * model with subgraphs, with weights in another file, with an operator set
 * under 11 (13 for BF16) or, for BF16, an operator that changed since. After an error the model is
 * good for nothing but onnx_model_release().
 */
enum tare_status to_half(struct onnx_model *model, const struct to_half_options *options,
                         struct to_half_report *report, struct tare_err *err);

/* "operator", "decode", "range", "type". */
const char *to_half_reason_name(enum to_half_reason reason);

#endif
