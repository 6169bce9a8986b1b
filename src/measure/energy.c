#include "measure/energy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "measure/cold.h"
#include "measure/gpu.h"
#include "measure/host.h"
#include "measure/record.h"
#include "stats/random.h"

#define VISITS_A_WORKER 2
#define WARM_UP_NS      ((int64_t)500 * 1000000) /* of a visit's begin, little is left of it */
#define IDLE_SETTLE_NS  ((int64_t)1000 * 1000000)
#define IDLE_SHARE      0.4 /* of a visit, in which a worker's rest is measured */
#define LOOK_NS         ((int64_t)250 * 1000000)
#define NEARLY          0.98 /* of a visit's time: what is left is not worth a command */
#define BASELINES       5    /* windows without a cell, with what they wait for, in visits */
#define EXPECTED_NS     ((int64_t)5000 * 1000000) /* of a visit, before the period is known */

struct energy_cell {
    struct energy_device *device; /* NULL: no GPU, or one without a sensor */
    int64_t done;                 /* visits in the store, the first ones */
    bool rested;                  /* its worker idle is in the store */
    bool ended;
};

struct energy {
    struct sweeps *s;
    struct energy_device devices[GPU_MAX];
    size_t device_count;
    struct energy_cell *cells; // (cell_count)
    struct random random;
};

/* --- one visit --- */

/* Runs until the time is over, in as few commands as hold them. */
static enum tare_status make_runs(struct energy *e, size_t i, struct store_visit *row,
                                  int64_t *runs, struct tare_err *failure, struct tare_err *err)
{
    const struct study *study = e->s->study;
    const struct energy_device *device = e->cells[i].device;
    struct cell_state *cell = &e->s->cells[i];
    int64_t period = study->paced ? (int64_t)(1e9 / study->rate_hz) : 0, begun = clock_now_ns();
    int64_t spent = 0;

    while (spent < (int64_t)(NEARLY * (double)device->visit_ns)) {
        int64_t each = period > cell->pilot_ns ? period : cell->pilot_ns > 0 ? cell->pilot_ns : 1;
        int64_t count = (device->visit_ns - spent) / each + 1;
        int64_t patience = study->timeout_ns ? study->timeout_ns : INT64_C(60000000000);
        struct crew_visit done;

        count = count < PROTOCOL_MAX_RUNS ? count : PROTOCOL_MAX_RUNS;
        patience = patience > 10 * count * each ? patience : 10 * count * each;
        if (stop_requested())
            return tare_fail(err, TARE_STOPPED, "stopped");
        if (crew_visit(&e->s->crew[i], count, *runs * study->cells[i].batch, period, patience,
                       &done, failure) != TARE_OK)
            return TARE_OK;
        *runs += done.runs;
        row->wall_ns += done.wall_ns;
        row->cpu_ns = row->cpu_ns < 0 || done.cpu_ns < 0 ? -1 : row->cpu_ns + done.cpu_ns;
        row->major_faults += done.major_faults;
        if (!period)
            cell->pilot_ns = done.wall_ns / done.runs;
        spent = clock_now_ns() - begun;
    }
    return TARE_OK;
}

