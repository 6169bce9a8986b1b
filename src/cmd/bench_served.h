/*
 * bench_served.h - what `tare bench` lays out for the layers that Triton serves.
 *
 * A served cell's options are the repository's: max_batch (the cell's batch), queue_delay_us (0),
 * instances (1), which is how a server puts pictures of several clients together.
 */
#ifndef TARE_CMD_BENCH_SERVED_H
#define TARE_CMD_BENCH_SERVED_H

#include <stdbool.h>

#include "measure/study.h"

/* Whether the server is to form batches of its own, which needs a graph with a free batch. */
bool bench_serves_batches(const struct study_cell *cell);

/*
 * Renders a repository for a cell of a served layer into folder, from its model_path (an ONNX
 * file), for its batch alone and without a queue unless its options say so: what is measured is the
 * layer, not a wait for company. Sets cell->repository, which stays "" where if_missing explains
 * why model_path is not there. cell is one of the study's; cells of other layers are left alone.
 * TARE_UNSUPPORTED if the model or device cannot be served, TARE_INVALID for an option that is not
 * the repository's, or a repository that an earlier cell has.
 */
enum tare_status bench_serve(struct study *study, struct study_cell *cell, const char *folder,
                             struct tare_err *err);

#endif
