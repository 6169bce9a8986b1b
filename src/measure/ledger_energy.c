#include "measure/ledger_energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_tree.h"
#include "measure/energy.h"
#include "measure/ledger_inner.h"
#include "power/power.h"
#include "stats/student.h"

#define PLAUSIBLE   INT64_C(1000000000000000) /* a file's ns or mJ, either way */
#define MAX_WINDOWS ((size_t)2 * ENERGY_MAX_VISITS)
#define NO_RANGE    ((struct ledger_range){NAN, NAN})

const char *ledger_idle_name(enum ledger_idle idle)
{
    static const char *const names[] = {"empty", "context", "worker"};

    return names[idle];
}

const char *ledger_alone_name(enum ledger_alone alone)
{
    static const char *const names[] = {"not known", "alone", "shared"};

    return names[alone];
}

bool ledger_has_energy(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (ledger->cells[i].energy.visits)
            return true;
    return false;
}

/* --- one window of readings --- */

/* A visit, an idle window of a worker, or a window without a cell. */
struct window {
    int64_t number, restart_id;
    double watts, run_ns; /* run_ns: time of one run; NAN where there were none */
    double resolution;
    int64_t read_ns; /* what the mean stands over */
    int64_t others;
};

struct columns {
    int64_t *at, *read, *slack, *span;
    size_t at_count, read_count, slack_count, span_count;
};

static bool plausible(const int64_t *values, size_t count, bool ascending)
{
    for (size_t i = 0; i < count; i++)
        if (values[i] < -PLAUSIBLE || values[i] > PLAUSIBLE ||
            (ascending && i > 0 && values[i] < values[i - 1]))
            return false;
    return true;
}

/* Nothing that a file says is trusted: what does not hold together is no window. */
static bool take_mean(const struct columns *c, enum power_kind kind, struct window *w)
{
    const struct power_trace trace = {
        .kind = kind, .at_ns = c->at, .value = c->read, .slack_ns = c->slack, .count = c->at_count};
    struct power_mean mean;

    if (c->span_count != 3 || c->read_count != c->at_count || c->slack_count != c->at_count ||
        !plausible(c->at, c->at_count, true) || !plausible(c->read, c->at_count, false) ||
        !plausible(c->slack, c->at_count, false) || !plausible(c->span, 3, true) ||
        power_mean_of(&trace, c->span[1], c->span[2], ENERGY_LEAST_READS, &mean, NULL) != TARE_OK)
        return false;
    w->watts = mean.mw / 1e3;
    w->resolution = mean.resolution;
    w->read_ns = mean.to_ns - mean.from_ns;
    return true;
}

static int64_t read_one(struct store *store, int64_t visit_id, const char *name, int64_t fallback)
{
    int64_t *values = NULL, value = fallback;
    size_t count = 0;

    if (store_series(store, visit_id, name, &values, &count, NULL) == TARE_OK && count == 1)
        value = values[0];
    free(values);
    return value;
}

static bool read_window(struct store *store, const struct store_visit *row, enum power_kind kind,
                        struct window *w)
{
    struct columns c = {0};
    bool read;

    (void)store_series(store, row->id, ENERGY_SERIES_AT, &c.at, &c.at_count, NULL);
    (void)store_series(store, row->id, ENERGY_SERIES_READ, &c.read, &c.read_count, NULL);
    (void)store_series(store, row->id, ENERGY_SERIES_SLACK, &c.slack, &c.slack_count, NULL);
    (void)store_series(store, row->id, ENERGY_SERIES_SPAN, &c.span, &c.span_count, NULL);
    *w = (struct window){.number = row->sweep, .restart_id = row->restart_id, .run_ns = NAN};
    read = take_mean(&c, kind, w);
    if (read) {
        int64_t runs = read_one(store, row->id, ENERGY_SERIES_RUNS, 0);

        w->others = read_one(store, row->id, ENERGY_SERIES_OTHERS, -1);
        if (runs > 0)
            w->run_ns = (double)(c.span[2] - c.span[0]) / (double)runs;
    }
    free(c.at);
    free(c.read);
    free(c.slack);
    free(c.span);
    return read;
}

/* --- means --- */

static double mean(const double *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count ? sum / (double)count : NAN;
}

/* Student's t over independent values; none with fewer than two. */
static struct ledger_range t_interval(const double *values, size_t count)
{
    double centre = mean(values, count), squares = 0, half;