static enum tare_status store_trace(struct energy *e, size_t i, struct store_visit *row,
                                    const struct power_trace *trace, int64_t begun_ns,
                                    const int64_t span[3], int64_t runs, struct tare_err *err)
{
    int64_t others = energy_others(e->cells[i].device, e->s->crew[i].process.pid);
    int64_t *at = calloc(trace->count + 1, sizeof(*at));
    int64_t *read = calloc(trace->count + 1, sizeof(*read));
    const struct store_series series[] = {
        {ENERGY_SERIES_AT, at, trace->count},
        {ENERGY_SERIES_READ, read, trace->count},
        {ENERGY_SERIES_SLACK, trace->slack_ns, trace->count},
        {ENERGY_SERIES_SPAN, span, 3},
        {ENERGY_SERIES_RUNS, &runs, 1},
        {ENERGY_SERIES_OTHERS, &others, 1},
    };
    bool counter = trace->kind == POWER_COUNTER;
    struct gpu_watch looks = {0};
    struct power_mean mean;
    struct tare_err why = TARE_ERR_INIT;
    enum tare_status status;

    if (!at || !read) {
        status = tare_fail(err, TARE_NOMEM, "out of memory for a visit's energy");
        goto done;
    }
    for (size_t k = 0; k < trace->count; k++) {
        at[k] = trace->at_ns[k] - begun_ns;
        read[k] = trace->value[k] - (counter ? trace->value[0] : 0);
    }
    if (power_mean_of(trace, begun_ns + span[1], begun_ns + span[2], ENERGY_LEAST_READS, &mean,
                      &why) != TARE_OK)
        row->why_invalid = why.text;
    else if (row->major_faults > 0)
        row->why_invalid = "pages were read from disk during the visit";
    row->valid = row->why_invalid[0] == '\0';
    gpu_watch_take(&looks, trace, begun_ns, row);
    status =
        store_add_visit(e->s->store, row, series, sizeof(series) / sizeof(series[0]), NULL, err);
    gpu_watch_release(&looks);
done:
    free(read);
    free(at);
    return status;
}

/* A visit, or with running false a window in which its worker has nothing to do. */
static enum tare_status visit(struct energy *e, size_t i, bool running, struct store_visit *row,
                              struct tare_err *failure, struct tare_err *err)
{
    const struct energy_device *device = e->cells[i].device;
    const struct power_sampler_options options = {.source = &device->source,
                                                  .step_ns = device->step_ns,
                                                  .rest_ns = device->rest_ns,
                                                  .state_step_ns = LOOK_NS};
    int64_t phase =
        device->period_ns ? (int64_t)random_below(&e->random, (uint64_t)device->period_ns) : 0;
    int64_t settle = IDLE_SETTLE_NS < device->visit_ns ? IDLE_SETTLE_NS : device->visit_ns;
    int64_t steal = host_steal_ns(), begun, span[3] = {0}, runs = 0;
    struct power_sampler *sampler = NULL;
    struct power_trace trace;
    enum tare_status status = power_sampler_start(&options, &sampler, err);

    if (status == TARE_OK)
        status = energy_wait((running ? 0 : settle) + phase, err);
    begun = clock_now_ns();
    row->started_ns = begun - e->s->epoch_ns;
    if (status == TARE_OK)
        status = running ? make_runs(e, i, row, &runs, failure, err)
                         : energy_wait((int64_t)(IDLE_SHARE * (double)device->visit_ns), err);
    span[2] = clock_now_ns() - begun;
    span[1] = energy_lead_ns(device, span[2]);
    power_sampler_stop(sampler, &trace);
    if (!running)
        row->wall_ns = span[2];
    steal = steal < 0 ? -1 : host_steal_ns() - steal;
    row->steal_ns = steal < 0 ? -1 : steal;
    row->mean_clock_hz = host_clock_hz();
    e->s->result->visit_ns += span[2];
    if (status == TARE_OK && failure->status == TARE_OK)
        status = store_trace(e, i, row, &trace, begun, span, runs, err);
    power_trace_release(&trace);
    return status;
}

/* --- one worker --- */

static enum tare_status start(struct energy *e, size_t i, struct tare_err *failure,
                              struct tare_err *err)
{
    struct sweeps *s = e->s;
    struct cell_state *cell = &s->cells[i];
    int64_t warm_ns = s->study->warmup_ns < WARM_UP_NS ? s->study->warmup_ns : WARM_UP_NS;
    struct store_restart restart = {
        .cell_id = cell->id, .ordinal = cell->restarts, .peak_rss_bytes = -1};
    struct crew_visit warm = {0};

