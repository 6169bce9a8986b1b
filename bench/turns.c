#include "turns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void turns_fail(const char *name, const struct tare_err *err)
{
    (void)fprintf(stderr, "%s: %s\n", name, err->text);
    exit(err->status == TARE_ABSENT ? 77 : 1);
}

void turns_plugin(void *side, int64_t *const series[TURNS_SERIES_MAX], int64_t runs)
{
    struct tare_err err = TARE_ERR_INIT;

    for (int64_t i = 0; i < runs; i++) {
        struct tare_timing timing = {-1, -1, -1, -1};
        int64_t start = clock_now_ns();
        enum tare_status status = backend_session_run(side, NULL, &timing, &err);

        series[0][i] = clock_now_ns() - start;
        series[1][i] = timing.copy_in_ns + timing.compute_ns + timing.copy_out_ns;
        if (status != TARE_OK)
            turns_fail("plugin", &err);
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(const int64_t *series, int64_t count)
{
    int64_t *sorted = malloc((size_t)count * sizeof(*sorted));
    double median;

    if (!sorted)
        exit(1);
    memcpy(sorted, series, (size_t)count * sizeof(*sorted));
    qsort(sorted, (size_t)count, sizeof(*sorted), compare);
    median = ((double)sorted[(count - 1) / 2] + (double)sorted[count / 2]) / 2;
    free(sorted);
    return median;
}

static void turn(const struct turns_side *side, int64_t *const all[TURNS_SERIES_MAX], int64_t at,
                 int64_t runs)
{
    int64_t *series[TURNS_SERIES_MAX];

    for (size_t i = 0; i < TURNS_SERIES_MAX; i++)
        series[i] = all[i] + at;
    side->turn(side->side, series, runs);
}

static void print_one(const char *name, const int64_t *bare, const int64_t *plugin, int64_t turns,
                      int64_t runs)
{
    double *ratios = calloc((size_t)turns, sizeof(*ratios));

    if (!ratios)
        exit(1);
    for (int64_t i = 0; i < turns; i++)
        ratios[i] = median_of(plugin + i * runs, runs) / median_of(bare + i * runs, runs);
    qsort(ratios, (size_t)turns, sizeof(*ratios), compare_double);
    (void)printf("\"%s\": {\"bare\": %.0f, \"plugin\": %.0f, \"ratio\": %.5f}", name,
                 median_of(bare, turns * runs), median_of(plugin, turns * runs),
                 (ratios[(turns - 1) / 2] + ratios[turns / 2]) / 2);
    free(ratios);
}

void turns_compare(const struct turns_side *bare, const struct turns_side *plugin, int64_t turns,
                   int64_t runs, const char *const *names, size_t count)
{
    int64_t *a[TURNS_SERIES_MAX], *b[TURNS_SERIES_MAX];

    for (size_t i = 0; i < TURNS_SERIES_MAX; i++) {
        a[i] = calloc((size_t)(turns * runs), sizeof(int64_t));
        b[i] = calloc((size_t)(turns * runs), sizeof(int64_t));
        if (!a[i] || !b[i])
            exit(1);
    }
    turn(bare, a, 0, runs); /* warm-up */
    turn(plugin, b, 0, runs);
    for (int64_t i = 0; i < turns; i++) {
        if (i % 2)
            turn(plugin, b, i * runs, runs);
        turn(bare, a, i * runs, runs);
        if (i % 2 == 0)
            turn(plugin, b, i * runs, runs);
    }
    for (size_t i = 0; i < count; i++) {
        (void)printf("%s", i == 0 ? "{" : ", ");
        print_one(names[i], a[i], b[i], turns, runs);
    }
    (void)printf("}\n");
    for (size_t i = 0; i < TURNS_SERIES_MAX; i++) {
        free(a[i]);
        free(b[i]);
    }
}
