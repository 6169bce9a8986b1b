/*
 * Statistics against values from outside: SciPy 1.17.1 (scipy.stats.t, scipy.special.betainc,
 * ttest_1samp, multivariate_t), NumPy 2 (quantile), the generators' published vectors, and the
 * sample counts that every text on tolerance limits prints.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "check.h"
#include "stats/bootstrap.h"
#include "stats/components.h"
#include "stats/paired.h"
#include "stats/quantile.h"
#include "stats/random.h"
#include "stats/student.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void random_gives_the_published_numbers(void)
{
    /* xoshiro256** from the state {1, 2, 3, 4}, as in the test of Rust's rand_xoshiro */
    static const uint64_t expected[] = {
        11520, 0, 1509978240, 1215971899390074240U, 1216172134540287360U, 607988272756665600U};
    struct random random = {.state = {1, 2, 3, 4}};

    for (size_t i = 0; i < COUNT(expected); i++)
        CHECK(random_next(&random) == expected[i]);
    random_seed(&random, 1234567); /* splitmix64's first numbers for this seed */
    CHECK(random.state[0] == 6457827717110365317U);
    CHECK(random.state[1] == 3203168211198807973U);
    CHECK(random.state[2] == 9817491932198370423U);
    CHECK(random.state[3] == 4593380528125082431U);
}

static void random_is_uniform_and_normal(void)
{
    size_t counts[7] = {0}, items[10], seen = 0;
    double sum = 0, squares = 0;
    struct random random;

    random_seed(&random, 1);
    for (int i = 0; i < 70000; i++)
        counts[random_below(&random, 7)]++;
    for (size_t i = 0; i < 7; i++)
        CHECK_NEAR(counts[i], 10000, 500); /* five standard deviations */
    for (int i = 0; i < 100000; i++) {
        double z = random_normal(&random);

        sum += z;
        squares += z * z;
    }
    CHECK_NEAR(sum / 100000, 0, 0.016);
    CHECK_NEAR(squares / 100000, 1, 0.023);
    for (size_t i = 0; i < 10; i++)
        items[i] = i;
    random_shuffle(&random, items, 10);
    for (size_t i = 0; i < 10; i++)
        seen |= (size_t)1 << items[i];
    CHECK(seen == 1023);
}

static void student_agrees_with_scipy(void)
{
    static const double quantiles[][3] = {
        {.975, 1, 12.706204736174694},  {.975, 4, 2.7764451051977934},
        {.975, 19, 2.0930240544083087}, {.995, 19, 2.8609346064649794},
        {.9, 2.5, 1.7302509288071766},  {.025, 10, -2.2281388519862753},
        {.9999, 3, 22.203742273205},    {.975, 1e6, 1.959966356814107},
    };

    for (size_t i = 0; i < COUNT(quantiles); i++)
        CHECK_NEAR(student_quantile(quantiles[i][0], quantiles[i][1]), quantiles[i][2],
                   1e-10 * fabs(quantiles[i][2]));
    CHECK_NEAR(student_two_tails(1, 1), 0.5, 1e-14);
    CHECK_NEAR(student_two_tails(-2.5, 7), 0.04099221858575289, 1e-14);
    CHECK_NEAR(student_two_tails(40, 5), 1.8411962171772954e-07, 1e-18);
    CHECK_NEAR(student_two_tails(0.1, 200), 0.920444492504321, 1e-12);
    CHECK_NEAR(student_cdf(-2.5, 7), 0.04099221858575289 / 2, 1e-14);
    CHECK_NEAR(student_cdf(2.5, 7), 1 - 0.04099221858575289 / 2, 1e-14);
    CHECK_NEAR(student_beta(.3, 2, 5), 0.5798250000000003, 1e-13);
    CHECK_NEAR(student_beta(.9, .5, .5), 0.7951672353008665, 1e-13);
    CHECK_NEAR(student_beta(.5, 100, 120), 0.9117960627949818, 1e-12);
    CHECK_NEAR(student_beta(1e-9, .5, 3), 5.929270608862864e-05, 1e-17);
    CHECK(isnan(student_quantile(0, 3)) && isnan(student_quantile(.5, 0)));
    CHECK(isnan(student_beta(-1, 1, 1)));
    CHECK(student_quantile(.5, 3) == 0);
}