    if (crew_start(&s->crew[i], s->study, &s->study->cells[i], &s->pictures, &cell->opened,
                   failure) != TARE_OK ||
        crew_warm_up(&s->crew[i], s->study->warmup_runs, warm_ns, s->study->timeout_ns, &warm,
                     failure) != TARE_OK)
        return TARE_OK;
    cell->opened_once = true;
    cell->pilot_ns = warm.runs > 0 ? warm.wall_ns / warm.runs : cell->pilot_ns;
    cell->restarts++;
    restart.pid = s->crew[i].process.pid;
    restart.load_ns = cell->opened.load_ns;
    restart.first_run_ns = cell->opened.first_run_ns;
    restart.warmup_runs = warm.runs;
    restart.warmup_steady = true; /* not asked: what comes in a visit's lead does not count */
    return store_add_restart(s->store, &restart, &cell->restart_id, err);
}

/* Two visits, and the worker's own rest. */
static enum tare_status use_worker(struct energy *e, size_t i, int64_t pass, int64_t position,
                                   struct tare_err *failure, struct tare_err *err)
{
    struct energy_cell *cell = &e->cells[i];
    int64_t end = (pass + 1) * VISITS_A_WORKER;
    struct store_visit row = {.cell_id = e->s->cells[i].id,
                              .position = position,
                              .mode = STORE_VISIT_ENERGY,
                              .mean_clock_hz = -1,
                              .steal_ns = -1,
                              .why_invalid = ""};
    enum tare_status status = start(e, i, failure, err);

    row.restart_id = e->s->cells[i].restart_id;
    end = end < e->s->study->energy_visits ? end : e->s->study->energy_visits;
    while (status == TARE_OK && failure->status == TARE_OK && cell->done < end) {
        struct store_visit one = row;

        one.sweep = cell->done;
        status = visit(e, i, true, &one, failure, err);
        cell->done += status == TARE_OK && failure->status == TARE_OK;
        sweeps_tell(e->s, "energy", e->s->study->cells[i].name, pass + 1, 1);
    }
    if (status == TARE_OK && failure->status == TARE_OK && !cell->rested) {
        row.mode = STORE_VISIT_IDLE;
        row.sweep = pass;
        status = visit(e, i, false, &row, failure, err);
        cell->rested = status == TARE_OK;
    }
    crew_stop(&e->s->crew[i]);
    return status;
}

/* --- the whole --- */

static enum tare_status end_cell(struct energy *e, size_t i, const struct tare_err *failure,
                                 struct tare_err *err)
{
    char key[64];

    if (failure->status == TARE_STOPPED)
        return tare_fail(err, TARE_STOPPED, "stopped");
    e->cells[i].ended = true;
    log_warn("energy of '%s': %s", e->s->study->cells[i].name, failure->text);
    (void)snprintf(key, sizeof(key), ENERGY_FACT_FAILED "%lld", (long long)e->s->cells[i].id);
    return store_put_fact(e->s->store, e->s->result->run_id, key, failure->text, err);
}

static bool takes_part(const struct sweeps *s, size_t i)
{
    const struct study_cell *cell = &s->study->cells[i];

    return gpu_is(cell->device) && cell->energy && !s->cells[i].ended;
}

/* From the seed and the pass alone, so that a resumed run keeps to it: every second pass goes the
 * way of the one before it backwards. */
static void order_cells(const struct sweeps *s, int64_t pass, size_t *order)
{
    size_t cells = s->study->cell_count;
    struct random random;

    for (size_t k = 0; k < cells; k++)
        order[k] = k;
    random_seed(&random, (uint64_t)s->study->seed * 1000037 + (uint64_t)(pass / 2));
    random_shuffle(&random, order, cells);
    for (size_t k = 0; pass % 2 && k < cells / 2; k++) {
        size_t other = order[k];

        order[k] = order[cells - 1 - k];
        order[cells - 1 - k] = other;
    }
}

