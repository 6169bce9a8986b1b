/*
 * report_json.c - a ledger for programs. Times are nanoseconds, AP is 0..1, unknown numbers null.
 */
#include <math.h>

#include "base/json_write.h"
#include "report/report.h"
#include "report/report_cold.h"
#include "report/report_energy.h"
#include "report/report_soak.h"
#include "report/write.h"

static void put_interval(struct json_writer *w, const char *key,
                         const struct ledger_interval *interval)
{
    if (isnan(interval->low)) {
        json_put_null(w, key);
        return;
    }
    json_open_array(w, key);
    json_put_number(w, NULL, interval->low);
    json_put_number(w, NULL, interval->high);
    json_close_array(w);
}

static void put_tail(struct json_writer *w, const char *key, const struct ledger_tail *tail)
{
    if (tail->kind == LEDGER_TAIL_NONE) {
        json_put_null(w, key);
        return;
    }
    json_open_object(w, key);
    json_put_text(w, "kind", tail->kind == LEDGER_TAIL_INTERVAL ? "quantile" : "upper bound");
    json_put_number(w, "quantile", tail->shown);
    json_put_number(w, "value_ns", tail->value_ns);
    put_interval(w, "interval_ns", &tail->interval_ns);
    json_put_number(w, "effective_samples", tail->effective);
    json_close_object(w);
}

static void put_ap(struct json_writer *w, const char *key, const struct ledger_ap *ap)
{
    if (!ap->known) {
        json_put_null(w, key);
        return;
    }
    json_open_object(w, key);
    json_put_number(w, "difference", ap->difference);
    put_interval(w, "interval", &ap->interval);
    json_put_bool(w, "identical", ap->identical);
    json_put_bool(w, "resolved", ap->resolved);
    json_put_int(w, "pictures", ap->pictures);
    json_close_object(w);
}

