/*
 * report_text.c - the ledger on a terminal: the decision first, then what is missing, then numbers.
 */
#include <math.h>
#include <string.h>

#include "report/report.h"
#include "report/report_agreement.h"
#include "report/report_cold.h"
#include "report/report_device.h"
#include "report/report_energy.h"
#include "report/report_peaks.h"
#include "report/report_soak.h"
#include "report/report_throughput.h"
#include "report/write.h"

#define NAME_COLUMNS 33
#define BAR_COLUMNS  17 /* odd: the middle one is the baseline */

enum paint {
    PAINT_NONE,
    PAINT_BOLD,
    PAINT_DIM,
    PAINT_FASTER,
    PAINT_SLOWER
};

struct page {
    struct buf *out;
    bool colour;
};

static void paint(const struct page *page, enum paint which)
{
    static const char *const codes[] = {"\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[33m"};

    if (page->colour)
        buf_append_text(page->out, codes[which]);
}

static void put_spaces(struct buf *out, size_t count)
{
    while (count--)
        buf_append_char(out, ' ');
}

static void put_heading(const struct page *page, const char *title, const char *rest)
{
    buf_append_char(page->out, '\n');
    paint(page, PAINT_BOLD);
    buf_append_text(page->out, title);
    paint(page, PAINT_NONE);
    if (rest[0]) {
        paint(page, PAINT_DIM);
        buf_append_text(page->out, "  ");
        write_wrapped(page->out, rest, write_columns(title) + 2, 2);
        paint(page, PAINT_NONE);
    } else {
        buf_append_char(page->out, '\n');
    }
}

static void put_head(const struct page *page, const struct ledger *ledger)
{
    const char *study = ledger_fact(ledger, "study.name"), *model = write_model(ledger);
    struct write_number date = write_date(ledger->run.started_wall_ns);
    struct buf line = BUF_INIT;
    size_t used;

    buf_printf(&line, "tare · %s%s%s", model, study[0] ? " · " : "", study);
    used = write_columns(buf_text(&line)) + write_columns(date.text);
    paint(page, PAINT_BOLD);
    write_plain(page->out, buf_text(&line));
    paint(page, PAINT_NONE);
    put_spaces(page->out, used + 2 < REPORT_COLUMNS ? REPORT_COLUMNS - used : 2);
    buf_printf(page->out, "%s\n", date.text);
    buf_release(&line);
    paint(page, PAINT_DIM);
    buf_append_text(page->out, "measured on ");
    write_wrapped(page->out, ledger->host, 12, 12);
    paint(page, PAINT_NONE);
    buf_append_char(page->out, '\n');
    paint(page, PAINT_BOLD);
    write_wrapped(page->out, ledger->decision.sentence, 0, 0);
    paint(page, PAINT_NONE);
}

static void put_notes(const struct page *page, const char *title, const struct ledger_notes *notes)
{
    struct buf text = BUF_INIT;
    size_t columns = 0;

    if (notes->count == 0)
        return;
    put_heading(page, title, "");
    for (size_t i = 0; i < notes->count; i++) {
        size_t wanted = write_columns(notes->items[i].subject);

        columns = wanted > columns ? wanted : columns;
    }
    columns = columns > NAME_COLUMNS ? NAME_COLUMNS : columns;
    for (size_t i = 0; i < notes->count; i++) {
        if (!write_note(notes, i, &text))
            continue;
        buf_append_text(page->out, "  ");
        write_padded(page->out, notes->items[i].subject, (int)columns);
        buf_append_text(page->out, "  ");
        write_wrapped(page->out, buf_text(&text), columns + 4, columns + 4);
    }
    buf_release(&text);
}

/* --- cells --- */

static void put_interval(struct buf *out, const struct ledger_interval *interval, int columns)
{
    struct buf text = BUF_INIT;

    if (!isnan(interval->low))
        buf_printf(&text, "[%s, %s]", write_ms(interval->low, false).text,
                   write_ms(interval->high, false).text);
    write_padded(out, buf_text(&text), columns);
    buf_release(&text);
}

