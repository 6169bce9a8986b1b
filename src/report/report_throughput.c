#include "report/report_throughput.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/write.h"

#define NAME_COLUMNS 34

bool throughput_is(const struct ledger_cell *cell)
{
    return ledger_times(cell) && cell->mode == STORE_VISIT_THROUGHPUT;
}

static double figure(const struct ledger_cell *cell, const char *name)
{
    for (size_t i = 0; i < cell->figure_count; i++)
        if (strcmp(cell->figures[i].name, name) == 0)
            return cell->figures[i].value;
    return NAN;
}

/* Items a second at that time a run. */
static struct write_number rate(const struct ledger_cell *cell, double ns)
{
    return write_rate(ns > 0 ? (double)cell->row.batch * 1e9 / ns : NAN);
}

static void put_cell(struct buf *out, const struct ledger_cell *cell, bool winner)
{
    const struct ledger_times *times = ledger_times(cell);
    char text[96] = "";

    buf_append_text(out, winner ? "▸ " : "  ");
    write_padded(out, cell->label, NAME_COLUMNS);
    if (!times) {
        buf_printf(out, "  %s: see above\n", store_cell_state_name(cell->row.state));
        return;
    }
    write_padded(out, rate(cell, times->p50_ns).text, -9);
    if (!isnan(times->p50_interval_ns.low))
        (void)snprintf(text, sizeof(text), " [%s, %s]",
                       rate(cell, times->p50_interval_ns.high).text,
                       rate(cell, times->p50_interval_ns.low).text);
    write_padded(out, text, 17);
    (void)snprintf(text, sizeof(text), "%.0f x %.0f", figure(cell, "throughput.streams"),
                   figure(cell, "throughput.threads"));
    write_padded(out, text, -9);
    write_padded(out, write_ms(times->latency_p50_ns, false).text, -9);
    write_padded(out, write_ms(times->latency_p95_ns, false).text, -9);
    write_padded(out, write_ms(times->latency_p99_ns, false).text, -9);
    write_padded(out, cell->accuracy.known ? write_points(cell->accuracy.coco[0], false).text : "–",
                 -7);
    buf_append_char(out, '\n');
}

void throughput_put_cells(struct buf *out, const struct ledger *ledger)
{
    const struct ledger_decision *decision = &ledger->decision;

    buf_printf(out, "  %-*s%9s %-16s%9s%9s%9s%9s%7s\n", NAME_COLUMNS, "", "/s", "[95 %]", "streams",
               "p50 ms", "p95 ms", "p99 ms", "AP");
    for (size_t i = 0; i < ledger->cell_count; i++)
        put_cell(out, &ledger->cells[i], decision->known && decision->winner == i);
    buf_append_text(out, "  streams: sessions at once x threads of each, found by a pilot unless "
                         "given; p50, p95, p99: of\n  one run under that load, all runs "
                         "together; – from too few of them\n");
}
