#include "report/report_energy.h"

#include <math.h>
#include <stdio.h>

#include "report/write.h"

#define NAME_COLUMNS 33

/* Three digits that matter, of any unit: write_ms() has them for a millionth of its own. */
static struct write_number digits(double value)
{
    return write_ms(value * 1e6, false);
}

void report_energy_value(double value, const struct ledger_range *range, char *text,
                         size_t text_bytes)
{
    if (isnan(range->low))
        (void)snprintf(text, text_bytes, "%s", digits(value).text);
    else
        (void)snprintf(text, text_bytes, "%s [%s, %s]", digits(value).text, digits(range->low).text,
                       digits(range->high).text);
}

void report_energy_origin(const struct ledger_energy *energy, char *text, size_t text_bytes)
{
    static const char *const words[] = {"not known whether alone", "alone", "shared"};

    (void)snprintf(text, text_bytes, "%s; %s%s", words[energy->alone],
                   energy->stand_in ? "stand-in " : "",
                   energy->integrated ? "power, integrated" : "counter");
}

void report_energy_gpu(const struct ledger_gpu *gpu, char *text, size_t text_bytes)
{
    int used = 0;

    text[0] = '\0';
    if (!isnan(gpu->clock_hz))
        used = snprintf(text, text_bytes, "%.0f MHz", gpu->clock_hz / 1e6);
    if (!isnan(gpu->memory_clock_hz) && used >= 0 && (size_t)used < text_bytes)
        used += snprintf(text + used, text_bytes - (size_t)used, "%smemory %.0f MHz",
                         used ? ", " : "", gpu->memory_clock_hz / 1e6);
    if (!isnan(gpu->temperature_c) && used >= 0 && (size_t)used < text_bytes)
        (void)snprintf(text + used, text_bytes - (size_t)used, "%s%.0f °C", used ? ", " : "",
                       gpu->temperature_c);
}

static void put_cell(const struct ledger_cell *cell, struct buf *out)
{
    const struct ledger_energy *e = &cell->energy;
    char gross[100], origin[120], gpu[80];

    report_energy_value(e->joules, &e->joules_interval, gross, sizeof(gross));
    report_energy_origin(e, origin, sizeof(origin));
    report_energy_gpu(&e->gpu, gpu, sizeof(gpu));
    buf_append_text(out, "  ");
    write_padded(out, cell->label, NAME_COLUMNS);
    write_padded(out, gross, -24);
    write_padded(out, digits(e->per_joule).text, -7);
    write_padded(out, digits(e->watts).text, -7);
    for (int k = 0; k < LEDGER_IDLES; k++)
        write_padded(out, digits(e->net_joules[k]).text, -9);
    buf_printf(out, "\n    %zu visits; idle %s, %s, %s W", e->visits, digits(e->idle_w[0]).text,
               digits(e->idle_w[1]).text, digits(e->idle_w[2]).text);
    buf_printf(out, "%s%s; ", gpu[0] ? "; " : "", gpu);
    write_plain(out, origin);
    buf_append_char(out, '\n');
}

static void put_lines(const struct ledger *ledger, struct buf *out)
{
    bool any = false;

    for (size_t i = 0; i < ledger->line_count; i++) {
        const struct ledger_line *line = &ledger->lines[i];
        const struct ledger_energy_ratio *r = &line->energy;

        if (r->pairs == 0)
            continue;
        if (!any)
            buf_append_text(out, "  joules against the baseline's, % [95 %]\n");
        any = true;
        buf_append_text(out, "    ");
        write_padded(out, line->row.name, 40);
        buf_printf(out, " %s", write_percent(r->ratio).text);
        if (!isnan(r->interval.low))
            buf_printf(out, " [%s, %s]", write_percent(r->interval.low).text,
                       write_percent(r->interval.high).text);
        buf_printf(out, "  of %zu pairs%s\n", r->pairs,
                   ledger->cells[line->cell].energy.stand_in ? ", stand-in" : "");
    }
}

