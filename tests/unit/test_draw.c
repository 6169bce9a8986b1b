/* What is drawn is where the box is, and nothing is drawn outside of the picture. */
#include "check.h"
#include "vision/draw.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
    WIDTH = 80,
    HEIGHT = 60
};

static struct picture black(void)
{
    return (struct picture){WIDTH, HEIGHT, calloc(WIDTH * HEIGHT, PICTURE_PIXEL_BYTES)};
}

static bool lit(const struct picture *picture, int x, int y)
{
    const uint8_t *p = picture->pixels + (y * WIDTH + x) * PICTURE_PIXEL_BYTES;

    return p[0] || p[1] || p[2];
}

static int count_lit(const struct picture *picture)
{
    int count = 0;

    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            count += lit(picture, x, y);
    return count;
}

static void outlines_the_box(void)
{
    struct picture picture = black();
    struct box box = {10, 20, 30.4F, 50, 0.9F, 3};

    draw_box(&picture, &box, NULL);
    CHECK(lit(&picture, 10, 20) && lit(&picture, 29, 49) && lit(&picture, 10, 49));
    CHECK(!lit(&picture, 9, 20) && !lit(&picture, 30, 49) && !lit(&picture, 20, 35));
    CHECK(count_lit(&picture) == 2 * 20 + 2 * 30 - 4);
    free(picture.pixels);
}

static void puts_the_label_above_or_inside(void)
{
    struct picture picture = black();
    struct box box = {10, 30, 70, 50, 0.9F, 3};

    draw_box(&picture, &box, "dog");
    CHECK(lit(&picture, 10, 22) && lit(&picture, 28, 22) && !lit(&picture, 31, 22));
    free(picture.pixels);
    picture = black();
    box.y1 = 2;
    draw_box(&picture, &box, "dog");
    CHECK(lit(&picture, 12, 8) && !lit(&picture, 12, 1));
    free(picture.pixels);
}

/* Under AddressSanitizer this also shows that memory around the picture stays untouched. */
static void clips_at_the_edges(void)
{
    static const float odd[] = {-1e30F, -50, 0, 40, 1e30F, NAN, INFINITY, -INFINITY};
    const size_t count = sizeof(odd) / sizeof(odd[0]);
    struct picture picture = black();

    for (size_t i = 0; i < count * count; i++) {
        struct box box = {
            odd[i % count], odd[i / count], odd[i / count], odd[(i + 3) % count], 1, -1};

        draw_box(&picture, &box, "a label that is longer than the picture is wide \xff\n");
    }
    free(picture.pixels);
}

/* Each printable character has a glyph of its own. */
static void glyphs_differ(void)
{
    static uint8_t glyphs[95][WIDTH * HEIGHT * PICTURE_PIXEL_BYTES];

    for (int i = 0; i < 95; i++) {
        struct picture picture = {WIDTH, HEIGHT, glyphs[i]};
        char text[2] = {(char)(32 + i), '\0'};

        draw_text(&picture, 1, 1, text, 2, (struct draw_colour){255, 255, 255});
        CHECK((count_lit(&picture) > 0) == (i > 0));
        for (int k = 0; k < i; k++)
            CHECK(memcmp(glyphs[k], glyphs[i], sizeof(glyphs[i])) != 0);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"outlines_the_box", outlines_the_box},
        {"puts_the_label_above_or_inside", puts_the_label_above_or_inside},
        {"clips_at_the_edges", clips_at_the_edges},
        {"glyphs_differ", glyphs_differ},
        {0},
    };

    return check_main("draw", cases, argc, argv);
}