static void quantiles_agree_with_numpy(void)
{
    static const double expected[][2] = {
        {0, -2}, {.1, -0.4999999999999998}, {.25, 1.8}, {.5, 4}, {.9, 10.35}, {.99, 11.835},
        {1, 12}};
    static const int64_t samples[] = {5, 1, 9, 3};
    double values[] = {3.1, -2, 7.7, 0.5, 12, 9.25, 4};

    quantile_sort(values, 7);
    for (size_t i = 0; i < COUNT(expected); i++)
        CHECK_NEAR(quantile_sorted(values, 7, expected[i][0]), expected[i][1], 1e-12);
    CHECK(isnan(quantile_sorted(values, 0, .5)));
    CHECK(quantile_median_int(samples, 4) == 4);
    CHECK(isnan(quantile_median_int(samples, 0)));
}

static void sample_counts_are_the_known_ones(void)
{
    CHECK(quantile_need_one_sided(.99, .95) == 299);
    CHECK(quantile_need_two_sided(.99, .95) == 368);
    CHECK(quantile_need_one_sided(.95, .95) == 59);
    CHECK(quantile_need_one_sided(.9, .95) == 29);
    CHECK(quantile_need_one_sided(1, .95) == 0);
    CHECK_NEAR(quantile_highest(299, .95), .99, 1e-4);
    CHECK(quantile_highest(298, .95) < .99);
    CHECK(quantile_highest(0, .95) == 0);
}

/* scipy.stats.binom: the largest r with 2 * binom.cdf(r - 1, n, 0.5) <= 0.05, and for some n the
 * ranks that tables of the sign test print. */
static void median_ranks_are_the_binomial_ones(void)
{
    static const size_t known[][2] = {
        {0, 0},  {1, 0},  {5, 0},  {6, 1},  {7, 1},   {8, 1},   {9, 2},   {10, 2},   {11, 2},
        {12, 3}, {15, 4}, {20, 6}, {25, 8}, {30, 10}, {40, 14}, {50, 18}, {100, 40}, {1000, 469},
    };

    for (size_t i = 0; i < COUNT(known); i++)
        CHECK(quantile_median_rank(known[i][0], .95) == known[i][1]);
    CHECK(quantile_median_rank(7, .99) == 0 && quantile_median_rank(8, .99) == 1);
}

static void autocorrelation_agrees_with_numpy(void)
{
    static const double values[] = {1, 3, 2, 5, 4, 6, 8, 7};

    CHECK_NEAR(quantile_lag1(values, 8), 0.49404761904761907, 1e-14);
    CHECK(quantile_lag1(values, 2) == 0);
}

static void dependence_lowers_the_effective_number(void)
{
    static double calm[20][100], stormy[20][100];
    struct quantile_group groups[20];
    struct random random;
    double n;

    random_seed(&random, 3);
    for (size_t g = 0; g < 20; g++) {
        double visit = random_normal(&random);

        for (size_t i = 0; i < 100; i++) {
            double z = random_normal(&random);

            calm[g][i] = z;
            stormy[g][i] = visit * 5 + z;
        }
        groups[g] = (struct quantile_group){calm[g], 100};
    }
    n = quantile_effective(groups, 20, 1.28);
    CHECK(n > 1000 && n <= 2000);
    for (size_t g = 0; g < 20; g++)
        groups[g].values = stormy[g];
    n = quantile_effective(groups, 20, 5);
    CHECK(n < 80); /* nearly one piece of news a visit */
    CHECK(quantile_effective(groups, 1, 0) <= 100);
}

static void paired_center_agrees_with_numpy(void)
{
    static const double ratios[] = {1.02, 1.05, 0.99, 1.03, 1.04, 1.01};
    double differences[7];
    struct paired_estimate e;

    for (size_t i = 0; i < 6; i++)
        differences[i] = log(ratios[i]);
    differences[6] = NAN;
    e = paired_center(differences, NULL, 7);
    CHECK(e.count == 6 && e.df == 5);
    /* numpy.median and .quantile of all (d[i] + d[j]) / 2, i <= j: tests/python/walsh_reference.py
     */
    CHECK_NEAR(e.center, 0.02458552200322471, 1e-15);
    CHECK_NEAR(e.error, 0.010411662137836439, 1e-14);
    CHECK_NEAR(paired_half_width(&e, .95), 2.5705818356363146 * e.error, 1e-12);
    CHECK(isnan(paired_center(differences, NULL, 1).error));
    CHECK(isnan(paired_center(differences + 6, NULL, 1).center));
}

static void one_wild_sweep_moves_nothing(void)
{
    double calm[20], wild[20];

    for (int i = 0; i < 20; i++)
        calm[i] = wild[i] = 0.001 * ((i * 7) % 20 - 9.5);
    wild[3] = 40;
    CHECK_NEAR(paired_center(calm, NULL, 20).center, 0, 1e-12);
    CHECK(fabs(paired_center(wild, NULL, 20).center) < 0.002);
    CHECK(paired_center(wild, NULL, 20).error < 1.3 * paired_center(calm, NULL, 20).error);
}

