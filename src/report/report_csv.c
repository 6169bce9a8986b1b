/*
 * report_csv.c - one flat table: a row a cell, then a row a line, of every file.
 */
#include <math.h>
#include <string.h>

#include "base/json_write.h"
#include "report/report.h"
#include "report/write.h"

static const char *const columns[] = {
    "file",
    "host",
    "measured_at",
    "row",
    "name",
    "model",
    "precision",
    "executed_precision",
    "runtime",
    "runtime_version",
    "provider",
    "device",
    "batch",
    "threads",
    "layer",
    "head",
    "mode",
    "state",
    "reason",
    "samples",
    "sweeps",
    "restarts",
    "min_ms",
    "mean_ms",
    "p50_ms",
    "p50_low_ms",
    "p50_high_ms",
    "p90_ms",
    "p99_kind",
    "p99_quantile",
    "p99_ms",
    "items_per_s",
    "decode_ms",
    "letterbox_ms",
    "infer_ms",
    "boxes_ms",
    "copy_in_ms",
    "on_device_ms",
    "copy_out_ms",
    "ap",
    "ap50",
    "found",
    "found_low",
    "found_high",
    "operations",
    "bytes",
    "limit_ms",
    "of_limit",
    "held_by",
    "energy_j",
    "energy_low_j",
    "energy_high_j",
    "inferences_per_j",
    "energy_w",
    "idle_empty_w",
    "idle_context_w",
    "idle_worker_w",
    "net_empty_j",
    "net_context_j",
    "net_worker_j",
    "energy_visits",
    "energy_alone",
    "energy_source",
    "gpu_clock_mhz",
    "gpu_memory_clock_mhz",
    "gpu_temperature_c",
    "kind",
    "baseline",
    "ratio",
    "ratio_low",
    "ratio_high",
    "difference_ms",
    "difference_low_ms",
    "difference_high_ms",
    "verdict",
    "ap_difference",
    "ap_difference_low",
    "ap_difference_high",
    "energy_ratio",
    "energy_ratio_low",
    "energy_ratio_high",
    "command",
};

enum {
    COLUMNS = sizeof(columns) / sizeof(columns[0])
};

/* A row under construction: fields by column name, empty where nothing is known. */
struct row {
    struct buf fields[COLUMNS];
};

static struct buf *field(struct row *row, const char *name)
{
    size_t i = 0;

    while (i + 1 < COLUMNS && strcmp(columns[i], name) != 0)
        i++;
    return &row->fields[i];
}

/* Stored text that a spreadsheet would take for a formula gets an apostrophe before it. */
static void put_text(struct row *row, const char *name, const char *text)
{
    if (text[0] && strchr("=+-@\t\r\n", text[0]))
        buf_append_char(field(row, name), '\'');
    write_plain(field(row, name), text);
}

static void put_number(struct row *row, const char *name, double number)
{
    if (isfinite(number))
        json_append_number(field(row, name), number);
}

static void put_interval(struct row *row, const char *low, const char *high,
                         const struct ledger_interval *interval, double scale)
{
    put_number(row, low, interval->low * scale);
    put_number(row, high, interval->high * scale);
}

static void end_row(struct row *row, struct buf *out)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *text = buf_text(&row->fields[i]);

        if (i)
            buf_append_char(out, ',');
        if (!strpbrk(text, ",\"\r\n")) {
            buf_append_text(out, text);
        } else {
            buf_append_char(out, '"');
            for (; *text; text++) {
                if (*text == '"')
                    buf_append_char(out, '"');
                buf_append_char(out, *text);
            }
            buf_append_char(out, '"');
        }
        if (row->fields[i].status != TARE_OK && out->status == TARE_OK)
            out->status = row->fields[i].status;
        buf_release(&row->fields[i]);
    }
    buf_append_text(out, "\r\n");
}

static void start_row(struct row *row, const struct ledger *ledger, const char *what,
                      const char *name)
{
    memset(row, 0, sizeof(*row));
    put_text(row, "file", ledger->path);
    put_text(row, "host", ledger->host);
    put_text(row, "measured_at", write_date(ledger->run.started_wall_ns).text);
    put_text(row, "row", what);
    put_text(row, "name", name);
}

/* The GPU's clocks are those of the visits that the times are of. */
static void put_energy(struct row *row, const struct ledger_cell *cell)
{
    static const char *const idle[] = {"idle_empty_w", "idle_context_w", "idle_worker_w"};
    static const char *const net[] = {"net_empty_j", "net_context_j", "net_worker_j"};
    const struct ledger_energy *e = &cell->energy;

    if (cell->gpu.visits) {
        put_number(row, "gpu_clock_mhz", cell->gpu.clock_hz * 1e-6);
        put_number(row, "gpu_memory_clock_mhz", cell->gpu.memory_clock_hz * 1e-6);
        put_number(row, "gpu_temperature_c", cell->gpu.temperature_c);
    }
    if (e->visits == 0)
        return;
    put_number(row, "energy_j", e->joules);
    put_number(row, "energy_low_j", e->joules_interval.low);
    put_number(row, "energy_high_j", e->joules_interval.high);
    put_number(row, "inferences_per_j", e->per_joule);
    put_number(row, "energy_w", e->watts);
    for (int k = 0; k < LEDGER_IDLES; k++) {
        put_number(row, idle[k], e->idle_w[k]);
        put_number(row, net[k], e->net_joules[k]);
    }
    put_number(row, "energy_visits", (double)e->visits);
    put_text(row, "energy_alone", ledger_alone_name(e->alone));
    put_text(row, "energy_source", e->source);
}

