/*
 * visiting.c - one cell at a time: its worker started and warmed up, one visit of it, its end.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "measure/freeze.h"
#include "measure/host.h"
#include "measure/record.h"
#include "measure/steady.h"
#include "measure/sweeps_inner.h"
#include "measure/thread_count.h"
#include "measure/throughput.h"

#define FIRST_ROUNDS 3 /* of a cell's first warm-up, at most */

/* --- progress
 * ------------------------------------------------------------------------------------------- */

void sweeps_tell(struct sweeps *s, const char *stage, const char *cell, int64_t sweep, double more)
{
    bool confirming = s->mode == STORE_VISIT_CONFIRM;
    int64_t sweeps =
        confirming ? s->confirm_sweeps : s->plan.sweeps * (s->plan.sets > 1 ? s->plan.sets : 1);
    struct sweeps_progress p = {stage, cell, sweep, sweeps, 0, -1};
    int64_t spent = clock_now_ns() - s->start_ns;

    s->done += more;
    if (!s->options->progress)
        return;
    p.share = s->done / s->work < 1 ? s->done / s->work : 1;
    if (p.share > 0.02)
        p.left_ns = (int64_t)((double)spent * (1 - p.share) / p.share);
    s->options->progress(&p, s->options->progress_data);
}

enum store_visit_mode sweeps_mode(const struct study *study)
{
    return study->throughput ? STORE_VISIT_THROUGHPUT
           : study->paced    ? STORE_VISIT_PACED
                             : STORE_VISIT_BACK_TO_BACK;
}

/* --- cells that end early
 * --------------------------------------------------------------------------------- */

/* A worker's failure is a row; only the store's and the user's own stop end the study. */
enum tare_status sweeps_end_cell(struct sweeps *s, size_t i, const struct tare_err *failure,
                                 struct tare_err *err)
{
    struct cell_state *cell = &s->cells[i];
    bool impossible = failure->status == TARE_ABSENT || failure->status == TARE_UNSUPPORTED;
    enum store_cell_state state =
        impossible && !cell->opened_once ? STORE_CELL_SKIPPED : STORE_CELL_FAILED;

    if (failure->status == TARE_STOPPED)
        return tare_fail(err, TARE_STOPPED, "stopped");
    cell->ended = true;
    crew_stop(&s->crew[i]);
    log_warn("cell '%s' %s: %s", s->study->cells[i].name, store_cell_state_name(state),
             failure->text);
    return record_state(s->store, cell->id, state, failure->text,
                        cell->opened_once ? &cell->opened : NULL, err);
}

/* --- starting -------------------------------------------------------------------------------- */

/*
 * Goes on until the series is steady: at most three rounds, each as long again. That is learnt with
 * the first worker; later ones get one round, and what its check says is stored.
 */
static enum tare_status warm_up(struct sweeps *s, size_t i, int64_t begun_ns, int64_t *runs,
                                bool *steady, struct tare_err *err)
{
    struct crew_member *member = &s->crew[i];
    struct cell_state *cell = &s->cells[i];
    int rounds = cell->restarts == 0 ? FIRST_ROUNDS : 1;
    enum tare_status status = TARE_OK;

    *runs = 0;
    *steady = false;
    for (int round = 0; round < rounds && status == TARE_OK && !*steady; round++) {
        struct crew_visit visit;
        const int64_t *samples = member->shared->samples[SERIES_TOTAL];

        status = crew_warm_up(member, s->study->warmup_runs, s->study->warmup_ns,
                              s->study->timeout_ns, &visit, err);
        if (status != TARE_OK)
            break;
        *runs += visit.runs;
        *steady = steady_check(samples, (size_t)visit.runs);
        cell->pilot_ns = steady_median(samples, (size_t)visit.runs);
        if (round == 0)
            cell->start_ns = clock_now_ns() - begun_ns;
    }
    return status;
}

enum tare_status sweeps_start_cell(struct sweeps *s, size_t i, struct tare_err *failure,
                                   struct tare_err *err)
{
    struct cell_state *cell = &s->cells[i];
    struct store_restart restart = {
        .cell_id = cell->id, .ordinal = cell->restarts, .peak_rss_bytes = -1};
    int64_t begun_ns;
    enum tare_status status;

