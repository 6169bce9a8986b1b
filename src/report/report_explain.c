/* report_explain.c - one cell in words. */
#include "report/report_explain.h"

#include <math.h>
#include <string.h>

#include "report/report.h"
#include "report/write.h"
#include "stats/quantile.h"

#define SUBJECT_COLUMNS 16
#define MAX_ROWS        100 /* of one table; all of them are in the JSON */

static void put_title(struct buf *out, const char *title)
{
    buf_printf(out, "\n%s\n", title);
}

/* "  subject         text", the text wrapped under itself. */
static void put_row(struct buf *out, const char *subject, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put_row(struct buf *out, const char *subject, const char *format, ...)
{
    char text[1400];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    buf_append_text(out, "  ");
    write_padded(out, subject, SUBJECT_COLUMNS);
    buf_append_char(out, ' ');
    write_wrapped(out, text, SUBJECT_COLUMNS + 3, SUBJECT_COLUMNS + 3);
}

static const char *or_none(const char *text, const char *none)
{
    return text[0] ? text : none;
}

/* --- what was executed --- */

static void put_executed(struct buf *out, const struct explain *e)
{
    const struct ledger_cell *cell = &e->ledger->cells[e->cell];
    const struct store_cell *row = &cell->row;
    char threads[32];

    put_title(out, "What was executed");
    put_row(out, "cell", "%s", row->key);
    put_row(out, "state", "%s%s%s", store_cell_state_name(row->state), row->reason[0] ? ": " : "",
            row->reason);
    put_row(out, "runtime", "%s; %s on %s, layer %s, batch %lld",
            or_none(row->runtime_version, row->runtime),
            or_none(row->provider, "no provider named"), row->device, row->layer,
            (long long)row->batch);
    if (row->executed_precision[0])
        put_row(out, "precision", "asked for %s; executed, as read back from the runtime: %s",
                row->precision, row->executed_precision);
    else
        put_row(out, "precision", "asked for %s; the runtime cannot say what it executed",
                row->precision);
    (void)snprintf(threads, sizeof(threads), "%lld asked for", (long long)row->threads);
    put_row(out, "threads", "%s", row->threads ? threads : "the runtime's own choice");
    for (size_t i = 0; i < cell->figure_count; i++)
        if (strncmp(cell->figures[i].name, "threads.", 8) == 0)
            put_row(out, "", "%s: %.6g", cell->figures[i].name + 8, cell->figures[i].value);
    put_row(out, "options", "%s", or_none(row->options, "{}"));
    if (e->model)
        put_row(out, "model", "%s, %s, sha256 %s", e->model->path,
                write_bytes((double)e->model->bytes).text, or_none(e->model->sha256, "not known"));
    else
        put_row(out, "model", "%s; its file is not in the result file", row->model);
    put_row(out, "again", "%s", or_none(row->command, "the command was not recorded"));
}

/* --- how much, and from which workers --- */

static void put_restarts(struct buf *out, const struct explain *e)
{
    size_t shown = e->restart_count < MAX_ROWS ? e->restart_count : MAX_ROWS;

    buf_printf(out, "  %7s%9s%10s%14s%9s  %-13s%9s%8s%12s\n", "restart", "pid", "load ms",
               "first run ms", "warm-up", "", "peak", "visits", "median ms");
    for (size_t i = 0; i < shown; i++) {
        const struct explain_restart *r = &e->restarts[i];
        double load = r->row.load_ns < 0 ? NAN : (double)r->row.load_ns;
        double first = r->row.first_run_ns < 0 ? NAN : (double)r->row.first_run_ns;
        double peak = r->row.peak_rss_bytes < 0 ? NAN : (double)r->row.peak_rss_bytes;

        buf_printf(out, "  %7lld%9lld", (long long)r->row.ordinal, (long long)r->row.pid);
        write_padded(out, write_ms(load, false).text, -10);
        write_padded(out, write_ms(first, false).text, -14);
        buf_printf(out, "%9lld  %-13s", (long long)r->row.warmup_runs,
                   r->row.warmup_steady ? "runs, steady" : "never steady");
        write_padded(out, isnan(peak) ? "–" : write_bytes(peak).text, -9);
        buf_printf(out, "%8zu", r->visits);
        write_padded(out, write_ms(r->median_ns, false).text, -12);
        buf_append_char(out, '\n');
    }
    if (shown < e->restart_count)
        buf_printf(out, "  and %zu more\n", e->restart_count - shown);
}

static void put_amount(struct buf *out, const struct explain *e)
{
    const struct ledger_cell *cell = &e->ledger->cells[e->cell];
    const struct ledger_times *times = &cell->times[cell->mode];

    put_title(out, "How much was measured");
    put_row(out, "visits", "%zu valid; sweeps: %zu; restarts: %zu; samples: %zu; %s", times->visits,
            times->sweeps, e->restart_count, times->samples, write_mode(cell->mode));
    if (times->invalid_visits == 0)
        put_row(out, "invalid", "none");
    for (size_t i = 0; i < e->visit_count; i++)
        if (!e->visits[i].row.valid)
            put_row(out, "invalid", "sweep %lld: %s", (long long)e->visits[i].row.sweep,
                    or_none(e->visits[i].row.why_invalid, "no reason was recorded"));
    if (e->restart_count)
        put_restarts(out, e);
}

/* --- what the samples say --- */

static void put_tail(struct buf *out, const char *name, const struct ledger_tail *tail)
{
    size_t two = quantile_need_two_sided(tail->asked, LEDGER_CONFIDENCE);
    size_t one = quantile_need_one_sided(tail->asked, LEDGER_CONFIDENCE);
    const char *rule = tail->kind == LEDGER_TAIL_INTERVAL ? "so it has one"
                       : tail->kind == LEDGER_TAIL_NONE   ? "too few for anything"
                       : tail->shown < tail->asked
                           ? "so the highest quantile that they bear is bounded"
                           : "so it has a bound";

    put_row(
        out, name,
        "%s ms; worth %.1f independent samples at this quantile; an interval needs %zu, a bound "
        "%zu: %s",
        write_tail(tail).text, tail->effective, two, one, rule);
}

static void put_samples(struct buf *out, const struct explain *e)
{
    const struct ledger_cell *cell = &e->ledger->cells[e->cell];
    const struct ledger_times *t = ledger_times(cell);

    put_title(out, "What the samples say");
    if (!t) {
        put_row(out, "nothing", "no valid visit");
        return;
    }
    put_row(out, "p50", "%s ms [%s, %s]; worth %.1f independent samples",
            write_ms(t->p50_ns, false).text, write_ms(t->p50_interval_ns.low, false).text,
            write_ms(t->p50_interval_ns.high, false).text, e->effective_p50);
    put_tail(out, "p95", &t->p95);
    put_tail(out, "p99", &t->p99);
    if (!isnan(t->after_switch_ns))
        put_row(out, "after a switch",
                "median %s ms, %s %% against the steady runs; kept apart from all other figures",
                write_ms(t->after_switch_ns, false).text,
                write_percent(t->after_switch_ns / t->p50_ns).text);
    put_row(
        out, "dependence",
        "lag-1 autocorrelation %.3f within a visit (mean over visits), %.3f from visit to visit",
        e->lag1_within, e->lag1_between);
    put_row(out, "CPU", "%.2f cores busy on average while it was visited", t->cpu_share);
    if (isnan(e->clock_low_hz))
        put_row(out, "clock", "not readable");
    else
        put_row(out, "clock", "%.2f GHz mean, %.2f to %.2f over visits", t->mean_clock_hz / 1e9,
                e->clock_low_hz / 1e9, e->clock_high_hz / 1e9);
    if (e->steal_ns < 0)
        put_row(out, "steal", "not readable");
    else
        put_row(out, "steal", "%.3f %% of the visits' time, over all cores",
                e->wall_ns ? 100 * (double)e->steal_ns / (double)e->wall_ns : 0);
    put_row(out, "major faults", "%lld in valid visits", (long long)e->major_faults);
}

static void put_predecessors(struct buf *out, const struct explain *e)
{
    put_title(out, "Who came before: its visits against its own p50 (how many)");
    if (e->predecessor_count == 0)
        put_row(out, "nobody", "no visit followed another cell's");
    for (size_t i = 0; i < e->predecessor_count; i++) {
        const struct explain_predecessor *p = &e->predecessors[i];
        double half = paired_half_width(&p->estimate, LEDGER_CONFIDENCE);

        buf_append_text(out, "  after ");
        write_padded(out, e->ledger->cells[p->cell].label, 34);
        buf_printf(out, " %s %%", write_percent(exp(p->estimate.center)).text);
        if (!isnan(half))
            buf_printf(out, " [%s, %s]", write_percent(exp(p->estimate.center - half)).text,
                       write_percent(exp(p->estimate.center + half)).text);
        buf_printf(out, " (%zu)\n", p->estimate.count);
    }
}

/* --- scatter --- */

/* What would narrow an interval: the larger part of the variance of its mean. */
static void put_components(struct buf *out, const struct components *c, const char *groups)
{
    double whole = c->mean_between + c->mean_within;

    if (isnan(whole)) {
        put_row(out, "scatter", "not to be told apart: it needs two %s with two values each",
                groups);
        return;
    }
    put_row(
        out, "scatter",
        "standard deviation %.3f %% between %s, %.3f %% within one, %zu values from %zu of them",
        100 * sqrt(c->between), groups, 100 * sqrt(c->within), c->count, c->groups);
    put_row(out, "narrower by",
            "%s: %.0f %% of the variance of the mean lies between %s, %.0f %% "
            "between sweeps",
            c->mean_between > c->mean_within ? "more restarts" : "more sweeps",
            whole > 0 ? 100 * c->mean_between / whole : 0, groups,
            whole > 0 ? 100 * c->mean_within / whole : 0);
}

/* --- lines --- */

static void put_pairs(struct buf *out, const struct explain_line *line)
{
    size_t shown = line->pair_count < MAX_ROWS ? line->pair_count : MAX_ROWS;

    buf_printf(out, "  %7s%18s%18s%14s\n", "sweep", "cell ns", "baseline ns", "log ratio");
    for (size_t i = 0; i < shown; i++)
        buf_printf(out, "  %7lld%18.1f%18.1f%14.6f\n", (long long)line->pairs[i].sweep,
                   line->pairs[i].cell_ns, line->pairs[i].baseline_ns, line->pairs[i].log_ratio);
    if (shown < line->pair_count)
        buf_printf(out, "  and %zu more: --json has them all\n", line->pair_count - shown);
}

static void put_line(struct buf *out, const struct explain *e, const struct explain_line *line)
{
    const struct ledger_line *from = &e->ledger->lines[line->line];
    const struct paired_estimate *m = &line->estimate;
    double low = m->center - line->critical * m->error,
           high = m->center + line->critical * m->error;
    struct buf title = BUF_INIT;

    buf_printf(&title, "Line \"%s\": %s against %s", from->row.name,
               e->ledger->cells[from->cell].label, e->ledger->cells[from->baseline].label);
    buf_append_char(out, '\n');
    write_wrapped(out, buf_text(&title), 0, 2);
    buf_release(&title);
    if (line->pair_count)
        put_pairs(out, line);
    if (m->count == 0 || isnan(m->error)) {
        put_row(out, "verdict", "not measured: %s", from->why);
        return;
    }
    put_row(out, "centre", "%.6f over %zu sweeps, so a ratio of exp(%.6f) = %.5f", m->center,
            m->count, m->center, exp(m->center));
    put_row(out, "standard error",
            "%.6f with %g degrees of freedom: %s (sweeps as independent: %.6f with %g)", m->error,
            m->df,
            m->df < line->sweeps.df ? "restarts as clusters, which is the larger"
                                    : "sweeps as independent, which is the larger",
            line->sweeps.error, line->sweeps.df);
    put_row(out, "critical value",
            "%.4f, so that all %zu lines hold together at 95 %%; Student's t alone is %.4f",
            line->critical, e->ledger->line_count, line->alone);
    put_row(out, "interval", "%.6f ± %.4f × %.6f = [%.6f, %.6f], as ratios [%.5f, %.5f]: %s",
            m->center, line->critical, m->error, low, high, exp(low), exp(high),
            ledger_verdict_name(from->verdict));
    put_components(out, &line->components, "pairs of workers");
}

enum tare_status report_explain(const struct explain *e, struct buf *out, struct tare_err *err)
{
    struct buf head = BUF_INIT;

    buf_printf(&head, "%s: what stands behind it in run %lld of %s",
               e->ledger->cells[e->cell].label, (long long)e->ledger->run.id, e->ledger->path);
    write_wrapped(out, buf_text(&head), 0, 0);
    buf_release(&head);
    put_executed(out, e);
    put_amount(out, e);
    put_samples(out, e);
    if (ledger_times(&e->ledger->cells[e->cell])) {
        put_components(out, &e->components, "restarts");
        put_predecessors(out, e);
    }
    for (size_t i = 0; i < e->line_count; i++)
        put_line(out, e, &e->lines[i]);
    if (e->line_count == 0)
        buf_append_text(out, "\nNo line of the ledger names this cell.\n");
    return buf_status(out, "explanation", err);
}
