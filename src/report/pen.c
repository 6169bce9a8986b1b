#include "report/pen.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/write.h"

#define LABEL_HEIGHT  16.0
#define LABEL_COLUMN  7.3 /* width of a letter, at most about */
#define LABEL_COLUMNS 30
#define MAX_DECADES   4  /* with three ticks each */
#define MAX_LABELS    20 /* all written; of more, those that find room */

double pen_place(const struct pen_axis *axis, double value)
{
    double share = axis->logarithmic ? log(value / axis->low) / log(axis->high / axis->low)
                                     : (value - axis->low) / (axis->high - axis->low);

    return axis->left + (axis->right - axis->left) * share;
}

double pen_step(double span, int wanted)
{
    double raw = span / wanted, power = pow(10, floor(log10(raw))), lead = raw / power;

    return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

static size_t log_ticks(const struct pen_axis *axis, double *values, size_t room)
{
    static const double leads[] = {1, 2, 5};
    size_t count = 0, most = log10(axis->high / axis->low) > MAX_DECADES ? 1 : 3;

    for (double power = pow(10, floor(log10(axis->low))); power <= axis->high; power *= 10)
        for (size_t k = 0; k < most; k++) {
            double v = power * leads[k];

            if (v >= axis->low * (1 - 1e-9) && v <= axis->high * (1 + 1e-9) && count < room)
                values[count++] = v;
        }
    return count;
}

size_t pen_ticks(const struct pen_axis *axis, double *values, size_t room)
{
    double first = ceil(axis->low / axis->step - 1e-9);
    size_t count = 0;

    if (axis->logarithmic)
        return log_ticks(axis, values, room);
    while (count < room && (first + (double)count) * axis->step <= axis->high + axis->step * 1e-9) {
        values[count] = (first + (double)count) * axis->step;
        if (fabs(values[count]) < axis->step * 1e-6)
            values[count] = 0;
        count++;
    }
    return count;
}

void pen_number(struct buf *out, const char *text)
{
    for (; *text; text++)
        if (*text == '-')
            buf_append_text(out, "−");
        else
            buf_append_char(out, *text);
}

void pen_text(struct buf *out, double x, double y, const char *classes, const char *text,
              size_t most)
{
    struct buf cut = BUF_INIT;

    if (most && write_columns(text) > most) {
        write_padded(&cut, text, (int)most);
        text = buf_text(&cut);
    }
    buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, classes);
    write_html(out, text);
    buf_append_text(out, "</text>\n");
    buf_release(&cut);
}

void pen_rect(struct buf *out, double x, double y, double width, double height, const char *class)
{
    if (width > 0)
        buf_printf(out,
                   "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"/>\n", x,
                   y, width, height, class);
}

void pen_rule(struct buf *out, double x, double from, double to, const char *class)
{
    buf_printf(out, "<path d=\"M%.1f %.1fV%.1f\" class=\"%s\"/>\n", x, from, to, class);
}

void pen_open(struct buf *out, const struct pen_picture *p)
{
    double edge = p->style ? 28 : 0; /* a picture alone needs a margin */

    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"%.0f %.0f %.0f "
               "%.0f\""
               " role=\"img\" aria-labelledby=\"%s%zu-t %s%zu-d\">\n<title id=\"%s%zu-t\">",
               -edge, -edge / 2, PEN_WIDTH + 2 * edge, p->height + edge, p->what, p->id, p->what,
               p->id, p->what, p->id);
    write_html(out, p->title);
    buf_printf(out, "</title>\n<desc id=\"%s%zu-d\">", p->what, p->id);
    write_html(out, p->description);
    buf_append_text(out, "</desc>\n");
    if (p->style) {
        buf_printf(out, "<style>%s svg{background:var(--paper)}</style>\n", p->style);
        buf_printf(out,
                   "<rect x=\"%.0f\" y=\"%.0f\" width=\"%.0f\" height=\"%.0f\" "
                   "style=\"fill:var(--paper)\"/>\n",
                   -edge, -edge / 2, PEN_WIDTH + 2 * edge, p->height + edge);
    }
}

