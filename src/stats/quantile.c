#include "stats/quantile.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

void quantile_sort(double *values, size_t count)
{
    if (count > 1)
        qsort(values, count, sizeof(*values), compare);
}

double quantile_sorted(const double *values, size_t count, double q)
{
    double place, below;
    size_t index;

    if (count == 0)
        return NAN;
    place = (double)(count - 1) * q;
    below = floor(place);
    index = (size_t)below;
    if (index + 1 >= count)
        return values[count - 1];
    return values[index] + (values[index + 1] - values[index]) * (place - below);
}

double quantile_median(double *values, size_t count)
{
    quantile_sort(values, count);
    return quantile_sorted(values, count, 0.5);
}

double quantile_median_int(const int64_t *samples, size_t count)
{
    double *values = count ? malloc(count * sizeof(*values)) : NULL;
    double median;

    if (!values)
        return NAN;
    for (size_t i = 0; i < count; i++)
        values[i] = (double)samples[i];
    median = quantile_median(values, count);
    free(values);
    return median;
}

static size_t need(double q, double missed)
{
    if (!(q > 0 && q < 1 && missed > 0 && missed < 1))
        return 0;
    return (size_t)ceil(log(missed) / log(q) - 1e-9);
}

size_t quantile_need_one_sided(double q, double confidence)
{
    return need(q, 1 - confidence);
}

size_t quantile_need_two_sided(double q, double confidence)
{
    return need(q, (1 - confidence) / 2);
}

size_t quantile_median_rank(size_t count, double confidence)
{
    double log_share = -(double)count * log(2), below = 0; /* of the outcome k; of fewer than k */
    size_t rank = 0;

    for (size_t k = 0; k < count / 2; k++) {
        below += exp(log_share);
        if (2 * below > 1 - confidence)
            break;
        rank = k + 1;
        log_share += log((double)(count - k) / (double)(k + 1));
    }
    return rank;
}

double quantile_highest(double count, double confidence)
{
    return count > 0 ? pow(1 - confidence, 1 / count) : 0;
}

double quantile_lag1(const double *values, size_t count)
{
    double mean = 0, variance = 0, product = 0;

    if (count < 3)
        return 0;
    for (size_t i = 0; i < count; i++)
        mean += values[i] / (double)count;
    for (size_t i = 0; i < count; i++) {
        variance += (values[i] - mean) * (values[i] - mean);
        if (i + 1 < count)
            product += (values[i] - mean) * (values[i + 1] - mean);
    }
    return variance > 0 ? product / variance : 0;
}

static size_t count_above(const struct quantile_group *group, double threshold)
{
    size_t above = 0;

    for (size_t i = 0; i < group->count; i++)
        above += group->values[i] > threshold;
    return above;
}

double quantile_effective(const struct quantile_group *groups, size_t group_count, double threshold)
{
    double count = 0, above = 0, share, between = 0, binomial;

    for (size_t g = 0; g < group_count; g++) {
        count += (double)groups[g].count;
        above += (double)count_above(&groups[g], threshold);
    }
    if (group_count == 1) {
        double r = quantile_lag1(groups[0].values, groups[0].count);

        return r > 0 ? count * (1 - r) / (1 + r) : count;
    }
    if (count == 0 || above == 0 || above == count)
        return count;
    share = above / count;
    binomial = share * (1 - share) / count;
    for (size_t g = 0; g < group_count; g++) {
        double excess =
            (double)count_above(&groups[g], threshold) - share * (double)groups[g].count;

        between += excess * excess;
    }
    between *= (double)group_count / (double)(group_count - 1) / (count * count);
    return between > binomial ? count * binomial / between : count;
}
