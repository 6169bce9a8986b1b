/*
 * bench_int8.h - INT8 files for the cells of a study that names pictures to calibrate on, made
 * before it as 'tare quantize' would, and made again only if what they are made of has changed.
 */
#ifndef TARE_CMD_BENCH_INT8_H
#define TARE_CMD_BENCH_INT8_H

#include "measure/study.h"

/* The --for that suits a cell: "openvino" where OpenVINO runs it, "tensorrt" on a GPU, "cpu". */
const char *bench_int8_target(const struct study_cell *cell);

/*
 * Makes path from the FP32 model, calibrated on the pictures of a folder, unless it is there and
 * says in its metadata ("tare.recipe") that it was made of the same model and pictures in the same
 * way. A file that says nothing of how it was made is the user's, and is left alone. Errors as
 * quantize_model().
 */
enum tare_status bench_int8_make(const char *fp32_path, const char *pictures, const char *target,
                                 const char *path, bool quiet, struct tare_err *err);

#endif
