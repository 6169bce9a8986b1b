#include "measure/trust_study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/quantile.h"
#include "stats/student.h"

#define CONFIDENCE 0.95
#define NORMAL_975 1.959963984540054

static void add(struct trust_count *count, bool hit)
{
    count->hits += hit;
    count->tries++;
}

/* Wilson (1927) */
static void bound(struct trust_count *count)
{
    double n = (double)count->tries, z = NORMAL_975, share, half, middle;

    count->low = count->high = (double)NAN;
    if (count->tries == 0)
        return;
    share = (double)count->hits / n;
    middle = (share + z * z / (2 * n)) / (1 + z * z / n);
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    count->low = fmax(middle - half, 0);
    count->high = fmin(middle + half, 1);
}

static double log_truth(const struct trust_result *repetitions, size_t count, size_t line,
                        size_t except)
{
    double sum = 0, others = 0;

    if (repetitions[0].lines[line].kind != TRUST_REAL)
        return log1p(repetitions[0].lines[line].planted);
    for (size_t r = 0; r < count; r++)
        if (r != except) {
            sum += log(repetitions[r].lines[line].ratio);
            others++;
        }
    return others > 0 ? sum / others : (double)NAN;
}

static bool covers_alone(const struct trust_line *line, double truth)
{
    double half = student_quantile((1 + CONFIDENCE) / 2, line->log_df) * line->log_error;

    return fabs(log(line->ratio) - truth) <= half;
}

static void judge(const struct trust_line *line, double truth, size_t index,
                  struct trust_summary *summary)
{
    bool real = line->kind == TRUST_REAL;

    if (isnan(truth) || isnan(line->low))
        return;
    add(real ? &summary->real : &summary->known, trust_covers(line, exp(truth)));
    add(&summary->both, trust_covers(line, exp(truth)));
    add(real ? &summary->real_alone : &summary->known_alone, covers_alone(line, truth));
    if (line->kind == TRUST_SAME)
        add(&summary->wrong, trust_called(line));
    if (line->kind == TRUST_PLANTED)
        add(&summary->found[index], trust_called(line));
}

static void judge_detectable(const struct trust_result *repetitions, size_t count, double *values,
                             struct trust_summary *summary)
{
    size_t used = 0;
    double a, b;

    for (size_t r = 0; r < count; r++)
        if (!isnan(repetitions[r].detectable))
            values[used++] = repetitions[r].detectable;
    summary->printed = quantile_median(values, used);
    used = 0;
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < repetitions[r].line_count; i++) {
            const struct trust_line *line = &repetitions[r].lines[i];
            double missed = log(line->ratio) - log1p(line->planted);

            if (line->kind != TRUST_REAL && !isnan(line->low))
                values[used++] = log(line->high / line->ratio) - missed;
        }
    quantile_sort(values, used);
    summary->detectable = expm1(quantile_sorted(values, used, CONFIDENCE));
    a = log1p(summary->printed);
    b = log1p(summary->detectable);
    summary->factor = fmax(a / b, b / a);
}

enum tare_status trust_summarise(const struct trust_result *repetitions, size_t count,
                                 struct trust_summary *summary, struct tare_err *err)
{
    double *values = malloc((count * TRUST_MAX_LINES + 1) * sizeof(*values));
    size_t lines = count ? repetitions[0].line_count : 0;

    memset(summary, 0, sizeof(*summary));
    if (!values)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study's summary");
    for (size_t i = 0; i < lines; i++) {
        summary->long_run[i] = exp(log_truth(repetitions, count, i, count));
        for (size_t r = 0; r < count; r++)
            judge(&repetitions[r].lines[i], log_truth(repetitions, count, i, r), i, summary);
        bound(&summary->found[i]);
    }
    bound(&summary->known);
    bound(&summary->real);
    bound(&summary->both);
    bound(&summary->known_alone);
    bound(&summary->real_alone);
    bound(&summary->wrong);
    judge_detectable(repetitions, count, values, summary);
    free(values);
    return TARE_OK;
}
