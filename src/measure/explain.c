#include "measure/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "measure/ledger_inner.h"
#include "stats/quantile.h"
#include "stats/student.h"

static enum tare_status no_memory(struct tare_err *err)
{
    return tare_fail(err, TARE_NOMEM, "out of memory while explaining a cell");
}

enum tare_status explain_find(const struct ledger *ledger, const char *name, size_t *cell,
                              struct tare_err *err)
{
    enum tare_status status;
    struct buf list;

    for (*cell = 0; *cell < ledger->cell_count; (*cell)++) {
        const struct ledger_cell *c = &ledger->cells[*cell];

        if (strcmp(c->label, name) == 0 || strcmp(c->row.name, name) == 0 ||
            strcmp(c->row.key, name) == 0)
            return TARE_OK;
    }
    buf_init(&list, 300);
    for (size_t i = 0; i < ledger->cell_count; i++)
        buf_printf(&list, "%s'%s'", i ? ", " : "", ledger->cells[i].label);
    status = tare_fail(err, TARE_ABSENT, "no cell is called '%.60s', there are: %s", name,
                       buf_status(&list, "", NULL) == TARE_OK ? buf_text(&list)
                                                              : "those that tare report lists");
    buf_release(&list);
    return status;
}

/* --- what was executed --- */

static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && dot != name ? (size_t)(dot - name) : strlen(name);
}

/* The model file of a cell: of its name, else the only one that begins with its name's stem, as an
 * export of a checkpoint does. */
static const struct store_file *find_model(const struct ledger *ledger, const char *model)
{
    const struct store_file *found = NULL;
    size_t stem = stem_length(model), hits = 0;

    for (size_t i = 0; i < ledger->file_count; i++) {
        const char *base = file_base_name(ledger->files[i].path);

        if (strcmp(ledger->files[i].role, "model") != 0)
            continue;
        if (strcmp(base, model) == 0)
            return &ledger->files[i];
        if (strncmp(base, model, stem) == 0) {
            found = &ledger->files[i];
            hits++;
        }
    }
    return hits == 1 ? found : NULL;
}

/* --- restarts and visits --- */

static enum tare_status read_restarts(struct store *store, struct explain *e, struct tare_err *err)
{
    struct store_restart *rows = NULL;
    enum tare_status status =
        store_restarts(store, e->ledger->cells[e->cell].row.id, &rows, &e->restart_count, err);

    if (status != TARE_OK)
        return status;
    e->restarts = calloc(e->restart_count + 1, sizeof(*e->restarts));
    for (size_t i = 0; e->restarts && i < e->restart_count; i++)
        e->restarts[i] = (struct explain_restart){rows[i], 0, NAN};
    free(rows);
    return e->restarts ? TARE_OK : no_memory(err);
}

static enum tare_status fill_restarts(struct explain *e, const struct ledger_visits *visits,
                                      struct tare_err *err)
{
    double *medians = malloc((visits->count + 1) * sizeof(*medians));

    if (!medians)
        return no_memory(err);
    for (size_t r = 0; r < e->restart_count; r++) {
        size_t n = 0;

        for (size_t i = 0; i < visits->count; i++)
            if (visits->items[i].restart == e->restarts[r].row.ordinal &&
                visits->items[i].median_ns > 0)
                medians[n++] = visits->items[i].median_ns;
        e->restarts[r].visits = n;
        e->restarts[r].median_ns = quantile_median(medians, n);
    }
    free(medians);
    return TARE_OK;
}

static const struct ledger_visit *find_visit(const struct ledger_visits *visits, int64_t id)
{
    for (size_t i = 0; i < visits->count; i++)
        if (visits->items[i].row.id == id)
            return &visits->items[i];
    return NULL;
}

static int64_t restart_ordinal(const struct explain *e, int64_t id)
{
    for (size_t i = 0; i < e->restart_count; i++)
        if (e->restarts[i].row.id == id)
            return e->restarts[i].row.ordinal;
    return -1;
}

static void add_up(struct explain *e, const struct store_visit *row)
{
    e->wall_ns += row->wall_ns;
    e->major_faults += row->major_faults;
    e->steal_ns = row->steal_ns < 0 || e->steal_ns < 0 ? -1 : e->steal_ns + row->steal_ns;
    if (row->mean_clock_hz > 0) {
        e->clock_low_hz = fmin(e->clock_low_hz, row->mean_clock_hz);
        e->clock_high_hz = fmax(e->clock_high_hz, row->mean_clock_hz);
    }
}