static void put_cell_row(struct row *row, const struct ledger_cell *cell)
{
    const struct store_cell *r = &cell->row;

    put_text(row, "model", r->model);
    put_text(row, "precision", r->precision);
    put_text(row, "executed_precision", r->executed_precision);
    put_text(row, "runtime", r->runtime);
    put_text(row, "runtime_version", r->runtime_version);
    put_text(row, "provider", r->provider);
    put_text(row, "device", r->device);
    put_number(row, "batch", (double)r->batch);
    put_number(row, "threads", (double)r->threads);
    put_text(row, "layer", r->layer);
    put_text(row, "head", store_head_name(r->head));
    put_text(row, "state", store_cell_state_name(r->state));
    put_text(row, "reason", r->reason);
    put_text(row, "command", r->command);
    put_number(row, "restarts", (double)cell->restarts);
    if (cell->accuracy.known) {
        put_number(row, "ap", cell->accuracy.coco[0]);
        put_number(row, "ap50", cell->accuracy.coco[1]);
    }
    if (cell->agreement.known) {
        put_number(row, "found", cell->agreement.found);
        put_interval(row, "found_low", "found_high", &cell->agreement.interval, 1);
    }
    if (cell->limit.known) {
        put_number(row, "operations", cell->limit.operations);
        put_number(row, "bytes", cell->limit.bytes);
        put_number(row, "limit_ms", cell->limit.limit_ns * 1e-6);
        put_number(row, "of_limit", cell->limit.share);
        put_text(row, "held_by", roofline_bound_name(cell->limit.bound));
    }
    put_energy(row, cell);
}

static void put_times(struct row *row, const struct ledger_times *t)
{
    static const char *const kinds[] = {"", "quantile", "upper bound"};
    static const char *const stages[] = {"decode_ms", "letterbox_ms", "infer_ms", "boxes_ms"};
    static const char *const parts[] = {"copy_in_ms", "on_device_ms", "copy_out_ms"};

    put_number(row, "samples", (double)t->samples);
    put_number(row, "sweeps", (double)t->sweeps);
    put_number(row, "min_ms", t->min_ns * 1e-6);
    put_number(row, "mean_ms", t->mean_ns * 1e-6);
    put_number(row, "p50_ms", t->p50_ns * 1e-6);
    put_interval(row, "p50_low_ms", "p50_high_ms", &t->p50_interval_ns, 1e-6);
    put_number(row, "p90_ms", t->p90_ns * 1e-6);
    put_text(row, "p99_kind", kinds[t->p99.kind]);
    if (t->p99.kind != LEDGER_TAIL_NONE) {
        put_number(row, "p99_quantile", t->p99.shown);
        put_number(row, "p99_ms", t->p99.value_ns * 1e-6);
    }
    put_number(row, "items_per_s", t->throughput_hz);
    for (int s = 0; s < LEDGER_STAGES; s++)
        put_number(row, stages[s], t->stage_ns[s] * 1e-6);
    for (int part = 0; part < LEDGER_DEVICE_PARTS; part++)
        put_number(row, parts[part], t->device_ns[part] * 1e-6);
}

static void put_line_row(struct row *row, const struct ledger *ledger,
                         const struct ledger_line *line)
{
    put_text(row, "kind", store_line_kind_name(line->row.kind));
    put_text(row, "baseline", ledger->cells[line->baseline].label);
    put_text(row, "verdict", ledger_verdict_name(line->verdict));
    put_text(row, "reason", line->why);
    put_number(row, "sweeps", (double)line->sweeps);
    put_number(row, "restarts", (double)line->restarts);
    put_number(row, "ratio", line->ratio);
    put_interval(row, "ratio_low", "ratio_high", &line->ratio_interval, 1);
    put_number(row, "difference_ms", line->difference_ns * 1e-6);
    put_interval(row, "difference_low_ms", "difference_high_ms", &line->difference_interval_ns,
                 1e-6);
    if (line->ap.known) {
        put_number(row, "ap_difference", line->ap.difference);
        put_interval(row, "ap_difference_low", "ap_difference_high", &line->ap.interval, 1);
    }
    if (line->energy.pairs) {
        put_number(row, "energy_ratio", line->energy.ratio);
        put_number(row, "energy_ratio_low", line->energy.interval.low);
        put_number(row, "energy_ratio_high", line->energy.interval.high);
    }
}

static void put_ledger(const struct ledger *ledger, struct buf *out)
{
    struct row row;

    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];

        for (int mode = 0; mode < LEDGER_MODES; mode++) {
            const struct ledger_times *times = &cell->times[mode];

            if (!times->samples && (mode || ledger_times(cell)))
                continue; /* one row at least, and one for each mode that was measured */
            start_row(&row, ledger, "cell", cell->label);
            put_cell_row(&row, cell);
            if (times->samples) {
                put_text(&row, "mode", store_visit_mode_name((enum store_visit_mode)mode));
                put_times(&row, times);
            }
            end_row(&row, out);
        }
    }
    for (size_t i = 0; i < ledger->line_count; i++) {
        start_row(&row, ledger, "line", ledger->lines[i].row.name);
        put_line_row(&row, ledger, &ledger->lines[i]);
        end_row(&row, out);
    }
}

enum tare_status report_csv(const struct report_set *set, struct buf *out, struct tare_err *err)
{
    for (size_t i = 0; i < COLUMNS; i++)
        buf_printf(out, "%s%s", i ? "," : "", columns[i]);
    buf_append_text(out, "\r\n");
    for (size_t i = 0; i < set->count; i++)
        put_ledger(set->items[i], out);
    return buf_status(out, "CSV", err);
}
