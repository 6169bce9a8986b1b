/*
 * bench_plans.h - engines for the cells that TensorRT runs, built before a study as 'tare plan'
 * would and kept in the folder of its models: the next run uses them again.
 */
#ifndef TARE_CMD_BENCH_PLANS_H
#define TARE_CMD_BENCH_PLANS_H

#include <stdbool.h>

#include "measure/study.h"

/* Whether TensorRT runs the cell, so that it needs an engine. */
bool bench_needs_plan(const struct study_cell *cell);

/*
 * Turns model_path from an ONNX file into its engine for the cell's device, precision and options
 * ("dla", "library"); an engine stays as it is. What cannot be built is no error: the cell's row
 * says why (if_missing). Nor is a plugin or a GPU that is not there, about which the plugin speaks.
 * TARE_STOPPED if the user asked to stop.
 */
enum tare_status bench_plan_make(struct study_cell *cell, const char *folder, bool quiet,
                                 struct tare_err *err);

#endif
