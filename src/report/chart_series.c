/*
 * chart_series.c - small multiples, a row a cell: its visits over the sweeps, and beside them the
 * paired difference to its baseline. All rows share one scale, so that they can be compared.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/pen.h"
#include "report/write.h"
#include "stats/quantile.h"

#define MAX_COLUMNS 120 /* of one plot; more sweeps than that share columns */
#define MAX_SWEEPS  ((size_t)1 << 20)
#define ROW         92.0
#define PLOT        70.0
#define TOP         30.0
#define LEFT_FROM   236.0
#define LEFT_TO     566.0
#define RIGHT_FROM  640.0
#define RIGHT_TO    914.0

/* What one column of a row shows; NAN: nothing. Per cent from the cell's own median. */
struct column {
    double low, middle, high;
    double paired; /* per cent to the baseline */
    bool invalid, restart;
};

struct row {
    size_t cell, line; /* line: SIZE_MAX if no line of the ledger is the cell's */
    struct column columns[MAX_COLUMNS];
};

struct series {
    const struct ledger *ledger;
    struct row *rows; // (count)
    size_t count, sweeps, columns;
    struct pen_axis own, paired; /* vertical: value to height within a plot; paired is centred */
};

static size_t column_of(const struct series *s, int64_t sweep)
{
    return (size_t)sweep * s->columns / s->sweeps;
}

static const struct ledger_point *point_in(const struct ledger_cell *cell, int64_t sweep)
{
    for (size_t i = 0; i < cell->point_count; i++)
        if (cell->points[i].sweep == sweep && cell->points[i].p50_ns > 0)
            return &cell->points[i];
    return NULL;
}

/* Mean of what falls into a column, and the outermost of its band. */
static void put_in(struct row *row, size_t column, const struct ledger_point *p, double p50,
                   size_t *counts)
{
    struct column *c = &row->columns[column];
    double n = (double)counts[column]++;

    c->middle = n > 0 ? (c->middle * n + 100 * (p->p50_ns / p50 - 1)) / (n + 1)
                      : 100 * (p->p50_ns / p50 - 1);
    c->low = fmin(c->low, 100 * (p->p5_ns / p50 - 1));
    c->high = fmax(c->high, 100 * (p->p95_ns / p50 - 1));
}

static void fill_paired(const struct series *s, struct row *row)
{
    const struct ledger_line *line = &s->ledger->lines[row->line];
    const struct ledger_cell *cell = &s->ledger->cells[line->cell];
    const struct ledger_cell *baseline = &s->ledger->cells[line->baseline];
    size_t counts[MAX_COLUMNS] = {0};

    for (size_t i = 0; i < cell->point_count; i++) {
        const struct ledger_point *p = &cell->points[i], *b;
        size_t at;

        if (!(p->p50_ns > 0) || (size_t)p->sweep >= s->sweeps)
            continue;
        b = point_in(baseline, p->sweep);
        if (!b)
            continue;
        at = column_of(s, p->sweep);
        if (counts[at]++ == 0)
            row->columns[at].paired = 0;
        row->columns[at].paired += 100 * (p->p50_ns / b->p50_ns - 1);
    }
    for (size_t i = 0; i < s->columns; i++)
        if (counts[i])
            row->columns[i].paired /= (double)counts[i];
}

static void fill_row(const struct series *s, struct row *row)
{
    const struct ledger_cell *cell = &s->ledger->cells[row->cell];
    size_t counts[MAX_COLUMNS] = {0};
    int64_t restart = -1;

    for (size_t i = 0; i < s->columns; i++)
        row->columns[i] = (struct column){NAN, NAN, NAN, NAN, false, false};
    for (size_t i = 0; i < cell->point_count; i++) {
        const struct ledger_point *p = &cell->points[i];
        struct column *c;

        if ((size_t)p->sweep >= s->sweeps)
            continue;
        c = &row->columns[column_of(s, p->sweep)];
        c->restart = c->restart || (i && p->restart != restart);
        restart = p->restart;
        c->invalid = c->invalid || !p->valid;
        if (p->p50_ns > 0)
            put_in(row, column_of(s, p->sweep), p, ledger_times(cell)->p50_ns, counts);
    }
    if (row->line != SIZE_MAX)
        fill_paired(s, row);
}

