/*
 * quantize_half.h - `tare quantize --precision fp16|bf16`: an FP32 model to half precision, and
 * what that did to its outputs.
 */
#ifndef TARE_CMD_QUANTIZE_HALF_H
#define TARE_CMD_QUANTIZE_HALF_H

#include <stdbool.h>
#include <stdint.h>

#include "tare/status.h"

struct quantize_half {
    const char *input, *output;
    const char *images;  /* pictures to compare both models on; NULL: none */
    const char *runtime; /* that runs them; NULL: onnxruntime for FP16, openvino for BF16 */
    bool bf16, half_io, json, quiet;
    int32_t threads; /* of that runtime; 0: its own choice */
};

/* Writes the model, then prints what was done, and the agreement if there are pictures. If that
 * fails the model stays. */
enum tare_status quantize_to_half(const struct quantize_half *asked, struct tare_err *err);

#endif
