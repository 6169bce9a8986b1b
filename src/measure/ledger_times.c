/*
 * ledger_times.c - what one cell takes: quantiles with intervals, stages, start-up.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger_inner.h"
#include "stats/bootstrap.h"
#include "stats/quantile.h"

#define NO_INTERVAL ((struct ledger_interval){NAN, NAN})

static const char *const stage_series[LEDGER_STAGES] = {STORE_SERIES_DECODE, STORE_SERIES_LETTERBOX,
                                                        STORE_SERIES_INFER, STORE_SERIES_BOXES};

static enum tare_status no_memory(struct tare_err *err)
{
    return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
}

void ledger_release_visits(struct ledger_visits *visits)
{
    for (size_t i = 0; i < visits->count; i++)
        free(visits->items[i].samples_ns);
    free(visits->items);
    free(visits->in_sweep);
    *visits = (struct ledger_visits){0};
}

/* Samples of one series as doubles; count 0 and TARE_OK if the visit has none. Negative ones mean
 * "not known" and are left out. */
static enum tare_status read_series(struct store *store, int64_t visit_id, const char *name,
                                    double **values, size_t *count, struct tare_err *err)
{
    struct tare_err absent = TARE_ERR_INIT;
    int64_t *samples = NULL;
    size_t read = 0, kept = 0;
    enum tare_status status = store_series(store, visit_id, name, &samples, &read, &absent);

    *values = NULL;
    *count = 0;
    if (status == TARE_ABSENT)
        return TARE_OK;
    if (status != TARE_OK)
        return tare_fail(err, status, "%s", absent.text);
    *values = malloc((read + 1) * sizeof(**values));
    if (!*values) {
        free(samples);
        return no_memory(err);
    }
    for (size_t i = 0; i < read; i++)
        if (samples[i] >= 0)
            (*values)[kept++] = (double)samples[i];
    free(samples);
    *count = kept;
    return TARE_OK;
}

/* Fewer than that bear no 95 % bound on a quantile: the greatest of n is over it with 1 - q^n. */
static double least_samples(double q)
{
    return log(0.05) / log(q);
}

/* A quantile of a series pooled over visits of a mode; NAN if there is none, or too few latencies.
 */
static enum tare_status pooled_quantile(struct store *store, const struct ledger_visits *visits,
                                        const char *name, double q, double *result,
                                        struct tare_err *err)
{
    double *pool = NULL;
    size_t used = 0;
    enum tare_status status = TARE_OK;

    *result = NAN;
    for (size_t i = 0; i < visits->count && status == TARE_OK; i++) {
        double *values = NULL, *grown;
        size_t count = 0;

        status = read_series(store, visits->items[i].row.id, name, &values, &count, err);
        if (count) {
            grown = realloc(pool, (used + count) * sizeof(*pool));
            if (grown) {
                pool = grown;
                memcpy(pool + used, values, count * sizeof(*pool));
                used += count;
            } else {
                status = no_memory(err);
            }
        }
        free(values);
    }
    if (strcmp(name, STORE_SERIES_LATENCY) == 0 && (double)used < least_samples(q))
        used = 0;
    if (status == TARE_OK && used) {
        quantile_sort(pool, used);
        *result = quantile_sorted(pool, used, q);
    }
    free(pool);
    return status;
}

static int64_t restart_ordinal(const struct store_restart *restarts, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (restarts[i].id == id)
            return restarts[i].ordinal;
    return -1;
}

/* Quantiles of a visit's own samples, and what its first runs took. */
static enum tare_status sum_up_visit(struct store *store, struct ledger_visit *visit,
                                     struct tare_err *err)
{
    double *copy = NULL, *first = NULL;
    size_t firsts = 0;
    enum tare_status status =
        read_series(store, visit->row.id, STORE_SERIES_AFTER_SWITCH, &first, &firsts, err);

    visit->after_switch_ns = quantile_median(first, firsts);
    if (status == TARE_OK && visit->count) {
        copy = malloc(visit->count * sizeof(*copy));
        if (!copy) {
            free(first);
            return no_memory(err);
        }
        memcpy(copy, visit->samples_ns, visit->count * sizeof(*copy));
        visit->median_ns = quantile_median(copy, visit->count);
        visit->p5_ns = quantile_sorted(copy, visit->count, 0.05);
        visit->p95_ns = quantile_sorted(copy, visit->count, 0.95);
    }
    free(copy);
    free(first);
    return status;
}

