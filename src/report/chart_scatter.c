/*
 * chart_scatter.c - cells as points: latency against AP with the front that nothing beats, and the
 * roofline.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/pen.h"
#include "report/write.h"

#define FROM       64.0
#define TO         904.0
#define TOP        14.0
#define BOTTOM     372.0
#define MAX_POINTS CHART_MAX_ROWS
#define MARK       6.0
#define WIDE_SPAN  5.0 /* largest to smallest, from which on an axis is logarithmic */

struct point {
    const struct ledger_cell *cell;
    double x, y;
    struct ledger_interval across, along; /* of y, of x */
    bool front;
};

struct field {
    struct point points[MAX_POINTS];
    size_t count;
    struct pen_axis x, y;
    struct pen_box boxes[5 * MAX_POINTS + 1]; /* that labels keep out of */
    size_t box_count;
};

/* --- marks --- */

static const char *precision_of(const struct ledger_cell *cell)
{
    return cell->row.executed_precision[0] ? cell->row.executed_precision : cell->row.precision;
}

/* A shape for each precision, so that no colour is needed to tell them apart. */
static void put_mark(struct buf *out, const struct point *p, double x, double y)
{
    const char *precision = precision_of(p->cell), *class = p->front ? "mark" : "mark off";

    if (strcmp(precision, "int8") == 0)
        buf_printf(out, "<path class=\"%s\" d=\"M%.2f %.2fm-5.5 -5.5h11v11h-11Z\"/>\n", class, x,
                   y);
    else if (strcmp(precision, "fp16") == 0)
        buf_printf(out, "<path class=\"%s\" d=\"M%.2f %.2fm0 -7l6.5 11h-13Z\"/>\n", class, x, y);
    else if (strcmp(precision, "bf16") == 0)
        buf_printf(out,
                   "<path class=\"%s\" d=\"M%.2f %.2fm0 -7.5l7.5 7.5l-7.5 7.5l-7.5 -7.5Z\"/>\n",
                   class, x, y);
    else
        buf_printf(out, "<circle class=\"%s\" cx=\"%.2f\" cy=\"%.2f\" r=\"6\"/>\n", class, x, y);
}

/* Horizontal rules of the y axis with their numbers at the left. */
static void put_left_axis(struct buf *out, const struct pen_axis *axis, double scale)
{
    double values[64];
    size_t count = pen_ticks(axis, values, 64);

    for (size_t i = 0; i < count; i++) {
        double y = pen_place(axis, values[i]);

        buf_printf(out, "<path d=\"M%.1f %.1fH%.1f\" class=\"grid\"/>\n", FROM, y, TO);
        buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"t-small t-end\">%.9g</text>\n",
                   FROM - 8, y + 4, values[i] * scale);
    }
}

static void keep_free(struct field *f, double x, double y, double width, double height)
{
    f->boxes[f->box_count++] = (struct pen_box){x, y, width, height};
}

static void put_points(struct buf *out, struct field *f)
{
    static const struct pen_box inside = {FROM + 2, TOP, TO - FROM - 2, BOTTOM - TOP};
    struct pen_label labels[MAX_POINTS];

    for (size_t i = 0; i < f->count; i++) {
        const struct point *p = &f->points[i];
        double x = pen_place(&f->x, p->x), y = pen_place(&f->y, p->y);

        labels[i] = (struct pen_label){p->cell->label, x, y};
        keep_free(f, x - MARK, y - MARK, 2 * MARK, 2 * MARK);
        if (!isnan(p->along.low)) {
            double a = pen_place(&f->x, p->along.low), b = pen_place(&f->x, p->along.high);

            buf_printf(out, "<path class=\"whisk\" d=\"M%.2f %.2fH%.2f\"/>\n", a, y, b);
            keep_free(f, a, y - 2, b - a, 4);
        }
        if (!isnan(p->across.low)) {
            double a = pen_place(&f->y, p->across.low), b = pen_place(&f->y, p->across.high);

            buf_printf(out, "<path class=\"whisk\" d=\"M%.2f %.2fV%.2f\"/>\n", x, a, b);
            keep_free(f, x - 2, b, 4, a - b);
        }
    }
    for (size_t i = 0; i < f->count; i++)
        put_mark(out, &f->points[i], pen_place(&f->x, f->points[i].x),
                 pen_place(&f->y, f->points[i].y));
    pen_labels(out, labels, f->count, f->boxes, f->box_count, &inside);
}

static void put_below(struct buf *out, const char *text)
{
    pen_text(out, TO, BOTTOM + 34, "t-small t-end", text, 0);
}

/* --- latency against AP --- */