static size_t line_of(const struct ledger *ledger, size_t cell)
{
    for (size_t i = 0; i < ledger->line_count; i++)
        if (ledger->lines[i].cell == cell && ledger->lines[i].verdict != LEDGER_NOT_MEASURED)
            return i;
    return SIZE_MAX;
}

static bool collect(struct series *s, const struct ledger *ledger)
{
    *s = (struct series){.ledger = ledger};
    for (size_t i = 0; i < ledger->cell_count; i++)
        for (size_t k = 0; k < ledger->cells[i].point_count; k++) {
            size_t sweep = (size_t)ledger->cells[i].points[k].sweep;

            if (sweep >= s->sweeps && sweep < MAX_SWEEPS)
                s->sweeps = sweep + 1;
        }
    s->columns = s->sweeps < MAX_COLUMNS ? s->sweeps : MAX_COLUMNS;
    s->rows = calloc(CHART_MAX_ROWS, sizeof(*s->rows));
    if (!s->rows)
        return false;
    for (size_t i = 0; i < ledger->cell_count && s->count < CHART_MAX_ROWS && s->sweeps; i++)
        if (ledger_times(&ledger->cells[i])) {
            s->rows[s->count] = (struct row){.cell = i, .line = line_of(ledger, i)};
            fill_row(s, &s->rows[s->count++]);
        }
    return true;
}

/* --- scales --- */

static double line_percent(const struct series *s, const struct row *row)
{
    return 100 * (s->ledger->lines[row->line].ratio - 1);
}

/* Nearly all medians and most of the bands; a lone visit far away does not flatten the others. */
static bool find_scales(struct series *s)
{
    size_t room = s->count * s->columns + 1, n = 0, m = 0;
    double *low = malloc(room * sizeof(*low)), *high = malloc(room * sizeof(*high));
    double *paired = malloc(room * sizeof(*paired));
    double from = -1, to = 1, around = 0.5;

    for (size_t r = 0; r < s->count && low && high && paired; r++)
        for (size_t i = 0; i < s->columns; i++) {
            const struct column *c = &s->rows[r].columns[i];

            if (!isnan(c->middle)) {
                low[n] = c->low * 0.6 + c->middle * 0.4;
                high[n++] = c->high * 0.6 + c->middle * 0.4;
            }
            if (!isnan(c->paired))
                paired[m++] = fabs(c->paired - line_percent(s, &s->rows[r]));
        }
    if (low && high && paired && n) {
        quantile_sort(low, n);
        quantile_sort(high, n);
        quantile_sort(paired, m);
        from = fmin(from, quantile_sorted(low, n, 0.03));
        to = fmax(to, quantile_sorted(high, n, 0.95));
        around = m ? fmax(around, 1.1 * quantile_sorted(paired, m, 0.97)) : around;
    }
    s->own = (struct pen_axis){from, to, pen_step(to - from, 3), PLOT, 0, false};
    s->paired = (struct pen_axis){-around, around, pen_step(2 * around, 3), PLOT, 0, false};
    free(high);
    free(paired);
    free(low);
    return n > 0;
}

/* Height of a value within a plot; what lies beyond stops at the edge. */
static double height_of(const struct pen_axis *axis, double value)
{
    return pen_place(axis, fmax(axis->low, fmin(axis->high, value)));
}

/* --- drawing --- */

static double column_x(const struct series *s, double from, double to, double column)
{
    return from + (to - from) * column / (double)s->columns;
}

/* Numbers left of a plot and rules through it; `shift` is the value that stands in its middle. */
static void put_scale(struct buf *out, const struct pen_axis *axis, double y, double from,
                      double to, double shift)
{
    struct pen_axis moved = *axis;
    double values[16];
    size_t count;

    moved.low += shift;
    moved.high += shift;
    count = pen_ticks(&moved, values, 16);
    for (size_t i = 0; i < count; i++) {
        double at = y + pen_place(&moved, values[i]);
        struct buf text = BUF_INIT;

        buf_printf(out, "<path d=\"M%.1f %.1fH%.1f\" class=\"%s\"/>\n", from, at, to,
                   values[i] == 0 ? "zero" : "grid");
        buf_printf(&text, values[i] > 0 ? "+%g" : "%g", values[i]);
        buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"t-small t-end\">", from - 6, at + 4);
        pen_number(out, buf_text(&text));
        buf_append_text(out, "</text>\n");
        buf_release(&text);
    }
}