/* Sweeps come from a file: one beyond what a study may have is in no sweep. */
static enum tare_status index_visits(struct ledger_visits *visits, struct tare_err *err)
{
    for (size_t i = 0; i < visits->count; i++) {
        int64_t sweep = visits->items[i].row.sweep;

        if (sweep >= 0 && sweep < (int64_t)LEDGER_MAX_SWEEPS &&
            (size_t)sweep >= visits->sweep_count)
            visits->sweep_count = (size_t)sweep + 1;
    }
    visits->in_sweep = calloc(visits->sweep_count + 1, sizeof(*visits->in_sweep));
    if (!visits->in_sweep) {
        visits->sweep_count = 0;
        return no_memory(err);
    }
    for (size_t i = visits->count; i-- > 0;) { /* backwards: the first of a sweep stays */
        const struct ledger_visit *visit = &visits->items[i];

        if (visit->row.sweep >= 0 && visit->row.sweep < (int64_t)visits->sweep_count &&
            visit->median_ns > 0)
            visits->in_sweep[visit->row.sweep] = i + 1;
    }
    return TARE_OK;
}

/* Valid visits of one mode with their samples. */
static enum tare_status load_visits(struct store *store, const struct store_visit *rows,
                                    size_t row_count, enum store_visit_mode mode,
                                    struct ledger_visits *visits, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    *visits = (struct ledger_visits){.items = calloc(row_count + 1, sizeof(*visits->items))};
    if (!visits->items)
        return no_memory(err);
    for (size_t i = 0; i < row_count && status == TARE_OK; i++) {
        struct ledger_visit *visit = &visits->items[visits->count];

        if (!rows[i].valid || rows[i].mode != mode)
            continue;
        *visit = (struct ledger_visit){
            .row = rows[i], .median_ns = NAN, .p5_ns = NAN, .p95_ns = NAN, .after_switch_ns = NAN};
        status = read_series(store, rows[i].id, STORE_SERIES_TOTAL, &visit->samples_ns,
                             &visit->count, err);
        visits->count++; /* counted even on error, so that it is released */
        if (status == TARE_OK)
            status = sum_up_visit(store, visit, err);
    }
    return status == TARE_OK ? index_visits(visits, err) : status;
}

static enum tare_status pool_samples(const struct ledger_visits *visits, struct ledger_times *times,
                                     struct tare_err *err)
{
    double sum = 0;

    for (size_t i = 0; i < visits->count; i++)
        times->samples += visits->items[i].count;
    times->sorted_ns = malloc((times->samples + 1) * sizeof(*times->sorted_ns));
    if (!times->sorted_ns)
        return no_memory(err);
    times->samples = 0;
    for (size_t i = 0; i < visits->count; i++) {
        const struct ledger_visit *visit = &visits->items[i];

        for (size_t k = 0; k < visit->count; k++) {
            times->sorted_ns[times->samples++] = visit->samples_ns[k];
            sum += visit->samples_ns[k];
        }
    }
    quantile_sort(times->sorted_ns, times->samples);
    if (times->samples == 0)
        return TARE_OK;
    times->min_ns = times->sorted_ns[0];
    times->max_ns = times->sorted_ns[times->samples - 1];
    times->mean_ns = sum / (double)times->samples;
    times->p50_ns = quantile_sorted(times->sorted_ns, times->samples, 0.5);
    times->p90_ns = quantile_sorted(times->sorted_ns, times->samples, 0.9);
    return TARE_OK;
}

/* Rule 12: an interval where the independent samples bear one, a bound where they bear that, else
 * the highest quantile that they do bear. */
static struct ledger_tail make_tail(const struct ledger_times *times, double asked,
                                    double effective, struct bootstrap_interval interval)
{
    struct ledger_tail tail = {
        .asked = asked, .shown = asked, .interval_ns = NO_INTERVAL, .effective = effective};

    if (effective >= (double)quantile_need_two_sided(asked, LEDGER_CONFIDENCE) &&
        !isnan(interval.low)) {
        tail.kind = LEDGER_TAIL_INTERVAL;
        tail.value_ns = quantile_sorted(times->sorted_ns, times->samples, asked);
        tail.interval_ns = (struct ledger_interval){interval.low, interval.high};
        return tail;
    }
    tail.value_ns = times->max_ns;
    if (effective < (double)quantile_need_one_sided(asked, LEDGER_CONFIDENCE))
        tail.shown = floor(quantile_highest(effective, LEDGER_CONFIDENCE) * 100) / 100;
    tail.kind = tail.shown > 0.5 ? LEDGER_TAIL_BOUND : LEDGER_TAIL_NONE;
    return tail;
}

static enum tare_status fill_quantiles(const struct ledger_visits *visits, uint64_t seed,
                                       struct ledger_times *times, struct tare_err *err)
{
    static const double qs[] = {0.5, 0.9, 0.95, 0.99};
    struct bootstrap_group *groups = calloc(visits->count + 1, sizeof(*groups));
    struct quantile_group *samples = calloc(visits->count + 1, sizeof(*samples));
    struct bootstrap_options options = {.seed = seed, .confidence = LEDGER_CONFIDENCE};
    struct bootstrap_interval intervals[4];
    enum tare_status status;

