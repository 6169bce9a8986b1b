/*
 * raw_head.h - what a repository's configuration needs to know of a YOLOv8 graph with the raw head:
 * names and dimensions, read from the ONNX file.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_RAW_HEAD_H
#define TARE_SERVE_RAW_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "tare/status.h"

#define RAW_HEAD_LEVELS 3
#define RAW_HEAD_NAME   128

struct raw_head {
    char input[RAW_HEAD_NAME]; /* FP32 (N, 3, size, size) */
    int64_t size, classes;
    int64_t sides[RAW_HEAD_LEVELS]; /* cells a row at strides 8, 16, 32 */
    int64_t batch;                  /* N, or 0 where the graph leaves it open */
    char precision[8];              /* "fp32", "fp16", "bf16" or "int8", as onnx_precision() says */
};

/*
 * Reads path. TARE_UNSUPPORTED, saying what is different and what would be right, for a graph that
 * is none: another input, another head, a type that is not FP32; otherwise as onnx_read().
 */
enum tare_status raw_head_read(const char *path, struct raw_head *head, struct tare_err *err);

#endif