static void put_cell(const struct page *page, const struct ledger *ledger, size_t index)
{
    const struct ledger_cell *cell = &ledger->cells[index];
    const struct ledger_times *times = ledger_times(cell);
    bool winner = ledger->decision.known && ledger->decision.winner == index;
    struct buf *out = page->out;

    buf_append_text(out, winner ? "▸ " : "  ");
    paint(page, winner ? PAINT_BOLD : PAINT_NONE);
    write_padded(out, cell->label, NAME_COLUMNS);
    if (!times) {
        paint(page, PAINT_DIM);
        buf_printf(out, "  %s: see above\n", store_cell_state_name(cell->row.state));
        paint(page, PAINT_NONE);
        return;
    }
    write_padded(out, write_ms(times->p50_ns, false).text, -9);
    paint(page, PAINT_NONE);
    buf_append_char(out, ' ');
    put_interval(out, &times->p50_interval_ns, 16);
    write_padded(out, write_ms(times->p90_ns, false).text, -8);
    write_padded(out, write_tail(&times->p99).text, -13);
    write_padded(out, write_rate(times->throughput_hz).text, -9);
    write_padded(out, cell->accuracy.known ? write_points(cell->accuracy.coco[0], false).text : "–",
                 -7);
    buf_append_char(out, '\n');
}

static void put_cells(const struct page *page, const struct ledger *ledger)
{
    struct buf about = BUF_INIT;
    size_t runs = 0, sweeps = 0;
    enum store_visit_mode mode = STORE_VISIT_BACK_TO_BACK;

    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_times *times = ledger_times(&ledger->cells[i]);

        if (!times)
            continue;
        mode = ledger->cells[i].mode;
        runs = times->samples > runs ? times->samples : runs;
        sweeps = times->sweeps > sweeps ? times->sweeps : sweeps;
    }
    if (sweeps == 0)
        return;
    buf_printf(&about, "%s, %s; %zu sweeps, up to %zu runs each", write_unit(ledger),
               write_mode(mode), sweeps, runs);
    put_heading(page, "Cells", buf_text(&about));
    buf_release(&about);
    if (mode == STORE_VISIT_THROUGHPUT) {
        throughput_put_cells(page->out, ledger);
        return;
    }
    paint(page, PAINT_DIM);
    buf_printf(page->out, "  %-*s%9s %-16s%8s%13s%9s%7s\n", NAME_COLUMNS, "", "p50 ms", "[95 %]",
               "p90", "p99", "/s", "AP");
    paint(page, PAINT_NONE);
    for (size_t i = 0; i < ledger->cell_count; i++)
        put_cell(page, ledger, i);
}

static void put_device(const struct page *page, const struct ledger *ledger)
{
    if (!ledger_has_device_times(ledger))
        return;
    put_heading(page, "On the device", DEVICE_ABOUT);
    device_put_cells(page->out, ledger);
}

static void put_agreement(const struct page *page, const struct ledger *ledger)
{
    struct buf about = BUF_INIT;

    agreement_about(&about, ledger);
    if (about.size) {
        put_heading(page, "Agreement", buf_text(&about));
        agreement_put_cells(page->out, ledger);
    }
    buf_release(&about);
}

/* --- limits --- */

static void put_limit(const struct page *page, const struct ledger_cell *cell)
{
    const struct roofline_row *row = &cell->limit;

    buf_append_text(page->out, "  ");
    write_padded(page->out, cell->label, NAME_COLUMNS);
    if (!row->known) {
        paint(page, PAINT_DIM);
        buf_append_text(page->out, "  ");
        write_wrapped(page->out, row->why, NAME_COLUMNS + 4, NAME_COLUMNS + 4);
        paint(page, PAINT_NONE);
        return;
    }
    buf_printf(page->out, "%9.2f%9.1f%9.0f", row->operations * 1e-9, row->bytes * 1e-6,
               row->attained * 1e-9);
    write_padded(page->out, write_ms(row->limit_ns, false).text, -10);
    write_padded(page->out, write_share(row->share).text, -9);
    buf_printf(page->out, "  %s%s%s\n", roofline_bound_name(row->bound),
               row->stands_in ? ", FP32's rate" : "",
               row->fits_cache && row->bound == ROOFLINE_MEMORY ? " (all fits L2)" : "");
}

static void put_peak(struct buf *out, const char *name,
                     const struct roofline_peak spans[ROOFLINE_SPANS], const char *unit)
{
    if (spans[ROOFLINE_ONE].rate.best <= 0)
        return;
    buf_printf(out, "; %s %.0f and %.0f %s%s%s%s", name, spans[ROOFLINE_ONE].rate.best * 1e-9,
               spans[ROOFLINE_ALL].rate.best * 1e-9, unit, spans[ROOFLINE_ONE].by[0] ? " (" : "",
               spans[ROOFLINE_ONE].by, spans[ROOFLINE_ONE].by[0] ? ")" : "");
}