    if (!groups || !samples) {
        status = no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < visits->count; i++) {
        const struct ledger_visit *v = &visits->items[i];

        groups[i] = (struct bootstrap_group){v->samples_ns, v->count, v->restart};
        samples[i] = (struct quantile_group){v->samples_ns, v->count};
    }
    status = bootstrap_quantiles(groups, visits->count, qs, 4, &options, intervals, err);
    if (status != TARE_OK)
        goto done;
    times->p50_interval_ns = (struct ledger_interval){intervals[0].low, intervals[0].high};
    times->p90_interval_ns = (struct ledger_interval){intervals[1].low, intervals[1].high};
    times->p50_effective = quantile_effective(samples, visits->count, times->p50_ns);
    for (size_t k = 2; k < 4; k++) {
        double threshold = quantile_sorted(times->sorted_ns, times->samples, qs[k]);
        double effective = quantile_effective(samples, visits->count, threshold);

        *(k == 2 ? &times->p95 : &times->p99) = make_tail(times, qs[k], effective, intervals[k]);
    }
done:
    free(groups);
    free(samples);
    return status;
}

static void fill_counts(const struct store_visit *rows, size_t row_count,
                        enum store_visit_mode mode, struct ledger_times *times)
{
    double clocks = 0, cpu = 0, wall = 0;
    int64_t last = -1;
    size_t read = 0;

    for (size_t i = 0; i < row_count; i++) {
        if (rows[i].mode != mode)
            continue;
        if (!rows[i].valid) {
            times->invalid_visits++;
            continue;
        }
        times->visits++;
        times->sweeps += rows[i].sweep != last; /* a sweep's visits stand together */
        last = rows[i].sweep;
        if (rows[i].mean_clock_hz > 0) {
            clocks += rows[i].mean_clock_hz;
            read++;
        }
        if (rows[i].cpu_ns >= 0) {
            cpu += (double)rows[i].cpu_ns;
            wall += (double)rows[i].wall_ns;
        }
    }
    times->mean_clock_hz = read ? clocks / (double)read : NAN;
    times->cpu_share = wall > 0 ? cpu / wall : NAN;
}

static enum tare_status fill_series(struct store *store, const struct ledger_visits *visits,
                                    struct ledger_times *times, struct tare_err *err)
{
    const struct {
        const char *series;
        double q, *to;
    } rows[] = {
        {STORE_SERIES_AFTER_SWITCH, 0.5, &times->after_switch_ns},
        {STORE_SERIES_INSIDE, 0.5, &times->inside_ns},
        {STORE_SERIES_LATENESS, 0.99, &times->lateness_p99_ns},
        {STORE_SERIES_LATENCY, 0.5, &times->latency_p50_ns},
        {STORE_SERIES_LATENCY, 0.95, &times->latency_p95_ns},
        {STORE_SERIES_LATENCY, 0.99, &times->latency_p99_ns},
        {STORE_SERIES_COPY_IN, 0.5, &times->device_ns[LEDGER_COPY_IN]},
        {STORE_SERIES_COMPUTE, 0.5, &times->device_ns[LEDGER_COMPUTE]},
        {STORE_SERIES_COPY_OUT, 0.5, &times->device_ns[LEDGER_COPY_OUT]},
    };
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && status == TARE_OK; i++)
        status = pooled_quantile(store, visits, rows[i].series, rows[i].q, rows[i].to, err);
    for (int s = 0; s < LEDGER_STAGES && status == TARE_OK; s++)
        status = pooled_quantile(store, visits, stage_series[s], 0.5, &times->stage_ns[s], err);
    return status;
}

static enum tare_status fill_mode(struct store *store, uint64_t seed,
                                  const struct ledger_cell *cell,
                                  const struct ledger_visits *visits, enum store_visit_mode mode,
                                  struct ledger_times *times, struct tare_err *err)
{
    enum tare_status status = pool_samples(visits, times, err);

    times->throughput_hz = NAN;
    if (status != TARE_OK || times->samples == 0)
        return status;
    if (mode != STORE_VISIT_PACED && times->mean_ns > 0)
        times->throughput_hz = (double)cell->row.batch * 1e9 / times->mean_ns;
    status = fill_quantiles(visits, seed, times, err);
    if (status == TARE_OK)
        status = fill_series(store, visits, times, err);
    return status;
}

static enum tare_status fill_restarts(struct store *store, struct ledger_cell *cell,
                                      struct store_restart **rows, size_t *count,
                                      struct tare_err *err)
{
    enum tare_status status = store_restarts(store, cell->row.id, rows, count, err);
    double *load = calloc(2 * *count + 1, sizeof(*load)), *first;
    size_t loads = 0, firsts = 0;