static int by_x(const void *left, const void *right)
{
    const struct point *a = left, *b = right;

    return a->x != b->x ? (a->x < b->x ? -1 : 1) : (a->y > b->y ? -1 : a->y < b->y);
}

static void widen(double *low, double *high, double value)
{
    *low = fmin(*low, value); /* a NAN is passed over */
    *high = fmax(*high, value);
}

static void find_trade_axes(struct field *f)
{
    double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY, span;

    for (size_t i = 0; i < f->count; i++) {
        const struct point *p = &f->points[i];

        widen(&x_low, &x_high, p->x);
        widen(&x_low, &x_high, p->along.low);
        widen(&x_low, &x_high, p->along.high);
        widen(&y_low, &y_high, p->y);
        widen(&y_low, &y_high, p->across.low);
        widen(&y_low, &y_high, p->across.high);
    }
    f->x = (struct pen_axis){.left = FROM, .right = TO};
    f->x.logarithmic = x_low > 0 && x_high / x_low > WIDE_SPAN;
    span = f->x.logarithmic ? 0 : fmax(x_high - x_low, x_high * 0.1);
    f->x.low = f->x.logarithmic ? x_low / 1.25 : fmax(0, x_low - 0.1 * span);
    f->x.high = f->x.logarithmic ? x_high * 1.35 : x_high + 0.14 * span;
    f->x.step = f->x.logarithmic ? 0 : pen_step(f->x.high - f->x.low, 8);
    span = fmax(y_high - y_low, 0.005);
    f->y = (struct pen_axis){.left = BOTTOM, .right = TOP};
    f->y.low = y_low - 0.25 * span;
    f->y.high = y_high + 0.25 * span;
    f->y.step = pen_step(f->y.high - f->y.low, 5);
}

/* AP of a cell, and what its difference to the reference's may be; false if it has none. */
static bool place_ap(const struct ledger *ledger, const struct ledger_cell *cell, struct point *p)
{
    const struct ledger_decision *d = &ledger->decision;
    const struct ledger_ap *ap = &cell->ap_to_reference;
    bool has = ap->known && !ap->identical && !isnan(ap->interval.low);
    double reference;

    if (!d->accuracy_known || !cell->accuracy.known || cell->accuracy.coco[0] < 0)
        return false;
    reference = ledger->cells[d->reference].accuracy.coco[0];
    p->y = cell->accuracy.coco[0];
    p->across.low = has ? reference + ap->interval.low : (double)NAN;
    p->across.high = has ? reference + ap->interval.high : (double)NAN;
    return true;
}

static bool collect_trade(const struct ledger *ledger, enum chart_trade what, struct field *f)
{
    double best = -1;

    f->count = f->box_count = 0;
    for (size_t i = 0; i < ledger->cell_count && f->count < MAX_POINTS; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        const struct ledger_times *t = ledger_times(cell);
        struct point *p = &f->points[f->count];

        *p = (struct point){
            .cell = cell, .y = cell->agreement.found, .across = cell->agreement.interval};
        if (!t || !(t->p50_ns > 0) ||
            !(what == CHART_AP ? place_ap(ledger, cell, p) : cell->agreement.known))
            continue;
        p->x = t->p50_ns / 1e6;
        p->along.low = t->p50_interval_ns.low / 1e6;
        p->along.high = t->p50_interval_ns.high / 1e6;
        f->count++;
    }
    qsort(f->points, f->count, sizeof(*f->points), by_x);
    for (size_t i = 0; i < f->count; i++) {
        f->points[i].front =
            what == CHART_FOUND ? f->points[i].cell->agreement.front : f->points[i].y > best;
        best = fmax(best, f->points[i].y);
    }
    return f->count > 1;
}

/* From below the fastest cell up and along to the right: what lies under it is beaten. */
static void put_front(struct buf *out, struct field *f)
{
    double from_x = FROM, from_y = BOTTOM;
    bool open = false;

    buf_append_text(out, "<path class=\"front\" d=\"");
    for (size_t i = 0; i < f->count; i++) {
        double x = pen_place(&f->x, f->points[i].x), y = pen_place(&f->y, f->points[i].y);

        if (!f->points[i].front)
            continue;
        if (open)
            buf_printf(out, "H%.2fV%.2f", x, y);
        else
            buf_printf(out, "M%.2f %.1fV%.2f", x, BOTTOM, y);
        keep_free(f, open ? from_x : x, from_y - 1, open ? x - from_x : 0, 2);
        keep_free(f, x - 1, y, 2, from_y - y);
        from_x = x;
        from_y = y;
        open = true;
    }
    keep_free(f, from_x, from_y - 1, TO - from_x, 2);
    buf_printf(out, "H%.1f\"/>\n", TO);
}

