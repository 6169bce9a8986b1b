/*
 * bench_served.h - what `tare bench` lays out for the layers that Triton serves.
 */
#ifndef TARE_CMD_BENCH_SERVED_H
#define TARE_CMD_BENCH_SERVED_H

#include "measure/study.h"

/*
 * Renders a repository for a cell of a served layer into folder, from its model_path (an ONNX file),
 * for its batch alone and without a queue: what is measured is the layer, not a wait for company.
 * Sets cell->repository. Other cells are left alone. TARE_UNSUPPORTED if the model cannot be served
 * or what the cell asks for has no place in a repository.
 */
enum tare_status bench_serve(struct study *study, struct study_cell *cell, const char *folder,
                             struct tare_err *err);

#endif
