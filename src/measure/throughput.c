#include "measure/throughput.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/stop.h"
#include "measure/flow.h"
#include "stats/quantile.h"

#define MAX_TRIES   16
#define BURSTS      3
#define LEAD_NS     ((int64_t)200 * 1000000)
#define BURST_NS    ((int64_t)700 * 1000000)
#define VISIT_NS    ((int64_t)1000 * 1000000) /* at least */
#define PATIENCE_NS ((int64_t)600 * 1000000000)
#define BETTER      1.015

struct setting {
    int32_t streams, threads;
    double hz; /* runs a second; NAN: it could not be tried */
};

struct search {
    struct sweeps *s;
    size_t cell;
    int32_t processors;
    struct setting tried[MAX_TRIES];
    size_t count, best;
    struct tare_err *failure; /* of the first try */
};

/* --- one try -----------------------------------------------------------------------------------
 */

static int32_t count_processors(const struct sweeps *s)
{
    struct cpu_info info;
    int count = CPU_COUNT(&s->cores.cells) ? CPU_COUNT(&s->cores.cells) : 1;

    if (cpu_read(NULL, &info, NULL) == TARE_OK && info.quota >= 1 && info.quota < count)
        count = (int)info.quota;
    return count < FLOW_MAX_STREAMS / 2 ? count : FLOW_MAX_STREAMS / 2;
}

static enum tare_status start(struct sweeps *s, size_t i, int32_t streams, int32_t threads,
                              struct crew_opened *opened, struct tare_err *failure)
{
    struct study_cell cell = s->study->cells[i];
    enum tare_status status;

    cell.threads = threads;
    status = crew_start(&s->crew[i], s->study, &cell, &s->pictures, opened, failure);
    if (status == TARE_OK)
        status = crew_streams(&s->crew[i], s->study, &cell, streams, failure);
    return status;
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Median rate of some bursts, after one that does not count. */
static enum tare_status measure(struct sweeps *s, size_t i, double *hz, struct tare_err *failure)
{
    struct crew_member *member = &s->crew[i];
    struct crew_visit visit;
    double rates[BURSTS];
    int64_t run_ns;
    enum tare_status status = crew_warm_up(member, 3, 0, s->study->timeout_ns, &visit, failure);

    if (status != TARE_OK)
        return status;
    run_ns = visit.wall_ns / longer(visit.runs, 1);
    for (int burst = -1; burst < BURSTS && status == TARE_OK; burst++) {
        const struct flow_options options = {
            .lead_ns = longer(LEAD_NS, 2 * run_ns),
            .duration_ns = longer(BURST_NS, 10 * run_ns),
            .first_picture = (burst + 1) * 17,
        };

        status = crew_flow(member, &options, PATIENCE_NS, &visit, failure);
        if (status == TARE_OK && burst >= 0)
            rates[burst] = (double)visit.runs * 1e9 / (double)visit.wall_ns;
    }
    if (status == TARE_OK)
        *hz = quantile_median(rates, BURSTS);
    return status;
}

static const struct setting *find_try(const struct search *f, int32_t streams, int32_t threads)
{
    for (size_t k = 0; k < f->count; k++)
        if (f->tried[k].streams == streams && f->tried[k].threads == threads)
            return &f->tried[k];
    return NULL;
}

/* Tries a setting that was not yet; what cannot be opened so is passed over. */
static void attempt(struct search *f, int32_t streams, int32_t threads)
{
    struct setting *setting = &f->tried[f->count];
    struct tare_err failure = TARE_ERR_INIT;
    struct sweeps *s = f->s;
    struct crew_opened opened;

    if (f->count == MAX_TRIES || streams < 1 || threads < 1 || streams > 2 * f->processors + 1 ||
        find_try(f, streams, threads) || stop_requested())
        return;
    *setting = (struct setting){streams, threads, NAN};
    (void)crew_hush(s->crew, s->study->cell_count, NULL, &s->watch);
    if (start(s, f->cell, streams, threads, &opened, &failure) == TARE_OK) {
        s->cells[f->cell].opened = opened;
        s->cells[f->cell].opened_once = true;
        (void)measure(s, f->cell, &setting->hz, &failure);
    }
    crew_stop(&s->crew[f->cell]);
    memset(&s->watch, 0, sizeof(s->watch));
    if (f->count == 0 && failure.status != TARE_OK)
        (void)tare_fail(f->failure, failure.status, "%s", failure.text);
    if (!isnan(setting->hz) && (isnan(f->tried[f->best].hz) || f->count == f->best ||
                                setting->hz > BETTER * f->tried[f->best].hz))
        f->best = f->count;
    f->count++;
}

/* --- the search --------------------------------------------------------------------------------
 */

static void search_all(struct search *f)
{
    int32_t processors = f->processors, given = f->s->study->cells[f->cell].threads;
    size_t best;

    attempt(f, 1, given ? given : processors);
    if (f->failure->status != TARE_OK)
        return;
    if (given) {
        attempt(f, processors / given, given);
        attempt(f, (processors + given - 1) / given, given);
    }
    for (int32_t threads = 1; !given && threads < processors; threads *= 2)
        attempt(f, processors / threads, threads);
    do {
        const struct setting from = f->tried[f->best];

        best = f->best;
        attempt(f, from.streams + 1, from.threads);
        attempt(f, from.streams - 1, from.threads);
        if (!given) {
            attempt(f, from.streams, from.threads + 1);
            attempt(f, from.streams, from.threads - 1);
        }
    } while (f->best != best);
}

static enum tare_status keep(const struct search *f, struct cell_state *cell, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    char name[64];

    for (size_t k = 0; k < f->count && status == TARE_OK; k++) {
        (void)snprintf(name, sizeof(name), "throughput.pilot.%dx%d", f->tried[k].streams,
                       f->tried[k].threads);
        if (!isnan(f->tried[k].hz))
            status = store_put_figure(f->s->store, cell->id, name, f->tried[k].hz, err);
    }
    cell->streams = f->tried[f->best].streams;
    cell->threads = f->tried[f->best].threads;
    if (status == TARE_OK)
        status = store_put_figure(f->s->store, cell->id, THROUGHPUT_STREAMS, cell->streams, err);
    if (status == TARE_OK)
        status = store_put_figure(f->s->store, cell->id, THROUGHPUT_THREADS, cell->threads, err);
    return status;
}

/* What an interrupted run had found. */
static void read_known(struct sweeps *s, struct cell_state *cell)
{
    struct store_figure *figures = NULL;
    size_t count = 0;
    double streams = 0, threads = 0;

    if (store_figures(s->store, cell->id, &figures, &count, NULL) != TARE_OK)
        return;
    for (size_t k = 0; k < count; k++)
        if (strcmp(figures[k].name, THROUGHPUT_STREAMS) == 0)
            streams = figures[k].value;
        else if (strcmp(figures[k].name, THROUGHPUT_THREADS) == 0)
            threads = figures[k].value;
    free(figures);
    if (streams >= 1 && streams <= FLOW_MAX_STREAMS && threads >= 1 && threads <= 4096) {
        cell->streams = (int32_t)streams;
        cell->threads = (int32_t)threads;
    }
}

enum tare_status throughput_choose(struct sweeps *s, size_t i, struct tare_err *failure,
                                   struct tare_err *err)
{
    struct search search = {
        .s = s, .cell = i, .processors = count_processors(s), .failure = failure};

