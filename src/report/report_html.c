/*
 * report_html.c - the page: the decision, what is missing, the ledger and its waterfall. The
 * sections that follow are in html_sections.c.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/chart.h"
#include "report/css.h"
#include "report/html.h"
#include "report/report.h"
#include "report/write.h"

/* What may be left out, step by step, until the page fits. */
static const struct html_detail details[] = {
    {.cells = 256, .classes = true, .distributions = true},
    {.cells = 128, .classes = false, .distributions = true},
    {.cells = 60, .classes = false, .distributions = false},
    {.cells = 12, .classes = false, .distributions = false},
};

void html_number(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (*text == '-')
            buf_append_text(out, "−");
        else
            buf_append_char(out, *text);
}

void html_interval(struct buf *out, const char *low, const char *high, bool known)
{
    if (!known)
        return;
    buf_append_text(out, " <span class=\"ci\">[");
    html_number(out, low);
    buf_append_text(out, ", ");
    html_number(out, high);
    buf_append_text(out, "]</span>");
}

void html_open_scroll(struct buf *out, const char *label)
{
    buf_append_text(out, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    write_html(out, label);
    buf_append_text(out, "\">\n");
}

void html_notes(struct buf *out, const struct ledger_notes *notes)
{
    struct buf text = BUF_INIT;

    buf_append_text(out, "<dl class=\"notes\">\n");
    for (size_t i = 0; i < notes->count; i++) {
        if (!write_note(notes, i, &text))
            continue;
        buf_append_text(out, "<div><dt>");
        write_html(out, notes->items[i].subject);
        buf_append_text(out, "</dt><dd>");
        write_html(out, buf_text(&text));
        buf_append_text(out, "</dd></div>\n");
    }
    buf_append_text(out, "</dl>\n");
    buf_release(&text);
}

static void put_tile(struct buf *out, const char *what, const char *value, const char *unit,
                     const char *below)
{
    buf_printf(out, "<div><dt>%s</dt><dd>", what);
    html_number(out, value);
    buf_printf(out, "%s<small>", unit);
    html_number(out, below);
    buf_append_text(out, "</small></dd></div>\n");
}

static void put_ap_tile(struct buf *out, const struct ledger *ledger,
                        const struct ledger_cell *winner)
{
    const struct ledger_ap *ap = &winner->ap_to_reference;
    struct buf below = BUF_INIT;

    if (ap->identical)
        buf_append_text(&below, "the same detections as the reference");
    else if (ap->known && !isnan(ap->interval.low))
        buf_printf(
            &below, "%s [%s, %s] to the reference%s", write_points(ap->difference, true).text,
            write_points(ap->interval.low, true).text, write_points(ap->interval.high, true).text,
            ap->resolved ? "" : ", not resolved");
    else
        buf_printf(&below, "%lld pictures", (long long)winner->accuracy.pictures);
    if (ledger->decision.accuracy_known)
        put_tile(out, "COCO box AP", write_points(winner->accuracy.coco[0], false).text, "",
                 buf_text(&below));
    buf_release(&below);
}

static void put_tail_tile(struct buf *out, const struct ledger_tail *tail)
{
    struct buf value = BUF_INIT, below = BUF_INIT;

    if (tail->kind == LEDGER_TAIL_NONE)
        buf_append_text(&below, "too few samples for any");
    else if (tail->kind == LEDGER_TAIL_INTERVAL)
        buf_printf(&below, "p99, 95 %%: %s to %s", write_ms(tail->interval_ns.low, false).text,
                   write_ms(tail->interval_ns.high, false).text);
    else
        buf_printf(&below, "p%.0f, a 95 %% bound", 100 * tail->shown);
    buf_printf(&value, "%s%s", tail->kind == LEDGER_TAIL_BOUND ? "≤ " : "",
               tail->kind == LEDGER_TAIL_NONE ? "–" : write_ms(tail->value_ns, false).text);
    put_tile(out, "tail", buf_text(&value), tail->kind == LEDGER_TAIL_NONE ? "" : " ms",
             buf_text(&below));
    buf_release(&value);
    buf_release(&below);
}

static void put_tiles(struct buf *out, const struct ledger *ledger)
{
    const struct ledger_decision *d = &ledger->decision;
    const struct ledger_cell *winner;
    const struct ledger_times *t;
    struct buf below = BUF_INIT;

    if (!d->known)
        return;
    winner = &ledger->cells[d->winner];
    t = ledger_times(winner);
    buf_append_text(out, "<dl class=\"tiles\">\n");
    if (!isnan(t->p50_interval_ns.low))
        buf_printf(&below, "95 %%: %s to %s", write_ms(t->p50_interval_ns.low, false).text,
                   write_ms(t->p50_interval_ns.high, false).text);
    put_tile(out, "median", write_ms(t->p50_ns, false).text, " ms", buf_text(&below));
    put_tail_tile(out, &t->p99);
    put_tile(out, "throughput", write_rate(t->throughput_hz).text, " /s", write_mode(winner->mode));
    put_ap_tile(out, ledger, winner);
    buf_append_text(out, "</dl>\n");
    buf_release(&below);
}

static void put_lede(struct buf *out, const struct ledger *ledger)
{
    const char *study = ledger_fact(ledger, "study.name");

    buf_append_text(out, "<p class=\"lede\"><b>");
    write_html(out, write_model(ledger));
    buf_append_text(out, "</b>");
    if (study[0]) {
        buf_append_text(out, ", study <b>");
        write_html(out, study);
        buf_append_text(out, "</b>");
    }
    buf_append_text(out, ", measured on <b>");
    write_html(out, ledger->host);
    buf_printf(out, "</b>, %s, with tare ", write_date(ledger->run.started_wall_ns).text);
    write_html(out, ledger->run.version);
    buf_printf(out, ". A time is that of %s.</p>\n", write_unit(ledger));
}

/* --- the ledger --- */

static void put_verdict(struct buf *out, enum ledger_verdict verdict)
{
    const char *class = verdict == LEDGER_FASTER   ? "v-good"
                        : verdict == LEDGER_SLOWER ? "v-bad"
                                                   : "v-even";

    buf_printf(out, "<td class=\"l v %s\">%s</td>", class, ledger_verdict_name(verdict));
}

void html_ap(struct buf *out, const struct ledger_ap *ap)
{
    if (!ap->known) {
        buf_append_text(out, "–");
        return;
    }
    if (ap->identical) {
        buf_append_text(out, "same <span class=\"ci\">detections</span>");
        return;
    }
    html_number(out, write_points(ap->difference, true).text);
    html_interval(out, write_points(ap->interval.low, true).text,
                  write_points(ap->interval.high, true).text, !isnan(ap->interval.low));
    if (!isnan(ap->interval.low) && !ap->resolved)
        buf_append_text(out, " <span class=\"ci\">not resolved</span>");
}

static void put_line(struct buf *out, const struct ledger_line *line)
{
    bool measured = line->verdict != LEDGER_NOT_MEASURED;

    buf_printf(out, "<tr%s><th scope=\"row\"><span class=\"tag\">%s</span>",
               measured ? "" : " class=\"off\"", store_line_kind_name(line->row.kind));
    write_html(out, line->row.name);
    buf_append_text(out, "</th>");
    if (!measured) {
        buf_append_text(out, "<td colspan=\"4\">");
        write_html(out, line->why);
        buf_append_text(out, "</td>");
    } else {
        buf_printf(out, "<td>%s</td><td>", write_ms(line->cell_ns, false).text);
        html_number(out, write_ms(line->difference_ns, true).text);
        html_interval(out, write_ms(line->difference_interval_ns.low, true).text,
                      write_ms(line->difference_interval_ns.high, true).text, true);
        buf_append_text(out, "</td><td>");
        html_number(out, write_percent(line->ratio).text);
        html_interval(out, write_percent(line->ratio_interval.low).text,
                      write_percent(line->ratio_interval.high).text, true);
        buf_append_text(out, "</td><td>");
        html_ap(out, &line->ap);
        buf_append_text(out, "</td>");
    }
    put_verdict(out, line->verdict);
    buf_append_text(out, "</tr>\n");
}

static void put_group(struct buf *out, const struct ledger *ledger, size_t baseline)
{
    const struct ledger_times *times = ledger_times(&ledger->cells[baseline]);

    buf_append_text(out, "<tr class=\"group\"><th colspan=\"6\" scope=\"rowgroup\">against <b>");
    write_html(out, ledger->cells[baseline].label);
    buf_append_text(out, "</b>");
    if (times)
        buf_printf(out, ", %s ms", write_ms(times->p50_ns, false).text);
    buf_append_text(out, "</th></tr>\n");
}

static void put_ledger(struct buf *out, const struct ledger *ledger, size_t id)
{
    buf_printf(
        out,
        "<section id=\"ledger%zu\"><h2>Ledger</h2>\n<p>What each layer costs (tax) and each"
        " change buys (gain): the centre over sweeps (Hodges-Lehmann) of the ratio of two"
        " medians taken in the same sweep. The 95 %% intervals of all lines hold together.</p>\n",
        id);
    if (ledger->line_count == 0) {
        buf_append_text(out, "<p>This run fixed no lines beforehand.</p></section>\n");
        return;
    }
    html_open_scroll(out, "Ledger");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">line</th><th scope=\"col\">p50, ms"
                         "</th><th scope=\"col\">difference, ms</th><th scope=\"col\">difference, %"
                         "</th><th scope=\"col\">AP difference</th><th scope=\"col\" class=\"l\">"
                         "verdict</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < ledger->line_count; i++) {
        if (i == 0 || ledger->lines[i].baseline != ledger->lines[i - 1].baseline)
            put_group(out, ledger, ledger->lines[i].baseline);
        put_line(out, &ledger->lines[i]);
    }
    buf_append_text(out, "</tbody></table></div>\n<figure>");
    html_open_scroll(out, "Waterfall");
    chart_waterfall(ledger, id, NULL, out);
    buf_append_text(out, "</div>");
    if (ledger->line_count > CHART_MAX_ROWS)
        buf_printf(out, "<figcaption>The first %d lines.</figcaption>", CHART_MAX_ROWS);
    buf_append_text(out, "</figure></section>\n");
}

