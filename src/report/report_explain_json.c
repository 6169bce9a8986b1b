/* report_explain_json.c - one cell's explanation for programs. */
#include <math.h>

#include "base/json_write.h"
#include "report/report_explain.h"

static void put_components(struct json_writer *w, const char *key, const struct components *c)
{
    json_open_object(w, key);
    json_put_int(w, "values", (int64_t)c->count);
    json_put_int(w, "groups", (int64_t)c->groups);
    json_put_number(w, "between", c->between);
    json_put_number(w, "within", c->within);
    json_put_number(w, "mean_between", c->mean_between);
    json_put_number(w, "mean_within", c->mean_within);
    json_close_object(w);
}

static void put_estimate(struct json_writer *w, const char *key, const struct paired_estimate *e)
{
    json_open_object(w, key);
    json_put_number(w, "center", e->center);
    json_put_number(w, "standard_error", e->error);
    json_put_number(w, "df", e->df);
    json_put_int(w, "count", (int64_t)e->count);
    json_close_object(w);
}

static void put_tail(struct json_writer *w, const char *key, const struct ledger_tail *tail)
{
    json_open_object(w, key);
    json_put_number(w, "asked", tail->asked);
    json_put_number(w, "shown", tail->shown);
    json_put_number(w, "value_ns", tail->kind == LEDGER_TAIL_NONE ? NAN : tail->value_ns);
    json_put_number(w, "effective_samples", tail->effective);
    json_close_object(w);
}

static void put_restarts(struct json_writer *w, const struct explain *e)
{
    json_open_array(w, "restarts");
    for (size_t i = 0; i < e->restart_count; i++) {
        const struct explain_restart *r = &e->restarts[i];

        json_open_object(w, NULL);
        json_put_int(w, "ordinal", r->row.ordinal);
        json_put_int(w, "pid", r->row.pid);
        json_put_int(w, "load_ns", r->row.load_ns);
        json_put_int(w, "first_run_ns", r->row.first_run_ns);
        json_put_int(w, "warmup_runs", r->row.warmup_runs);
        json_put_bool(w, "warmup_steady", r->row.warmup_steady);
        json_put_int(w, "peak_rss_bytes", r->row.peak_rss_bytes);
        json_put_int(w, "visits", (int64_t)r->visits);
        json_put_number(w, "median_ns", r->median_ns);
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_visits(struct json_writer *w, const struct explain *e)
{
    json_open_array(w, "visits");
    for (size_t i = 0; i < e->visit_count; i++) {
        const struct explain_visit *v = &e->visits[i];

        json_open_object(w, NULL);
        json_put_int(w, "sweep", v->row.sweep);
        json_put_int(w, "position", v->row.position);
        json_put_int(w, "restart", v->restart);
        json_put_int(w, "started_ns", v->row.started_ns);
        json_put_int(w, "samples", (int64_t)v->samples);
        json_put_number(w, "median_ns", v->median_ns);
        json_put_bool(w, "valid", v->row.valid);
        json_put_text(w, "why_invalid", v->row.why_invalid);
        json_put_number(w, "clock_hz", v->row.mean_clock_hz > 0 ? v->row.mean_clock_hz : NAN);
        json_put_int(w, "steal_ns", v->row.steal_ns);
        json_put_int(w, "major_faults", v->row.major_faults);
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_line(struct json_writer *w, const struct explain *e,
                     const struct explain_line *line)
{
    const struct ledger_line *from = &e->ledger->lines[line->line];

    json_open_object(w, NULL);
    json_put_text(w, "name", from->row.name);
    json_put_text(w, "cell", e->ledger->cells[from->cell].label);
    json_put_text(w, "baseline", e->ledger->cells[from->baseline].label);
    json_put_text(w, "verdict", ledger_verdict_name(from->verdict));
    put_estimate(w, "log_ratio", &line->estimate);
    put_estimate(w, "log_ratio_of_independent_sweeps", &line->sweeps);
    json_put_number(w, "critical", line->critical);
    json_put_number(w, "critical_alone", line->alone);
    json_open_array(w, "ratio_interval");
    json_put_number(w, NULL, from->ratio_interval.low);
    json_put_number(w, NULL, from->ratio_interval.high);
    json_close_array(w);
    put_components(w, "components", &line->components);
    json_open_array(w, "pairs");
    for (size_t i = 0; i < line->pair_count; i++) {
        json_open_object(w, NULL);
        json_put_int(w, "sweep", line->pairs[i].sweep);
        json_put_number(w, "cell_ns", line->pairs[i].cell_ns);
        json_put_number(w, "baseline_ns", line->pairs[i].baseline_ns);
        json_put_number(w, "log_ratio", line->pairs[i].log_ratio);
        json_close_object(w);
    }
    json_close_array(w);
    json_close_object(w);
}

static void put_figures(struct json_writer *w, const struct explain *e)
{
    const struct ledger_cell *cell = &e->ledger->cells[e->cell];
    const struct ledger_times *t = &cell->times[cell->mode];

    json_put_int(w, "samples", (int64_t)t->samples);
    json_put_number(w, "p50_ns", t->samples ? t->p50_ns : NAN);
    json_put_number(w, "after_switch_ns", t->samples ? t->after_switch_ns : NAN);
    put_tail(w, "p95", &t->p95);
    put_tail(w, "p99", &t->p99);
    json_put_number(w, "lag1_within", e->lag1_within);
    json_put_number(w, "lag1_between", e->lag1_between);
    json_put_number(w, "effective_p50", e->effective_p50);
    json_put_int(w, "steal_ns", e->steal_ns);
    json_put_int(w, "visits_wall_ns", e->wall_ns);
    json_put_int(w, "major_faults", e->major_faults);
    put_components(w, "components", &e->components);
    json_open_array(w, "predecessors");
    for (size_t i = 0; i < e->predecessor_count; i++) {
        json_open_object(w, NULL);
        json_put_text(w, "cell", e->ledger->cells[e->predecessors[i].cell].label);
        put_estimate(w, "log_ratio", &e->predecessors[i].estimate);
        json_close_object(w);
    }
    json_close_array(w);
}

enum tare_status report_explain_json(const struct explain *e, struct buf *out, struct tare_err *err)
{
    const struct ledger_cell *cell = &e->ledger->cells[e->cell];
    struct json_writer w;

    json_start(&w, out, true);
    json_open_object(&w, NULL);
    json_put_int(&w, "version", 1);
    json_put_text(&w, "cell", cell->label);
    json_put_text(&w, "key", cell->row.key);
    json_put_text(&w, "mode", store_visit_mode_name(cell->mode));
    json_put_text(&w, "model_path", e->model ? e->model->path : NULL);
    json_put_text(&w, "model_sha256", e->model ? e->model->sha256 : NULL);
    put_figures(&w, e);
    put_restarts(&w, e);
    put_visits(&w, e);
    json_open_array(&w, "lines");
    for (size_t i = 0; i < e->line_count; i++)
        put_line(&w, e, &e->lines[i]);
    json_close_array(&w);
    json_close_object(&w);
    buf_append_char(out, '\n');
    return buf_status(out, "JSON", err);
}
