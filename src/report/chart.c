#include "report/chart.h"

#include <math.h>
#include <string.h>

#include "report/pen.h"
#include "report/write.h"

#define WIDTH      PEN_WIDTH
#define PLOT_LEFT  232.0
#define PLOT_RIGHT 726.0
#define BINS       130

static struct pen_axis plot_axis(double low, double high)
{
    return (struct pen_axis){.low = low, .high = high, .left = PLOT_LEFT, .right = PLOT_RIGHT};
}

/* --- waterfall --- */

#define FALL_ROW 50.0

static void describe_lines(const struct ledger *ledger, struct buf *text)
{
    for (size_t i = 0; i < ledger->line_count && i < CHART_MAX_ROWS; i++) {
        const struct ledger_line *line = &ledger->lines[i];

        if (line->verdict == LEDGER_NOT_MEASURED)
            continue;
        buf_printf(text, "%s against %s: %s ms, %s %%, %s. ", line->row.name,
                   ledger->cells[line->baseline].label, write_ms(line->difference_ns, true).text,
                   write_percent(line->ratio).text, ledger_verdict_name(line->verdict));
    }
}

static void put_fall_bar(struct buf *out, const struct pen_axis *axis,
                         const struct ledger_line *line, double y)
{
    double from = line->baseline_ns / 1e6, to = (line->baseline_ns + line->difference_ns) / 1e6;
    double low = (line->baseline_ns + line->difference_interval_ns.low) / 1e6;
    double high = (line->baseline_ns + line->difference_interval_ns.high) / 1e6;
    double least = from < to ? from : to, most = from < to ? to : from;
    const char *class = line->verdict == LEDGER_FASTER   ? "good"
                        : line->verdict == LEDGER_SLOWER ? "bad"
                                                         : "even";
    double start = pen_place(axis, least), width = pen_place(axis, most) - start;

    pen_rect(out, PLOT_LEFT, y, start - PLOT_LEFT, 16, "keep");
    pen_rect(out, start, y, width < 1 ? 1 : width, 16, class);
    pen_rule(out, pen_place(axis, from), y - 4, y + 20, "base");
    low = low < 0 ? 0 : low;
    buf_printf(out, "<path d=\"M%.1f %.1fv8M%.1f %.1fH%.1fM%.1f %.1fv8\" class=\"whisk\"/>\n",
               pen_place(axis, low), y + 4, pen_place(axis, low), y + 8, pen_place(axis, high),
               pen_place(axis, high), y + 4);
}

static void put_fall_row(struct buf *out, const struct pen_axis *axis, const struct ledger *ledger,
                         const struct ledger_line *line, double y)
{
    const char *class = line->verdict == LEDGER_FASTER   ? "t-end t-good"
                        : line->verdict == LEDGER_SLOWER ? "t-end t-bad"
                                                         : "t-end t-even";
    struct buf text = BUF_INIT;

    pen_text(out, 0, y + 9, "t-name", line->row.name, 30);
    buf_printf(&text, "%s · against %s", store_line_kind_name(line->row.kind),
               ledger->cells[line->baseline].label);
    pen_text(out, 0, y + 25, "t-small", buf_text(&text), 36);
    buf_clear(&text);
    if (line->verdict == LEDGER_NOT_MEASURED) {
        pen_text(out, PLOT_LEFT + 6, y + 17, "t-small", line->why, 80);
        pen_text(out, WIDTH, y + 17, class, "not measured", 0);
        buf_release(&text);
        return;
    }
    put_fall_bar(out, axis, line, y + 4);
    buf_printf(out, "<text x=\"%.0f\" y=\"%.1f\" class=\"%s\">", WIDTH, y + 9, class);
    pen_number(out, write_ms(line->difference_ns, true).text);
    buf_append_text(out, " ms</text>\n");
    buf_printf(&text, "%s %% [%s, %s]", write_percent(line->ratio).text,
               write_percent(line->ratio_interval.low).text,
               write_percent(line->ratio_interval.high).text);
    buf_printf(out, "<text x=\"%.0f\" y=\"%.1f\" class=\"t-small t-end\">", WIDTH, y + 25);
    pen_number(out, buf_text(&text));
    buf_append_text(out, "</text>\n");
    buf_release(&text);
}