static enum tare_status run_pass(struct energy *e, int64_t pass, struct tare_err *err)
{
    int64_t end = (pass + 1) * VISITS_A_WORKER, most = e->s->study->energy_visits;
    enum tare_status status = TARE_OK;
    size_t order[STUDY_MAX_CELLS];

    order_cells(e->s, pass, order);
    for (size_t k = 0; k < e->s->study->cell_count && status == TARE_OK; k++) {
        struct tare_err failure = TARE_ERR_INIT;
        struct energy_cell *cell = &e->cells[order[k]];

        if (!cell->device || cell->ended || cell->done >= (end < most ? end : most))
            continue;
        if (stop_requested())
            return tare_fail(err, TARE_STOPPED, "stopped");
        sweeps_tell(e->s, "energy", e->s->study->cells[order[k]].name, pass + 1, 0);
        status = use_worker(e, order[k], pass, (int64_t)k, &failure, err);
        if (status == TARE_OK && failure.status != TARE_OK)
            status = end_cell(e, order[k], &failure, err);
    }
    return status;
}

/* What an earlier process of this run made. */
static enum tare_status mark_done(struct energy *e, size_t i, struct tare_err *err)
{
    struct store_visit *rows = NULL;
    size_t count = 0;
    enum tare_status status = store_visits(e->s->store, e->s->cells[i].id, &rows, &count, err);

    for (size_t k = 0; k < count; k++) {
        if (rows[k].mode == STORE_VISIT_ENERGY && rows[k].sweep == e->cells[i].done)
            e->cells[i].done++;
        e->cells[i].rested = e->cells[i].rested || rows[k].mode == STORE_VISIT_IDLE;
    }
    free(rows);
    return status;
}

static enum tare_status find_device(struct energy *e, size_t i, struct tare_err *err)
{
    struct gpu *gpu = gpu_find(&e->s->gpus, e->s->study->cells[i].device);
    enum tare_status status = TARE_OK;
    size_t d = 0;

    if (!gpu || !takes_part(e->s, i))
        return TARE_OK;
    while (d < e->device_count && e->devices[d].gpu != gpu)
        d++;
    if (d == e->device_count) {
        e->devices[e->device_count++].gpu = gpu;
        status = energy_prepare(e->s, &e->devices[d], err);
    }
    if (e->devices[d].why.status == TARE_OK)
        e->cells[i].device = &e->devices[d];
    return status;
}

static enum tare_status measure_empty(struct energy *e, bool context, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t d = 0; d < e->device_count && status == TARE_OK; d++)
        if (e->devices[d].why.status == TARE_OK)
            status = energy_baseline(e->s, &e->devices[d], context, err);
    return status;
}

static bool all_done(const struct energy *e)
{
    for (size_t i = 0; i < e->s->study->cell_count; i++)
        if (e->cells[i].device && !e->cells[i].ended &&
            e->cells[i].done < e->s->study->energy_visits)
            return false;
    return true;
}

static enum tare_status measure(struct energy *e, struct tare_err *err)
{
    int64_t visits = e->s->study->energy_visits;
    int64_t passes = (visits + VISITS_A_WORKER - 1) / VISITS_A_WORKER;
    enum tare_status status;

    if (all_done(e))
        return TARE_OK;
    for (size_t i = 0; i < e->s->study->cell_count; i++)
        e->s->work += e->cells[i].device ? (double)(visits - e->cells[i].done) : 0;
    sweeps_tell(e->s, "energy", "", 0, 0);
    status = measure_empty(e, false, err);
    if (status == TARE_OK)
        status = measure_empty(e, true, err);
    for (int64_t pass = 0; pass < passes && status == TARE_OK; pass++)
        status = run_pass(e, pass, err);
    return status == TARE_OK ? measure_empty(e, false, err) : status;
}

/* Those that the study leaves out, for a reader who misses them. */
static enum tare_status put_left_out(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++) {
        char key[sizeof(ENERGY_FACT_LEFT_OUT) + 20];

