/*
 * pen.h - what every picture is drawn with: texts, rules, axes, labels that keep out of each
 * other's way. Coordinates are those of the picture, PEN_WIDTH wide. Private to this room.
 * Threads: no shared state.
 */
#ifndef TARE_REPORT_PEN_H
#define TARE_REPORT_PEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define PEN_WIDTH 920.0

/* Values low to high over the places left to right (or bottom to top: left may be over right). */
struct pen_axis {
    double low, high; /* both positive if it is logarithmic */
    double step;      /* between ticks; of a linear axis */
    double left, right;
    bool logarithmic;
};

double pen_place(const struct pen_axis *axis, double value);

/* A step of 1, 2 or 5 times a power of ten, for about `wanted` ticks. */
double pen_step(double span, int wanted);

/* Ticks of an axis: values (room) ascending; returns how many. A logarithmic one has 1, 2, 5 in
 * each decade, or the decades alone where those are many. */
size_t pen_ticks(const struct pen_axis *axis, double *values, size_t room);

/* A number of our own making, its hyphens as minus signs. */
void pen_number(struct buf *out, const char *text);

/* Stored text, cut to `most` columns (0: all). */
void pen_text(struct buf *out, double x, double y, const char *classes, const char *text,
              size_t most);

void pen_rect(struct buf *out, double x, double y, double width, double height, const char *class);

/* A rule at x from y to y. */
void pen_rule(struct buf *out, double x, double from, double to, const char *class);

/* Opens a picture, with its name and its description. what ("fall") and id tell pictures of one
 * page apart. style: CSS to put inside (a picture that stands alone), or NULL. The caller closes
 * </svg>. */
struct pen_picture {
    const char *what;
    size_t id;
    double height;
    const char *title, *description, *style;
};
void pen_open(struct buf *out, const struct pen_picture *picture);

/* Vertical rules of a linear axis from top to bottom, with numbers below. signed_: a plus before
 * positive ones. */
void pen_axis(struct buf *out, const struct pen_axis *axis, double top, double bottom,
              const char *unit, bool signed_);

/* --- labels --- */

struct pen_box {
    double x, y, width, height;
};

struct pen_label {
    const char *text;
    double x, y; /* of the mark that it belongs to */
};

/*
 * Writes labels (label_count) beside their marks, inside `inside`, where they cover each other and
 * the obstacles (obstacle_count) least; one that had to go farther gets a line to its mark. Of more
 * than 20, those are left out that find no room.
 */
void pen_labels(struct buf *out, const struct pen_label *labels, size_t label_count,
                const struct pen_box *obstacles, size_t obstacle_count,
                const struct pen_box *inside);

#endif
