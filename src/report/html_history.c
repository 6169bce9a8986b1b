/*
 * html_history.c - the page's sections about what lies behind the medians: the trade against
 * accuracy and agreement, the machine's limits, every visit, how even they were, and sustained
 * speed.
 */
#include <math.h>
#include <string.h>

#include "report/chart.h"
#include "report/html.h"
#include "report/report_agreement.h"
#include "report/report_peaks.h"
#include "report/write.h"

#define MAX_SOAK_ROWS 200

static void open_section(struct buf *out, const char *what, size_t id, const char *title)
{
    buf_printf(out, "<section id=\"%s%zu\"><h2>%s</h2>\n", what, id, title);
}

static void put_row_name(struct buf *out, const char *name)
{
    buf_append_text(out, "<tr><th scope=\"row\">");
    write_html(out, name);
    buf_append_text(out, "</th>");
}

static void put_heads(struct buf *out, const char *const *heads, size_t count)
{
    buf_append_text(out, count > 9 ? "<table class=\"tight\"><thead><tr>" : "<table><thead><tr>");
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "<th scope=\"col\"%s>%s</th>", heads[i][0] == '|' ? " class=\"l\"" : "",
                   heads[i][0] == '|' ? heads[i] + 1 : heads[i]);
    buf_append_text(out, "</tr></thead><tbody>\n");
}

/* A share as per cent: "1.2", "–". */
static void put_share(struct buf *out, double share)
{
    if (isnan(share))
        buf_append_text(out, "<td>–</td>");
    else
        buf_printf(out, "<td>%.*f</td>", fabs(share) < 0.0995 ? 1 : 0, 100 * share);
}

static void put_change(struct buf *out, double share, const struct ledger_interval *interval)
{
    buf_append_text(out, "<td>");
    html_number(out, write_percent(1 + share).text);
    if (interval && !isnan(interval->low))
        html_interval(out, write_percent(1 + interval->low).text,
                      write_percent(1 + interval->high).text, true);
    buf_append_text(out, "</td>");
}

/* --- latency against AP --- */

static bool has_precision(const struct ledger *ledger, enum chart_trade what, const char *precision)
{
    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct store_cell *row = &ledger->cells[i].row;

        const struct ledger_cell *cell = &ledger->cells[i];
        bool shown = what == CHART_AP ? cell->accuracy.known : cell->agreement.known;

        if (ledger_times(cell) && shown &&
            strcmp(row->executed_precision[0] ? row->executed_precision : row->precision,
                   precision) == 0)
            return true;
    }
    return false;
}

static void put_trade(struct buf *out, const struct ledger *ledger, size_t id,
                      enum chart_trade what, const char *title)
{
    static const char *const shapes[][2] = {
        {"fp32", "●"}, {"fp16", "▲"}, {"bf16", "◆"}, {"int8", "■"}};

    buf_append_text(out, "<ul class=\"legend\">");
    for (size_t i = 0; i < 4; i++)
        if (has_precision(ledger, what, shapes[i][0]))
            buf_printf(out, "<li>%s %s</li>", shapes[i][1], shapes[i][0]);
    buf_append_text(out, "</ul>\n<figure>");
    html_open_scroll(out, title);
    chart_trade(ledger, id, what, out);
    buf_append_text(out, "</div></figure>\n");
}

void html_trade(struct buf *out, const struct ledger *ledger, size_t id)
{
    if (!chart_has_trade(ledger, CHART_AP))
        return;
    open_section(out, "trade", id, "Latency against accuracy");
    buf_append_text(out, "<p>Filled marks lie on the front: no other cell is both faster and more "
                         "accurate. Whiskers: the 95 % interval of the median, and that of the AP "
                         "difference to the reference (a paired bootstrap over pictures); a cell "
                         "with the reference's own detections has none.</p>\n");
    put_trade(out, ledger, id, CHART_AP, "Latency against accuracy");
    buf_append_text(out, "</section>\n");
}

void html_agreement(struct buf *out, const struct ledger *ledger, size_t id)
{
    struct buf about = BUF_INIT;

    if (!chart_has_trade(ledger, CHART_FOUND))
        return;
    agreement_about(&about, ledger);
    open_section(out, "agreement", id, "Agreement");
    buf_append_text(out, "<p>How far a cell finds what its reference finds: ");
    write_html(out, buf_text(&about));
    buf_append_text(out, ". It needs no annotations, and resolves what AP on few pictures cannot. "
                         "Whiskers: 95 % intervals, of the share by a bootstrap over pictures. "
                         "Filled marks lie on the front: no other cell is both faster and agrees "
                         "more.</p>\n");
    put_trade(out, ledger, id, CHART_FOUND, "Latency against agreement");
    agreement_put_table(out, ledger);
    buf_append_text(out, "</section>\n");
    buf_release(&about);
}