static void put_missing(struct buf *out, const struct ledger *ledger, size_t id)
{
    buf_printf(out, "<section id=\"missing%zu\"><h2>Not measured, and why</h2>\n", id);
    if (ledger->missing.count)
        html_notes(out, &ledger->missing);
    else
        buf_append_text(out, "<p>Nothing that this study asks for is missing.</p>\n");
    buf_append_text(out, "</section>\n");
}

/* Links to the sections of the first file that there are. */
static void put_nav(struct buf *out, const struct ledger *ledger)
{
    const struct {
        const char *id, *name;
        bool present;
    } places[] = {
        {"missing", "Not measured", true},
        {"ledger", "Ledger", true},
        {"trade", "Latency against AP", chart_has_trade(ledger, CHART_AP)},
        {"agreement", "Agreement", chart_has_trade(ledger, CHART_FOUND)},
        {"cells", "Cells", true},
        {"device", "On the device", ledger_has_device_times(ledger)},
        {"roofline", "Limits", html_has_roofline(ledger)},
        {"stages", "Stages", chart_has_stages(ledger)},
        {"spread", "Distributions", true},
        {"series", "Over the sweeps", ledger->decision.known},
        {"stability", "Stability", ledger->decision.known},
        {"soak", "Sustained speed", ledger->soak_visit_count > 0},
        {"energy", "Energy", ledger_has_energy(ledger)},
        {"accuracy", "Accuracy", true},
        {"environment", "Environment", true},
        {"again", "Commands", true},
    };

    buf_append_text(out, "<nav aria-label=\"Sections\">");
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (places[i].present)
            buf_printf(out, "<a href=\"#%s0\">%s</a> ", places[i].id, places[i].name);
    buf_append_text(out, "</nav>\n");
}