    if (count < 2)
        return NO_RANGE;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - centre) * (values[i] - centre);
    half = student_quantile(0.5 + LEDGER_CONFIDENCE / 2, (double)(count - 1)) *
           sqrt(squares / (double)(count - 1) / (double)count);
    return (struct ledger_range){centre - half, centre + half};
}

static struct ledger_range range_of(const double *values, size_t count)
{
    struct ledger_range range = NO_RANGE;

    for (size_t i = 0; i < count; i++) {
        range.low = fmin(range.low, values[i]);
        range.high = fmax(range.high, values[i]);
    }
    return range;
}

/* --- the device without a cell --- */

static int64_t *copy_column(const struct json_value *root, const char *key, size_t *count)
{
    const struct json_value *list = json_get(root, key);
    int64_t *values = calloc(json_count(list) + 1, sizeof(*values));

    *count = values ? json_count(list) : 0;
    for (size_t i = 0; i < *count; i++)
        values[i] = json_int(json_at(list, i), INT64_MAX); /* which is not plausible */
    return values;
}

static bool read_document(struct store *store, int64_t run_id, const char *device,
                          enum ledger_idle idle, size_t n, struct window *w)
{
    struct json_tree *tree = NULL;
    struct columns c = {0};
    char name[80], *text = NULL;
    bool read = false;
    size_t size = 0;

    (void)snprintf(name, sizeof(name), "energy.%.30s.%s.%zu", device, ledger_idle_name(idle), n);
    if (store_document(store, run_id, name, &text, &size, NULL) == TARE_OK &&
        json_parse(text, size, &tree, NULL) == TARE_OK) {
        const struct json_value *root = json_root(tree);
        bool counter = strcmp(json_text(json_get(root, "kind"), ""), "counter") == 0;

        c.at = copy_column(root, "at", &c.at_count);
        c.read = copy_column(root, "read", &c.read_count);
        c.slack = copy_column(root, "slack", &c.slack_count);
        c.span = copy_column(root, "span", &c.span_count);
        *w = (struct window){.others = json_int(json_get(root, "others"), -1)};
        read = take_mean(&c, counter ? POWER_COUNTER : POWER_READINGS, w);
    }
    json_free(tree);
    free(text);
    free(c.at);
    free(c.read);
    free(c.slack);
    free(c.span);
    return read;
}

static void read_baseline(struct store *store, const struct ledger *ledger, enum ledger_idle idle,
                          const char *device, struct ledger_energy *e)
{
    double watts[ENERGY_MAX_WINDOWS];
    size_t count = 0;

    for (size_t n = 0; n < ENERGY_MAX_WINDOWS; n++) {
        struct window w;

        if (read_document(store, ledger->run.id, device, idle, n, &w))
            watts[count++] = w.watts;
        else if (n > 2 * count + 2) /* the numbers of both kinds are at most two apart */
            break;
    }
    e->idle_w[idle] = mean(watts, count);
    e->idle_range[idle] = range_of(watts, count);
}

/* --- one cell --- */

static const char *device_fact(const struct ledger *ledger, const struct ledger_cell *cell,
                               const char *room, const char *name)
{
    char key[100];

    (void)snprintf(key, sizeof(key), "%s.%.30s.%s", room, cell->row.device, name);
    return ledger_fact(ledger, key);
}

/* The idle power of the worker that made a visit; of all of them where that one has none. */
static double own_idle(const struct window *idle, size_t count, const struct window *visit,
                       double else_w)
{
    for (size_t i = 0; i < count; i++)
        if (idle[i].restart_id == visit->restart_id)
            return idle[i].watts;
    return else_w;
}

static void fill_net(const struct window *visits, size_t count, const struct window *idle,
                     size_t idle_count, double batch, struct ledger_energy *e)
{
    double net[ENERGY_MAX_VISITS];

    for (int k = 0; k < LEDGER_IDLES; k++) {
        for (size_t i = 0; i < count; i++) {
            double watts = k == LEDGER_IDLE_WORKER
                               ? own_idle(idle, idle_count, &visits[i], e->idle_w[k])
                               : e->idle_w[k];

            net[i] = (visits[i].watts - watts) * visits[i].run_ns / 1e9 / batch;
        }
        e->net_joules[k] = mean(net, count);
        e->net_interval[k] = t_interval(net, count);
    }
}

