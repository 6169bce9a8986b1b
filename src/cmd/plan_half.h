/*
 * plan_half.h - an FP32 ONNX file to an FP16 one, for engines whose library takes types from the
 * file.
 */
#ifndef TARE_CMD_PLAN_HALF_H
#define TARE_CMD_PLAN_HALF_H

#include "tare/status.h"

/* As 'tare quantize --precision fp16': inputs and outputs stay FP32. */
enum tare_status plan_to_fp16(const char *from, const char *to, struct tare_err *err);

#endif