bool chart_has_trade(const struct ledger *ledger, enum chart_trade what)
{
    struct field f;

    return collect_trade(ledger, what, &f);
}

void chart_trade(const struct ledger *ledger, size_t id, enum chart_trade what, struct buf *out)
{
    static const char *const titles[] = {"Latency against accuracy", "Latency against agreement"};
    static const char *const classes[] = {"trade", "agree"}, *const names[] = {"AP", "found"};
    static const char *const axes[] = {"COCO box AP, points (up is better)",
                                       "the reference's boxes found again, % (up is better)"};
    struct field f;
    struct buf text = BUF_INIT;

    if (!collect_trade(ledger, what, &f))
        return;
    find_trade_axes(&f);
    for (size_t i = 0; i < f.count; i++)
        buf_printf(&text, "%s: %s ms, %s %s%s. ", f.points[i].cell->label,
                   write_ms(f.points[i].x * 1e6, false).text, names[what],
                   write_points(f.points[i].y, false).text,
                   f.points[i].front ? ", on the front" : "");
    pen_open(out, &(struct pen_picture){classes[what], id, BOTTOM + 44, titles[what],
                                        buf_text(&text), NULL});
    buf_release(&text);
    put_left_axis(out, &f.y, 100);
    pen_axis(out, &f.x, TOP, BOTTOM, "", false);
    put_front(out, &f);
    put_points(out, &f);
    pen_text(out, FROM, BOTTOM + 34, "t-small", axes[what], 0);
    put_below(out, "p50, ms (left is better)");
    buf_append_text(out, "</svg>\n");
}

/* --- roofline --- */

/* Rates in 10^9 a second; 0: not known. */
struct roofs {
    double memory;
    double compute[PEAK_TYPES];
    double one; /* FP32 on one thread */
};

static double best(const struct peak_rate *rate)
{
    return rate->best / 1e9;
}

static struct roofs roofs_of(const struct roofline_peaks *peaks, size_t place)
{
    const struct peak_cuda *device = place ? &peaks->devices[place - 1] : NULL;
    struct roofs roofs = {
        .memory = best(device ? &device->copies[PEAK_COPY_DEVICE].rate
                              : &peaks->traffic[PEAK_READ][ROOFLINE_ALL].rate),
        .one = device ? 0 : best(&peaks->operations[PEAK_FP32][ROOFLINE_ONE].rate),
    };

    for (int t = 0; t < PEAK_TYPES; t++)
        roofs.compute[t] =
            best(device ? &device->operations[t].rate : &peaks->operations[t][ROOFLINE_ALL].rate);
    return roofs;
}

size_t chart_roofline_places(const struct ledger *ledger)
{
    return 1 + (size_t)ledger->peaks.device_count;
}

static bool runs_at(const struct ledger *ledger, const struct ledger_cell *cell, size_t place)
{
    const struct peak_cuda *device = roofline_device(&ledger->peaks, cell->row.device);

    return place ? device == &ledger->peaks.devices[place - 1] : !device;
}

static bool collect_roofline(const struct ledger *ledger, size_t place, struct field *f)
{
    f->count = f->box_count = 0;
    for (size_t i = 0; i < ledger->cell_count && f->count < MAX_POINTS; i++) {
        const struct roofline_row *row = &ledger->cells[i].limit;

        if (row->known && row->intensity > 0 && row->attained > 0 && isfinite(row->intensity) &&
            runs_at(ledger, &ledger->cells[i], place))
            f->points[f->count++] = (struct point){.cell = &ledger->cells[i],
                                                   .x = row->intensity,
                                                   .y = row->attained / 1e9,
                                                   .along = {NAN, NAN},
                                                   .across = {NAN, NAN},
                                                   .front = true};
    }
    return ledger->peaks.known && f->count > 0;
}

bool chart_has_roofline(const struct ledger *ledger, size_t place)
{
    struct field f;

    return collect_roofline(ledger, place, &f);
}

static void find_roof_axes(const struct roofs *roofs, struct field *f)
{
    double low = INFINITY, high = 1, x_low = INFINITY, x_high = 1;

    for (size_t i = 0; i < f->count; i++) {
        widen(&x_low, &x_high, f->points[i].x);
        widen(&low, &high, f->points[i].y);
    }
    for (int t = 0; t < PEAK_TYPES; t++)
        high = fmax(high, roofs->compute[t]);
    if (roofs->memory > 0)
        x_low = fmin(x_low, high / roofs->memory / 8); /* enough of the slope to be seen */
    f->x = (struct pen_axis){x_low / 2, x_high * 4, 0, FROM, TO, true};
    f->y = (struct pen_axis){low / 2, high * 2, 0, BOTTOM, TOP, true};
}