/* --- limits --- */

static void put_limit_row(struct buf *out, const struct ledger_cell *cell)
{
    const struct roofline_row *row = &cell->limit;

    put_row_name(out, cell->label);
    buf_printf(out, "<td>%.2f</td><td>%.1f</td><td>%.0f</td>", row->operations / 1e9,
               row->bytes / 1e6, row->attained / 1e9);
    buf_printf(out, "<td>%s</td><td>%s</td><td class=\"l\">%s%s%s</td></tr>\n",
               write_ms(row->limit_ns, false).text, write_share(row->share).text,
               roofline_bound_name(row->bound), row->stands_in ? " (at FP32's rate)" : "",
               row->fits_cache && row->bound == ROOFLINE_MEMORY ? " (all fits L2)" : "");
}

bool html_has_roofline(const struct ledger *ledger)
{
    bool any = false;

    for (size_t place = 0; place < chart_roofline_places(ledger); place++)
        any = any || chart_has_roofline(ledger, place);
    return any;
}

/* What was measured of the devices that cells run on, or why it was not. */
static void put_devices(struct buf *out, const struct ledger *ledger)
{
    for (int i = 0; i < ledger->peaks.device_count; i++) {
        struct buf text = BUF_INIT;

        write_device_peaks(&text, &ledger->peaks.devices[i]);
        buf_append_text(out, "<p class=\"about\">");
        write_html(out, buf_text(&text));
        buf_append_text(out, "</p>\n");
        buf_release(&text);
    }
}

/* Whose picture it is, where a page has one of the processor and others of devices. */
static void put_machine(struct buf *out, const struct ledger *ledger, size_t place)
{
    if (chart_roofline_places(ledger) < 2)
        return;
    buf_append_text(out, "<figcaption>");
    if (place == 0)
        buf_append_text(out, "The processor.");
    else {
        const struct peak_cuda *device = &ledger->peaks.devices[place - 1];

        buf_printf(out, "cuda:%d, ", device->index);
        write_html(out, device->name);
        buf_append_char(out, '.');
    }
    buf_append_text(out, "</figcaption>");
}

void html_roofline(struct buf *out, const struct ledger *ledger, size_t id)
{
    static const char *const heads[] = {"cell",      "10⁹ operations", "MB",      "10⁹ a second",
                                        "limit, ms", "of the limit",   "|held by"};
    size_t rows = 0;

    if (!html_has_roofline(ledger))
        return;
    open_section(out, "roofline", id, "Limits of the machine");
    buf_printf(out,
               "<p>How near each cell is to what this machine allows: the highest rates that tare "
               "measured here on %d processors, before the first visit, against the operations "
               "and bytes that the graph needs. Under the slope a cell waits for memory, under a "
               "flat line it computes; a cell at 70 %% or more has little left to "
               "optimise.</p>\n",
               ledger->peaks.processors);
    put_devices(out, ledger);
    for (size_t place = 0; place < chart_roofline_places(ledger); place++) {
        if (!chart_has_roofline(ledger, place))
            continue;
        buf_append_text(out, "<figure>");
        html_open_scroll(out, "Roofline");
        chart_roofline(ledger, place, id, out);
        buf_append_text(out, "</div>");
        put_machine(out, ledger, place);
        buf_append_text(out, "</figure>\n");
    }
    html_open_scroll(out, "Limits as numbers");
    put_heads(out, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < ledger->cell_count && rows < CHART_MAX_ROWS; i++)
        if (ledger->cells[i].limit.known) {
            put_limit_row(out, &ledger->cells[i]);
            rows++;
        }
    buf_append_text(out, "</tbody></table></div></section>\n");
}

/* --- time series --- */

void html_series(struct buf *out, const struct ledger *ledger, size_t id,
                 const struct html_detail *detail)
{
    if (!ledger->decision.known)
        return;
    open_section(out, "series", id, "Over the sweeps");
    if (!detail->distributions) {
        buf_append_text(out, "<p>Too many cells for this page.</p></section>\n");
        return;
    }
    buf_append_text(
        out, "<p>A row a cell, all on one scale. Left: each visit's median, in per cent from the "
             "cell's own, with a band from the visit's p5 to its p95; a dotted line is a new "
             "worker process, a cross an invalid visit, left out of all figures. Right: the "
             "difference to the baseline in the same sweep; the line is the ledger's figure, its "
             "band the 95 % interval. What happens to all cells at once shows at the left and "
             "cancels at the right. A triangle at the edge lies beyond it.</p>\n<figure>");
    html_open_scroll(out, "Over the sweeps");
    chart_series(ledger, id, out);
    buf_append_text(out, "</div></figure></section>\n");
}