static void restarts_that_differ_widen_the_interval(void)
{
    static const double differences[] = {.010, .011, .010, .030, .031, .030, .05, .051, .05};
    static const int64_t clusters[] = {0, 0, 0, 1, 1, 1, 2, 2, 2};
    struct paired_estimate alone = paired_center(differences, NULL, 9);
    struct paired_estimate e = paired_center(differences, clusters, 9);

    CHECK(e.restarts == 3 && e.df == 2);
    CHECK_NEAR(e.error, 0.018920471066061165, 1e-12); /* walsh_reference.py */
    CHECK(e.error > alone.error);
}

/* Lines whose differences have exactly the wanted correlation with one another. */
static void fill_lines(double *differences, struct paired_estimate *estimates, size_t lines,
                       size_t sweeps, double common)
{
    struct random random;
    double shared[64];

    random_seed(&random, 11);
    for (size_t s = 0; s < sweeps; s++)
        shared[s] = random_normal(&random);
    for (size_t l = 0; l < lines; l++) {
        for (size_t s = 0; s < sweeps; s++)
            differences[l * sweeps + s] =
                sqrt(common) * shared[s] + sqrt(1 - common) * random_normal(&random);
        estimates[l] = paired_center(differences + l * sweeps, NULL, sweeps);
    }
}

static void joint_intervals_lie_between_student_and_bonferroni(void)
{
    static double differences[5 * 20];
    struct paired_estimate estimates[5];
    struct paired_lines lines = {differences, estimates, 5, 20};
    double critical[5];

    fill_lines(differences, estimates, 5, 20, 0.5);
    CHECK_OK(paired_critical(&lines, .95, 1, critical, err));
    /* multivariate_t: 2.747 at an even correlation of one half; sample correlations scatter */
    CHECK_NEAR(critical[0], 2.747, 0.1);
    fill_lines(differences, estimates, 5, 20, 1);
    CHECK_OK(paired_critical(&lines, .95, 1, critical, err));
    CHECK_NEAR(critical[4], 2.0930240544083087, 0.06); /* five times the same line: Student's t */
    lines.line_count = 1;
    CHECK_OK(paired_critical(&lines, .95, 1, critical, err));
    CHECK_NEAR(critical[0], 2.0930240544083087, 1e-9);
}

static void joint_intervals_cope_with_few_and_missing_sweeps(void)
{
    double differences[3 * 3] = {.1, .2, .3, .1, .1, .1, .5, NAN, NAN};
    struct paired_estimate estimates[3];
    struct paired_lines lines = {differences, estimates, 3, 3};
    double critical[3];

    for (size_t l = 0; l < 3; l++)
        estimates[l] = paired_center(differences + l * 3, NULL, 3);
    CHECK_OK(paired_critical(&lines, .95, 1, critical, err));
    CHECK(critical[0] >= student_quantile(.975, 2) && critical[0] <= student_quantile(.9875, 2));
    CHECK(isnan(critical[2]));
}

/* The share of simulated studies whose joint intervals all cover the truth. */
static void joint_intervals_cover(void)
{
    int covered = 0;

    for (uint64_t study = 0; study < 300; study++) {
        double differences[3 * 8];
        struct paired_estimate estimates[3];
        struct paired_lines lines = {differences, estimates, 3, 8};
        double critical[3];
        struct random random;
        bool all = true;

        random_seed(&random, study);
        for (size_t i = 0; i < 24; i++)
            differences[i] = random_normal(&random);
        for (size_t l = 0; l < 3; l++)
            estimates[l] = paired_center(differences + l * 8, NULL, 8);
        CHECK_OK(paired_critical(&lines, .95, study, critical, err));
        for (size_t l = 0; l < 3; l++)
            all = all && fabs(estimates[l].center) <= critical[l] * estimates[l].error;
        covered += all;
    }
    CHECK_NEAR(covered, 285, 19); /* five standard deviations of a binomial */
}

static void bootstrap_of_a_median_matches_its_normal_theory(void)
{
    static double values[30][40];
    struct bootstrap_group groups[30];
    struct bootstrap_options options = {.seed = 5, .replicates = 2000};
    struct bootstrap_interval out[2];
    const double qs[] = {.5, .9};
    struct random random;

    random_seed(&random, 9);
    for (size_t g = 0; g < 30; g++) {
        for (size_t i = 0; i < 40; i++)
            values[g][i] = random_normal(&random);
        groups[g] = (struct bootstrap_group){values[g], 40, 0};
    }
    CHECK_OK(bootstrap_quantiles(groups, 30, qs, 2, &options, out, err));
    /* standard error of a normal sample's median: sqrt(pi / 2 / n) */
    CHECK_NEAR(out[0].high - out[0].low, 2 * 1.96 * sqrt(M_PI / 2 / 1200), 0.05);
    CHECK(out[0].low < 0.1 && out[0].high > -0.1);
    CHECK(out[1].low < 1.2816 && out[1].high > 1.2816);
}