    if (status == TARE_OK && !load)
        status = no_memory(err);
    cell->restarts = *count;
    cell->load_ns = cell->first_run_ns = cell->peak_rss_bytes = NAN;
    cell->steady = true;
    for (size_t i = 0; i < *count && status == TARE_OK; i++) {
        const struct store_restart *r = &(*rows)[i];

        first = load + *count;
        cell->steady = cell->steady && r->warmup_steady;
        cell->unsteady += !r->warmup_steady;
        if (r->load_ns >= 0)
            load[loads++] = (double)r->load_ns;
        if (r->first_run_ns >= 0)
            first[firsts++] = (double)r->first_run_ns;
        if (r->peak_rss_bytes >= 0)
            cell->peak_rss_bytes = fmax(cell->peak_rss_bytes, (double)r->peak_rss_bytes);
    }
    if (status == TARE_OK) {
        cell->load_ns = quantile_median(load, loads);
        cell->first_run_ns = quantile_median(load + *count, firsts);
    }
    free(load);
    return status;
}

static enum tare_status fill_modes(struct store *store, uint64_t seed, struct ledger_cell *cell,
                                   const struct store_visit *rows, size_t row_count,
                                   const struct store_restart *restarts, size_t restart_count,
                                   struct ledger_visits *visits, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    bool chosen = false;

    for (int mode = 0; mode < LEDGER_MODES && status == TARE_OK; mode++) {
        struct ledger_times *times = &cell->times[mode];
        struct ledger_visits here = {0};

        fill_counts(rows, row_count, (enum store_visit_mode)mode, times);
        if (times->visits)
            status = load_visits(store, rows, row_count, (enum store_visit_mode)mode, &here, err);
        for (size_t i = 0; i < here.count; i++)
            here.items[i].restart =
                restart_ordinal(restarts, restart_count, here.items[i].row.restart_id);
        if (status == TARE_OK && here.count)
            status = fill_mode(store, seed, cell, &here, (enum store_visit_mode)mode, times, err);
        if (status == TARE_OK && times->samples && !chosen) {
            chosen = true;
            cell->mode = (enum store_visit_mode)mode;
            cell->pipeline = !isnan(times->stage_ns[LEDGER_BOXES]) ||
                             (mode == STORE_VISIT_THROUGHPUT && cell->row.family[0] &&
                              strcmp(cell->row.family, "generic") != 0);
            *visits = here;
        } else {
            ledger_release_visits(&here);
        }
    }
    return status;
}

/* Workers that only confirmed the winner or only showed what they hold: no other figure is theirs.
 */
static size_t restarts_apart(const struct store_restart *restarts, size_t restart_count,
                             const struct store_visit *rows, size_t row_count)
{
    size_t count = 0;

    for (size_t r = 0; r < restart_count; r++) {
        bool visited = false;

        for (size_t i = 0; i < row_count && !visited; i++)
            visited = rows[i].restart_id == restarts[r].id && rows[i].mode < LEDGER_MODES;
        count += row_count > 0 && !visited;
    }
    return count;
}

enum tare_status ledger_read_cell(struct store *store, uint64_t seed, struct ledger_cell *cell,
                                  struct ledger_visits *visits, struct tare_err *err)
{
    struct store_restart *restarts = NULL;
    struct store_visit *rows = NULL;
    size_t restart_count = 0, row_count = 0;
    enum tare_status status;

    *visits = (struct ledger_visits){0};
    status = fill_restarts(store, cell, &restarts, &restart_count, err);
    if (status == TARE_OK)
        status = store_visits(store, cell->row.id, &rows, &row_count, err);
    if (status == TARE_OK)
        cell->restarts -= restarts_apart(restarts, restart_count, rows, row_count);
    if (status == TARE_OK)
        status =
            fill_modes(store, seed, cell, rows, row_count, restarts, restart_count, visits, err);
    if (status == TARE_OK)
        status = ledger_fill_points(cell, rows, row_count, restarts, restart_count, visits, err);
    free(restarts);
    free(rows);
    return status;
}

enum tare_status ledger_load_visits(struct store *store, int64_t cell_id,
                                    enum store_visit_mode mode, struct ledger_visits *visits,
                                    struct tare_err *err)
{
    struct store_restart *restarts = NULL;
    struct store_visit *rows = NULL;
    size_t restart_count = 0, row_count = 0;
    enum tare_status status = store_restarts(store, cell_id, &restarts, &restart_count, err);

    *visits = (struct ledger_visits){0};
    if (status == TARE_OK)
        status = store_visits(store, cell_id, &rows, &row_count, err);
    if (status == TARE_OK)
        status = load_visits(store, rows, row_count, mode, visits, err);
    for (size_t i = 0; i < visits->count; i++)
        visits->items[i].restart =
            restart_ordinal(restarts, restart_count, visits->items[i].row.restart_id);
    free(restarts);
    free(rows);
    return status;
}
