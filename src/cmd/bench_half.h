/*
 * bench_half.h - FP16 files for the cells of a study whose runtime takes a file's own types and
 * computes in FP16: on a GPU. Made before the study as 'tare quantize --precision fp16' would.
 */
#ifndef TARE_CMD_BENCH_HALF_H
#define TARE_CMD_BENCH_HALF_H

#include "measure/study.h"

/* Whether such a file is made for the cell: fp16 on another device than the processor. */
bool bench_half_wanted(const struct study_cell *cell);

/*
 * Makes path from the FP32 model, unless it is there and says in its metadata ("tare.recipe") that
 * it was made of the same model. A file that says nothing of how it was made is the user's, and is
 * left alone. Errors as onnx_read(), to_half() and onnx_write().
 */
enum tare_status bench_half_make(const char *fp32_path, const char *path, struct tare_err *err);

#endif
