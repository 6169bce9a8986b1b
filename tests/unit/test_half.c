/* Every half there is, against its definition in IEEE 754, and rounding against exact arithmetic.
 */
#include "check.h"
#include "vision/half.h"

static void widens_every_half(void)
{
    for (uint32_t h = 0; h < 65536; h++) {
        int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        double expected = exponent == 31  ? (fraction ? NAN : INFINITY)
                          : exponent == 0 ? ldexp(fraction, -24)
                                          : ldexp(1024 + fraction, exponent - 25);
        float value = half_to_float((uint16_t)h);

        if (h & 0x8000)
            expected = -expected;
        if (isnan(expected) ? !isnan(value) : (double)value != expected)
            CHECK((double)value == expected);
        if (!isnan(expected) && !!signbit(value) != !!(h & 0x8000))
            CHECK(!"sign");
    }
}

static void comes_back_from_every_half(void)
{
    for (uint32_t h = 0; h < 65536; h++) {
        float value = half_to_float((uint16_t)h);
        uint16_t back = half_from_float(value);

        if (isnan(value) ? !isnan(half_to_float(back)) : back != h)
            CHECK(back == h);
    }
}

/* Between two neighbours: below the middle down, above it up, at it to the even one. */
static void rounds_to_nearest_even(void)
{
    for (uint16_t h = 0; h < 0x7bff; h++) {
        double low = (double)half_to_float(h), high = (double)half_to_float((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2); /* exact: one more bit than a half has */

        CHECK(half_from_float(middle) == (h & 1 ? h + 1 : h));
        CHECK(half_from_float(nextafterf(middle, 0)) == h);
        CHECK(half_from_float(nextafterf(middle, INFINITY)) == h + 1);
        CHECK(half_from_float(-middle) == ((h & 1 ? h + 1 : h) | 0x8000));
        if (check_failures)
            return;
    }
    CHECK(half_from_float(65519.99F) == 0x7bff);
    CHECK(half_from_float(65520.0F) == 0x7c00);
    CHECK(half_from_float(1e30F) == 0x7c00);
    CHECK(half_from_float(-INFINITY) == 0xfc00);
}

static void converts_runs(void)
{
    const float floats[3] = {1.0F, -0.5F, 0.333251953125F};
    uint16_t halves[3];
    float back[3];

    half_from_floats(floats, 3, halves);
    CHECK(halves[0] == 0x3c00 && halves[1] == 0xb800 && halves[2] == 0x3555);
    half_to_floats(halves, 3, back);
    CHECK(memcmp(floats, back, sizeof(floats)) == 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"widens_every_half", widens_every_half},
        {"comes_back_from_every_half", comes_back_from_every_half},
        {"rounds_to_nearest_even", rounds_to_nearest_even},
        {"converts_runs", converts_runs},
        {0},
    };

    return check_main("half", cases, argc, argv);
}