    if (s->study->throughput) {
        status = throughput_choose(s, i, failure, err);
        if (status != TARE_OK || failure->status != TARE_OK)
            return status;
    }
    begun_ns = clock_now_ns();
    (void)crew_hush(s->crew, s->study->cell_count, NULL, &s->watch);
    status = s->study->throughput ? throughput_start(s, i, failure)
                                  : crew_start(&s->crew[i], s->study, &s->study->cells[i],
                                               &s->pictures, &cell->opened, failure);
    if (status == TARE_OK) {
        cell->opened_once = true;
        status = warm_up(s, i, begun_ns, &restart.warmup_runs, &restart.warmup_steady, failure);
    }
    crew_watch_now(s->crew, s->study->cell_count, &s->watch);
    if (status != TARE_OK)
        return TARE_OK;
    cell->restarts++;
    restart.pid = s->crew[i].process.pid;
    restart.load_ns = cell->opened.load_ns;
    restart.first_run_ns = cell->opened.first_run_ns;
    status = store_add_restart(s->store, &restart, &cell->restart_id, err);
    if (status == TARE_OK) /* now, so that a killed run knows what executed its visits */
        status = record_state(s->store, cell->id, STORE_CELL_OK, "", &cell->opened, err);
    return status;
}

/* --- visiting -------------------------------------------------------------------------------- */

/* others_ns: what the workers that were to be quiet ran meanwhile. */
static const char *invalid_reason(const struct crew_visit *visit, int64_t others_ns)
{
    if ((double)others_ns > FREEZE_SHARE * (double)visit->wall_ns)
        return "another worker ran during the visit";
    return visit->major_faults > 0 ? "pages were read from disk during the visit" : "";
}

/* Sees to it that nobody else runs; returns their CPU time so far, if that is to be looked at
 * again afterwards. */
static int64_t quieten(struct sweeps *s, size_t i)
{
    if (!s->study->freeze) {
        (void)crew_hush(s->crew, s->study->cell_count, &s->crew[i], &s->watch);
        return 0;
    }
    freeze_others(s->crew, s->study->cell_count, &s->crew[i]);
    return freeze_cpu_ns(s->crew, s->study->cell_count, &s->crew[i]);
}

/* How long a visit may take before its worker counts as hung. */
static int64_t visit_patience(const struct study *study, int64_t expected_ns)
{
    int64_t least = (int64_t)30 * 1000000000;

    if (study->timeout_ns)
        return study->timeout_ns;
    return 10 * expected_ns > least ? 10 * expected_ns : least;
}

enum tare_status sweeps_visit_cell(struct sweeps *s, size_t i, int64_t sweep, int64_t position,
                                   struct tare_err *failure, struct tare_err *err)
{
    const struct study *study = s->study;
    struct cell_state *cell = &s->cells[i];
    int64_t runs = s->plan.runs[i] + study->after_switch, steal = host_steal_ns();
    int64_t period = study->paced ? (int64_t)(1e9 / study->rate_hz) : 0;
    int64_t expected = runs * (period > cell->pilot_ns ? period : cell->pilot_ns);
    int64_t others;
    struct crew_visit done;
    struct store_visit row = {
        .cell_id = cell->id,
        .restart_id = cell->restart_id,
        .sweep = sweep,
        .position = position,
        .predecessor_id = s->predecessor_id,
        .mode = s->mode,
        .mean_clock_hz = -1,
        .steal_ns = -1,
    };

    others = quieten(s, i);
    gpu_watch_begin(&s->looks, gpu_find(&s->gpus, study->cells[i].device));
    row.started_ns = clock_now_ns() - s->epoch_ns;
    if ((study->throughput
             ? throughput_visit(s, i, sweep, &done, failure)
             : crew_visit(&s->crew[i], runs, sweep * runs * study->cells[i].batch, period,
                          visit_patience(study, expected), &done, failure)) != TARE_OK)
        return TARE_OK;
    gpu_watch_end(&s->looks, &row);
    if (study->freeze)
        others = freeze_cpu_ns(s->crew, study->cell_count, &s->crew[i]) - others;
    crew_watch_now(s->crew, study->cell_count, &s->watch); /* the next one may wait less */
    if (thread_count_keep(s, i, &done, err) != TARE_OK)
        return err->status;
    s->predecessor_id = cell->id;
    s->result->visit_ns += done.wall_ns;
    row.wall_ns = done.wall_ns;
    row.cpu_ns = done.cpu_ns;
    row.major_faults = done.major_faults;
    row.mean_clock_hz = host_clock_hz();
    steal = steal < 0 ? -1 : host_steal_ns() - steal;
    row.steal_ns = steal < 0 ? -1 : steal; /* kernels are known to count it backwards */
    row.why_invalid = invalid_reason(&done, others);
    row.valid = row.why_invalid[0] == '\0';
    if (study->throughput)
        return throughput_record(s->store, &row, &done, s->crew[i].shared, err);
    return record_visit(s->store, &row, s->crew[i].shared,
                        &(struct record_visit_options){
                            .runs = runs,
                            .after = study->after_switch,
                            .pictures = cell->opened.pictures > 0,
                            .paced = study->paced,
                            .device = strcmp(study->cells[i].device, "cpu") != 0,
                        },
                        err);
}
