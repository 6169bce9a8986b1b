/*
 * qdq.h - writes a plan into its graph: QuantizeLinear and DequantizeLinear around what is to run
 * in 8 bits, weights per channel, symmetric, by their greatest magnitude.
 *
 * Weights of 3 × 3 kernels are rounded with regard to each other where it is known how alike
 * neighbours in their input are (lags.h). Bias: what rounding the weights does to a layer's mean
 * output is taken off, by the mean of each input channel (Nagel et al., "Data-free quantization",
 * 2019, section 4.2). In profiles with zero points it is stored as int32 with the scale input ×
 * weight, else as floats, which TensorRT asks for.
 *
 * Threads: no shared state.
 */
#ifndef TARE_QUANTIZE_QDQ_H
#define TARE_QUANTIZE_QDQ_H

#include "onnx/onnx_model.h"
#include "quantize/quant_plan.h"

#define QDQ_SIGMOID_SCALE (1.0F / 256)

/*
 * Changes the model, of which plan was made, by the ranges, means and lags of the plan's values.
 * Where means are not known, biases stay as they are. On error the model is spoilt.
 */
enum tare_status qdq_apply(struct onnx_model *model, const struct quant_plan *plan,
                           const struct quant_profile *profile, struct tare_err *err);

#endif