static void put_notes(struct json_writer *w, const char *key, const struct ledger_notes *notes)
{
    json_open_array(w, key);
    for (size_t i = 0; i < notes->count; i++) {
        json_open_object(w, NULL);
        json_put_text(w, "subject", notes->items[i].subject);
        json_put_text(w, "text", notes->items[i].text);
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_times(struct json_writer *w, enum store_visit_mode mode,
                      const struct ledger_times *t)
{
    json_open_object(w, store_visit_mode_name(mode));
    json_put_int(w, "samples", (int64_t)t->samples);
    json_put_int(w, "visits", (int64_t)t->visits);
    json_put_int(w, "invalid_visits", (int64_t)t->invalid_visits);
    json_put_int(w, "sweeps", (int64_t)t->sweeps);
    json_put_number(w, "min_ns", t->min_ns);
    json_put_number(w, "max_ns", t->max_ns);
    json_put_number(w, "mean_ns", t->mean_ns);
    json_put_number(w, "p50_ns", t->p50_ns);
    put_interval(w, "p50_interval_ns", &t->p50_interval_ns);
    json_put_number(w, "p90_ns", t->p90_ns);
    put_interval(w, "p90_interval_ns", &t->p90_interval_ns);
    put_tail(w, "p95", &t->p95);
    put_tail(w, "p99", &t->p99);
    json_put_number(w, "items_per_s", t->throughput_hz);
    json_put_number(w, "after_switch_ns", t->after_switch_ns);
    json_put_number(w, "inside_ns", t->inside_ns);
    json_put_number(w, "lateness_p99_ns", t->lateness_p99_ns);
    if (mode == STORE_VISIT_THROUGHPUT) {
        json_put_number(w, "latency_p50_ns", t->latency_p50_ns);
        json_put_number(w, "latency_p95_ns", t->latency_p95_ns);
        json_put_number(w, "latency_p99_ns", t->latency_p99_ns);
    }
    json_put_number(w, "mean_clock_hz", t->mean_clock_hz);
    json_put_number(w, "cpu_share", t->cpu_share);
    json_open_object(w, "stages_ns");
    for (int s = 0; s < LEDGER_STAGES; s++)
        json_put_number(w, ledger_stage_name((enum ledger_stage)s), t->stage_ns[s]);
    json_close_object(w);
    if (!isnan(t->device_ns[LEDGER_COMPUTE])) {
        json_open_object(w, "device_ns");
        for (int part = 0; part < LEDGER_DEVICE_PARTS; part++)
            json_put_number(w, ledger_device_part_name((enum ledger_device_part)part),
                            t->device_ns[part]);
        json_close_object(w);
    }
    json_close_object(w);
}

static void put_agreement(struct json_writer *w, const struct ledger_cell *cell)
{
    const struct ledger_agreement *a = &cell->agreement;

    if (!a->known) {
        json_put_null(w, "agreement");
        return;
    }
    json_open_object(w, "agreement");
    json_put_number(w, "found", a->found);
    put_interval(w, "interval", &a->interval);
    json_put_bool(w, "on_front", a->front);
    json_close_object(w);
}

static void put_accuracy(struct json_writer *w, const struct ledger_cell *cell)
{
    static const char *const keys[STORE_COCO_FIGURES] = {
        "ap",  "ap50", "ap75",  "ap_small", "ap_medium", "ap_large",
        "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"};

    if (!cell->accuracy.known) {
        json_put_null(w, "accuracy");
        return;
    }
    json_open_object(w, "accuracy");
    json_put_int(w, "pictures", cell->accuracy.pictures);
    for (int k = 0; k < STORE_COCO_FIGURES; k++)
        json_put_number(w, keys[k], cell->accuracy.coco[k]);
    put_ap(w, "ap_to_reference", &cell->ap_to_reference);
    json_close_object(w);
}

static void put_identity(struct json_writer *w, const struct store_cell *r)
{
    json_put_text(w, "key", r->key);
    json_put_text(w, "model", r->model);
    json_put_text(w, "family", r->family);
    json_put_text(w, "precision", r->precision);
    json_put_text(w, "executed_precision", r->executed_precision);
    json_put_text(w, "runtime", r->runtime);
    json_put_text(w, "runtime_version", r->runtime_version);
    json_put_text(w, "provider", r->provider);
    json_put_text(w, "device", r->device);
    json_put_int(w, "batch", r->batch);
    json_put_int(w, "threads", r->threads);
    json_put_text(w, "layer", r->layer);
    json_put_text(w, "head", store_head_name(r->head));
    json_put_text(w, "options", r->options);
    json_put_text(w, "command", r->command);
    json_put_text(w, "state", store_cell_state_name(r->state));
    json_put_text(w, "reason", r->reason);
}

static void put_limit(struct json_writer *w, const struct roofline_row *row)
{
    if (!row->known) {
        json_put_null(w, "limit");
        return;
    }
    json_open_object(w, "limit");
    json_put_number(w, "operations", row->operations);
    json_put_number(w, "int8_operations", row->cost.int8_operations);
    json_put_number(w, "bytes", row->bytes);
    json_put_number(w, "operations_per_byte", row->intensity);
    json_put_number(w, "operations_per_s", row->attained);
    json_put_number(w, "highest_operations_per_s", row->compute_rate);
    json_put_number(w, "highest_bytes_per_s", row->traffic_rate);
    json_put_number(w, "limit_ns", row->limit_ns);
    json_put_number(w, "of_limit", row->share);
    json_put_text(w, "held_by", roofline_bound_name(row->bound));
    json_put_bool(w, "fp32_stands_in", row->stands_in);
    json_put_bool(w, "fits_l2", row->fits_cache);
    json_close_object(w);
}

static void put_peaks(struct json_writer *w, const struct roofline_peaks *peaks)
{
    if (!peaks->known) {
        json_put_null(w, "peaks");
        return;
    }
    json_open_object(w, "peaks");
    roofline_put(peaks, w);
    json_close_object(w);
}

static void put_stability(struct json_writer *w, const struct ledger_cell *cell)
{
    const struct ledger_stability *s = &cell->stability;
    const struct ledger_times *t = ledger_times(cell);

    json_open_object(w, "stability");
    json_put_text(w, "verdict", ledger_steadiness_name(s->verdict));
    json_put_number(w, "scatter", s->scatter);
    json_put_number(w, "own_scatter", s->own_scatter);
    json_put_number(w, "drift", s->drift);
    put_interval(w, "drift_interval", &s->drift_interval);
    json_put_number(w, "restart_spread", s->restart_spread);
    json_put_number(w, "restart_p", s->restart_p);
    json_put_number(w, "lag1", s->lag1);
    json_put_number(w, "effective_samples", t ? t->p50_effective : NAN);
    json_put_number(w, "after_switch", s->after_switch);
    put_interval(w, "clock_hz", &s->clock_hz);
    json_put_number(w, "steal_share", s->steal_share);
    json_close_object(w);
}

static void put_visits(struct json_writer *w, const struct ledger *ledger,
                       const struct ledger_cell *cell)
{
    json_open_array(w, "visits");
    for (size_t i = 0; i < cell->point_count; i++) {
        const struct ledger_point *p = &cell->points[i];
        const char *before = NULL;

        for (size_t k = 0; k < ledger->cell_count && p->predecessor_id; k++)
            if (ledger->cells[k].row.id == p->predecessor_id)
                before = ledger->cells[k].label;
        json_open_object(w, NULL);
        json_put_int(w, "sweep", p->sweep);
        json_put_int(w, "position", p->position);
        json_put_int(w, "restart", p->restart);
        json_put_text(w, "predecessor", before);
        json_put_text(w, "invalid", p->valid ? NULL : p->why_invalid);
        json_put_int(w, "samples", (int64_t)p->samples);
        json_put_number(w, "p5_ns", p->p5_ns);
        json_put_number(w, "p50_ns", p->p50_ns);
        json_put_number(w, "p95_ns", p->p95_ns);
        json_put_number(w, "after_switch_ns", p->after_switch_ns);
        json_put_number(w, "clock_hz", p->clock_hz);
        json_put_number(w, "steal_share", p->steal_share);
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_effect(struct json_writer *w, const char *key, const struct ledger_effect *effect)
{
    json_open_object(w, key);
    json_put_int(w, "visits", (int64_t)effect->visits);
    json_put_number(w, "change", effect->change);
    json_put_number(w, "p", effect->p);
    json_close_object(w);
}

static void put_predecessors(struct json_writer *w, const struct ledger *ledger)
{
    const struct ledger_predecessors *p = &ledger->predecessors;

    json_open_object(w, "predecessor_effect");
    json_put_text(w, "verdict", p->sentence);
    json_put_int(w, "permutations", p->known ? (int64_t)p->permutations : 0);
    json_put_number(w, "p", p->known ? p->p : NAN);
    json_put_number(w, "detectable", p->known ? p->detectable : NAN);
    json_open_array(w, "after");
    for (size_t i = 0; i < p->count; i++) {
        json_open_object(w, NULL);
        json_put_text(w, "cell", ledger->cells[p->items[i].cell].label);
        put_effect(w, "median", &p->items[i].median);
        put_effect(w, "after_switch", &p->items[i].after_switch);
        json_close_object(w);
    }
    json_close_array(w);
    json_close_object(w);
}

static void put_cell(struct json_writer *w, const struct ledger *ledger,
                     const struct ledger_cell *cell)
{
    json_open_object(w, NULL);
    json_put_text(w, "label", cell->label);
    put_identity(w, &cell->row);
    json_put_int(w, "restarts", (int64_t)cell->restarts);
    json_put_bool(w, "warmup_steady", cell->steady);
    json_put_number(w, "load_ns", cell->load_ns);
    json_put_number(w, "first_run_ns", cell->first_run_ns);
    json_put_number(w, "peak_rss_bytes", cell->peak_rss_bytes);
    json_put_bool(w, "pipeline", cell->pipeline);
    json_open_object(w, "times");
    for (int mode = 0; mode < LEDGER_MODES; mode++)
        if (cell->times[mode].samples)
            put_times(w, (enum store_visit_mode)mode, &cell->times[mode]);
    json_close_object(w);
    put_accuracy(w, cell);
    put_agreement(w, cell);
    put_limit(w, &cell->limit);
    report_cold_json(cell, w);
    report_energy_json(cell, w);
    put_stability(w, cell);
    put_visits(w, ledger, cell);
    json_open_object(w, "figures");
    for (size_t i = 0; i < cell->figure_count; i++)
        json_put_number(w, cell->figures[i].name, cell->figures[i].value);
    json_close_object(w);
    json_close_object(w);
}

static void put_line(struct json_writer *w, const struct ledger *ledger,
                     const struct ledger_line *line)
{
    bool measured = line->verdict != LEDGER_NOT_MEASURED;

    json_open_object(w, NULL);
    json_put_text(w, "kind", store_line_kind_name(line->row.kind));
    json_put_text(w, "name", line->row.name);
    json_put_text(w, "cell", ledger->cells[line->cell].label);
    json_put_text(w, "baseline", ledger->cells[line->baseline].label);
    json_put_text(w, "verdict", ledger_verdict_name(line->verdict));
    json_put_text(w, "why", line->why);
    json_put_number(w, "ratio", measured ? line->ratio : NAN);
    put_interval(w, "ratio_interval", &line->ratio_interval);
    json_put_number(w, "difference_ns", measured ? line->difference_ns : NAN);
    put_interval(w, "difference_interval_ns", &line->difference_interval_ns);
    json_put_int(w, "sweeps", (int64_t)line->sweeps);
    json_put_int(w, "restarts", (int64_t)line->restarts);
    put_ap(w, "ap", &line->ap);
    report_energy_line_json(line, w);
    json_close_object(w);
}

static void put_confirmation(struct json_writer *w, const struct ledger *ledger)
{
    static const char *const names[] = {NULL, "confirmed", "not confirmed"};
    const struct ledger_decision *d = &ledger->decision;
    bool known = d->confirmation != LEDGER_UNCONFIRMED;

    json_open_object(w, "confirmation");
    json_put_text(w, "verdict", names[d->confirmation]);
    json_put_int(w, "sweeps", (int64_t)d->confirm_sweeps);
    json_put_text(w, "against", known ? ledger->cells[d->confirmed_against.cell].label : NULL);
    json_put_number(w, "ratio", known ? d->confirmed_against.ratio : NAN);
    if (known)
        put_interval(w, "ratio_interval", &d->confirmed_against.ratio_interval);
    json_close_object(w);
}

static void put_decision(struct json_writer *w, const struct ledger *ledger)
{
    const struct ledger_decision *d = &ledger->decision;

    json_open_object(w, "decision");
    json_put_text(w, "sentence", d->sentence);
    json_put_text(w, "winner", d->known ? ledger->cells[d->winner].label : NULL);
    json_put_text(w, "reference", d->accuracy_known ? ledger->cells[d->reference].label : NULL);
    json_put_number(w, "ap_allowed", d->ap_allowed);
    json_put_number(w, "found_allowed", d->found_allowed > 0 ? d->found_allowed : NAN);
    json_open_array(w, "not_separable");
    for (size_t i = 0; i < d->tie_count; i++) {
        json_open_object(w, NULL);
        json_put_text(w, "cell", ledger->cells[d->ties[i].cell].label);
        json_put_number(w, "ratio", d->ties[i].ratio);
        put_interval(w, "ratio_interval", &d->ties[i].ratio_interval);
        json_close_object(w);
    }
    json_close_array(w);
    put_confirmation(w, ledger);
    json_close_object(w);
}

static void put_ledger(struct json_writer *w, const struct ledger *ledger)
{
    json_open_object(w, NULL);
    json_put_text(w, "file", ledger->path);
    json_put_text(w, "run", ledger->run.uuid);
    json_put_text(w, "state", store_run_state_name(ledger->run.state));
    json_put_int(w, "started_wall_ns", ledger->run.started_wall_ns);
    json_put_int(w, "ended_wall_ns", ledger->run.ended_wall_ns);
    json_put_text(w, "tare_version", ledger->run.version);
    json_put_text(w, "command", ledger->run.command);
    json_put_int(w, "seed", ledger->run.seed);
    json_put_text(w, "measured_on", ledger->host);
    put_decision(w, ledger);
    put_predecessors(w, ledger);
    json_put_number(w, "common_share", ledger->common_share);
    put_notes(w, "not_measured", &ledger->missing);
    put_notes(w, "warnings", &ledger->warnings);
    put_notes(w, "trust", &ledger->trust);
    put_peaks(w, &ledger->peaks);
    json_open_array(w, "lines");
    for (size_t i = 0; i < ledger->line_count; i++)
        put_line(w, ledger, &ledger->lines[i]);
    json_close_array(w);
    json_open_array(w, "cells");
    for (size_t i = 0; i < ledger->cell_count; i++)
        put_cell(w, ledger, &ledger->cells[i]);
    json_close_array(w);
    report_soak_json(ledger, w);
    json_open_object(w, "facts");
    for (size_t i = 0; i < ledger->fact_count; i++)
        json_put_text(w, ledger->facts[i].key, ledger->facts[i].value);
    json_close_object(w);
    json_open_array(w, "files");
    for (size_t i = 0; i < ledger->file_count; i++) {
        json_open_object(w, NULL);
        json_put_text(w, "role", ledger->files[i].role);
        json_put_text(w, "path", ledger->files[i].path);
        json_put_text(w, "sha256", ledger->files[i].sha256);
        json_put_int(w, "bytes", ledger->files[i].bytes);
        json_close_object(w);
    }
    json_close_array(w);
    json_close_object(w);
}

enum tare_status report_json(const struct report_set *set, struct buf *out, struct tare_err *err)
{
    struct json_writer w;

    json_start(&w, out, true);
    json_open_object(&w, NULL);
    json_put_int(&w, "version", 1);
    json_open_array(&w, "ledgers");
    for (size_t i = 0; i < set->count; i++)
        put_ledger(&w, set->items[i]);
    json_close_array(&w);
    json_close_object(&w);
    buf_append_char(out, '\n');
    return buf_status(out, "JSON", err);
}