    if (s->study->streams) {
        s->cells[i].streams = (int32_t)s->study->streams;
        s->cells[i].threads =
            s->study->cells[i].threads ? s->study->cells[i].threads : search.processors;
        search.tried[search.count++] =
            (struct setting){s->cells[i].streams, s->cells[i].threads, NAN};
        return keep(&search, &s->cells[i], err);
    }
    if (s->cells[i].streams == 0)
        read_known(s, &s->cells[i]);
    if (s->cells[i].streams)
        return TARE_OK;
    search_all(&search);
    if (stop_requested())
        return tare_fail(err, TARE_STOPPED, "stopped");
    return failure->status == TARE_OK ? keep(&search, &s->cells[i], err) : TARE_OK;
}

/* --- visits ------------------------------------------------------------------------------------
 */

enum tare_status throughput_start(struct sweeps *s, size_t i, struct tare_err *failure)
{
    struct cell_state *cell = &s->cells[i];

    return start(s, i, cell->streams, cell->threads, &cell->opened, failure);
}

int64_t throughput_lead_ns(int64_t streams, int64_t run_ns)
{
    return longer(LEAD_NS, (1 + streams) * run_ns);
}

enum tare_status throughput_visit(struct sweeps *s, size_t i, int64_t sweep,
                                  struct crew_visit *visit, struct tare_err *failure)
{
    const struct cell_state *cell = &s->cells[i];
    const struct flow_options options = {
        .lead_ns = throughput_lead_ns(cell->streams, cell->pilot_ns),
        .duration_ns = longer(VISIT_NS, s->plan.runs[i] * cell->pilot_ns),
        .first_picture = sweep * s->plan.runs[i] * s->study->cells[i].batch,
        .period_ns = s->study->rate_hz > 0 ? (int64_t)(1e9 / s->study->rate_hz) : 0,
    };

    return crew_flow(&s->crew[i], &options,
                     10 * (options.lead_ns + options.duration_ns) + PATIENCE_NS, visit, failure);
}

enum tare_status throughput_record(struct store *store, const struct store_visit *row,
                                   const struct crew_visit *visit,
                                   const struct protocol_shared *shared, struct tare_err *err)
{
    int64_t per_run = visit->wall_ns / visit->runs;
    const struct store_series series[] = {
        {STORE_SERIES_TOTAL, &per_run, 1},
        {STORE_SERIES_LATENCY, shared->samples[SERIES_TOTAL], (size_t)visit->runs},
    };

    return store_add_visit(store, row, series, 2, NULL, err);
}