void report_energy_text(const struct ledger *ledger, struct buf *out)
{
    double worst = 0;
    const char *scope = "";

    if (!ledger_has_energy(ledger))
        return;
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (ledger->cells[i].energy.visits) {
            worst = fmax(worst, ledger->cells[i].energy.resolution);
            scope = ledger->cells[i].energy.scope;
        }
    buf_append_text(out, "\nEnergy  joules of one inference, gross: mean of contiguous visits and "
                         "its [95 % interval]; then\n  net of what is idle: the device empty, "
                         "context open, this worker loaded. Of the ");
    write_plain(out, scope);
    buf_printf(out, " alone;\n  the sensor's steps put a visit off by at most %.2g %%\n",
               100 * worst);
    buf_printf(out, "  %-*s%24s%7s%7s%9s%9s%9s\n", NAME_COLUMNS, "", "J/inference", "inf./J", "W",
               "-empty", "-context", "-worker");
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (ledger->cells[i].energy.visits)
            put_cell(&ledger->cells[i], out);
        else if (ledger->cells[i].energy.why[0]) {
            buf_append_text(out, "  ");
            write_padded(out, ledger->cells[i].label, NAME_COLUMNS);
            buf_append_text(out, "  failed: ");
            write_wrapped(out, ledger->cells[i].energy.why, NAME_COLUMNS + 12, NAME_COLUMNS + 4);
        }
    put_lines(ledger, out);
}

/* --- JSON --- */

static void put_range(struct json_writer *w, const char *key, const struct ledger_range *range)
{
    if (isnan(range->low)) {
        json_put_null(w, key);
        return;
    }
    json_open_array(w, key);
    json_put_number(w, NULL, range->low);
    json_put_number(w, NULL, range->high);
    json_close_array(w);
}

static void put_gpu(struct json_writer *w, const char *key, const struct ledger_gpu *gpu)
{
    if (gpu->visits == 0) {
        json_put_null(w, key);
        return;
    }
    json_open_object(w, key);
    json_put_int(w, "visits", (int64_t)gpu->visits);
    json_put_number(w, "clock_hz", gpu->clock_hz);
    json_put_number(w, "memory_clock_hz", gpu->memory_clock_hz);
    json_put_number(w, "temperature_c", gpu->temperature_c);
    json_put_number(w, "hottest_c", gpu->hottest_c);
    json_put_number(w, "power_w", gpu->power_w);
    json_put_int(w, "throttled_visits", (int64_t)gpu->throttled);
    json_put_int(w, "throttle_reasons", gpu->reasons);
    json_close_object(w);
}

static void put_idle(struct json_writer *w, const struct ledger_energy *e)
{
    json_open_object(w, "idle");
    for (int k = 0; k < LEDGER_IDLES; k++) {
        json_open_object(w, ledger_idle_name((enum ledger_idle)k));
        json_put_number(w, "watts", e->idle_w[k]);
        put_range(w, "watts_range", &e->idle_range[k]);
        json_put_number(w, "net_joules", e->net_joules[k]);
        put_range(w, "net_joules_interval", &e->net_interval[k]);
        json_close_object(w);
    }
    json_close_object(w);
}

void report_energy_json(const struct ledger_cell *cell, struct json_writer *w)
{
    const struct ledger_energy *e = &cell->energy;

    put_gpu(w, "gpu", &cell->gpu);
    if (e->visits == 0) {
        json_put_null(w, "energy");
        return;
    }
    json_open_object(w, "energy");
    json_put_int(w, "visits", (int64_t)e->visits);
    json_put_int(w, "invalid_visits", (int64_t)e->invalid);
    json_put_number(w, "joules", e->joules);
    put_range(w, "joules_interval", &e->joules_interval);
    json_put_number(w, "inferences_per_joule", e->per_joule);
    put_range(w, "inferences_per_joule_interval", &e->per_joule_interval);
    json_put_number(w, "watts", e->watts);
    put_range(w, "watts_interval", &e->watts_interval);
    put_idle(w, e);
    json_put_number(w, "resolution", e->resolution);
    json_put_number(w, "sensor_periods", e->periods);
    json_put_text(w, "alone", ledger_alone_name(e->alone));
    json_put_text(w, "source", e->source);
    json_put_text(w, "sensor", e->sensor);
    json_put_text(w, "scope", e->scope);
    json_put_bool(w, "integrated", e->integrated);
    json_put_bool(w, "stand_in", e->stand_in);
    put_gpu(w, "gpu", &e->gpu);
    json_close_object(w);
}

void report_energy_line_json(const struct ledger_line *line, struct json_writer *w)
{
    if (line->energy.pairs == 0) {
        json_put_null(w, "energy");
        return;
    }
    json_open_object(w, "energy");
    json_put_number(w, "ratio", line->energy.ratio);
    put_range(w, "ratio_interval", &line->energy.interval);
    json_put_int(w, "pairs", (int64_t)line->energy.pairs);
    json_close_object(w);
}