static void bootstrap_sees_restarts(void)
{
    static double values[24][20];
    struct bootstrap_group groups[24];
    struct bootstrap_options options = {.seed = 5};
    struct bootstrap_interval out;
    const double q = .5;
    struct random random;

    random_seed(&random, 2);
    for (size_t g = 0; g < 24; g++) { /* four restarts, each with its own level */
        for (size_t i = 0; i < 20; i++)
            values[g][i] = (double)(g / 6) * 10 + random_normal(&random);
        groups[g] = (struct bootstrap_group){values[g], 20, (int64_t)(g / 6)};
    }
    CHECK_OK(bootstrap_quantiles(groups, 24, &q, 1, &options, &out, err));
    CHECK(out.low < 5 && out.high > 25); /* four levels 0, 10, 20, 30: nearly anything goes */
    CHECK_OK(bootstrap_quantiles(groups, 1, &q, 1, &options, &out, err));
    CHECK(isnan(out.low) && isnan(out.high));
}

/* The dyestuff yields of Davies (1947): six batches of five, 1764 between and 2451 within them in
 * every textbook of variance components, such as Searle, Casella and McCulloch. */
static void components_are_those_of_the_dyestuff(void)
{
    static const double yields[] = {1545, 1440, 1440, 1520, 1580, 1540, 1555, 1490, 1560, 1495,
                                    1595, 1550, 1605, 1510, 1560, 1445, 1440, 1595, 1465, 1545,
                                    1595, 1630, 1515, 1635, 1625, 1520, 1455, 1450, 1480, 1445};
    static const double alone[] = {1, NAN, 2, 3};
    static const int64_t one[] = {4, 4, 4, 4}, two[] = {1, 1, 2, 3};
    int64_t batch[COUNT(yields)];
    struct components c;

    for (size_t i = 0; i < COUNT(yields); i++)
        batch[i] = (int64_t)i / 5;
    c = components_estimate(yields, batch, COUNT(yields));
    CHECK(c.count == 30 && c.groups == 6);
    CHECK_NEAR(c.between, 1764.05, 1e-4);
    CHECK_NEAR(c.within, 2451.25, 1e-4);
    CHECK_NEAR(c.mean_between, 1764.05 / 6, 1e-4);
    CHECK_NEAR(c.mean_within, 2451.25 / 30, 1e-4);
    CHECK(isnan(components_estimate(alone, one, 4).between));
    CHECK(isnan(components_estimate(alone, two, 4).within));
    CHECK(components_estimate(alone, two, 4).count == 3);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"random_gives_the_published_numbers", random_gives_the_published_numbers},
        {"random_is_uniform_and_normal", random_is_uniform_and_normal},
        {"student_agrees_with_scipy", student_agrees_with_scipy},
        {"quantiles_agree_with_numpy", quantiles_agree_with_numpy},
        {"sample_counts_are_the_known_ones", sample_counts_are_the_known_ones},
        {"median_ranks_are_the_binomial_ones", median_ranks_are_the_binomial_ones},
        {"autocorrelation_agrees_with_numpy", autocorrelation_agrees_with_numpy},
        {"dependence_lowers_the_effective_number", dependence_lowers_the_effective_number},
        {"paired_center_agrees_with_numpy", paired_center_agrees_with_numpy},
        {"one_wild_sweep_moves_nothing", one_wild_sweep_moves_nothing},
        {"restarts_that_differ_widen_the_interval", restarts_that_differ_widen_the_interval},
        {"joint_intervals_lie_between_student_and_bonferroni",
         joint_intervals_lie_between_student_and_bonferroni},
        {"joint_intervals_cope_with_few_and_missing_sweeps",
         joint_intervals_cope_with_few_and_missing_sweeps},
        {"joint_intervals_cover", joint_intervals_cover},
        {"bootstrap_of_a_median_matches_its_normal_theory",
         bootstrap_of_a_median_matches_its_normal_theory},
        {"bootstrap_sees_restarts", bootstrap_sees_restarts},
        {"components_are_those_of_the_dyestuff", components_are_those_of_the_dyestuff},
        {NULL, NULL},
    };

    return check_main("stats", cases, argc, argv);
}
