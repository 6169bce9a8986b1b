/*
 * ledger_inner.h - what the files behind ledger.h share. Not for others.
 */
#ifndef TARE_MEASURE_LEDGER_INNER_H
#define TARE_MEASURE_LEDGER_INNER_H

#include "measure/ledger.h"

/* One valid visit with its samples of "total". */
struct ledger_visit {
    struct store_visit row;
    double *samples_ns; // (count), in the order of time
    size_t count;
    double median_ns, p5_ns, p95_ns, after_switch_ns; /* NAN without samples */
    int64_t restart;                                  /* ordinal within the cell */
};

/* All valid visits of a cell in the mode that the ledger speaks of. */
struct ledger_visits {
    struct ledger_visit *items; // (count)
    size_t count;
    size_t *in_sweep; // (sweep_count): 1 + index of its first visit that has a median; 0: none
    size_t sweep_count;
};

/* Reads a cell's visits and restarts and fills its times, in every mode. visits gets those of
 * cell->mode; the caller releases them. */
enum tare_status ledger_read_cell(struct store *store, uint64_t seed, struct ledger_cell *cell,
                                  struct ledger_visits *visits, struct tare_err *err);

/* The same visits of one mode alone, without any figure made of them. */
enum tare_status ledger_load_visits(struct store *store, int64_t cell_id,
                                    enum store_visit_mode mode, struct ledger_visits *visits,
                                    struct tare_err *err);
void ledger_release_visits(struct ledger_visits *visits);

/* The cell's points, from its rows of any mode and the valid visits of the cell's own. */
enum tare_status ledger_fill_points(struct ledger_cell *cell, const struct store_visit *rows,
                                    size_t row_count, const struct store_restart *restarts,
                                    size_t restart_count, const struct ledger_visits *visits,
                                    struct tare_err *err);

/* How even each cell was, once all cells are known. */
enum tare_status ledger_fill_stability(struct ledger *ledger, struct tare_err *err);

/* A figure of a visit; NAN where it has none. */
struct ledger_response {
    size_t cell, sweep;
    double value;
};

/* Takes out of each value what its cell and its sweep have in common with others: two-way means,
 * taken in turn until they settle. TARE_NOMEM. */
enum tare_status ledger_centre(struct ledger_response *values, size_t count, size_t cell_count,
                               struct tare_err *err);

/* Tests what the predecessor does to a visit. */
enum tare_status ledger_fill_predecessors(struct ledger *ledger, struct tare_err *err);

#define LEDGER_MAX_SWEEPS ((size_t)100000) /* as a study may have */

/* The first visit of a cell in a sweep that has a median; NULL if there is none. */
const struct ledger_visit *ledger_visit_in(const struct ledger_visits *visits, size_t sweep);

/* Equal for pairs of visits by the same two workers. */
int64_t ledger_cluster(const struct ledger_visit *cell, const struct ledger_visit *baseline);

/* Ratio and difference of pairs of cells, with intervals that hold together over all of them. */
struct ledger_pair {
    size_t cell, baseline;
    double ratio, difference_ns;
    double log_error, log_df; /* standard error of log(ratio), its degrees of freedom */
    struct ledger_interval ratio_interval, difference_interval_ns;
    size_t sweeps, restarts;
};
enum tare_status ledger_compare_pairs(const struct ledger_visits *visits, struct ledger_pair *pairs,
                                      size_t pair_count, uint64_t seed, struct tare_err *err);

/* The ledger's lines, from its cells. */
enum tare_status ledger_fill_lines(struct ledger *ledger, const struct ledger_visits *visits,
                                   struct tare_err *err);

/* AP of cells and of lines, and the reference of the decision. */
enum tare_status ledger_fill_accuracy(struct store *store, const struct ledger_options *options,
                                      struct ledger *ledger, struct tare_err *err);

/* How far cells agree with the reference, and which of them nothing beats. */
void ledger_fill_agreement(struct ledger *ledger);

/* What the fresh sweeps of the winner say, if there are any. */
enum tare_status ledger_confirm(struct store *store, struct ledger *ledger, struct tare_err *err);

enum tare_status ledger_decide(struct store *store, const struct ledger_options *options,
                               struct ledger *ledger, const struct ledger_visits *visits,
                               struct tare_err *err);

/* Sustained speeds, if there was a soak, and the notes about them. */
enum tare_status ledger_fill_soak(struct store *store, struct ledger *ledger, struct tare_err *err);

/* Cold starts, if there were any, and the notes about them. */
enum tare_status ledger_fill_cold(struct ledger *ledger, struct tare_err *err);

/* Joules, if there are any, what the GPU did, and the notes about them. */
enum tare_status ledger_fill_energy(struct store *store, struct ledger *ledger,
                                    struct tare_err *err);
enum tare_status ledger_energy_notes(struct ledger *ledger, struct tare_err *err);

/* What a GPU did in a cell's visits of one mode. */
void ledger_read_gpu(struct store *store, const struct store_visit *rows, size_t count,
                     enum store_visit_mode mode, struct ledger_gpu *gpu);
enum tare_status ledger_gpu_notes(struct ledger *ledger, struct tare_err *err);

/* Notes from the store, and those that the numbers themselves call for. */
enum tare_status ledger_fill_notes(struct store *store, struct ledger *ledger,
                                   struct tare_err *err);

enum tare_status ledger_add_note(struct ledger_notes *notes, struct tare_err *err,
                                 const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "12.3" or "0.00123": a time in milliseconds with three digits that matter. */
void ledger_put_ms(char *text, size_t text_bytes, double ns);

#endif
