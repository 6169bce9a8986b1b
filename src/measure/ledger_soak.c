/*
 * ledger_soak.c - sustained speed: each contiguous visit's, and each line's ratio over its blocks
 * A B B A (rule 6). Kept apart from the lines' interleaved ratios.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger_inner.h"
#include "measure/soak.h"
#include "measure/sustained.h"
#include "stats/paired.h"

static enum tare_status no_memory(struct tare_err *err)
{
    return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
}

/* Degrees a minute by least squares over the probes, and the first and last readings. */
static void read_temperature(struct store *store, int64_t visit_id, struct ledger_soak_visit *v)
{
    int64_t *at = NULL, *temperature = NULL;
    size_t n = 0, m = 0;
    double x = 0, y = 0, xx = 0, xy = 0;

    v->temperature_first = v->temperature_last = v->temperature_slope = NAN;
    if (store_series(store, visit_id, SOAK_SERIES_AT, &at, &n, NULL) == TARE_OK &&
        store_series(store, visit_id, SOAK_SERIES_TEMPERATURE, &temperature, &m, NULL) == TARE_OK &&
        n == m && n > 0) {
        for (size_t i = 0; i < n; i++) {
            x += (double)at[i] / 60e9 / (double)n;
            y += (double)temperature[i] / 1e3 / (double)n;
        }
        for (size_t i = 0; i < n; i++) {
            double dx = (double)at[i] / 60e9 - x;

            xx += dx * dx;
            xy += dx * ((double)temperature[i] / 1e3 - y);
        }
        v->temperature_first = (double)temperature[0] / 1e3;
        v->temperature_last = (double)temperature[n - 1] / 1e3;
        v->temperature_slope = xx > 0 ? xy / xx : NAN;
    }
    free(at);
    free(temperature);
}

static struct ledger_soak_visit make_visit(struct store *store, const struct ledger *ledger,
                                           size_t cell, const struct ledger_visit *from)
{
    struct sustained part = sustained_part(from->samples_ns, from->count);
    const struct store_visit *row = &from->row;
    struct ledger_soak_visit v = {
        .cell = cell,
        .line = (size_t)(row->position / 4),
        .block = row->sweep,
        .place = row->position % 4,
        .started_ns = row->started_ns,
        .wall_ns = row->wall_ns,
        .run_ns = part.run_ns,
        .hz = (double)ledger->cells[cell].row.batch * 1e9 / part.run_ns,
        .slope_per_min = part.slope_per_min,
        .steady = part.steady,
        .steady_from = from->count ? (double)part.first / (double)from->count : 0,
        .clock_hz = row->mean_clock_hz > 0 ? row->mean_clock_hz : NAN,
        .steal_share = row->steal_ns >= 0 && row->wall_ns > 0
                           ? (double)row->steal_ns / (double)row->wall_ns
                           : NAN,
    };

    read_temperature(store, row->id, &v);
    return v;
}

static enum tare_status read_cell(struct store *store, struct ledger *ledger, size_t cell,
                                  struct tare_err *err)
{
    struct ledger_visits visits;
    struct ledger_soak_visit *grown;
    enum tare_status status =
        ledger_load_visits(store, ledger->cells[cell].row.id, STORE_VISIT_SOAK, &visits, err);

    grown = realloc(ledger->soak_visits,
                    (ledger->soak_visit_count + visits.count + 1) * sizeof(*grown));
    if (status == TARE_OK && !grown)
        status = no_memory(err);
    if (grown)
        ledger->soak_visits = grown;
    for (size_t i = 0; i < visits.count && status == TARE_OK; i++)
        if (visits.items[i].count && visits.items[i].row.position >= 0 &&
            (size_t)visits.items[i].row.position / 4 < ledger->line_count)
            ledger->soak_visits[ledger->soak_visit_count++] =
                make_visit(store, ledger, cell, &visits.items[i]);
    ledger_release_visits(&visits);
    return status;
}

static int by_time(const void *a, const void *b)
{
    const struct ledger_soak_visit *x = a, *y = b;

    return (x->started_ns > y->started_ns) - (x->started_ns < y->started_ns);
}

