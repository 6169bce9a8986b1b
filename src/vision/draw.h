/*
 * draw.h - boxes with labels onto a picture, for people to look at.
 *
 * The font is our own: 95 ASCII glyphs of 5 x 7 dots in a cell of 6 x 8, enlarged by whole numbers.
 * Other bytes are drawn as '?'. Everything is clipped at the picture's edges.
 *
 * Threads: no shared state.
 */
#ifndef TARE_VISION_DRAW_H
#define TARE_VISION_DRAW_H

#include <stdint.h>

#include "vision/boxes.h"
#include "vision/picture.h"

#define DRAW_CELL_WIDTH  6
#define DRAW_CELL_HEIGHT 8

struct draw_colour {
    uint8_t red, green, blue;
};

/* Clear to tell apart for neighbouring numbers; any number is good. */
struct draw_colour draw_class_colour(int32_t class_id);

/*
 * An outline whose width goes with the picture's size, and, if label is not NULL, the label on a
 * filled strip above the box, or inside it where there is no room above.
 */
void draw_box(struct picture *picture, const struct box *box, const char *label);

/* Text with its left upper corner at (x, y), each dot scale x scale pixels. */
void draw_text(struct picture *picture, int32_t x, int32_t y, const char *text, int32_t scale,
               struct draw_colour colour);

/* Fills the pixels left..right - 1, top..bottom - 1. */
void draw_fill(struct picture *picture, int32_t left, int32_t top, int32_t right, int32_t bottom,
               struct draw_colour colour);

#endif