/* --- stability --- */

static void put_stability_row(struct buf *out, const struct ledger_cell *cell)
{
    const struct ledger_stability *s = &cell->stability;
    const struct ledger_times *t = ledger_times(cell);
    bool good = s->verdict == LEDGER_STEADY;

    put_row_name(out, cell->label);
    buf_printf(out, "<td class=\"l v %s\">%s</td>", good ? "v-good" : "v-bad",
               ledger_steadiness_name(s->verdict));
    put_share(out, s->scatter);
    put_share(out, s->own_scatter);
    put_change(out, s->drift, &s->drift_interval);
    put_share(out, s->restart_spread);
    put_change(out, s->after_switch, NULL);
    if (isnan(s->lag1)) {
        buf_append_text(out, "<td>–</td>");
    } else {
        char text[32];

        (void)snprintf(text, sizeof(text), "%.2f", s->lag1);
        buf_append_text(out, "<td>");
        html_number(out, text);
        buf_append_text(out, "</td>");
    }
    buf_printf(out, "<td>%.0f of %zu</td>", t->p50_effective, t->samples);
    if (isnan(s->clock_hz.low))
        buf_append_text(out, "<td>–</td>");
    else
        buf_printf(out, "<td>%.2f–%.2f</td>", s->clock_hz.low / 1e9, s->clock_hz.high / 1e9);
    put_share(out, s->steal_share);
    buf_printf(out, "<td>%zu of %zu</td></tr>\n", t->invalid_visits, cell->point_count);
}

static void put_glossary(struct buf *out)
{
    buf_append_text(
        out,
        "<details><summary>What the columns say</summary><dl class=\"notes\">"
        "<div><dt>scatter, own</dt><dd>How much visits' medians differ from one another (standard "
        "deviation), and how much of that is left once what the sweep did to all cells is taken "
        "away. Over 3 % of its own: restless.</dd></div>"
        "<div><dt>drift</dt><dd>From the first visit to the last along a straight line, with its "
        "95 % interval over all cells together. Heat, a neighbour, a leak.</dd></div>"
        "<div><dt>restarts</dt><dd>The slowest worker process against the fastest: where memory "
        "happened to lie. Named if an F test sees it (5 % over all cells) and it is over 1 %."
        "</dd></div>"
        "<div><dt>after a switch</dt><dd>A visit's first runs against its median: what a cold "
        "cache costs a robot that runs several models in turn.</dd></div>"
        "<div><dt>neighbours</dt><dd>Correlation of one visit with the next: 0 is none; over 0.2, "
        "intervals are made of runs of visits.</dd></div>"
        "<div><dt>worth</dt><dd>Independent samples that all samples are worth for the median."
        "</dd></div>"
        "<div><dt>stolen</dt><dd>Time that other guests of the same host took.</dd></div>"
        "</dl></details>\n");
}

static void put_effect(struct buf *out, const struct ledger_effect *e)
{
    put_change(out, e->visits ? e->change : (double)NAN, NULL);
    buf_printf(out, e->visits ? "<td>%.3f</td>" : "<td>–</td>", e->p);
}

static void put_predecessors(struct buf *out, const struct ledger *ledger)
{
    static const char *const heads[] = {"after", "visits", "median, %", "p", "first runs, %", "p"};
    const struct ledger_predecessors *p = &ledger->predecessors;

    buf_append_text(out, "<h3>Does it matter which cell came before?</h3>\n<p class=\"about\">");
    if (p->known)
        buf_append_text(out, p->p <= 0.05 ? "An effect is seen: " : "No effect: ");
    write_html(out, p->sentence);
    buf_append_text(out, ".</p>\n");
    if (!p->known)
        return;
    html_open_scroll(out, "Predecessor effect");
    put_heads(out, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < p->count && i < CHART_MAX_ROWS; i++) {
        const struct ledger_before *b = &p->items[i];

        put_row_name(out, ledger->cells[b->cell].label);
        buf_printf(out, "<td>%zu</td>", b->median.visits);
        put_effect(out, &b->median);
        put_effect(out, &b->after_switch);
        buf_append_text(out, "</tr>\n");
    }
    buf_printf(out,
               "</tbody></table></div>\n<p class=\"about\">Against what is usual in the same cell "
               "and sweep. p: by %zu fresh random orders of the sweeps, so small that chance would "
               "show it anywhere in this table in that share of runs.</p>\n",
               p->permutations);
}

