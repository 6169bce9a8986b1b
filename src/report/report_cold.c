#include "report/report_cold.h"

#include <math.h>
#include <stdio.h>

#include "report/write.h"

#define NAME_COLUMNS 22

bool report_has_cold(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (ledger->cells[i].cold[LEDGER_COLD_DROPPED].starts)
            return true;
    return false;
}

void report_cold_state(const struct ledger_cold *cold, enum ledger_cold_state state, char *text,
                       size_t text_bytes)
{
    if (state == LEDGER_COLD_DROPPED && !cold->dropped)
        (void)snprintf(text, text_bytes, "%.1f %% stayed", 100 * cold->most_stayed);
    else
        (void)snprintf(text, text_bytes, "%s", ledger_cold_state_name(state));
}

void report_cold_total(const struct ledger_cold *cold, char *text, size_t text_bytes)
{
    const char *median = write_ms(cold->median_ns[LEDGER_COLD_TOTAL], false).text;

    if (!isnan(cold->total_ns.low))
        (void)snprintf(text, text_bytes, "%s [%s, %s]", median,
                       write_ms(cold->total_ns.low, false).text,
                       write_ms(cold->total_ns.high, false).text);
    else
        (void)snprintf(text, text_bytes, "%s (%s to %s)", median,
                       write_ms(cold->least_ns, false).text, write_ms(cold->most_ns, false).text);
}

/* Parts in as few columns as tell them apart: to a hundredth of a millisecond, the long ones less.
 */
static void put_part(double ns, struct buf *out)
{
    double ms = ns / 1e6;

    buf_printf(out, "%7.*f", ms < 10 ? 2 : ms < 100 ? 1 : 0, ms);
}

static void put_state(const char *label, const struct ledger_cold *cold,
                      enum ledger_cold_state state, struct buf *out)
{
    char cache[32], total[100];

    report_cold_state(cold, state, cache, sizeof(cache));
    report_cold_total(cold, total, sizeof(total));
    buf_append_text(out, "  ");
    write_padded(out, label, NAME_COLUMNS);
    buf_append_char(out, ' ');
    write_padded(out, cache, 14);
    buf_printf(out, "%4zu", cold->starts);
    write_padded(out, total, -21);
    for (int p = 0; p < LEDGER_COLD_TOTAL; p++)
        put_part(cold->median_ns[p], out);
    buf_append_char(out, '\n');
}

void report_cold_text(const struct ledger *ledger, struct buf *out)
{
    if (!report_has_cold(ledger))
        return;
    buf_append_text(out, "\nCold start  ms from the start of the process to the first result, page "
                         "cache dropped and warm;\n  median of n starts and its [95 % interval], "
                         "or (range) under 6; then medians of the parts\n");
    buf_printf(out, "  %-*s %-14s%4s%21s%7s%7s%7s%7s%7s\n", NAME_COLUMNS, "", "page cache", "n",
               "total", "start", "plugin", "open", "input", "run");
    for (size_t i = 0; i < ledger->cell_count; i++)
        for (int s = 0; s < LEDGER_COLD_STATES; s++)
            if (ledger->cells[i].cold[s].starts)
                put_state(s == 0 ? ledger->cells[i].label : "", &ledger->cells[i].cold[s],
                          (enum ledger_cold_state)s, out);
}

static void put_pair(struct json_writer *w, const char *key, double low, double high)
{
    if (isnan(low)) {
        json_put_null(w, key);
        return;
    }
    json_open_array(w, key);
    json_put_number(w, NULL, low);
    json_put_number(w, NULL, high);
    json_close_array(w);
}

void report_cold_json(const struct ledger_cell *cell, struct json_writer *w)
{
    if (cell->cold[LEDGER_COLD_DROPPED].starts == 0) {
        json_put_null(w, "cold_start");
        return;
    }
    json_open_object(w, "cold_start");
    for (int s = 0; s < LEDGER_COLD_STATES; s++) {
        const struct ledger_cold *cold = &cell->cold[s];

        json_open_object(w, ledger_cold_state_name((enum ledger_cold_state)s));
        json_put_int(w, "starts", (int64_t)cold->starts);
        json_put_int(w, "tried", (int64_t)cold->tried);
        if (s == LEDGER_COLD_DROPPED) {
            json_put_bool(w, "left_the_cache", cold->dropped);
            json_put_number(w, "most_stayed", cold->most_stayed);
        }
        for (int p = 0; p < LEDGER_COLD_PARTS; p++)
            json_put_number(w, ledger_cold_part_name((enum ledger_cold_part)p), cold->median_ns[p]);
        put_pair(w, "total_interval_ns", cold->total_ns.low, cold->total_ns.high);
        put_pair(w, "total_range_ns", cold->least_ns, cold->most_ns);
        json_close_object(w);
    }
    json_close_object(w);
}
