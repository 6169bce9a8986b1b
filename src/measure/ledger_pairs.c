/*
 * ledger_pairs.c - taxes and gains: pairs of cells, sweep by sweep (rule 11).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger_inner.h"
#include "stats/paired.h"
#include "stats/student.h"

/* What is worked on: rows of pairs, columns of sweeps. */
struct table {
    double *logs;      // (pair_count, sweep_count) log ratios; NAN: no pair
    double *absolutes; // (pair_count, sweep_count) differences in ns
    int64_t *clusters; // (sweep_count) which workers, for one pair at a time
    struct paired_estimate *ratios, *differences; // (pair_count)
    double *critical;                             // (pair_count)
    size_t pair_count, sweep_count;
};

static void table_release(struct table *table)
{
    free(table->logs);
    free(table->absolutes);
    free(table->clusters);
    free(table->ratios);
    free(table->differences);
    free(table->critical);
}

static bool table_make(struct table *table, const struct ledger_visits *visits,
                       const struct ledger_pair *pairs, size_t pair_count)
{
    size_t sweeps = 0;

    for (size_t p = 0; p < pair_count; p++)
        for (size_t i = 0; i < visits[pairs[p].cell].count; i++) {
            size_t sweep = (size_t)visits[pairs[p].cell].items[i].row.sweep;

            if (sweep >= sweeps && sweep < LEDGER_MAX_SWEEPS)
                sweeps = sweep + 1;
        }
    *table = (struct table){.pair_count = pair_count, .sweep_count = sweeps};
    table->logs = malloc((pair_count * sweeps + 1) * sizeof(*table->logs));
    table->absolutes = malloc((pair_count * sweeps + 1) * sizeof(*table->absolutes));
    table->clusters = calloc(sweeps + 1, sizeof(*table->clusters));
    table->ratios = calloc(pair_count + 1, sizeof(*table->ratios));
    table->differences = calloc(pair_count + 1, sizeof(*table->differences));
    table->critical = calloc(pair_count + 1, sizeof(*table->critical));
    return table->logs && table->absolutes && table->clusters && table->ratios &&
           table->differences && table->critical;
}

const struct ledger_visit *ledger_visit_in(const struct ledger_visits *visits, size_t sweep)
{
    size_t at = sweep < visits->sweep_count ? visits->in_sweep[sweep] : 0;

    return at ? &visits->items[at - 1] : NULL;
}

int64_t ledger_cluster(const struct ledger_visit *cell, const struct ledger_visit *baseline)
{
    /* unsigned: a file may claim any ordinal, and only equality matters */
    return (int64_t)((uint64_t)cell->restart * 1000003 + (uint64_t)baseline->restart);
}

static void fill_pair(struct table *table, const struct ledger_visits *visits,
                      const struct ledger_pair *pair, size_t index)
{
    double *logs = table->logs + index * table->sweep_count;
    double *absolutes = table->absolutes + index * table->sweep_count;

    for (size_t s = 0; s < table->sweep_count; s++) {
        const struct ledger_visit *cell = ledger_visit_in(&visits[pair->cell], s);
        const struct ledger_visit *baseline = ledger_visit_in(&visits[pair->baseline], s);

        logs[s] = absolutes[s] = NAN;
        if (!cell || !baseline || cell->row.mode != baseline->row.mode ||
            cell->row.mode == STORE_VISIT_SOAK) /* contiguous visits are no pairs */
            continue;
        logs[s] = log(cell->median_ns / baseline->median_ns);
        absolutes[s] = cell->median_ns - baseline->median_ns;
        table->clusters[s] = ledger_cluster(cell, baseline);
    }
    table->ratios[index] = paired_center(logs, table->clusters, table->sweep_count);
    table->differences[index] = paired_center(absolutes, table->clusters, table->sweep_count);
}

static void conclude(const struct table *table, size_t index, struct ledger_pair *pair)
{
    const struct paired_estimate *r = &table->ratios[index], *d = &table->differences[index];
    double half = table->critical[index] * r->error;

    pair->sweeps = r->count;
    pair->restarts = r->restarts;
    pair->ratio = exp(r->center);
    pair->log_error = r->error;
    pair->log_df = r->df;
    pair->ratio_interval = (struct ledger_interval){exp(r->center - half), exp(r->center + half)};
    half = table->critical[index] * d->error;
    pair->difference_ns = d->center;
    pair->difference_interval_ns = (struct ledger_interval){d->center - half, d->center + half};
}