/* The four run times of a block of a line, in order; false if one is missing. */
static bool find_block(const struct ledger *ledger, size_t line, int64_t block, double run_ns[4])
{
    bool seen[4] = {false, false, false, false};

    for (size_t i = 0; i < ledger->soak_visit_count; i++) {
        const struct ledger_soak_visit *v = &ledger->soak_visits[i];
        size_t expected =
            soak_is_cell(block, v->place) ? ledger->lines[line].cell : ledger->lines[line].baseline;

        if (v->line != line || v->block != block || v->cell != expected || !(v->run_ns > 0))
            continue;
        run_ns[v->place] = v->run_ns;
        seen[v->place] = true;
    }
    return seen[0] && seen[1] && seen[2] && seen[3];
}

/* Geometric mean of a cell's speeds over the visits of a line. */
static double mean_speed(const struct ledger *ledger, size_t line, size_t cell)
{
    double sum = 0, count = 0;

    for (size_t i = 0; i < ledger->soak_visit_count; i++)
        if (ledger->soak_visits[i].line == line && ledger->soak_visits[i].cell == cell) {
            sum += log(ledger->soak_visits[i].hz);
            count++;
        }
    return exp(sum / count);
}

static void fill_pair(const struct ledger *ledger, size_t line, struct ledger_soak_pair *pair)
{
    double contrasts[SOAK_MAX_BLOCKS], run_ns[4], half, speed;
    struct paired_estimate e;

    for (int64_t block = 0; block < SOAK_MAX_BLOCKS; block++)
        if (find_block(ledger, line, block, run_ns))
            contrasts[pair->blocks++] = sustained_contrast(run_ns, !soak_is_cell(block, 0));
    e = paired_center(contrasts, NULL, pair->blocks);
    half = paired_half_width(&e, LEDGER_CONFIDENCE);
    pair->line = line;
    pair->cell_hz = mean_speed(ledger, line, ledger->lines[line].cell);
    pair->baseline_hz = mean_speed(ledger, line, ledger->lines[line].baseline);
    /* of speeds: the batch counts, and less time is more speed */
    speed = log((double)ledger->cells[ledger->lines[line].cell].row.batch /
                (double)ledger->cells[ledger->lines[line].baseline].row.batch) -
            e.center;
    pair->speed_ratio = exp(speed);
    pair->speed_interval = (struct ledger_interval){exp(speed - half), exp(speed + half)};
}

static enum tare_status note_pair(struct ledger *ledger, const struct ledger_soak_pair *pair,
                                  struct tare_err *err)
{
    const char *name = ledger->lines[pair->line].row.name;

    if (pair->blocks == 0)
        return ledger_add_note(&ledger->missing, err, "sustained speed",
                               "'%.60s': no block of four valid visits", name);
    if (pair->blocks == 1)
        return ledger_add_note(&ledger->warnings, err, "sustained speed",
                               "'%.60s': one block: no interval (--budget makes room for more)",
                               name);
    return TARE_OK;
}

enum tare_status ledger_fill_soak(struct store *store, struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    size_t unsteady = 0;

    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++)
        if (ledger->cells[i].times[STORE_VISIT_SOAK].visits)
            status = read_cell(store, ledger, i, err);
    if (status != TARE_OK || ledger->soak_visit_count == 0)
        return status;
    qsort(ledger->soak_visits, ledger->soak_visit_count, sizeof(*ledger->soak_visits), by_time);
    ledger->soak_pairs = calloc(ledger->line_count + 1, sizeof(*ledger->soak_pairs));
    if (!ledger->soak_pairs)
        return no_memory(err);
    for (size_t line = 0; line < ledger->line_count && status == TARE_OK; line++) {
        struct ledger_soak_pair *pair = &ledger->soak_pairs[ledger->soak_pair_count++];

        fill_pair(ledger, line, pair);
        status = note_pair(ledger, pair, err);
    }
    for (size_t i = 0; i < ledger->soak_visit_count; i++)
        unsteady += !ledger->soak_visits[i].steady;
    if (status == TARE_OK && unsteady)
        status = ledger_add_note(&ledger->warnings, err, "sustained speed",
                                 "%zu of %zu visits were still changing in their last half",
                                 unsteady, ledger->soak_visit_count);
    return status;
}