        if (s->study->cells[i].energy || !gpu_is(s->study->cells[i].device))
            continue;
        (void)snprintf(key, sizeof(key), ENERGY_FACT_LEFT_OUT "%lld", (long long)s->cells[i].id);
        status = store_put_fact(s->store, s->result->run_id, key, "1", err);
    }
    return status;
}

static enum tare_status put_asked(struct sweeps *s, struct tare_err *err)
{
    char text[32];
    enum tare_status status;
    const char *why = "";
    bool any = false;

    (void)snprintf(text, sizeof(text), "%lld", (long long)s->study->energy_visits);
    status = store_put_fact(s->store, s->result->run_id, ENERGY_FACT_ASKED, text, err);
    for (size_t i = 0; i < s->study->cell_count; i++)
        any = any || takes_part(s, i);
    if (!any)
        why = "no cell ran on a GPU, and other sensors are not read yet: no joules";
    else if (s->study->throughput)
        why = "not in throughput mode: joules are of one stream";
    if (status == TARE_OK)
        status = store_put_fact(s->store, s->result->run_id, ENERGY_FACT_WHY, why, err);
    return status == TARE_OK ? put_left_out(s, err) : status;
}

enum tare_status energy_run(struct sweeps *s, struct tare_err *err)
{
    struct energy e = {.s = s};
    enum tare_status status;

    if (!s->study->energy)
        return TARE_OK;
    gpu_watch_release(&s->looks);
    for (size_t i = 0; i < s->study->cell_count; i++)
        crew_stop(&s->crew[i]);
    status = put_asked(s, err);
    if (status != TARE_OK || s->study->throughput)
        return status;
    e.cells = calloc(s->study->cell_count + 1, sizeof(*e.cells));
    if (!e.cells)
        return tare_fail(err, TARE_NOMEM, "out of memory for energy");
    random_seed(&e.random, (uint64_t)s->study->seed + (uint64_t)clock_now_ns());
    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++)
        status = find_device(&e, i, err);
    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++)
        status = mark_done(&e, i, err);
    if (status == TARE_OK)
        status = measure(&e, err);
    free(e.cells);
    return status;
}

/* A cell's starts and its rest: what there is beside its visits. */
static int64_t overhead_ns(const struct sweeps *s, size_t i, int64_t visit_ns)
{
    int64_t passes = (s->study->energy_visits + VISITS_A_WORKER - 1) / VISITS_A_WORKER;
    int64_t start = WARM_UP_NS;

    for (size_t k = 0; k < PROTOCOL_STEPS; k++)
        start += s->cells[i].opened.step_ns[k];
    return passes * start + IDLE_SETTLE_NS + (int64_t)(IDLE_SHARE * (double)visit_ns);
}

int64_t energy_expected_ns(const struct sweeps *s)
{
    int64_t each = s->study->energy_ns ? s->study->energy_ns : EXPECTED_NS, total = 0;

    if (!s->study->energy || s->study->throughput)
        return 0;
    for (size_t i = 0; i < s->study->cell_count; i++)
        if (takes_part(s, i))
            total += s->study->energy_visits * each + overhead_ns(s, i, each);
    total += total ? BASELINES * each : 0;
    return s->study->budget_ns && total > s->study->budget_ns / 2 ? s->study->budget_ns / 2 : total;
}

int64_t energy_fit_ns(struct sweeps *s, int64_t most_ns, int64_t least_ns)
{
    int64_t left = s->study->budget_ns - sweeps_spent_ns(s) - cold_expected_ns(s),
            visits = BASELINES;

    if (!s->study->budget_ns)
        return most_ns;
    for (size_t i = 0; i < s->study->cell_count; i++)
        if (takes_part(s, i)) {
            left -= overhead_ns(s, i, most_ns);
            visits += s->study->energy_visits;
        }
    left /= visits;
    return left < least_ns ? least_ns : left < most_ns ? left : most_ns;
}