static void put_file(struct buf *out, const struct ledger *ledger, size_t id,
                     const struct html_detail *detail)
{
    put_missing(out, ledger, id);
    put_ledger(out, ledger, id);
    html_trade(out, ledger, id);
    html_agreement(out, ledger, id);
    html_cells(out, ledger, id, detail);
    html_device(out, ledger, id);
    html_roofline(out, ledger, id);
    html_stages(out, ledger, id);
    html_energy(out, ledger, id, detail);
    html_cold(out, ledger, id, detail);
    html_spread(out, ledger, id, detail);
    html_series(out, ledger, id, detail);
    html_stability(out, ledger, id, detail);
    html_soak(out, ledger, id);
    html_accuracy(out, ledger, id, detail);
    html_environment(out, ledger, id);
    html_commands(out, ledger, id, detail);
}

static void put_header(struct buf *out, const struct report_set *set)
{
    buf_append_text(out, set->count > 1 ? "<header class=\"many\">\n" : "<header>\n");
    for (size_t i = 0; i < set->count; i++) {
        const struct ledger *ledger = set->items[i];

        buf_append_text(out, "<h1>");
        write_html(out, ledger->decision.sentence);
        buf_append_text(out, "</h1>\n");
        put_lede(out, ledger);
    }
    if (set->count == 1)
        put_tiles(out, set->items[0]);
    put_nav(out, set->items[0]);
    buf_append_text(out, "</header>\n");
}

