/*
 * bench_models.h - what `tare bench` does around a study: models made from checkpoints before it,
 * the ledger after it.
 */
#ifndef TARE_CMD_BENCH_MODELS_H
#define TARE_CMD_BENCH_MODELS_H

#include "measure/study.h"

/*
 * Sets every cell's model_path: an .onnx file is taken as it is, and so is a .pt by a runtime that
 * opens checkpoints itself; any other .pt is exported, once for each head, size and batch, into
 * `models` (NULL: a folder beside output). A cell of another precision, whose runtime does not
 * convert, gets that file's sibling X.PRECISION.onnx, which 'tare quantize' makes; if_missing says
 * so where it is not there. An INT8 file is X.int8.onnx, X.int8-openvino.onnx where OpenVINO runs
 * it and X.int8-tensorrt.onnx on a GPU, and is made here if the study names pictures to calibrate
 * on. A cell that TensorRT runs gets the engine of its file (bench_plans.h). A cell of a served
 * layer gets a repository of its own in the same folder (bench_served.h). TARE_INVALID for two
 * checkpoints that would be exported to the same file.
 */
enum tare_status bench_export_models(struct study *study, const char *models, const char *output,
                                     bool quiet, struct tare_err *err);

/* Prints the ledger of a result file's last run, as 'tare report' does; an exit code. */
int bench_print_ledger(char *output, bool json);

#endif