void html_stability(struct buf *out, const struct ledger *ledger, size_t id,
                    const struct html_detail *detail)
{
    static const char *const heads[] = {
        "cell",     "|verdict",       "scatter, %",         "its<br>own, %",
        "drift, %", "restarts,<br>%", "after<br>switch, %", "neigh-<br>bours",
        "worth",    "clock, GHz",     "stolen, %",          "invalid"};
    size_t rows = 0;

    if (!ledger->decision.known)
        return;
    open_section(out, "stability", id, "Stability");
    buf_append_text(out, "<p>Whether each cell kept one level over the run.");
    if (!isnan(ledger->common_share))
        buf_printf(out,
                   " <b>%.0f %%</b> of what visits' medians vary is common to all cells of a "
                   "sweep: the machine, which pairing takes out of the ledger's lines.",
                   100 * ledger->common_share);
    buf_append_text(out, "</p>\n");
    html_open_scroll(out, "Stability");
    put_heads(out, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < ledger->cell_count && rows < detail->cells; i++)
        if (ledger_times(&ledger->cells[i])) {
            put_stability_row(out, &ledger->cells[i]);
            rows++;
        }
    buf_append_text(out, "</tbody></table></div>\n");
    put_glossary(out);
    put_predecessors(out, ledger);
    buf_append_text(out, "</section>\n");
}

/* --- sustained speed --- */

static void put_soak_visit(struct buf *out, const struct ledger *ledger,
                           const struct ledger_soak_visit *v)
{
    put_row_name(out, ledger->cells[v->cell].label);
    buf_printf(out, "<td>%lld</td><td>%.0f</td><td>%s</td><td class=\"l\">%s</td>",
               (long long)v->block + 1, (double)v->wall_ns / 1e9, write_rate(v->hz).text,
               v->steady ? "steady" : "still changing");
    put_change(out, v->slope_per_min, NULL);
    if (isnan(v->temperature_last))
        buf_append_text(out, "<td>–</td>");
    else
        buf_printf(out, "<td>%.0f</td>", v->temperature_last);
    if (isnan(v->clock_hz))
        buf_append_text(out, "<td>–</td>");
    else
        buf_printf(out, "<td>%.2f</td>", v->clock_hz / 1e9);
    put_share(out, v->steal_share);
    buf_append_text(out, "</tr>\n");
}

void html_soak(struct buf *out, const struct ledger *ledger, size_t id)
{
    static const char *const pair_heads[] = {"line", "cell, /s", "baseline, /s", "speed, %",
                                             "blocks"};
    static const char *const heads[] = {"visit of",   "block", "s",          "/s",       "|state",
                                        "% a minute", "°C",    "clock, GHz", "stolen, %"};

    if (ledger->soak_visit_count == 0)
        return;
    open_section(out, "soak", id, "Sustained speed");
    buf_append_text(out, "<p>Long visits one after the other in the order A B B A, their steady "
                         "parts: what heat and time leave of the speed. A drift that is a straight "
                         "line cancels; the intervals hold one by one.</p>\n");
    html_open_scroll(out, "Sustained speed by line");
    put_heads(out, pair_heads, sizeof(pair_heads) / sizeof(pair_heads[0]));
    for (size_t i = 0; i < ledger->soak_pair_count; i++) {
        const struct ledger_soak_pair *p = &ledger->soak_pairs[i];

        put_row_name(out, ledger->lines[p->line].row.name);
        buf_printf(out, "<td>%s</td><td>%s</td>", write_rate(p->blocks ? p->cell_hz : NAN).text,
                   write_rate(p->blocks ? p->baseline_hz : NAN).text);
        put_change(
            out, p->blocks ? p->speed_ratio - 1 : NAN,
            &(struct ledger_interval){p->speed_interval.low - 1, p->speed_interval.high - 1});
        buf_printf(out, "<td>%zu</td></tr>\n", p->blocks);
    }
    buf_append_text(out, "</tbody></table></div>\n");
    html_open_scroll(out, "Long visits");
    put_heads(out, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < ledger->soak_visit_count && i < MAX_SOAK_ROWS; i++)
        put_soak_visit(out, ledger, &ledger->soak_visits[i]);
    buf_append_text(out, "</tbody></table></div></section>\n");
}
