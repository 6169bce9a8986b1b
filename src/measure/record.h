/*
 * record.h - from what was measured to rows of the store. Private to this room.
 */
#ifndef TARE_MEASURE_RECORD_H
#define TARE_MEASURE_RECORD_H

#include "base/buf.h"
#include "measure/crew.h"
#include "measure/sweeps.h"
#include "store/store.h"

/* The reason of a cell that no worker has been started for. */
#define RECORD_NOT_STARTED "not started"

/* Opens a run: its row, the facts of the host, the files by hash, the annotations, the notes. */
enum tare_status record_run(struct store *store, const struct study *study,
                            const struct sweeps_options *options, int64_t *run_id,
                            struct tare_err *err);

/* A cell before its first visit. */
enum tare_status record_cell(struct store *store, int64_t run_id, const struct study *study,
                             const struct study_cell *cell, int64_t *id, struct tare_err *err);

/* The ledger's lines; cell_ids has study->cell_count elements. */
enum tare_status record_lines(struct store *store, int64_t run_id, const struct study *study,
                              const int64_t *cell_ids, struct tare_err *err);

/* What became of a cell. opened may be NULL. */
enum tare_status record_state(struct store *store, int64_t cell_id, enum store_cell_state state,
                              const char *reason, const struct crew_opened *opened,
                              struct tare_err *err);

/* What a visit's series are. */
struct record_visit_options {
    int64_t runs, after; /* all, and those of them that came right after the switch */
    bool pictures;       /* it has stages */
    bool paced;
    bool device; /* the runtime timed transfers and computing by a device's clock */
};

/* One visit: visit's fields are the caller's, its series lie in shared. */
enum tare_status record_visit(struct store *store, const struct store_visit *visit,
                              const struct protocol_shared *shared,
                              const struct record_visit_options *options, struct tare_err *err);

/* Scores a detections file and stores figures, classes and the detections themselves. */
enum tare_status record_accuracy(struct store *store, int64_t cell_id, const struct study *study,
                                 const char *detections, int64_t pictures, struct tare_err *err);

/* Appends a word of a shell command, quoted where it must be, after a space if out holds some. */
void record_put_word(struct buf *out, const char *word);

#endif