static void fill_gross(const struct window *visits, size_t count, double batch, double period_ns,
                       struct ledger_energy *e)
{
    double joules[ENERGY_MAX_VISITS], watts[ENERGY_MAX_VISITS];
    bool known = true;

    for (size_t i = 0; i < count; i++) {
        watts[i] = visits[i].watts;
        joules[i] = visits[i].watts * visits[i].run_ns / 1e9 / batch;
        e->resolution = fmax(e->resolution, visits[i].resolution);
        e->periods = fmin(e->periods, (double)visits[i].read_ns / period_ns);
        known = known && visits[i].others >= 0;
        if (visits[i].others > 0)
            e->alone = LEDGER_SHARED;
    }
    if (e->alone != LEDGER_SHARED)
        e->alone = known ? LEDGER_ALONE : LEDGER_ALONE_UNKNOWN;
    e->joules = mean(joules, count);
    e->joules_interval = t_interval(joules, count);
    e->watts = mean(watts, count);
    e->watts_interval = t_interval(watts, count);
    e->per_joule = 1 / e->joules;
    e->per_joule_interval =
        e->joules_interval.low > 0
            ? (struct ledger_range){1 / e->joules_interval.high, 1 / e->joules_interval.low}
            : NO_RANGE;
}

static void take_facts(struct store *store, const struct ledger *ledger,
                       const struct ledger_cell *cell, struct ledger_energy *e)
{
    e->source = device_fact(ledger, cell, "energy", "source");
    e->sensor = device_fact(ledger, cell, "energy", "sensor");
    e->scope = device_fact(ledger, cell, "energy", "scope");
    e->integrated = strcmp(device_fact(ledger, cell, "energy", "kind"), "power") == 0;
    e->stand_in = strcmp(device_fact(ledger, cell, "energy", "stand_in"), "yes") == 0;
    if (strcmp(device_fact(ledger, cell, "gpu", "parted"), "yes") == 0)
        e->alone = LEDGER_SHARED; /* the board's joules are those of all its parts */
    read_baseline(store, ledger, LEDGER_IDLE_EMPTY, cell->row.device, e);
    read_baseline(store, ledger, LEDGER_IDLE_CONTEXT, cell->row.device, e);
}

static void fill_cell(struct store *store, const struct ledger *ledger, struct ledger_cell *cell,
                      const struct store_visit *rows, size_t row_count, struct window *windows)
{
    struct ledger_energy *e = &cell->energy;
    struct window *idle = windows + ENERGY_MAX_VISITS;
    double period = strtod(device_fact(ledger, cell, "energy", "period_ns"), NULL);
    double watts[ENERGY_MAX_VISITS];
    size_t count = 0, idles = 0;
    enum power_kind kind;

    take_facts(store, ledger, cell, e);
    kind = e->integrated ? POWER_READINGS : POWER_COUNTER;
    for (size_t i = 0; i < row_count; i++) {
        bool is_visit = rows[i].mode == STORE_VISIT_ENERGY;
        bool is_idle = rows[i].mode == STORE_VISIT_IDLE;

        if (is_visit && count < ENERGY_MAX_VISITS && rows[i].valid &&
            read_window(store, &rows[i], kind, &windows[count]) && windows[count].run_ns > 0)
            count++;
        else if (is_visit)
            e->invalid++;
        if (is_idle && idles < ENERGY_MAX_VISITS && rows[i].valid &&
            read_window(store, &rows[i], kind, &idle[idles]))
            idles++;
    }
    for (size_t i = 0; i < idles; i++)
        watts[i] = idle[i].watts;
    e->idle_w[LEDGER_IDLE_WORKER] = mean(watts, idles);
    e->idle_range[LEDGER_IDLE_WORKER] = range_of(watts, idles);
    e->visits = count;
    if (count == 0)
        return;
    fill_gross(windows, count, (double)cell->row.batch, period > 0 ? period : NAN, e);
    fill_net(windows, count, idle, idles, (double)cell->row.batch, e);
    ledger_read_gpu(store, rows, row_count, STORE_VISIT_ENERGY, &e->gpu);
}

