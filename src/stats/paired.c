#include "stats/paired.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "stats/quantile.h"
#include "stats/random.h"
#include "stats/student.h"
#include "stats/walsh.h"

#define MIN_CLUSTERS 3
#define DRAWS        10000
#define MAX_DF       200 /* beyond that a chi-square over its df is 1 for our purpose */

/* Sum over clusters of the squared sums of values (count); *found counts clusters. */
static double cluster_squares(const double *values, const int64_t *clusters, size_t count,
                              size_t *found)
{
    double squares = 0;

    *found = 0;
    for (size_t i = 0; i < count; i++) {
        double sum = 0;
        size_t first = i;

        for (size_t j = 0; j < count; j++) {
            if (clusters[j] != clusters[i])
                continue;
            first = j < first ? j : first;
            sum += values[j];
        }
        if (first != i)
            continue;
        squares += sum * sum;
        (*found)++;
    }
    return squares;
}

/* What a line is worked out from: its differences without the missing ones, their clusters and
 * their scores. */
struct scored {
    double *values, *sorted, *scores; // (count)
    int64_t *clusters;                // (count)
    size_t count;
};

static void scored_release(struct scored *s)
{
    free(s->values);
    free(s->sorted);
    free(s->scores);
    free(s->clusters);
}

static bool scored_make(struct scored *s, const double *differences, const int64_t *clusters,
                        size_t count)
{
    *s = (struct scored){
        .values = malloc((count + 1) * sizeof(*s->values)),
        .sorted = malloc((count + 1) * sizeof(*s->sorted)),
        .scores = malloc((count + 1) * sizeof(*s->scores)),
        .clusters = malloc((count + 1) * sizeof(*s->clusters)),
    };
    if (!s->values || !s->sorted || !s->scores || !s->clusters)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!isnan(differences[i])) {
            s->clusters[s->count] = clusters ? clusters[i] : 0;
            s->values[s->count] = s->sorted[s->count] = differences[i];
            s->count++;
        }
    quantile_sort(s->sorted, s->count);
    return true;
}

/* Centred on their mean, so that their sums are what is left of chance. */
static void score(struct scored *s, double center)
{
    double mean = 0;

    walsh_scores(s->values, s->count, s->sorted, s->count, center, s->scores);
    for (size_t i = 0; i < s->count; i++)
        mean += s->scores[i] / (double)s->count;
    for (size_t i = 0; i < s->count; i++)
        s->scores[i] -= mean;
}

/* The standard error of the center from that of the share of Walsh averages above it: half the
 * distance between those averages that lie one standard error of the share to either side. */
static double error_of(const struct scored *s, double share_error)
{
    double step = fmin(share_error, 0.5);
    double low = walsh_quantile(s->sorted, s->count, 0.5 - step);
    double high = walsh_quantile(s->sorted, s->count, 0.5 + step);

    return step > 0 ? (high - low) / 2 * share_error / step : 0;
}

static void estimate_error(const struct scored *s, bool clustered, struct paired_estimate *e)
{
    double n = (double)s->count, squares = 0, share_error;

    for (size_t i = 0; i < s->count; i++)
        squares += s->scores[i] * s->scores[i];
    share_error = 2 * sqrt(squares / (n * (n - 1)));
    e->df = n - 1;
    if (clustered) {
        squares = cluster_squares(s->scores, s->clusters, s->count, &e->restarts);
        if (e->restarts >= MIN_CLUSTERS && e->restarts < s->count) {
            double k = (double)e->restarts;
            double error = 2 * sqrt(squares * k / (k - 1)) / n;

            if (error > share_error) {
                share_error = error;
                e->df = k - 1;
            }
        }
    }
    e->error = error_of(s, share_error);
}

struct paired_estimate paired_center(const double *differences, const int64_t *clusters,
                                     size_t count)
{
    struct paired_estimate e = {.center = NAN, .error = NAN};
    struct scored s;

    if (scored_make(&s, differences, clusters, count) && s.count > 0) {
        e.count = s.count;
        e.center = walsh_quantile(s.sorted, s.count, 0.5);
        score(&s, e.center);
        e.restarts = clusters ? 1 : 0;
        if (s.count >= 2)
            estimate_error(&s, clusters != NULL, &e);
    }
    scored_release(&s);
    return e;
}

double paired_half_width(const struct paired_estimate *estimate, double confidence)
{
    if (isnan(estimate->error))
        return NAN;
    return student_quantile((1 + confidence) / 2, estimate->df) * estimate->error;
}

/* Scores of a line, scaled so that each sums with normal multipliers to one standard normal; false
 * if memory ran out. */
static bool standardise(const struct paired_lines *lines, size_t line, double *out)
{
    const double *d = lines->differences + line * lines->sweep_count;
    struct scored s;
    double squares = 0;
    bool made = scored_make(&s, d, NULL, lines->sweep_count);

    if (made)
        score(&s, lines->estimates[line].center);
    for (size_t i = 0; made && i < s.count; i++)
        squares += s.scores[i] * s.scores[i];
    for (size_t sweep = 0, i = 0; made && sweep < lines->sweep_count; sweep++) {
        out[sweep] = 0;
        if (!isnan(d[sweep]))
            out[sweep] = squares > 0 ? s.scores[i] / sqrt(squares) : 0;
        i += !isnan(d[sweep]);
    }
    scored_release(&s);
    return made;
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
        for (size_t l = 0; l < lines->line_count && status == TARE_OK; l++)
            if (!standardise(lines, l, work.standard + l * lines->sweep_count))
                status = tare_fail(err, TARE_NOMEM, "out of memory in joint intervals");
        if (status != TARE_OK)
            goto done;
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