static void put_dim_line(const struct page *page, const struct buf *text)
{
    paint(page, PAINT_DIM);
    buf_append_text(page->out, "  ");
    write_wrapped(page->out, buf_text(text), 2, 2);
    paint(page, PAINT_NONE);
}

/* What this machine could do at most, and how near each cell came. */
static void put_limits(const struct page *page, const struct ledger *ledger)
{
    const struct roofline_peaks *peaks = &ledger->peaks;
    struct buf about = BUF_INIT;
    size_t count = 0; /* cells whose runs have the machine to themselves */

    for (size_t i = 0; i < ledger->cell_count; i++)
        count += ledger_times(&ledger->cells[i]) && !throughput_is(&ledger->cells[i]);
    if (!peaks->known || count == 0)
        return;
    put_heading(page, "Limit",
                "the session's median against the time that its graph needs at the highest rates "
                "measured here; bytes: weights, inputs and outputs, each once");
    paint(page, PAINT_DIM);
    buf_printf(page->out, "  %-*s%9s%9s%9s%10s%9s  %s\n", NAME_COLUMNS, "", "10^9 op", "MB",
               "10^9/s", "limit ms", "of limit", "held by");
    paint(page, PAINT_NONE);
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (ledger_times(&ledger->cells[i]) && !throughput_is(&ledger->cells[i]))
            put_limit(page, &ledger->cells[i]);
    buf_printf(&about, "on one thread and on %d", peaks->processors);
    for (int type = 0; type < PEAK_TYPES; type++)
        put_peak(&about, peak_type_name((enum peak_type)type), peaks->operations[type],
                 "10^9 op/s");
    put_peak(&about, "memory", peaks->traffic[PEAK_READ], "GB/s");
    put_peak(&about, "last cache", peaks->traffic[PEAK_CACHE], "GB/s");
    put_dim_line(page, &about);
    buf_release(&about);
    for (int i = 0; i < peaks->device_count; i++) {
        write_device_peaks(&about, &peaks->devices[i]);
        put_dim_line(page, &about);
        buf_release(&about);
    }
}

/* --- the ledger proper --- */

static double widest_change(const struct ledger *ledger)
{
    double widest = 0;

    for (size_t i = 0; i < ledger->line_count; i++)
        if (ledger->lines[i].verdict != LEDGER_NOT_MEASURED)
            widest = fmax(widest, fabs(log(ledger->lines[i].ratio)));
    return widest;
}

/* A bar to the left for faster, to the right for slower, in half columns; log scale. */
static void put_bar(struct buf *out, double ratio, double widest)
{
    int half = BAR_COLUMNS / 2, length;

    length = widest > 0 ? (int)lround(fabs(log(ratio)) / widest * half * 2) : 0;
    for (int i = half; i > 0; i--)
        buf_append_text(out, ratio < 1 && length >= 2 * i       ? "█"
                             : ratio < 1 && length == 2 * i - 1 ? "▐"
                                                                : " ");
    buf_append_text(out, "│");
    for (int i = 1; i <= half; i++)
        buf_append_text(out, ratio > 1 && length >= 2 * i       ? "█"
                             : ratio > 1 && length == 2 * i - 1 ? "▌"
                                                                : " ");
}

static void put_line_ap(struct buf *out, const struct ledger_ap *ap)
{
    struct buf text = BUF_INIT;

    if (!ap->known)
        buf_append_text(&text, "–");
    else if (ap->identical)
        buf_append_text(&text, "same");
    else
        buf_printf(&text, "%s%s", write_points(ap->difference, true).text,
                   isnan(ap->interval.low) || ap->resolved ? "" : "~");
    write_padded(out, buf_text(&text), -6);
    buf_release(&text);
}

static void put_line(const struct page *page, const struct ledger_line *line, double widest)
{
    struct buf *out = page->out, interval = BUF_INIT;
    enum paint colour = line->verdict == LEDGER_FASTER   ? PAINT_FASTER
                        : line->verdict == LEDGER_SLOWER ? PAINT_SLOWER
                                                         : PAINT_DIM;

    buf_printf(out, "    %-5s", store_line_kind_name(line->row.kind));
    write_padded(out, line->row.name, 20);
    if (line->verdict == LEDGER_NOT_MEASURED) {
        paint(page, PAINT_DIM);
        buf_append_text(out, "  not measured: ");
        write_wrapped(out, line->why, 45, 31);
        paint(page, PAINT_NONE);
        return;
    }
    write_padded(out, write_ms(line->difference_ns, true).text, -8);
    write_padded(out, write_percent(line->ratio).text, -8);
    buf_printf(&interval, " [%s, %s]", write_percent(line->ratio_interval.low).text,
               write_percent(line->ratio_interval.high).text);
    write_padded(out, buf_text(&interval), 17);
    buf_release(&interval);
    paint(page, colour);
    put_bar(out, line->ratio, widest);
    paint(page, PAINT_NONE);
    put_line_ap(out, &line->ap);
    buf_append_text(out, "  ");
    paint(page, colour);
    buf_append_text(out, ledger_verdict_name(line->verdict));
    paint(page, PAINT_NONE);
    buf_append_char(out, '\n');
}