void chart_waterfall(const struct ledger *ledger, size_t id, const char *style, struct buf *out)
{
    size_t rows = ledger->line_count < CHART_MAX_ROWS ? ledger->line_count : CHART_MAX_ROWS;
    struct pen_axis axis = plot_axis(0, 0);
    struct buf text = BUF_INIT;
    double top = style ? 40 : 8, bottom;

    for (size_t i = 0; i < rows; i++) {
        const struct ledger_line *line = &ledger->lines[i];

        if (line->verdict == LEDGER_NOT_MEASURED)
            continue;
        axis.high = fmax(
            axis.high,
            fmax(line->baseline_ns, line->baseline_ns + line->difference_interval_ns.high) / 1e6);
    }
    axis.high = axis.high > 0 ? axis.high * 1.02 : 1;
    axis.step = pen_step(axis.high, 6);
    bottom = top + (double)rows * FALL_ROW;
    describe_lines(ledger, &text);
    pen_open(out, &(struct pen_picture){"fall", id, bottom + 40, "Waterfall of taxes and gains",
                                        buf_text(&text), style});
    buf_clear(&text);
    if (style) {
        buf_printf(&text, "%s · measured on %s", write_model(ledger), ledger->host);
        pen_text(out, 0, 18, "t-name", buf_text(&text), 130);
    }
    buf_release(&text);
    pen_axis(out, &axis, top - 6, bottom, "", false);
    for (size_t i = 0; i < rows; i++)
        put_fall_row(out, &axis, ledger, &ledger->lines[i], top + (double)i * FALL_ROW);
    pen_text(out, PLOT_LEFT, bottom + 34, "t-small",
             "ms, median; | the baseline; whiskers: 95 %, all lines together", 0);
    buf_append_text(out, "</svg>\n");
}

/* --- distributions --- */

#define DIST_ROW 44.0

/* The shared axis in per cent from the median: wide enough for nearly all of every cell. */
static struct pen_axis spread_axis(const struct ledger *ledger)
{
    struct pen_axis axis = plot_axis(-1, 2);

    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_times *t = ledger_times(&ledger->cells[i]);
        double tail;

        if (!t || t->p50_ns <= 0)
            continue;
        tail = t->p90_ns + 1.5 * (t->p90_ns - t->p50_ns);
        axis.low = fmin(axis.low, 100 * (t->min_ns / t->p50_ns - 1));
        axis.high = fmax(axis.high, 100 * (tail / t->p50_ns - 1));
    }
    axis.high = fmin(axis.high, 200);
    axis.step = pen_step(axis.high - axis.low, 8);
    axis.low -= (axis.high - axis.low) * 0.02;
    return axis;
}

static void put_histogram(struct buf *out, const struct pen_axis *axis,
                          const struct ledger_times *t, double base, size_t *beyond)
{
    size_t bins[BINS] = {0}, most = 0;
    double width = (PLOT_RIGHT - PLOT_LEFT) / BINS;

    *beyond = 0;
    for (size_t i = 0; i < t->samples; i++) {
        double percent = 100 * (t->sorted_ns[i] / t->p50_ns - 1);
        double at = (percent - axis->low) / (axis->high - axis->low) * BINS;
        size_t bin;

        if (!(at < BINS)) { /* a median of 0 makes it no number */
            (*beyond)++;
            continue;
        }
        bin = at < 0 ? 0 : (size_t)at;
        bins[bin]++;
        most = bins[bin] > most ? bins[bin] : most;
    }
    buf_printf(out, "<path class=\"dist\" d=\"M%.1f %.1f", PLOT_LEFT, base);
    for (size_t i = 0; i < BINS && most; i++)
        if (bins[i] || (i && bins[i - 1]))
            buf_printf(out, "L%.1f %.1fV%.1fH%.1f", PLOT_LEFT + width * (double)i, base,
                       base - 30.0 * (double)bins[i] / (double)most,
                       PLOT_LEFT + width * (double)(i + 1));
    buf_printf(out, "L%.1f %.1fZ\"/>\n", PLOT_RIGHT, base);
}

static void put_spread_row(struct buf *out, const struct pen_axis *axis,
                           const struct ledger_cell *cell, double y)
{
    const struct ledger_times *t = ledger_times(cell);
    struct buf text = BUF_INIT;
    double base = y + 34, p90 = 100 * (t->p90_ns / t->p50_ns - 1);
    size_t beyond;

    pen_text(out, 0, y + 21, "t-name", cell->label, 30);
    buf_printf(&text, "p50 %s ms", write_ms(t->p50_ns, false).text);
    pen_text(out, 0, y + 36, "t-small", buf_text(&text), 36);
    put_histogram(out, axis, t, base, &beyond);
    pen_rule(out, pen_place(axis, 0), y + 3, base, "tick");
    if (p90 < axis->high)
        pen_rule(out, pen_place(axis, p90), y + 14, base, "tick2");
    buf_clear(&text);
    if (beyond)
        buf_printf(&text, "%zu of %zu beyond,", beyond, t->samples);
    else
        buf_printf(&text, "all %zu shown,", t->samples);
    pen_text(out, WIDTH, y + 21, "t-small t-end", buf_text(&text), 0);
    buf_clear(&text);
    buf_printf(&text, "largest %s ms", write_ms(t->max_ns, false).text);
    pen_text(out, WIDTH, y + 36, "t-small t-end", buf_text(&text), 0);
    buf_release(&text);
}

