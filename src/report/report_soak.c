#include "report/report_soak.h"

#include <math.h>

#include "report/write.h"

#define MAX_VISITS 40 /* in the text; the JSON has them all */

static void put_pair(const struct ledger *ledger, const struct ledger_soak_pair *pair,
                     struct buf *out)
{
    const struct ledger_line *line = &ledger->lines[pair->line];

    buf_append_text(out, "  ");
    write_padded(out, line->row.name, 24);
    if (pair->blocks == 0) {
        buf_append_text(out, " not measured: no block of four valid visits\n");
        return;
    }
    write_padded(out, write_rate(pair->cell_hz).text, -9);
    buf_append_text(out, " /s against");
    write_padded(out, write_rate(pair->baseline_hz).text, -9);
    buf_append_text(out, " /s; speed");
    write_padded(out, write_percent(pair->speed_ratio).text, -7);
    if (pair->blocks == 1)
        buf_append_text(out, " %; one block: no interval\n");
    else
        buf_printf(out, " %% [%s, %s]; %zu blocks\n", write_percent(pair->speed_interval.low).text,
                   write_percent(pair->speed_interval.high).text, pair->blocks);
}

static void put_visit(const struct ledger *ledger, const struct ledger_soak_visit *v,
                      struct buf *out)
{
    buf_append_text(out, "  ");
    write_padded(out, ledger->cells[v->cell].label, 24);
    buf_printf(out, "%6lld%8.1f", (long long)v->block + 1, (double)v->wall_ns / 1e9);
    write_padded(out, write_rate(v->hz).text, -10);
    write_padded(out, v->steady ? "yes" : "no", -8);
    if (isnan(v->slope_per_min))
        write_padded(out, "–", -9);
    else
        buf_printf(out, "%+9.1f", 100 * v->slope_per_min);
    if (isnan(v->temperature_slope))
        write_padded(out, "–", -12);
    else
        buf_printf(out, "%6.1f%+6.1f", v->temperature_last, v->temperature_slope);
    if (isnan(v->clock_hz))
        write_padded(out, "–", -7);
    else
        buf_printf(out, "%7.2f", v->clock_hz / 1e9);
    if (isnan(v->steal_share))
        write_padded(out, "–", -8);
    else
        buf_printf(out, "%8.2f", 100 * v->steal_share);
    buf_append_char(out, '\n');
}

void report_soak_text(const struct ledger *ledger, struct buf *out)
{
    size_t shown = ledger->soak_visit_count < MAX_VISITS ? ledger->soak_visit_count : MAX_VISITS;

    if (ledger->soak_visit_count == 0)
        return;
    buf_append_text(out, "\nSustained speed  contiguous visits A B B A, their steady parts; drift "
                         "that is linear cancels;\n  intervals hold one by one\n");
    for (size_t i = 0; i < ledger->soak_pair_count; i++)
        put_pair(ledger, &ledger->soak_pairs[i], out);
    buf_printf(out, "  %-24s%6s%8s%10s%8s%9s%12s%7s%8s\n", "", "block", "s", "/s", "steady",
               "%/min", "C   /min", "GHz", "steal %");
    for (size_t i = 0; i < shown; i++)
        put_visit(ledger, &ledger->soak_visits[i], out);
    if (shown < ledger->soak_visit_count)
        buf_printf(out, "  and %zu more visits: --json has them all\n",
                   ledger->soak_visit_count - shown);
}

static void put_visits(const struct ledger *ledger, struct json_writer *w)
{
    json_open_array(w, "visits");
    for (size_t i = 0; i < ledger->soak_visit_count; i++) {
        const struct ledger_soak_visit *v = &ledger->soak_visits[i];

        json_open_object(w, NULL);
        json_put_text(w, "cell", ledger->cells[v->cell].label);
        json_put_text(w, "line", ledger->lines[v->line].row.name);
        json_put_int(w, "block", v->block);
        json_put_int(w, "place", v->place);
        json_put_int(w, "started_ns", v->started_ns);
        json_put_int(w, "wall_ns", v->wall_ns);
        json_put_number(w, "items_per_s", v->hz);
        json_put_bool(w, "steady", v->steady);
        json_put_number(w, "steady_from", v->steady_from);
        json_put_number(w, "slope_per_min", v->slope_per_min);
        json_put_number(w, "temperature_first", v->temperature_first);
        json_put_number(w, "temperature_last", v->temperature_last);
        json_put_number(w, "temperature_per_min", v->temperature_slope);
        json_put_number(w, "clock_hz", v->clock_hz);
        json_put_number(w, "steal_share", v->steal_share);
        json_close_object(w);
    }
    json_close_array(w);
}

void report_soak_json(const struct ledger *ledger, struct json_writer *w)
{
    json_open_object(w, "sustained");
    json_open_array(w, "pairs");
    for (size_t i = 0; i < ledger->soak_pair_count; i++) {
        const struct ledger_soak_pair *p = &ledger->soak_pairs[i];

        json_open_object(w, NULL);
        json_put_text(w, "line", ledger->lines[p->line].row.name);
        json_put_int(w, "blocks", (int64_t)p->blocks);
        json_put_number(w, "cell_items_per_s", p->cell_hz);
        json_put_number(w, "baseline_items_per_s", p->baseline_hz);
        json_put_number(w, "speed_ratio", p->speed_ratio);
        json_open_array(w, "speed_ratio_interval");
        json_put_number(w, NULL, p->speed_interval.low);
        json_put_number(w, NULL, p->speed_interval.high);
        json_close_array(w);
        json_close_object(w);
    }
    json_close_array(w);
    put_visits(ledger, w);
    json_close_object(w);
}
