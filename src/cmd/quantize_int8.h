/*
 * quantize_int8.h - an FP32 model to one with 8-bit integers, with a progress display and a summary
 * on standard output, for `tare quantize`.
 */
#ifndef TARE_CMD_QUANTIZE_INT8_H
#define TARE_CMD_QUANTIZE_INT8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quantize/quantize.h"
#include "tare/status.h"

struct quantize_int8 {
    const char *input, *output;
    const char *images, *table;       /* one of them: where the ranges come from */
    const char *target;               /* "cpu", "openvino", "tensorrt" */
    const char *method;               /* a name of range.h */
    const char *save_table, *cache;   /* NULL: not written */
    const char *vnni;                 /* "auto", "yes", "no" */
    int64_t trt_version, float_first; /* float_first -1: the target's own */
    int64_t limit, threads;           /* 0: all */
    const char *const *floats;        // (float_count) convolutions that stay in float
    size_t float_count;

    /* Of sensitivity and searches, as quantize_search.h. */
    bool sensitivity; /* only show it */
    const char *runtime, *command, *store;
    const char *tuning_images, *tuning_annotations, *evaluation;
    double max_drop, max_ap_drop;
    int64_t budget_ns;
    bool json, quiet;
};

/* Errors as quantize_model(). */
enum tare_status quantize_to_int8(const struct quantize_int8 *asked, struct tare_err *err);

/* Says it if the pictures were too few for the ranges to be well known. */
void quantize_warn(const struct quantize_report *report, const char *pictures);

#endif