static void put_baseline(const struct page *page, const struct ledger *ledger,
                         const struct ledger_line *line)
{
    const struct ledger_cell *baseline = &ledger->cells[line->baseline];
    const struct ledger_times *times = ledger_times(baseline);
    struct buf text = BUF_INIT;

    buf_printf(&text, "against %s", baseline->label);
    if (times)
        buf_printf(&text, ", %s ms", write_ms(times->p50_ns, false).text);
    buf_append_text(page->out, "  ");
    write_plain(page->out, buf_text(&text));
    buf_append_char(page->out, '\n');
    buf_release(&text);
}

static void put_lines(const struct page *page, const struct ledger *ledger)
{
    double widest = widest_change(ledger);

    if (ledger->line_count == 0)
        return;
    put_heading(page, "Ledger",
                "medians paired sweep by sweep; the 95 % intervals hold together; ~ not resolved");
    paint(page, PAINT_DIM);
    buf_printf(page->out, "%*s%8s %-16s%*s%*s\n", 37, "ms", "%", "[95 %]", BAR_COLUMNS + 4,
               "faster │ slower    ", 5, "AP");
    paint(page, PAINT_NONE);
    for (size_t i = 0; i < ledger->line_count; i++) {
        const struct ledger_line *line = &ledger->lines[i];

        if (i == 0 || line->baseline != ledger->lines[i - 1].baseline)
            put_baseline(page, ledger, line);
        put_line(page, line, widest);
    }
}

/* --- several files side by side --- */

static const struct ledger_cell *find_key(const struct ledger *ledger, const char *key)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (strcmp(ledger->cells[i].row.key, key) == 0)
            return &ledger->cells[i];
    return NULL;
}

static void put_side_by_side(const struct page *page, const struct report_set *set)
{
    size_t shown = set->count < 5 ? set->count : 5;

    put_heading(page, "Side by side", "p50 in ms; not paired: no interval stands between machines");
    for (size_t f = 0; f < shown; f++) {
        buf_printf(page->out, "  %c  ", (char)('A' + f));
        write_wrapped(page->out, set->items[f]->host, 5, 5);
    }
    put_spaces(page->out, NAME_COLUMNS + 2);
    for (size_t f = 0; f < shown; f++)
        buf_printf(page->out, "%10c", (char)('A' + f));
    buf_append_char(page->out, '\n');
    for (size_t i = 0; i < set->items[0]->cell_count; i++) {
        const struct ledger_cell *first = &set->items[0]->cells[i];

        buf_append_text(page->out, "  ");
        write_padded(page->out, first->label, NAME_COLUMNS);
        for (size_t f = 0; f < shown; f++) {
            const struct ledger_cell *cell = find_key(set->items[f], first->row.key);
            const struct ledger_times *times = cell ? ledger_times(cell) : NULL;

            write_padded(page->out, times ? write_ms(times->p50_ns, false).text : "–", -10);
        }
        buf_append_char(page->out, '\n');
    }
}

enum tare_status report_text(const struct report_set *set, bool colour, struct buf *out,
                             struct tare_err *err)
{
    const struct page page = {out, colour};

    for (size_t i = 0; i < set->count; i++) {
        const struct ledger *ledger = set->items[i];

        if (i)
            buf_append_text(out, "\n\n");
        put_head(&page, ledger);
        put_notes(&page, "Not measured", &ledger->missing);
        put_lines(&page, ledger);
        put_cells(&page, ledger);
        put_device(&page, ledger);
        put_agreement(&page, ledger);
        report_soak_text(ledger, out);
        report_energy_text(ledger, out);
        report_cold_text(ledger, out);
        put_limits(&page, ledger);
        put_notes(&page, "Mind", &ledger->warnings);
        put_notes(&page, "Trust", &ledger->trust);
    }
    if (set->count > 1)
        put_side_by_side(&page, set);
    return buf_status(out, "report", err);
}
