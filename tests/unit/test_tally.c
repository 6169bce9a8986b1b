#include "quantize/tally.h"

#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "stats/random.h"

#define PLANE    1003 /* no multiple of a vector */
#define CHANNELS 3

/* Channels of unlike width; the second picture is wider than the first. */
static void fill(float *values, uint64_t seed, float width)
{
    struct random random;

    random_seed(&random, seed);
    for (size_t i = 0; i < (size_t)CHANNELS * PLANE; i++) {
        float unit = (float)(random_next(&random) >> 40) * 0x1p-24F;

        values[i] = (unit - 0.3F) * width * (float)(1 + i / PLANE * 10);
    }
}

static uint64_t expected_bin(const float *values, int bin, int exponent)
{
    double width = ldexp(1, exponent + 1) / TALLY_BINS;
    double low = (bin - TALLY_ZERO) * width;
    uint64_t count = 0;

    for (size_t i = 0; i < PLANE; i++)
        count += (double)values[i] >= low && (double)values[i] < low + width;
    return count;
}

static void counts_what_lies_in_each_bin(void)
{
    float *first = malloc(CHANNELS * PLANE * sizeof(float));
    float *second = malloc(CHANNELS * PLANE * sizeof(float));
    struct tally tally;
    struct tally_seen seen;

    fill(first, 1, 0.1F);
    fill(second, 2, 7);
    CHECK_OK(tally_init(&tally, CHANNELS, PLANE, err));
    CHECK_OK(tally_count(&tally, first, false, &seen, err));
    CHECK_OK(tally_count(&tally, second, false, &seen, err));
    CHECK(seen.finite && tally.pictures == 2);
    for (size_t c = 0; c < CHANNELS; c++) {
        int exponent = tally.exponents[c];

        for (int bin = 0; bin < TALLY_BINS; bin++)
            CHECK(tally.counts[c * TALLY_BINS + (size_t)bin] ==
                  expected_bin(first + c * PLANE, bin, exponent) +
                      expected_bin(second + c * PLANE, bin, exponent));
    }
    tally_release(&tally);
    free(first);
    free(second);
}

static void counts_the_same_in_any_order_and_without_vectors(void)
{
    float *values[3];
    struct tally a, b;
    struct tally_seen seen;

    CHECK_OK(tally_init(&a, CHANNELS, PLANE, err));
    CHECK_OK(tally_init(&b, CHANNELS, PLANE, err));
    for (int i = 0; i < 3; i++) {
        values[i] = malloc(CHANNELS * PLANE * sizeof(float));
        fill(values[i], (uint64_t)i, powf(30, (float)i - 1));
        values[i][PLANE / 2] = i == 2 ? 64 : -64; /* powers of two, at either end */
    }
    for (int i = 0; i < 3; i++) {
        CHECK_OK(tally_count(&a, values[i], false, &seen, err));
        CHECK_OK(tally_count(&b, values[2 - i], true, &seen, err));
    }
    CHECK(tally_hash(&a) == tally_hash(&b));
    CHECK(a.raw.low_sum == b.raw.low_sum && a.raw.high_sum == b.raw.high_sum);
    CHECK(a.silu.high_sum == b.silu.high_sum && a.raw.high == b.raw.high);
    tally_release(&a);
    tally_release(&b);
    for (int i = 0; i < 3; i++)
        free(values[i]);
}

static void sees_what_is_not_finite(void)
{
    static const size_t places[] = {0, 5, PLANE - 1, PLANE, (size_t)CHANNELS * PLANE - 1};
    float *values = malloc(CHANNELS * PLANE * sizeof(float));
    struct tally tally;
    struct tally_seen seen;

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        for (int portable = 0; portable < 2; portable++) {
            fill(values, 3, 1);
            values[places[i]] = i % 2 ? NAN : -INFINITY;
            CHECK_OK(tally_init(&tally, CHANNELS, PLANE, err));
            CHECK_OK(tally_count(&tally, values, portable, &seen, err));
            CHECK(!seen.finite);
            tally_release(&tally);
        }
    free(values);
}

static void knows_means_and_extremes(void)
{
    float *values = malloc(CHANNELS * PLANE * sizeof(float));
    double means[CHANNELS], after[CHANNELS], sum = 0, silu = 0, high = -1e9;
    struct tally tally;
    struct tally_sum all;
    struct tally_seen seen;
    double total = 0;

    fill(values, 4, 2);
    CHECK_OK(tally_init(&tally, CHANNELS, PLANE, err));
    CHECK_OK(tally_count(&tally, values, false, &seen, err));
    for (size_t i = 0; i < PLANE; i++) {
        double x = (double)values[2 * PLANE + i];

        sum += x;
        silu += x / (1 + exp(-x));
        high = x > high ? x : high;
    }
    tally_means(&tally, false, means);
    tally_means(&tally, true, after);
    CHECK_NEAR(means[2], sum / PLANE, 0.002);
    CHECK_NEAR(after[2], silu / PLANE, 0.002);
    CHECK_NEAR(tally_mean_high(&tally.raw, 1), high, 1e-5);
    CHECK_NEAR(tally.silu.low, -0.2784645, 1e-6);
    tally_fold(&tally, true, NULL, &all);
    for (int i = 0; i < TALLY_BINS; i++)
        total += all.mass[i];
    CHECK_NEAR(total, CHANNELS * PLANE, 1e-6);
    tally_release(&tally);
    free(values);
}

static void knows_how_uncertain_extremes_are(void)
{
    float *values = calloc(PLANE, sizeof(float));
    struct tally tally;
    struct tally_seen seen;

    CHECK_OK(tally_init(&tally, 1, PLANE, err));
    CHECK(tally_uncertainty(&tally.raw, 0) == 1);
    for (int i = 0; i < 4; i++) {
        values[7] = i % 2 ? 9 : 11;
        CHECK_OK(tally_count(&tally, values, false, &seen, err));
    }
    /* deviation sqrt(4/3), standard error of it / 2, mean 10 */
    CHECK_NEAR(tally_uncertainty(&tally.raw, 4), sqrt(4.0 / 3) / 2 / 10, 1e-6);
    tally_release(&tally);
    free(values);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"counts_what_lies_in_each_bin", counts_what_lies_in_each_bin},
        {"counts_the_same_in_any_order_and_without_vectors",
         counts_the_same_in_any_order_and_without_vectors},
        {"sees_what_is_not_finite", sees_what_is_not_finite},
        {"knows_means_and_extremes", knows_means_and_extremes},
        {"knows_how_uncertain_extremes_are", knows_how_uncertain_extremes_are},
        {0}};

    return check_main("tally", cases, argc, argv);
}