static void init_cell(const struct ledger *ledger, struct ledger_cell *cell)
{
    char key[64];

    cell->energy = (struct ledger_energy){
        .joules = NAN,
        .joules_interval = NO_RANGE,
        .per_joule = NAN,
        .per_joule_interval = NO_RANGE,
        .watts = NAN,
        .watts_interval = NO_RANGE,
        .periods = NAN,
        .source = "",
        .sensor = "",
        .scope = "",
    };
    for (int k = 0; k < LEDGER_IDLES; k++) {
        cell->energy.idle_w[k] = cell->energy.net_joules[k] = NAN;
        cell->energy.idle_range[k] = cell->energy.net_interval[k] = NO_RANGE;
    }
    (void)snprintf(key, sizeof(key), ENERGY_FACT_FAILED "%lld", (long long)cell->row.id);
    cell->energy.why = ledger_fact(ledger, key);
}

/* --- lines --- */

/* A visit's joules by its number; NAN where there is none. */
static void joules_by_number(const struct ledger_cell *cell, const struct window *windows,
                             size_t count, double *joules)
{
    for (size_t n = 0; n < ENERGY_MAX_VISITS; n++)
        joules[n] = NAN;
    for (size_t i = 0; i < count; i++)
        if (windows[i].number >= 0 && windows[i].number < ENERGY_MAX_VISITS)
            joules[windows[i].number] =
                windows[i].watts * windows[i].run_ns / 1e9 / (double)cell->row.batch;
}

static void fill_line(struct ledger *ledger, struct ledger_line *line, const double *joules)
{
    const struct ledger_energy *a = &ledger->cells[line->cell].energy;
    const struct ledger_energy *b = &ledger->cells[line->baseline].energy;
    const double *of_cell = joules + line->cell * ENERGY_MAX_VISITS;
    const double *of_baseline = joules + line->baseline * ENERGY_MAX_VISITS;
    double logs[ENERGY_MAX_VISITS];
    struct ledger_range range;
    size_t count = 0;

    line->energy = (struct ledger_energy_ratio){.ratio = NAN, .interval = NO_RANGE};
    if (!a->visits || !b->visits || strcmp(a->scope, b->scope) != 0)
        return; /* a board's joules are no measure of a module's */
    for (size_t n = 0; n < ENERGY_MAX_VISITS; n++)
        if (of_cell[n] > 0 && of_baseline[n] > 0)
            logs[count++] = log(of_cell[n] / of_baseline[n]);
    if (count == 0)
        return;
    range = t_interval(logs, count);
    line->energy.ratio = exp(mean(logs, count));
    line->energy.interval = (struct ledger_range){exp(range.low), exp(range.high)};
    line->energy.pairs = count;
}

/* --- the whole --- */

static enum tare_status read_cell(struct store *store, struct ledger *ledger, size_t i,
                                  struct window *windows, double *joules, struct tare_err *err)
{
    struct ledger_cell *cell = &ledger->cells[i];
    struct store_visit *rows = NULL;
    size_t count = 0;
    enum tare_status status = store_visits(store, cell->row.id, &rows, &count, err);

    init_cell(ledger, cell);
    if (status == TARE_OK) {
        ledger_read_gpu(store, rows, count, cell->mode, &cell->gpu);
        if (ledger_fact(ledger, ENERGY_FACT_ASKED)[0])
            fill_cell(store, ledger, cell, rows, count, windows);
        joules_by_number(cell, windows, cell->energy.visits, joules + i * ENERGY_MAX_VISITS);
    }
    free(rows);
    return status;
}

enum tare_status ledger_fill_energy(struct store *store, struct ledger *ledger,
                                    struct tare_err *err)
{
    double *joules = calloc((ledger->cell_count + 1) * ENERGY_MAX_VISITS, sizeof(*joules));
    struct window *windows = calloc(MAX_WINDOWS, sizeof(*windows));
    enum tare_status status = TARE_OK;

    if (!joules || !windows)
        status = tare_fail(err, TARE_NOMEM, "out of memory while making the ledger");
    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++)
        status = read_cell(store, ledger, i, windows, joules, err);
    for (size_t i = 0; i < ledger->line_count && status == TARE_OK; i++)
        fill_line(ledger, &ledger->lines[i], joules);
    free(joules);
    free(windows);
    if (status == TARE_OK)
        status = ledger_energy_notes(ledger, err);
    return status == TARE_OK ? ledger_gpu_notes(ledger, err) : status;
}