/* The band of each run of neighbouring columns, there and back. */
static void put_band(struct buf *out, const struct series *s, const struct row *row, double y)
{
    for (size_t from = 0, end; from < s->columns; from = end) {
        for (end = from; end < s->columns && !isnan(row->columns[end].middle); end++)
            continue;
        if (end == from) {
            end++;
            continue;
        }
        buf_append_text(out, "<path class=\"band\" d=\"");
        for (size_t i = from; i < end; i++)
            buf_printf(out, "%s%.1f %.1fH%.1f", i == from ? "M" : "L",
                       column_x(s, LEFT_FROM, LEFT_TO, (double)i),
                       y + height_of(&s->own, row->columns[i].high),
                       column_x(s, LEFT_FROM, LEFT_TO, (double)i + 1));
        for (size_t i = end; i-- > from;)
            buf_printf(out, "V%.1fH%.1f", y + height_of(&s->own, row->columns[i].low),
                       column_x(s, LEFT_FROM, LEFT_TO, (double)i));
        buf_append_text(out, "Z\"/>\n");
    }
}

/* A triangle at the edge for a value that lies beyond it. */
static void put_beyond(struct buf *out, const struct pen_axis *axis, double x, double y,
                       double value)
{
    if (value > axis->high)
        buf_printf(out, "<path class=\"even\" d=\"M%.1f %.1fl4 7h-8Z\"/>\n", x, y);
    else if (value < axis->low)
        buf_printf(out, "<path class=\"even\" d=\"M%.1f %.1fl4 -7h-8Z\"/>\n", x, y + PLOT);
}

static void put_own(struct buf *out, const struct series *s, const struct row *row, double y)
{
    bool pen_down = false;

    put_scale(out, &s->own, y, LEFT_FROM, LEFT_TO, 0);
    put_band(out, s, row, y);
    for (size_t i = 1; i < s->columns; i++)
        if (row->columns[i].restart)
            pen_rule(out, column_x(s, LEFT_FROM, LEFT_TO, (double)i), y, y + PLOT, "restart");
    buf_append_text(out, "<path class=\"run\" d=\"");
    for (size_t i = 0; i < s->columns; i++) {
        const struct column *c = &row->columns[i];

        if (!isnan(c->middle))
            buf_printf(out, "%s%.2f %.2f", pen_down ? "L" : "M",
                       column_x(s, LEFT_FROM, LEFT_TO, (double)i + 0.5),
                       y + height_of(&s->own, c->middle));
        pen_down = !isnan(c->middle);
    }
    buf_append_text(out, "\"/>\n");
    for (size_t i = 0; i < s->columns; i++) {
        const struct column *c = &row->columns[i];
        double x = column_x(s, LEFT_FROM, LEFT_TO, (double)i + 0.5);

        if (!isnan(c->middle) && s->columns <= 60)
            buf_printf(out, "<circle class=\"run-dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"2\"/>\n", x,
                       y + height_of(&s->own, c->middle));
        put_beyond(out, &s->own, x, y, c->middle);
        if (c->invalid)
            buf_printf(out, "<path class=\"cross\" d=\"M%.1f %.1fl8 8m0 -8l-8 8\"/>\n", x - 4,
                       y + PLOT - 12);
    }
}

static void put_paired(struct buf *out, const struct series *s, const struct row *row, double y)
{
    const struct ledger_line *line;
    struct buf text = BUF_INIT;
    double middle, low, high;

    if (row->line == SIZE_MAX)
        return;
    line = &s->ledger->lines[row->line];
    middle = line_percent(s, row);
    low = y + height_of(&s->paired, 100 * (line->ratio_interval.low - 1) - middle);
    high = y + height_of(&s->paired, 100 * (line->ratio_interval.high - 1) - middle);
    put_scale(out, &s->paired, y, RIGHT_FROM, RIGHT_TO, middle);
    buf_printf(&text, "against %s", s->ledger->cells[line->baseline].label);
    pen_text(out, RIGHT_TO, y - 4, "t-small t-end", buf_text(&text), 40);
    buf_release(&text);
    pen_rect(out, RIGHT_FROM, high, RIGHT_TO - RIGHT_FROM, low - high,
             line->verdict == LEDGER_FASTER   ? "was"
             : line->verdict == LEDGER_SLOWER ? "was-bad"
                                              : "was-even");
    buf_printf(out, "<path class=\"%s\" d=\"M%.1f %.1fH%.1f\"/>\n", "whisk", RIGHT_FROM,
               y + pen_place(&s->paired, 0), RIGHT_TO);
    for (size_t i = 0; i < s->columns; i++) {
        double x = column_x(s, RIGHT_FROM, RIGHT_TO, (double)i + 0.5);
        double value = row->columns[i].paired - middle;

        if (isnan(value))
            continue;
        if (value >= s->paired.low && value <= s->paired.high)
            buf_printf(out, "<circle class=\"pair\" cx=\"%.2f\" cy=\"%.2f\" r=\"2.6\"/>\n", x,
                       y + pen_place(&s->paired, value));
        put_beyond(out, &s->paired, x, y, value);
    }
}