static enum tare_status read_visits(struct store *store, struct explain *e,
                                    const struct ledger_visits *visits, struct tare_err *err)
{
    const struct ledger_cell *cell = &e->ledger->cells[e->cell];
    struct store_visit *rows = NULL;
    size_t count = 0;
    enum tare_status status = store_visits(store, cell->row.id, &rows, &count, err);

    e->clock_low_hz = e->clock_high_hz = NAN; /* fmin and fmax pass over it */
    e->visits = calloc(count + 1, sizeof(*e->visits));
    if (status == TARE_OK && !e->visits)
        status = no_memory(err);
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        const struct ledger_visit *visit = find_visit(visits, rows[i].id);

        if (rows[i].mode != cell->mode)
            continue;
        e->visits[e->visit_count++] =
            (struct explain_visit){rows[i], restart_ordinal(e, rows[i].restart_id),
                                   visit ? visit->count : 0, visit ? visit->median_ns : NAN};
        if (visit)
            add_up(e, &rows[i]);
    }
    free(rows);
    return status;
}

/* --- dependence and scatter --- */

static enum tare_status fill_scatter(struct explain *e, const struct ledger_visits *visits,
                                     struct tare_err *err)
{
    const struct ledger_times *times = ledger_times(&e->ledger->cells[e->cell]);
    struct quantile_group *groups = calloc(visits->count + 1, sizeof(*groups));
    double *logs = malloc((visits->count + 1) * sizeof(*logs)), lag1 = 0;
    int64_t *restarts = malloc((visits->count + 1) * sizeof(*restarts));
    enum tare_status status = groups && logs && restarts ? TARE_OK : no_memory(err);
    size_t n = 0;

    for (size_t i = 0; i < visits->count && status == TARE_OK; i++) {
        const struct ledger_visit *v = &visits->items[i];

        groups[i] = (struct quantile_group){v->samples_ns, v->count};
        lag1 += quantile_lag1(v->samples_ns, v->count) / (double)visits->count;
        if (v->median_ns > 0) {
            logs[n] = log(v->median_ns);
            restarts[n++] = v->restart;
        }
    }
    if (status == TARE_OK) {
        e->lag1_within = lag1;
        e->lag1_between = quantile_lag1(logs, n);
        e->components = components_estimate(logs, restarts, n);
        e->effective_p50 = times ? quantile_effective(groups, visits->count, times->p50_ns) : NAN;
    }
    free(groups);
    free(logs);
    free(restarts);
    return status;
}

static enum tare_status fill_predecessors(struct explain *e, const struct ledger_visits *visits,
                                          struct tare_err *err)
{
    const struct ledger_times *times = ledger_times(&e->ledger->cells[e->cell]);
    double *logs = malloc((visits->count + 1) * sizeof(*logs));

    e->predecessors = calloc(e->ledger->cell_count + 1, sizeof(*e->predecessors));
    if (!logs || !e->predecessors) {
        free(logs);
        return no_memory(err);
    }
    for (size_t c = 0; times && c < e->ledger->cell_count; c++) {
        size_t n = 0;

        for (size_t i = 0; i < visits->count; i++)
            if (visits->items[i].row.predecessor_id == e->ledger->cells[c].row.id &&
                visits->items[i].median_ns > 0)
                logs[n++] = log(visits->items[i].median_ns / times->p50_ns);
        if (n)
            e->predecessors[e->predecessor_count++] =
                (struct explain_predecessor){c, paired_center(logs, NULL, n)};
    }
    free(logs);
    return TARE_OK;
}

/* --- the ledger's lines --- */

/* The ledger's own pairing: what it said of this line is what is computed from these pairs. */
static enum tare_status make_pairs(const struct ledger_visits *cell,
                                   const struct ledger_visits *baseline, struct explain_line *out,
                                   struct tare_err *err)
{
    int64_t last = -1;

