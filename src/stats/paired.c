#include "stats/paired.h"

#include <math.h>
#include <stdlib.h>

#include "stats/quantile.h"
#include "stats/random.h"
#include "stats/student.h"

#define MIN_CLUSTERS 3
#define DRAWS        10000
#define MAX_DF       200 /* beyond that a chi-square over its df is 1 for our purpose */

/* Sum over clusters of the squared sums of deviations; *found counts clusters. */
static double cluster_squares(const double *differences, const int64_t *clusters, size_t count,
                              double mean, size_t *found)
{
    double squares = 0;

    *found = 0;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        size_t first = i;

        for (size_t j = 0; j < count; j++) {
            if (isnan(differences[j]) || clusters[j] != clusters[i])
                continue;
            first = j < first ? j : first;
            sum += differences[j] - mean;
        }
        if (isnan(differences[i]) || first != i)
            continue;
        squares += sum * sum;
        (*found)++;
    }
    return squares;
}

struct paired_estimate paired_mean(const double *differences, const int64_t *clusters, size_t count)
{
    struct paired_estimate e = {.mean = NAN, .error = NAN};
    double sum = 0, squares = 0, n;

    for (size_t i = 0; i < count; i++) {
        if (isnan(differences[i]))
            continue;
        e.count++;
        sum += differences[i];
    }
    if (e.count == 0)
        return e;
    n = (double)e.count;
    e.mean = sum / n;
    for (size_t i = 0; i < count; i++)
        if (!isnan(differences[i]))
            squares += (differences[i] - e.mean) * (differences[i] - e.mean);
    if (e.count >= 2) {
        e.df = n - 1;
        e.error = sqrt(squares / (n * (n - 1)));
    }
    if (clusters) {
        squares = cluster_squares(differences, clusters, count, e.mean, &e.restarts);
        if (e.restarts >= MIN_CLUSTERS && e.restarts < e.count) {
            double k = (double)e.restarts;
            double error = sqrt(squares * k / (k - 1)) / n;

            if (error > e.error) {
                e.error = error;
                e.df = k - 1;
            }
        }
    }
    return e;
}

double paired_half_width(const struct paired_estimate *estimate, double confidence)
{
    if (isnan(estimate->error))
        return NAN;
    return student_quantile((1 + confidence) / 2, estimate->df) * estimate->error;
}

/* Standardised deviations of a line: each sums with normal multipliers to one standard normal. */
static void standardise(const struct paired_lines *lines, size_t line, double *out)
{
    const double *d = lines->differences + line * lines->sweep_count;
    double squares = 0;

    for (size_t s = 0; s < lines->sweep_count; s++) {
        out[s] = isnan(d[s]) ? 0 : d[s] - lines->estimates[line].mean;
        squares += out[s] * out[s];
    }
    for (size_t s = 0; s < lines->sweep_count; s++)
        out[s] = squares > 0 ? out[s] / sqrt(squares) : 0;
}

struct workspace {
    double *standard;   // (line_count, sweep_count)
    double *multiplier; // (sweep_count)
    double *chi;        // (MAX_DF + 1) chi-square of each df, from shared normals
    double *smallest;   // (DRAWS) the smallest p-value of each draw
    int max_df;         /* largest df that is wanted of chi */
};

static double draw_smallest(const struct paired_lines *lines, struct workspace *work,
                            struct random *random)
{
    double smallest = 1;

    for (size_t s = 0; s < lines->sweep_count; s++)
        work->multiplier[s] = random_normal(random);
    work->chi[0] = 0;
    for (int k = 1; k <= work->max_df; k++) {
        double normal = random_normal(random);

        work->chi[k] = work->chi[k - 1] + normal * normal;
    }
    for (size_t l = 0; l < lines->line_count; l++) {
        const double *row = work->standard + l * lines->sweep_count;
        double z = 0, df = lines->estimates[l].df, scale = 1, p;

        if (isnan(lines->estimates[l].error))
            continue;
        for (size_t s = 0; s < lines->sweep_count; s++)
            z += row[s] * work->multiplier[s];
        if (df <= MAX_DF)
            scale = sqrt(work->chi[(size_t)df] / df);
        p = student_two_tails(z / scale, df);
        if (p < smallest)
            smallest = p;
    }
    return smallest;
}

/* The two-sided level at which each line alone must be taken. */
static double joint_level(const struct paired_lines *lines, struct workspace *work,
                          double confidence, uint64_t seed, size_t usable)
{
    double missed = 1 - confidence, level;
    struct random random;

    random_seed(&random, seed);
    for (size_t b = 0; b < DRAWS; b++)
        work->smallest[b] = draw_smallest(lines, work, &random);
    quantile_sort(work->smallest, DRAWS);
    level = quantile_sorted(work->smallest, DRAWS, missed);
    if (level > missed)
        level = missed;
    if (level < missed / (double)usable)
        level = missed / (double)usable;
    return level;
}

enum tare_status paired_critical(const struct paired_lines *lines, double confidence, uint64_t seed,
                                 double *critical, struct tare_err *err)
{
    struct workspace work = {0};
    double level = 1 - confidence;
    size_t usable = 0;
    enum tare_status status = TARE_OK;

    for (size_t l = 0; l < lines->line_count; l++) {
        if (!isnan(lines->estimates[l].error)) {
            double df = lines->estimates[l].df;

            usable++;
            if (df <= MAX_DF && (int)df > work.max_df)
                work.max_df = (int)df;
        }
    }
    if (usable > 1) {
        work.standard =
            malloc(lines->line_count * (lines->sweep_count + 1) * sizeof(*work.standard));
        work.multiplier = malloc((lines->sweep_count + 1) * sizeof(*work.multiplier));
        work.chi = malloc((MAX_DF + 1) * sizeof(*work.chi));
        work.smallest = malloc(DRAWS * sizeof(*work.smallest));
        if (!work.standard || !work.multiplier || !work.chi || !work.smallest) {
            status = tare_fail(err, TARE_NOMEM, "out of memory in joint intervals");
            goto done;
        }
        for (size_t l = 0; l < lines->line_count; l++)
            standardise(lines, l, work.standard + l * lines->sweep_count);
        level = joint_level(lines, &work, confidence, seed, usable);
    }
    for (size_t l = 0; l < lines->line_count; l++)
        critical[l] = isnan(lines->estimates[l].error)
                          ? NAN
                          : student_quantile(1 - level / 2, lines->estimates[l].df);
done:
    free(work.standard);
    free(work.multiplier);
    free(work.chi);
    free(work.smallest);
    return status;
}
