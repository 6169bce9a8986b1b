/*
 * limits.h - before the first visit of a run, while nothing else works: the peaks of the machine
 * and what the cells' graphs ask, into the store. Private to this room.
 */
#ifndef TARE_MEASURE_LIMITS_H
#define TARE_MEASURE_LIMITS_H

#include "measure/study.h"
#include "store/store.h"

/* cell_ids has study->cell_count elements. A run that has its peaks keeps them; one whose cells all
 * lack a graph gets none. What could not be measured or read is left out, and says so. */
enum tare_status limits_record(const struct study *study, const int64_t *cell_ids,
                               struct store *store, int64_t run_id, struct tare_err *err);

/* The ONNX file whose graph a cell runs: its own, or one exported from the same checkpoint for
 * another cell; NULL if there is none. */
const char *limits_graph_path(const struct study *study, size_t cell);

#endif
