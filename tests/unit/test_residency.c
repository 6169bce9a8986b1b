#include "check.h"

#include "measure/residency.h"

static void all_fit(void)
{
    static const int64_t bytes[] = {10, 20, 30};
    int64_t set[3];

    CHECK(residency_deal(bytes, 3, 0, 60, set) == 1);
    CHECK(set[0] == 0 && set[1] == 0 && set[2] == 0);
}

/* The baseline of 10 is in every set, so that 50 are left in each. */
static void first_fit(void)
{
    static const int64_t bytes[] = {30, 10, 25, 20, 0, 200, 25};
    int64_t set[7];

    CHECK(residency_deal(bytes, 7, 1, 60, set) == 3);
    CHECK(set[1] == RESIDENCY_EVERY_SET);
    CHECK(set[0] == 0 && set[3] == 0); /* 10 + 30 + 20 */
    CHECK(set[2] == 1 && set[6] == 1); /* 10 + 25 + 25 */
    CHECK(set[4] == 0);                /* it never started */
    CHECK(set[5] == 2);                /* fits nowhere */
}

static void most_lines_make_the_baseline(void)
{
    struct study_line lines[] = {
        {.cell = 0, .baseline = 2}, {.cell = 1, .baseline = 2}, {.cell = 2, .baseline = 0}};
    struct study study = {.cell_count = 3, .lines = lines, .line_count = 3};

    CHECK(residency_baseline(&study) == 2);
    study.line_count = 0;
    CHECK(residency_baseline(&study) == 0);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"all_fit", all_fit},
        {"first_fit", first_fit},
        {"most_lines_make_the_baseline", most_lines_make_the_baseline},
        {NULL, NULL},
    };

    return check_main("residency", cases, argc, argv);
}
