/*
 * html_energy.c - the page's section on joules.
 */
#include <math.h>
#include <stdio.h>

#include "report/html.h"
#include "report/report_energy.h"
#include "report/write.h"

static void put_number(struct buf *out, double value)
{
    buf_printf(out, "<td>%s</td>", write_ms(value * 1e6, false).text);
}

static void put_cell(struct buf *out, const struct ledger_cell *cell)
{
    const struct ledger_energy *e = &cell->energy;
    char gross[100], rate[100], gpu[80], origin[120];

    report_energy_value(e->joules, &e->joules_interval, gross, sizeof(gross));
    report_energy_value(e->per_joule, &e->per_joule_interval, rate, sizeof(rate));
    report_energy_gpu(&e->gpu, gpu, sizeof(gpu));
    report_energy_origin(e, origin, sizeof(origin));
    buf_append_text(out, "<tr><th scope=\"row\">");
    write_html(out, cell->label);
    buf_printf(out, "</th><td>%s</td><td>%s</td>", gross, rate);
    put_number(out, e->watts);
    for (int k = 0; k < LEDGER_IDLES; k++)
        put_number(out, e->net_joules[k]);
    for (int k = 0; k < LEDGER_IDLES; k++)
        put_number(out, e->idle_w[k]);
    buf_printf(out, "<td class=\"l\">%s</td><td>%zu</td><td class=\"l\">", gpu, e->visits);
    write_html(out, origin);
    buf_append_text(out, "</td></tr>\n");
}

static void put_failed(struct buf *out, const struct ledger_cell *cell)
{
    buf_append_text(out, "<tr><th scope=\"row\">");
    write_html(out, cell->label);
    buf_append_text(out, "</th><td class=\"l\" colspan=\"12\">failed: ");
    write_html(out, cell->energy.why);
    buf_append_text(out, "</td></tr>\n");
}

static void put_lines(struct buf *out, const struct ledger *ledger)
{
    bool any = false;

    for (size_t i = 0; i < ledger->line_count; i++) {
        const struct ledger_line *line = &ledger->lines[i];
        const struct ledger_energy_ratio *r = &line->energy;

        if (r->pairs == 0)
            continue;
        if (!any)
            buf_append_text(out, "<ul>\n");
        any = true;
        buf_append_text(out, "<li>");
        write_html(out, line->row.name);
        buf_append_text(out, ": ");
        html_number(out, write_percent(r->ratio).text);
        buf_append_text(out, " %");
        html_interval(out, write_percent(r->interval.low).text,
                      write_percent(r->interval.high).text, !isnan(r->interval.low));
        buf_append_text(out, " joules against ");
        write_html(out, ledger->cells[line->baseline].label);
        if (ledger->cells[line->cell].energy.stand_in)
            buf_append_text(out, " (stand-in)");
        buf_append_text(out, "</li>\n");
    }
    if (any)
        buf_append_text(out, "</ul>\n");
}

void html_energy(struct buf *out, const struct ledger *ledger, size_t id,
                 const struct html_detail *detail)
{
    size_t shown = ledger->cell_count < detail->cells ? ledger->cell_count : detail->cells;

    if (!ledger_has_energy(ledger))
        return;
    buf_printf(out,
               "<section id=\"energy%zu\"><h2>Energy</h2>\n<p>Joules of one inference, gross: the "
               "mean of contiguous visits and its 95 %% interval; then net of one idle power each: "
               "the device empty, with a context and no model, with this worker loaded. What the "
               "sensor does not cover, the host among it, is not in them.</p>\n",
               id);
    html_open_scroll(out, "Energy");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">cell</th><th scope=\"col\">J an "
                         "inference</th><th scope=\"col\">inferences a J</th><th scope=\"col\">W"
                         "</th><th scope=\"col\">net of empty</th><th scope=\"col\">net of context"
                         "</th><th scope=\"col\">net of worker</th><th scope=\"col\">empty, W</th>"
                         "<th scope=\"col\">context, W</th><th scope=\"col\">worker, W</th><th "
                         "scope=\"col\" class=\"l\">GPU</th><th scope=\"col\">visits</th><th "
                         "scope=\"col\" class=\"l\">whose, and by what</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < shown; i++)
        if (ledger->cells[i].energy.visits)
            put_cell(out, &ledger->cells[i]);
        else if (ledger->cells[i].energy.why[0])
            put_failed(out, &ledger->cells[i]);
    buf_append_text(out, "</tbody></table></div>\n");
    put_lines(out, ledger);
    buf_append_text(out, "</section>\n");
}