/* A flat roof from where the slope meets it. */
static void put_roof(struct buf *out, struct field *f, double slope, double roof, const char *class,
                     const char *name)
{
    const double right = TO - 4;
    bool below = false;
    double y;
    double meets = slope > 0 ? fmax(f->x.low, roof / slope) : f->x.low;
    struct buf text = BUF_INIT;

    if (roof <= 0 || meets >= f->x.high)
        return;
    y = pen_place(&f->y, roof);
    buf_printf(&text, roof < 1000 ? "%s %.3g" : "%s %.0f", name, roof);
    for (size_t i = 0; i < f->box_count; i++) /* below, where the name of another roof is near */
        below = below || fabs(f->boxes[i].y + 18 - y) < 18;
    buf_printf(out, "<path class=\"%s\" d=\"M%.2f %.2fH%.1f\"/>\n", class, pen_place(&f->x, meets),
               y, TO);
    pen_text(out, right, below ? y + 14 : y - 5, "t-small t-end", buf_text(&text), 0);
    keep_free(f, right - 7 * (double)text.size, y - 18, 7 * (double)text.size, 20);
    buf_release(&text);
}

static void put_slope(struct buf *out, const struct field *f, double slope, double roof,
                      const char *name)
{
    double from = fmax(f->x.low, f->y.low / slope), to = fmin(roof / slope, f->x.high);
    double x, y, angle;
    struct buf text = BUF_INIT;

    if (slope <= 0 || from >= to)
        return;
    x = pen_place(&f->x, from);
    y = pen_place(&f->y, from * slope);
    angle = atan2(pen_place(&f->y, to * slope) - y, pen_place(&f->x, to) - x) * 180 / acos(-1);
    buf_printf(out, "<path class=\"roof\" d=\"M%.2f %.2fL%.2f %.2f\"/>\n", x, y,
               pen_place(&f->x, to), pen_place(&f->y, to * slope));
    buf_printf(&text, slope < 1000 ? "%s %.3g GB/s" : "%s %.0f GB/s", name, slope);
    buf_printf(out,
               "<text transform=\"translate(%.1f %.1f) rotate(%.1f)\" x=\"14\" y=\"-6\" "
               "class=\"t-small\">%s</text>\n",
               x, y, angle, buf_text(&text));
    buf_release(&text);
}

/* "Roofline of this machine", and what tells the picture from others of a page. */
static void open_roofline(struct buf *out, const struct ledger *ledger, size_t place, size_t id,
                          const struct field *f)
{
    char what[32] = "roof", title[160] = "Roofline of this machine";
    struct buf text = BUF_INIT;

    for (size_t i = 0; i < f->count; i++)
        buf_printf(&text,
                   "%s: %.3g thousand million operations a second at %.3g a byte, %.0f %% of "
                   "its limit. ",
                   f->points[i].cell->label, f->points[i].y, f->points[i].x,
                   100 * f->points[i].cell->limit.share);
    if (place) {
        const struct peak_cuda *device = &ledger->peaks.devices[place - 1];

        (void)snprintf(what, sizeof(what), "roof%zu-", place);
        (void)snprintf(title, sizeof(title), "Roofline of cuda:%d, %s", device->index,
                       device->name);
    }
    pen_open(out, &(struct pen_picture){what, id, BOTTOM + 44, title, buf_text(&text), NULL});
    buf_release(&text);
}

void chart_roofline(const struct ledger *ledger, size_t place, size_t id, struct buf *out)
{
    const struct roofs roofs = roofs_of(&ledger->peaks, place);
    double highest = 0;
    struct field f;

    if (!collect_roofline(ledger, place, &f))
        return;
    find_roof_axes(&roofs, &f);
    open_roofline(out, ledger, place, id, &f);
    put_left_axis(out, &f.y, 1);
    pen_axis(out, &f.x, TOP, BOTTOM, "", false);
    for (int t = 0; t < PEAK_TYPES; t++) {
        highest = fmax(highest, roofs.compute[t]);
        put_roof(out, &f, roofs.memory, roofs.compute[t], "roof",
                 peak_type_name((enum peak_type)t));
    }
    put_roof(out, &f, 0, roofs.one, "roof one", "fp32, one thread,");
    put_slope(out, &f, roofs.memory, highest, "memory");
    put_points(out, &f);
    pen_text(out, FROM, BOTTOM + 34, "t-small", "10⁹ operations a second, measured", 0);
    put_below(out, "operations for each byte of weights, inputs and outputs");
    buf_append_text(out, "</svg>\n");
}