    out->pairs = calloc(cell->count + 1, sizeof(*out->pairs));
    if (!out->pairs)
        return no_memory(err);
    for (size_t i = 0; i < cell->count; i++)
        last = cell->items[i].row.sweep > last ? cell->items[i].row.sweep : last;
    for (int64_t sweep = 0;
         sweep <= last && sweep < (int64_t)LEDGER_MAX_SWEEPS && out->pair_count < cell->count;
         sweep++) {
        const struct ledger_visit *a = ledger_visit_in(cell, (size_t)sweep);
        const struct ledger_visit *b = ledger_visit_in(baseline, (size_t)sweep);

        if (a && b && a->row.mode == b->row.mode && a->row.mode != STORE_VISIT_SOAK)
            out->pairs[out->pair_count++] =
                (struct explain_pair){sweep, a->median_ns, b->median_ns,
                                      log(a->median_ns / b->median_ns), ledger_cluster(a, b)};
    }
    return TARE_OK;
}

static enum tare_status estimate(struct explain_line *line, const struct ledger_line *from,
                                 struct tare_err *err)
{
    size_t n = line->pair_count;
    double *logs = malloc((n + 1) * sizeof(*logs));
    int64_t *clusters = malloc((n + 1) * sizeof(*clusters));

    if (!logs || !clusters) {
        free(logs);
        free(clusters);
        return no_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        logs[i] = line->pairs[i].log_ratio;
        clusters[i] = line->pairs[i].cluster;
    }
    line->estimate = paired_center(logs, clusters, n);
    line->sweeps = paired_center(logs, NULL, n);
    line->components = components_estimate(logs, clusters, n);
    line->alone = student_quantile((1 + LEDGER_CONFIDENCE) / 2, line->estimate.df);
    line->critical = NAN;
    if (from->verdict != LEDGER_NOT_MEASURED && line->estimate.error > 0)
        line->critical =
            log(from->ratio_interval.high / from->ratio_interval.low) / 2 / line->estimate.error;
    free(logs);
    free(clusters);
    return TARE_OK;
}

static enum tare_status explain_line(struct store *store, struct explain *e, size_t index,
                                     const struct ledger_visits *own, struct tare_err *err)
{
    const struct ledger_line *from = &e->ledger->lines[index];
    bool is_baseline = from->baseline == e->cell;
    const struct ledger_cell *other = &e->ledger->cells[is_baseline ? from->cell : from->baseline];
    struct explain_line *line = &e->lines[e->line_count++];
    struct ledger_visits visits;
    enum tare_status status = ledger_load_visits(store, other->row.id, other->mode, &visits, err);

    line->line = index;
    if (status == TARE_OK)
        status = make_pairs(is_baseline ? &visits : own, is_baseline ? own : &visits, line, err);
    if (status == TARE_OK)
        status = estimate(line, from, err);
    ledger_release_visits(&visits);
    return status;
}

enum tare_status explain_build(struct store *store, const struct ledger *ledger, size_t cell,
                               struct explain *e, struct tare_err *err)
{
    struct ledger_visits visits;
    enum tare_status status;

    memset(e, 0, sizeof(*e));
    e->ledger = ledger;
    e->cell = cell;
    e->model = find_model(ledger, ledger->cells[cell].row.model);
    status = ledger_load_visits(store, ledger->cells[cell].row.id, ledger->cells[cell].mode,
                                &visits, err);
    if (status == TARE_OK)
        status = read_restarts(store, e, err);
    if (status == TARE_OK)
        status = fill_restarts(e, &visits, err);
    if (status == TARE_OK)
        status = read_visits(store, e, &visits, err);
    if (status == TARE_OK)
        status = fill_scatter(e, &visits, err);
    if (status == TARE_OK)
        status = fill_predecessors(e, &visits, err);
    e->lines = calloc(ledger->line_count + 1, sizeof(*e->lines));
    if (status == TARE_OK && !e->lines)
        status = no_memory(err);
    for (size_t i = 0; i < ledger->line_count && status == TARE_OK; i++)
        if (ledger->lines[i].cell == cell || ledger->lines[i].baseline == cell)
            status = explain_line(store, e, i, &visits, err);
    ledger_release_visits(&visits);
    if (status != TARE_OK)
        explain_release(e);
    return status;
}

void explain_release(struct explain *e)
{
    for (size_t i = 0; i < e->line_count; i++)
        free(e->lines[i].pairs);
    free(e->restarts);
    free(e->visits);
    free(e->predecessors);
    free(e->lines);
    memset(e, 0, sizeof(*e));
}
