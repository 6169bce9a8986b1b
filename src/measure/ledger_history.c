/*
 * ledger_history.c - a cell over the run: its visits one by one, and whether they keep one level.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger_inner.h"
#include "stats/quantile.h"
#include "stats/student.h"

#define MIN_VISITS       6
#define MATTERS          0.01 /* a drift or a jump that is worth a word */
#define RESTLESS         0.03
#define CENTRE_ROUNDS    50
#define CENTRE_TOLERANCE 1e-12

static enum tare_status no_memory(struct tare_err *err)
{
    return tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
}

static double known(int64_t value, double scale)
{
    return value < 0 ? (double)NAN : (double)value * scale;
}

enum tare_status ledger_fill_points(struct ledger_cell *cell, const struct store_visit *rows,
                                    size_t row_count, const struct store_restart *restarts,
                                    size_t restart_count, const struct ledger_visits *visits,
                                    struct tare_err *err)
{
    size_t next = 0;

    cell->points = calloc(row_count + 1, sizeof(*cell->points));
    if (!cell->points)
        return no_memory(err);
    for (size_t i = 0; i < row_count; i++) {
        const struct store_visit *row = &rows[i];
        struct ledger_point *point = &cell->points[cell->point_count];

        if (row->mode != cell->mode)
            continue;
        cell->point_count++;
        *point = (struct ledger_point){
            .sweep = row->sweep,
            .position = row->position,
            .restart = -1,
            .predecessor_id = row->predecessor_id,
            .valid = row->valid,
            .why_invalid = row->why_invalid,
            .p5_ns = NAN,
            .p50_ns = NAN,
            .p95_ns = NAN,
            .after_switch_ns = NAN,
            .clock_hz = row->mean_clock_hz > 0 ? row->mean_clock_hz : (double)NAN,
            .steal_share = row->wall_ns > 0 ? known(row->steal_ns, 1 / (double)row->wall_ns) : NAN,
        };
        for (size_t r = 0; r < restart_count; r++)
            if (restarts[r].id == row->restart_id)
                point->restart = restarts[r].ordinal;
        if (next < visits->count && visits->items[next].row.id == row->id) {
            const struct ledger_visit *visit = &visits->items[next++];

            point->samples = visit->count;
            point->p5_ns = visit->p5_ns;
            point->p50_ns = visit->median_ns;
            point->p95_ns = visit->p95_ns;
            point->after_switch_ns = visit->after_switch_ns;
        }
    }
    return TARE_OK;
}

/* --- what cells and sweeps have in common --- */

/* One turn: subtracts from each value its group's mean; returns the largest mean. */
static double subtract_means(struct ledger_response *values, size_t count, bool by_cell,
                             double *sums, size_t *counts, size_t groups)
{
    double largest = 0;

    memset(sums, 0, groups * sizeof(*sums));
    memset(counts, 0, groups * sizeof(*counts));
    for (size_t i = 0; i < count; i++) {
        size_t g = by_cell ? values[i].cell : values[i].sweep;

        sums[g] += values[i].value;
        counts[g]++;
    }
    for (size_t i = 0; i < count; i++) {
        size_t g = by_cell ? values[i].cell : values[i].sweep;
        double mean = sums[g] / (double)counts[g];

        values[i].value -= mean;
        largest = fmax(largest, fabs(mean));
    }
    return largest;
}

enum tare_status ledger_centre(struct ledger_response *values, size_t count, size_t cell_count,
                               struct tare_err *err)
{
    size_t groups = cell_count, *counts;
    double *sums, left = 1;

    for (size_t i = 0; i < count; i++)
        groups = values[i].sweep >= groups ? values[i].sweep + 1 : groups;
    sums = malloc((groups + 1) * sizeof(*sums));
    counts = malloc((groups + 1) * sizeof(*counts));
    for (int round = 0; sums && counts && round < CENTRE_ROUNDS && left > CENTRE_TOLERANCE; round++)
        left = fmax(subtract_means(values, count, true, sums, counts, groups),
                    subtract_means(values, count, false, sums, counts, groups));
    free(sums);
    free(counts);
    return sums && counts ? TARE_OK : no_memory(err);
}

/* --- one cell --- */

/* Logs of the medians of its valid visits, with their sweeps and restarts. */
struct history {
    double *logs, *sweeps;
    double *own; /* the logs without what sweeps did to all cells; the logs, with one cell only */
    int64_t *restarts;
    size_t count;
};

static bool counts(const struct ledger_point *point)
{
    return point->p50_ns > 0 && point->sweep < (int64_t)LEDGER_MAX_SWEEPS;
}

