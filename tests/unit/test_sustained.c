/*
 * What a contiguous visit sustains, on made series whose answer is known: a constant one, one that
 * slows down at first, one that never stops doing so; and the contrast of A B B A under drift.
 */
#include "check.h"

#include "measure/soak.h"
#include "measure/sustained.h"

#define COUNT 4000

static void constant_speed_is_steady_at_once(void)
{
    static double samples[COUNT];
    struct sustained s;

    for (size_t i = 0; i < COUNT; i++)
        samples[i] = 1e6;
    s = sustained_part(samples, COUNT);
    CHECK(s.steady && s.first == 0);
    CHECK_NEAR(s.run_ns, 1e6, 1e-6);
    CHECK_NEAR(s.slope_per_min, 0, 1e-9);
}

static void the_first_heat_is_left_out(void)
{
    static double samples[COUNT];
    struct sustained s;

    for (size_t i = 0; i < COUNT; i++) /* 20 % slower after a quarter, then constant */
        samples[i] = 1e6 * (1 + 0.2 * fmin(1, (double)i / (COUNT / 4)));
    s = sustained_part(samples, COUNT);
    CHECK(s.steady && s.first > 0 && s.first <= COUNT / 3);
    CHECK_NEAR(s.run_ns, 1.2e6, 0.01e6);
}

static void what_never_stops_is_not_steady(void)
{
    static double samples[COUNT];
    struct sustained s;

    for (size_t i = 0; i < COUNT; i++)
        samples[i] = 1e6 * (1 + (double)i / COUNT);
    s = sustained_part(samples, COUNT);
    CHECK(!s.steady && s.first > COUNT / 3);
    CHECK(s.slope_per_min < 0);
    CHECK(!sustained_part(samples, 10).steady && sustained_part(samples, 10).run_ns > 0);
    CHECK(isnan(sustained_part(samples, 0).run_ns));
}

static void one_long_run_does_no_harm(void)
{
    double samples[50];
    struct sustained s;

    for (size_t i = 0; i < 50; i++)
        samples[i] = i == 20 ? 1e9 : 1e3;
    s = sustained_part(samples, 50);
    CHECK(s.run_ns > 0 && s.first < 50);
}

static void linear_drift_cancels(void)
{
    double run_ns[4];

    for (int k = 0; k < 4; k++) /* B takes 10 % more, everything slows down by 5 % a visit */
        run_ns[k] = exp(0.05 * k) * (soak_is_cell(0, k) ? 1 : 1.1);
    CHECK_NEAR(sustained_contrast(run_ns, false), -log(1.1), 1e-12);
    for (int k = 0; k < 4; k++)
        run_ns[k] = exp(0.05 * k) * (soak_is_cell(1, k) ? 1 : 1.1);
    CHECK_NEAR(sustained_contrast(run_ns, !soak_is_cell(1, 0)), -log(1.1), 1e-12);
}

static void zones_of_a_machine(void)
{
    /* orin's zones are written by hand, with the names that its kernel gives them */
    CHECK(soak_temperature("tests/fixtures/machines/epyc-vm") == INT64_MIN);
    CHECK(soak_temperature("tests/fixtures/machines/orin") == 52343); /* CPU, not the hotter GPU */
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"constant_speed_is_steady_at_once", constant_speed_is_steady_at_once},
        {"the_first_heat_is_left_out", the_first_heat_is_left_out},
        {"what_never_stops_is_not_steady", what_never_stops_is_not_steady},
        {"one_long_run_does_no_harm", one_long_run_does_no_harm},
        {"linear_drift_cancels", linear_drift_cancels},
        {"zones_of_a_machine", zones_of_a_machine},
        {NULL, NULL},
    };

    return check_main("sustained", cases, argc, argv);
}