static void put_page(struct buf *out, const struct report_set *set,
                     const struct html_detail *detail)
{
    buf_append_text(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                         "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
                         "'none';style-src 'unsafe-inline'\">\n"
                         "<meta name=\"color-scheme\" content=\"light dark\">\n<title>tare: ");
    write_html(out, write_model(set->items[0]));
    buf_printf(out, "</title>\n<style>\n%s", css_chart);
    for (size_t i = 0; css_page[i]; i++)
        buf_append_text(out, css_page[i]);
    buf_append_text(out, "</style></head>\n<body><main>\n");
    put_header(out, set);
    if (set->count > 1)
        html_side_by_side(out, set);
    for (size_t i = 0; i < set->count; i++) {
        if (set->count > 1) {
            buf_append_text(out, "<div class=\"file\"><h2>");
            write_html(out, set->items[i]->host);
            buf_append_text(out, "</h2>\n<p class=\"where\">");
            write_html(out, set->items[i]->path);
            buf_append_text(out, "</p></div>\n");
        }
        put_file(out, set->items[i], i, detail);
    }
    html_footer(out, set);
    buf_append_text(out, "</main></body></html>\n");
}

enum tare_status report_html(const struct report_set *set, struct buf *out, struct tare_err *err)
{
    size_t mark = out->size;

    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
        out->size = mark;
        put_page(out, set, &details[i]);
        if (buf_status(out, "report", NULL) != TARE_OK || out->size - mark <= REPORT_MAX_HTML)
            return buf_status(out, "report", err);
    }
    return tare_fail(err, TARE_LIMIT, "the page would have %zu bytes, at most %zu are written",
                     out->size - mark, REPORT_MAX_HTML);
}

enum tare_status report_svg(const struct ledger *ledger, struct buf *out, struct tare_err *err)
{
    chart_waterfall(ledger, 0, css_chart, out);
    return buf_status(out, "picture", err);
}
