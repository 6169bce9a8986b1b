/*
 * html_cold.c - the page's section on cold starts.
 */
#include "report/html.h"
#include "report/report_cold.h"
#include "report/write.h"

static void put_state(struct buf *out, const char *label, const struct ledger_cold *cold,
                      enum ledger_cold_state state)
{
    char cache[32], total[100];

    report_cold_state(cold, state, cache, sizeof(cache));
    report_cold_total(cold, total, sizeof(total));
    buf_append_text(out, "<tr><th scope=\"row\">");
    write_html(out, label);
    buf_printf(out, "</th><td class=\"l\">%s</td><td>%zu</td><td>%s</td>", cache, cold->starts,
               total);
    for (int p = 0; p < LEDGER_COLD_TOTAL; p++)
        buf_printf(out, "<td>%s</td>", write_ms(cold->median_ns[p], false).text);
    buf_append_text(out, "</tr>\n");
}

void html_cold(struct buf *out, const struct ledger *ledger, size_t id,
               const struct html_detail *detail)
{
    size_t shown = ledger->cell_count < detail->cells ? ledger->cell_count : detail->cells;

    if (!report_has_cold(ledger))
        return;
    buf_printf(out,
               "<section id=\"cold%zu\"><h2>Cold start</h2>\n<p>Milliseconds from the start of the "
               "process to the first result, with the model and the runtime’s libraries dropped "
               "from the page cache and with them in it: the median, its 95 %% interval by order "
               "statistics or, under 6 starts, the range in parentheses; then the medians of the "
               "parts.</p>\n",
               id);
    html_open_scroll(out, "Cold start");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">cell</th><th scope=\"col\" "
                         "class=\"l\">page cache</th><th scope=\"col\">starts</th><th "
                         "scope=\"col\">total</th><th scope=\"col\">start</th><th scope=\"col\">"
                         "plugin</th><th scope=\"col\">open</th><th scope=\"col\">input</th><th "
                         "scope=\"col\">first run</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < shown; i++)
        for (int s = 0; s < LEDGER_COLD_STATES; s++)
            if (ledger->cells[i].cold[s].starts)
                put_state(out, ledger->cells[i].label, &ledger->cells[i].cold[s],
                          (enum ledger_cold_state)s);
    buf_append_text(out, "</tbody></table></div>\n</section>\n");
}