void pen_axis(struct buf *out, const struct pen_axis *axis, double top, double bottom,
              const char *unit, bool signed_)
{
    double values[64];
    size_t count = pen_ticks(axis, values, 64);

    for (size_t i = 0; i < count; i++) {
        struct buf text = BUF_INIT;
        double x = pen_place(axis, values[i]);

        pen_rule(out, x, top, bottom, values[i] == 0 ? "zero" : "grid");
        buf_printf(&text, signed_ && values[i] > 0 ? "+%g%s" : "%g%s", values[i], unit);
        buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"t-small t-mid\">", x, bottom + 16);
        pen_number(out, buf_text(&text));
        buf_append_text(out, "</text>\n");
        buf_release(&text);
    }
}

/* --- labels --- */

static double overlap(const struct pen_box *a, const struct pen_box *b)
{
    double width = fmin(a->x + a->width, b->x + b->width) - fmax(a->x, b->x);
    double height = fmin(a->y + a->height, b->y + b->height) - fmax(a->y, b->y);

    return width > 0 && height > 0 ? width * height : 0;
}

static bool is_inside(const struct pen_box *box, const struct pen_box *inside)
{
    return box->x >= inside->x && box->y >= inside->y &&
           box->x + box->width <= inside->x + inside->width &&
           box->y + box->height <= inside->y + inside->height;
}

/* The box of a label in one of eight directions at some distance from its mark. */
static struct pen_box candidate(const struct pen_label *label, int direction, double distance)
{
    static const double ways[8][2] = {{1, 0},  {-1, 0}, {0, -1},  {0, 1},
                                      {1, -1}, {1, 1},  {-1, -1}, {-1, 1}};
    size_t columns = write_columns(label->text);
    struct pen_box box = {.width = LABEL_COLUMN *
                                   (double)(columns < LABEL_COLUMNS ? columns : LABEL_COLUMNS),
                          .height = LABEL_HEIGHT};
    double dx = ways[direction][0], dy = ways[direction][1];

    box.x = label->x + dx * distance - (dx < 0 ? box.width : dx == 0 ? box.width / 2 : 0);
    box.y = label->y + dy * distance * (dx == 0 ? 1 : 0.8) -
            (dy < 0    ? box.height
             : dy == 0 ? box.height / 2
                       : 0);
    return box;
}

static double overlap_of(const struct pen_box *box, const struct pen_box *taken, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += overlap(box, &taken[i]);
    return sum;
}

static struct pen_box best_place(const struct pen_label *label, const struct pen_box *taken,
                                 size_t taken_count, const struct pen_box *inside, double *distance)
{
    static const double distances[] = {10, 20, 34, 50, 70, 95, 125};
    struct pen_box best = candidate(label, 0, distances[0]);
    double least = INFINITY;

    *distance = distances[0];
    for (size_t k = 0; k < sizeof(distances) / sizeof(distances[0]); k++)
        for (int d = 0; d < 8; d++) {
            struct pen_box box = candidate(label, d, distances[k]);
            double cost = distances[k] * 2 + d;

            if (!is_inside(&box, inside))
                continue;
            cost += 4 * overlap_of(&box, taken, taken_count);
            if (cost < least) {
                least = cost;
                best = box;
                *distance = distances[k];
            }
        }
    return best;
}

void pen_labels(struct buf *out, const struct pen_label *labels, size_t label_count,
                const struct pen_box *obstacles, size_t obstacle_count,
                const struct pen_box *inside)
{
    struct pen_box *taken = calloc(label_count + obstacle_count + 1, sizeof(*taken));
    size_t used = 0;

    if (!taken) {
        out->status = out->status == TARE_OK ? TARE_NOMEM : out->status;
        return;
    }
    for (size_t i = 0; i < obstacle_count; i++)
        taken[used++] = obstacles[i];
    for (size_t i = 0; i < label_count; i++) {
        double distance;
        struct pen_box box = best_place(&labels[i], taken, used, inside, &distance);
        double x = fmax(box.x, fmin(labels[i].x, box.x + box.width));
        double y = fmax(box.y + 3, fmin(labels[i].y, box.y + box.height - 2));
        bool left = box.x + box.width <= labels[i].x;

        if (label_count > MAX_LABELS && overlap_of(&box, taken, used) > 0)
            continue;
        taken[used++] = box;
        if (distance > 20)
            buf_printf(out, "<path d=\"M%.1f %.1fL%.1f %.1f\" class=\"leader\"/>\n", labels[i].x,
                       labels[i].y, x, y);
        pen_text(out, left ? box.x + box.width : box.x, box.y + 12.5,
                 left ? "t-label t-end" : "t-label", labels[i].text, LABEL_COLUMNS);
    }
    free(taken);
}