enum tare_status ledger_compare_pairs(const struct ledger_visits *visits, struct ledger_pair *pairs,
                                      size_t pair_count, uint64_t seed, struct tare_err *err)
{
    struct table table = {0};
    struct paired_lines lines;
    enum tare_status status;

    if (pair_count == 0)
        return TARE_OK;
    if (!table_make(&table, visits, pairs, pair_count)) {
        status = tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
        goto done;
    }
    for (size_t p = 0; p < pair_count; p++)
        fill_pair(&table, visits, &pairs[p], p);
    lines = (struct paired_lines){table.logs, table.ratios, pair_count, table.sweep_count};
    status = paired_critical(&lines, LEDGER_CONFIDENCE, seed, table.critical, err);
    for (size_t p = 0; p < pair_count && status == TARE_OK; p++)
        conclude(&table, p, &pairs[p]);
done:
    table_release(&table);
    return status;
}

double ledger_detectable(const struct ledger_line *line)
{
    if (line->verdict == LEDGER_NOT_MEASURED)
        return NAN;
    return expm1(log(line->ratio_interval.high / line->ratio) +
                 student_quantile(0.95, line->log_df) * line->log_error);
}

static enum ledger_verdict judge(const struct ledger_interval *ratio)
{
    if (ratio->low > 1)
        return LEDGER_SLOWER;
    if (ratio->high < 1)
        return LEDGER_FASTER;
    return LEDGER_NOT_SEPARABLE;
}

static void explain(const struct ledger *ledger, struct ledger_line *line)
{
    const struct ledger_cell *cell = &ledger->cells[line->cell];
    const struct ledger_cell *baseline = &ledger->cells[line->baseline];

    if (!ledger_times(cell))
        (void)snprintf(line->why, sizeof(line->why), "'%s' was not measured", cell->label);
    else if (!ledger_times(baseline))
        (void)snprintf(line->why, sizeof(line->why), "the baseline '%s' was not measured",
                       baseline->label);
    else if (cell->mode == STORE_VISIT_SOAK)
        (void)snprintf(line->why, sizeof(line->why), "soaked only: see its sustained speed");
    else if (line->sweeps == 0 && ledger_fact(ledger, "run.sets")[0])
        (void)snprintf(line->why, sizeof(line->why),
                       "not in memory together: compare both with a baseline of their sets");
    else
        (void)snprintf(line->why, sizeof(line->why), "%s",
                       line->sweeps == 0 ? "no sweep holds valid visits of both"
                                         : "one sweep only: no interval");
}

static void take_pair(const struct ledger *ledger, const struct ledger_pair *pair,
                      struct ledger_line *line)
{
    const struct ledger_times *cell = ledger_times(&ledger->cells[line->cell]);
    const struct ledger_times *baseline = ledger_times(&ledger->cells[line->baseline]);

    line->ratio = pair->ratio;
    line->log_error = pair->log_error;
    line->log_df = pair->log_df;
    line->ratio_interval = pair->ratio_interval;
    line->difference_ns = pair->difference_ns;
    line->difference_interval_ns = pair->difference_interval_ns;
    line->sweeps = pair->sweeps;
    line->restarts = pair->restarts;
    line->cell_ns = cell ? cell->p50_ns : NAN;
    line->baseline_ns = baseline ? baseline->p50_ns : NAN;
    if (isnan(pair->ratio_interval.low))
        explain(ledger, line);
    else
        line->verdict = judge(&pair->ratio_interval);
}

enum tare_status ledger_fill_lines(struct ledger *ledger, const struct ledger_visits *visits,
                                   struct tare_err *err)
{
    struct ledger_pair *pairs = calloc(ledger->line_count + 1, sizeof(*pairs));
    enum tare_status status;

    if (!pairs)
        return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    for (size_t i = 0; i < ledger->line_count; i++) {
        pairs[i].cell = ledger->lines[i].cell;
        pairs[i].baseline = ledger->lines[i].baseline;
    }
    status =
        ledger_compare_pairs(visits, pairs, ledger->line_count, (uint64_t)ledger->run.seed, err);
    for (size_t i = 0; i < ledger->line_count && status == TARE_OK; i++)
        take_pair(ledger, &pairs[i], &ledger->lines[i]);
    free(pairs);
    return status;
}
