#include "report/report_agreement.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/write.h"

#define NAME_COLUMNS 33
#define SQNR         "agreement.sqnr_db."

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);

    return length > tail && strcmp(name + length - tail, end) == 0;
}

/* The least SQNR of a cell's heads, without the bounds of intervals; NULL if it has none. */
static const struct store_figure *worst_head(const struct ledger_cell *cell)
{
    const struct store_figure *worst = NULL;

    for (size_t i = 0; i < cell->figure_count; i++) {
        const struct store_figure *f = &cell->figures[i];

        if (strncmp(f->name, SQNR, strlen(SQNR)) == 0 && !ends_in(f->name, ".low") &&
            !ends_in(f->name, ".high") && (!worst || f->value < worst->value))
            worst = f;
    }
    return worst;
}

void agreement_about(struct buf *out, const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++) {
        double reference = ledger_figure(&ledger->cells[i], "agreement.reference");

        for (size_t k = 0; k < ledger->cell_count; k++)
            if ((double)ledger->cells[k].row.id == reference) {
                buf_printf(out,
                           "boxes of %s (score >= 0.25) found again at IoU >= 0.9; %.0f "
                           "pictures",
                           ledger->cells[k].label,
                           ledger_figure(&ledger->cells[i], "agreement.pictures"));
                return;
            }
    }
}

static void put_percent(struct buf *out, double share, int columns)
{
    char text[32] = "–";

    if (!isnan(share))
        (void)snprintf(text, sizeof(text), "%.1f", 100 * share);
    write_padded(out, text, columns);
}

void agreement_put_cells(struct buf *out, const struct ledger *ledger)
{
    buf_printf(out, "  %-*s%9s %-14s%8s%8s%9s  %s\n", NAME_COLUMNS, "", "found %", "[95 %]",
               "added %", "AP", "SQNR dB", "worst head; ◆ front");
    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const struct store_figure *worst = worst_head(cell);
        char text[64] = "";

        if (isnan(ledger_figure(cell, "agreement.reference")))
            continue;
        buf_append_text(out, "  ");
        write_padded(out, cell->label, NAME_COLUMNS);
        put_percent(out, ledger_figure(cell, "agreement.found"), -9);
        if (!isnan(ledger_figure(cell, "agreement.found.low")))
            (void)snprintf(text, sizeof(text), " [%.1f, %.1f]",
                           100 * ledger_figure(cell, "agreement.found.low"),
                           100 * ledger_figure(cell, "agreement.found.high"));
        write_padded(out, text, 15);
        put_percent(out, ledger_figure(cell, "agreement.added"), -8);
        put_percent(out, ledger_figure(cell, "agreement.ap"), -8);
        (void)snprintf(text, sizeof(text), "%.1f", worst ? worst->value : 0);
        write_padded(out, worst ? text : "–", -9);
        buf_append_text(out, "  ");
        write_plain(out, worst ? worst->name + strlen(SQNR) : "");
        buf_append_text(out, cell->agreement.front ? "  ◆\n" : "\n");
    }
}

static void put_html_percent(struct buf *out, double share)
{
    if (isnan(share))
        buf_append_text(out, "<td>–</td>");
    else
        buf_printf(out, "<td>%.1f</td>", 100 * share);
}

void agreement_put_table(struct buf *out, const struct ledger *ledger)
{
    html_open_scroll(out, "Agreement");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">cell</th><th scope=\"col\">found, %"
                         "</th><th scope=\"col\">faded, %</th><th scope=\"col\">added, %</th>"
                         "<th scope=\"col\">AP against it</th><th scope=\"col\">SQNR, dB</th>"
                         "<th scope=\"col\" class=\"l\">of head</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const struct store_figure *worst = worst_head(cell);
        char low[16], high[16];

        if (isnan(ledger_figure(cell, "agreement.reference")))
            continue;
        buf_append_text(out, "<tr><th scope=\"row\">");
        write_html(out, cell->label);
        buf_printf(out, "</th><td>%.1f", 100 * cell->agreement.found);
        (void)snprintf(low, sizeof(low), "%.1f", 100 * cell->agreement.interval.low);
        (void)snprintf(high, sizeof(high), "%.1f", 100 * cell->agreement.interval.high);
        html_interval(out, low, high, !isnan(cell->agreement.interval.low));
        buf_append_text(out, "</td>");
        put_html_percent(out, ledger_figure(cell, "agreement.faded"));
        put_html_percent(out, ledger_figure(cell, "agreement.added"));
        put_html_percent(out, ledger_figure(cell, "agreement.ap"));
        if (worst)
            buf_printf(out, "<td>%.1f</td><td class=\"l\">", worst->value);
        else
            buf_append_text(out, "<td>–</td><td class=\"l\">");
        write_html(out, worst ? worst->name + strlen(SQNR) : "");
        buf_append_text(out, "</td></tr>\n");
    }
    buf_append_text(out, "</tbody></table></div>\n");
}