static void put_row(struct buf *out, const struct series *s, const struct row *row, double y)
{
    const struct ledger_cell *cell = &s->ledger->cells[row->cell];
    struct buf text = BUF_INIT;

    pen_text(out, 0, y + 22, "t-name", cell->label, 26);
    buf_printf(&text, "p50 %s ms", write_ms(ledger_times(cell)->p50_ns, false).text);
    pen_text(out, 0, y + 38, "t-small", buf_text(&text), 0);
    pen_text(out, 0, y + 54,
             cell->stability.verdict == LEDGER_STEADY ? "t-small" : "t-small t-warn",
             ledger_steadiness_name(cell->stability.verdict), 0);
    put_own(out, s, row, y);
    put_paired(out, s, row, y);
    if (row->line == SIZE_MAX)
        pen_text(out, (RIGHT_FROM + RIGHT_TO) / 2, y + PLOT / 2 + 4, "t-small t-mid",
                 "no line of the ledger", 0);
    buf_release(&text);
}

static void describe(const struct series *s, struct buf *text)
{
    for (size_t r = 0; r < s->count; r++) {
        const struct ledger_cell *cell = &s->ledger->cells[s->rows[r].cell];
        const struct ledger_stability *st = &cell->stability;

        buf_printf(text, "%s: %s, %zu visits of which %zu invalid, %zu restarts", cell->label,
                   ledger_steadiness_name(st->verdict), cell->point_count,
                   ledger_times(cell)->invalid_visits, cell->restarts);
        if (!isnan(st->drift))
            buf_printf(text, ", drift %s %%", write_percent(1 + st->drift).text);
        if (s->rows[r].line != SIZE_MAX)
            buf_printf(text, ", to its baseline %s %%",
                       write_percent(s->ledger->lines[s->rows[r].line].ratio).text);
        buf_append_text(text, ". ");
    }
}

/* Numbers of sweeps under both plots. */
static void put_sweeps(struct buf *out, const struct series *s, double bottom)
{
    const double ends[2][2] = {{LEFT_FROM, LEFT_TO}, {RIGHT_FROM, RIGHT_TO}};

    for (int k = 0; k < 2; k++) {
        char last[32];

        (void)snprintf(last, sizeof(last), "sweep %zu", s->sweeps);
        pen_text(out, ends[k][0], bottom + 14, "t-small", "sweep 1", 0);
        if (s->sweeps > 1)
            pen_text(out, ends[k][1], bottom + 14, "t-small t-end", last, 0);
    }
}

void chart_series(const struct ledger *ledger, size_t id, struct buf *out)
{
    struct series s;
    struct buf text = BUF_INIT;
    double bottom;

    if (!collect(&s, ledger)) {
        out->status = TARE_NOMEM;
        return;
    }
    if (find_scales(&s)) {
        bottom = TOP + (double)s.count * ROW - (ROW - PLOT);
        describe(&s, &text);
        pen_open(out, &(struct pen_picture){"series", id, bottom + 22, "Every cell over the sweeps",
                                            buf_text(&text), NULL});
        pen_text(out, LEFT_FROM, 14, "t-small", "median of each visit, % from the cell's own", 0);
        pen_text(out, RIGHT_FROM, 14, "t-small", "% in the same sweep", 0);
        for (size_t r = 0; r < s.count; r++)
            put_row(out, &s, &s.rows[r], TOP + (double)r * ROW);
        put_sweeps(out, &s, bottom);
        buf_append_text(out, "</svg>\n");
    }
    buf_release(&text);
    free(s.rows);
}