static void describe_spreads(const struct ledger *ledger, struct buf *text)
{
    for (size_t i = 0, rows = 0; i < ledger->cell_count && rows < CHART_MAX_ROWS; i++) {
        const struct ledger_times *t = ledger_times(&ledger->cells[i]);

        if (!t)
            continue;
        rows++;
        buf_printf(text, "%s: smallest %s, median %s, p90 %s, largest %s ms. ",
                   ledger->cells[i].label, write_ms(t->min_ns, false).text,
                   write_ms(t->p50_ns, false).text, write_ms(t->p90_ns, false).text,
                   write_ms(t->max_ns, false).text);
    }
}

static size_t measured_rows(const struct ledger *ledger)
{
    size_t rows = 0;

    for (size_t i = 0; i < ledger->cell_count; i++)
        rows += ledger_times(&ledger->cells[i]) != NULL;
    return rows < CHART_MAX_ROWS ? rows : CHART_MAX_ROWS;
}

void chart_distributions(const struct ledger *ledger, size_t id, struct buf *out)
{
    struct pen_axis axis = spread_axis(ledger);
    struct buf text = BUF_INIT;
    size_t rows = measured_rows(ledger), row = 0;
    double bottom = 10 + (double)rows * DIST_ROW;

    describe_spreads(ledger, &text);
    pen_open(out,
             &(struct pen_picture){"dist", id, bottom + 26, "Distribution of every cell's samples",
                                   buf_text(&text), NULL});
    buf_release(&text);
    pen_axis(out, &axis, 4, bottom, " %", true);
    for (size_t i = 0; i < ledger->cell_count && row < rows; i++)
        if (ledger_times(&ledger->cells[i]))
            put_spread_row(out, &axis, &ledger->cells[i], 5 + (double)row++ * DIST_ROW);
    buf_append_text(out, "</svg>\n");
}

/* --- stages --- */

#define STAGE_ROW 36.0

bool chart_has_stages(const struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (ledger_times(&ledger->cells[i]) && ledger->cells[i].pipeline)
            return true;
    return false;
}

static void put_stage_row(struct buf *out, const struct pen_axis *axis,
                          const struct ledger_cell *cell, double y)
{
    static const char *const classes[] = {"s0", "s1", "s2", "s3", "s4"};
    const struct ledger_times *t = ledger_times(cell);
    double at = 0, x = PLOT_LEFT;
    struct buf text = BUF_INIT;

    pen_text(out, 0, y + 16, "t-name", cell->label, 30);
    for (int s = 0; s <= LEDGER_STAGES; s++) {
        double ns = s < LEDGER_STAGES ? t->stage_ns[s] : t->p50_ns - at * 1e6, end;

        if (isnan(ns) || ns <= 0)
            continue;
        at += ns / 1e6;
        end = pen_place(axis, at);
        pen_rect(out, x, y, end - x, 22, classes[s]);
        if (end - x > 38 && s < LEDGER_STAGES)
            pen_text(out, (x + end) / 2, y + 15.5, "t-in", write_ms(ns, false).text, 0);
        x = end;
    }
    buf_printf(&text, "%s ms", write_ms(t->p50_ns, false).text);
    pen_text(out, x + 8, y + 16, "t-small", buf_text(&text), 0);
    buf_release(&text);
}

void chart_stages(const struct ledger *ledger, size_t id, struct buf *out)
{
    struct pen_axis axis = plot_axis(0, 0);
    struct buf text = BUF_INIT;
    size_t rows = 0, row = 0;
    double bottom;

    for (size_t i = 0; i < ledger->cell_count && rows < CHART_MAX_ROWS; i++) {
        const struct ledger_times *t = ledger_times(&ledger->cells[i]);

        if (!t || !ledger->cells[i].pipeline)
            continue;
        rows++;
        axis.high = fmax(axis.high, t->p50_ns / 1e6);
        buf_printf(&text, "%s: decode %s, letterbox %s, infer %s, boxes %s ms. ",
                   ledger->cells[i].label, write_ms(t->stage_ns[LEDGER_DECODE], false).text,
                   write_ms(t->stage_ns[LEDGER_LETTERBOX], false).text,
                   write_ms(t->stage_ns[LEDGER_INFER], false).text,
                   write_ms(t->stage_ns[LEDGER_BOXES], false).text);
    }
    axis.high = axis.high > 0 ? axis.high * 1.02 : 1;
    axis.step = pen_step(axis.high, 6);
    bottom = 6 + (double)rows * STAGE_ROW;
    pen_open(out,
             &(struct pen_picture){"stage", id, bottom + 26, "Where the time of one picture goes",
                                   buf_text(&text), NULL});
    buf_release(&text);
    pen_axis(out, &axis, 4, bottom, "", false);
    for (size_t i = 0; i < ledger->cell_count && row < rows; i++)
        if (ledger_times(&ledger->cells[i]) && ledger->cells[i].pipeline)
            put_stage_row(out, &axis, &ledger->cells[i], 8 + (double)row++ * STAGE_ROW);
    buf_append_text(out, "</svg>\n");
}
