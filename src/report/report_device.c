#include "report/report_device.h"

#include <math.h>

#include "report/html.h"
#include "report/write.h"

#define NAME_COLUMNS 35

static const struct ledger_times *device_times(const struct ledger_cell *cell)
{
    const struct ledger_times *times = ledger_times(cell);

    return times && !isnan(times->device_ns[LEDGER_COMPUTE]) ? times : NULL;
}

/* Of a run, what is neither copying nor computing: launches, locks, the way to the runtime. */
static double rest_ns(const struct ledger_cell *cell, const struct ledger_times *times)
{
    double rest = ledger_session_ns(cell);

    for (int part = 0; part < LEDGER_DEVICE_PARTS; part++)
        rest -= isnan(times->device_ns[part]) ? 0 : times->device_ns[part];
    return rest > 0 ? rest : 0;
}

void device_put_cells(struct buf *out, const struct ledger *ledger)
{
    buf_printf(out, "  %-*s%10s%11s%10s%10s%10s\n", NAME_COLUMNS, "", "run", "on device", "copy in",
               "copy out", "rest");
    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const struct ledger_times *times = device_times(cell);

        if (!times)
            continue;
        buf_append_text(out, "  ");
        write_padded(out, cell->label, NAME_COLUMNS);
        write_padded(out, write_ms(ledger_session_ns(cell), false).text, -10);
        write_padded(out, write_ms(times->device_ns[LEDGER_COMPUTE], false).text, -11);
        write_padded(out, write_ms(times->device_ns[LEDGER_COPY_IN], false).text, -10);
        write_padded(out, write_ms(times->device_ns[LEDGER_COPY_OUT], false).text, -10);
        write_padded(out, write_ms(rest_ns(cell, times), false).text, -10);
        buf_append_char(out, '\n');
    }
}

static void put_ms(struct buf *out, double ns)
{
    buf_printf(out, "<td>%s</td>", write_ms(ns, false).text);
}

void html_device(struct buf *out, const struct ledger *ledger, size_t id)
{
    if (!ledger_has_device_times(ledger))
        return;
    buf_printf(out,
               "<section id=\"device%zu\"><h2>On the device</h2>\n<p>One run of the session: %s. "
               "Medians each, so rest is what the sum leaves, no median of its own.</p>\n",
               id, DEVICE_ABOUT);
    html_open_scroll(out, "On the device");
    buf_append_text(out, "<table><thead><tr><th scope=\"col\">cell</th><th scope=\"col\" "
                         "class=\"l\">device</th><th scope=\"col\">run</th><th scope=\"col\">on "
                         "device</th><th scope=\"col\">copy in</th><th scope=\"col\">copy out</th>"
                         "<th scope=\"col\">rest</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const struct ledger_times *times = device_times(cell);

        if (!times)
            continue;
        buf_append_text(out, "<tr><th scope=\"row\">");
        write_html(out, cell->label);
        buf_append_text(out, "</th><td class=\"l\">");
        write_html(out, cell->row.device);
        buf_append_text(out, "</td>");
        put_ms(out, ledger_session_ns(cell));
        put_ms(out, times->device_ns[LEDGER_COMPUTE]);
        put_ms(out, times->device_ns[LEDGER_COPY_IN]);
        put_ms(out, times->device_ns[LEDGER_COPY_OUT]);
        put_ms(out, rest_ns(cell, times));
        buf_append_text(out, "</tr>\n");
    }
    buf_append_text(out, "</tbody></table></div></section>\n");
}