static double mean_of(const double *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

static double square_sum(const double *values, size_t count)
{
    double mean = mean_of(values, count), sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (values[i] - mean) * (values[i] - mean);
    return sum;
}

/* Least squares over sweeps; the error widened by the residuals' lag-1 autocorrelation. */
static void fit_drift(const struct history *h, size_t tests, struct ledger_stability *s)
{
    double x = mean_of(h->sweeps, h->count), y = mean_of(h->logs, h->count), xx = 0, xy = 0, rr = 0;
    double span = h->sweeps[h->count - 1] - h->sweeps[0], slope, error, lag = 0, before = 0;
    double df = (double)h->count - 2, half;

    for (size_t i = 0; i < h->count; i++) {
        xx += (h->sweeps[i] - x) * (h->sweeps[i] - x);
        xy += (h->sweeps[i] - x) * (h->logs[i] - y);
    }
    if (xx <= 0)
        return;
    slope = xy / xx;
    for (size_t i = 0; i < h->count; i++) {
        double residual = h->logs[i] - y - slope * (h->sweeps[i] - x);

        lag += i ? residual * before : 0;
        rr += residual * residual;
        before = residual;
    }
    lag = rr > 0 ? fmax(0, fmin(0.9, lag / rr)) : 0;
    error = sqrt(rr / df / xx * (1 + lag) / (1 - lag));
    half = student_quantile(1 - 0.025 / (double)tests, df) * error;
    s->drift = expm1(slope * span);
    s->drift_interval =
        (struct ledger_interval){expm1((slope - half) * span), expm1((slope + half) * span)};
}

/* One-way analysis of variance; the F tail is I_{d2/(d2 + d1 F)}(d2/2, d1/2). */
static void compare_restarts(const struct history *h, struct ledger_stability *s)
{
    double within = 0, low = INFINITY, high = -INFINITY, all = square_sum(h->own, h->count), d1, d2,
           f;
    size_t groups = 0;

    for (size_t from = 0, end; from < h->count; from = end, groups++) {
        double mean;

        for (end = from; end < h->count && h->restarts[end] == h->restarts[from]; end++)
            continue;
        mean = mean_of(h->own + from, end - from);
        within += square_sum(h->own + from, end - from);
        low = fmin(low, mean);
        high = fmax(high, mean);
    }
    if (groups < 2)
        return;
    s->restart_spread = expm1(high - low);
    d1 = (double)groups - 1;
    d2 = (double)(h->count - groups);
    if (d2 < 1)
        return;
    f = within > 0 ? (all - within) / d1 / (within / d2) : INFINITY;
    s->restart_p = isinf(f) ? 0 : student_beta(d2 / (d2 + d1 * f), d2 / 2, d1 / 2);
}

static void judge(const struct ledger_cell *cell, size_t tests, size_t visits,
                  struct ledger_stability *s)
{
    bool drifts =
        fabs(s->drift) > MATTERS && (s->drift_interval.low > 0 || s->drift_interval.high < 0);

    if (!cell->steady)
        s->verdict = LEDGER_UNSETTLED;
    else if (visits < MIN_VISITS)
        s->verdict = LEDGER_UNTOLD;
    else if (drifts)
        s->verdict = LEDGER_DRIFTS;
    else if (s->restart_p < 0.05 / (double)tests && s->restart_spread > MATTERS)
        s->verdict = LEDGER_RESTARTS;
    else if (s->own_scatter > RESTLESS)
        s->verdict = LEDGER_RESTLESS;
    else
        s->verdict = LEDGER_STEADY;
}

static void release(struct history *h)
{
    free(h->logs);
    free(h->sweeps);
    free(h->own);
    free(h->restarts);
}

/* centred: the cell's own values in the order of its points; NULL: there is no other cell. */
static bool collect(const struct ledger_cell *cell, const struct ledger_response *centred,
                    struct history *h)
{
    size_t room = cell->point_count + 1;

    *h = (struct history){calloc(room, sizeof(*h->logs)), calloc(room, sizeof(*h->sweeps)),
                          calloc(room, sizeof(*h->own)), calloc(room, sizeof(*h->restarts)), 0};
    if (!h->logs || !h->sweeps || !h->own || !h->restarts)
        return false;
    for (size_t i = 0; i < cell->point_count; i++)
        if (counts(&cell->points[i])) {
            h->logs[h->count] = log(cell->points[i].p50_ns);
            h->own[h->count] = centred ? centred[h->count].value : h->logs[h->count];
            h->sweeps[h->count] = (double)cell->points[i].sweep;
            h->restarts[h->count++] = cell->points[i].restart;
        }
    return true;
}

static void sum_up_conditions(const struct ledger_cell *cell, struct ledger_stability *s)
{
    double steal = 0;
    size_t read = 0;

    for (size_t i = 0; i < cell->point_count; i++) {
        const struct ledger_point *p = &cell->points[i];

        s->clock_hz.low = fmin(s->clock_hz.low, p->clock_hz); /* a NAN is passed over */
        s->clock_hz.high = fmax(s->clock_hz.high, p->clock_hz);
        if (!isnan(p->steal_share)) {
            steal += p->steal_share;
            read++;
        }
    }
    s->steal_share = read ? steal / (double)read : (double)NAN;
}

static enum tare_status fill_cell(struct ledger_cell *cell, const struct ledger_response *centred,
                                  size_t tests, struct tare_err *err)
{
    struct ledger_stability *s = &cell->stability;
    struct history h;
    size_t firsts = 0;

    *s = (struct ledger_stability){.scatter = NAN,
                                   .own_scatter = s->own_scatter,
                                   .drift = NAN,
                                   .drift_interval = {NAN, NAN},
                                   .restart_spread = NAN,
                                   .restart_p = NAN,
                                   .lag1 = NAN,
                                   .after_switch = NAN,
                                   .clock_hz = {NAN, NAN}};
    if (!collect(cell, centred, &h)) {
        release(&h);
        return no_memory(err);
    }
    sum_up_conditions(cell, s);
    if (h.count >= 3) {
        s->scatter = sqrt(square_sum(h.logs, h.count) / (double)(h.count - 1));
        s->lag1 = quantile_lag1(h.logs, h.count);
        fit_drift(&h, tests, s);
        compare_restarts(&h, s);
    }
    judge(cell, tests, h.count, s);
    for (size_t i = 0; i < cell->point_count; i++)
        if (counts(&cell->points[i]) && !isnan(cell->points[i].after_switch_ns))
            h.logs[firsts++] = cell->points[i].after_switch_ns / cell->points[i].p50_ns - 1;
    s->after_switch = quantile_median(h.logs, firsts);
    release(&h);
    return TARE_OK;
}

/* --- all cells --- */

/* Parts each cell's scatter into what the sweep did to all and what is its own. */
static void part_scatter(struct ledger *ledger, const struct ledger_response *centred, size_t count,
                         size_t sweeps, size_t measured)
{
    double own = 0, all = 0;
    size_t *visits = calloc(ledger->cell_count + 1, sizeof(*visits));
    double freedom = measured > 1 ? (double)measured / (double)(measured - 1) : NAN;

    for (size_t i = 0; i < count && visits; i++) {
        ledger->cells[centred[i].cell].stability.own_scatter += centred[i].value * centred[i].value;
        visits[centred[i].cell]++;
    }
    for (size_t i = 0; i < ledger->cell_count && visits; i++) {
        struct ledger_cell *cell = &ledger->cells[i];
        double sum = cell->stability.own_scatter * freedom, mean = 0, square = 0;

        cell->stability.own_scatter =
            visits[i] > 2 ? sqrt(sum / (double)(visits[i] - 1)) : (double)NAN;
        for (size_t k = 0; k < cell->point_count; k++)
            mean += cell->points[k].p50_ns > 0 ? log(cell->points[k].p50_ns) : 0;
        mean /= visits[i] ? (double)visits[i] : 1;
        for (size_t k = 0; k < cell->point_count; k++)
            if (cell->points[k].p50_ns > 0)
                square += pow(log(cell->points[k].p50_ns) - mean, 2);
        own += visits[i] > 2 ? sum : 0;
        all += visits[i] > 2 ? square : 0;
    }
    ledger->common_share = measured > 1 && sweeps > 2 && all > 0 ? fmax(0, 1 - own / all) : NAN;
    free(visits);
}

enum tare_status ledger_fill_stability(struct ledger *ledger, struct tare_err *err)
{
    struct ledger_response *values;
    size_t count = 0, sweeps = 0, measured = 0, room = 0;
    enum tare_status status;

    for (size_t i = 0; i < ledger->cell_count; i++)
        room += ledger->cells[i].point_count;
    values = calloc(room + 1, sizeof(*values));
    if (!values)
        return no_memory(err);
    for (size_t i = 0; i < ledger->cell_count; i++) {
        measured += ledger_times(&ledger->cells[i]) != NULL;
        for (size_t k = 0; k < ledger->cells[i].point_count; k++) {
            const struct ledger_point *p = &ledger->cells[i].points[k];

            if (!counts(p))
                continue;
            values[count++] = (struct ledger_response){i, (size_t)p->sweep, log(p->p50_ns)};
            sweeps = (size_t)p->sweep >= sweeps ? (size_t)p->sweep + 1 : sweeps;
        }
    }
    status = ledger_centre(values, count, ledger->cell_count, err);
    if (status == TARE_OK)
        part_scatter(ledger, values, count, sweeps, measured);
    for (size_t i = 0, from = 0; i < ledger->cell_count && status == TARE_OK; i++) {
        status = fill_cell(&ledger->cells[i], measured > 1 ? values + from : NULL,
                           measured ? measured : 1, err);
        while (from < count && values[from].cell == i)
            from++;
    }
    free(values);
    return status;
}
