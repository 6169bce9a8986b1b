#include "stats/walsh.h"

#include <math.h>
#include <stdbool.h>

/* Enough to halve any range of doubles of like size down to neighbours, and an end for others. */
#define MAX_STEPS 200

static double average(double a, double b)
{
    return a / 2 + b / 2;
}

/* How many Walsh averages are at most limit. */
static double count_up_to(const double *sorted, size_t count, double limit)
{
    size_t end = count; /* of the partners j >= i; it only falls as i rises */
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        while (end > 0 && average(sorted[i], sorted[end - 1]) > limit)
            end--;
        if (end <= i)
            break;
        sum += (double)(end - i);
    }
    return sum;
}

/* The order statistic with so many averages before it. */
static double select_after(const double *sorted, size_t count, double before)
{
    double low = sorted[0], high = sorted[count - 1];

    if (count_up_to(sorted, count, low) > before)
        return low;
    for (int step = 0; step < MAX_STEPS; step++) {
        /* zero first: between its two sides there are too many doubles to halve */
        double middle = low < 0 && high > 0 ? 0 : average(low, high);

        if (middle <= low || middle >= high)
            break;
        if (count_up_to(sorted, count, middle) > before)
            high = middle;
        else
            low = middle;
    }
    return high;
}

double walsh_quantile(const double *sorted, size_t count, double q)
{
    double last = (double)count * ((double)count + 1) / 2 - 1, at, below, share;

    if (count == 0)
        return NAN;
    at = last * fmin(fmax(q, 0), 1);
    below = floor(at);
    share = at - below;
    at = select_after(sorted, count, below);
    return share > 0 ? at + share * (select_after(sorted, count, below + 1) - at) : at;
}

/* How many of sorted have an average with value that lies above center, or also at it. */
static size_t count_above(double value, const double *sorted, size_t count, double center,
                          bool or_at)
{
    size_t low = 0, high = count; /* the first that does lies in low..high */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        double a = average(value, sorted[middle]);

        if (a > center || (or_at && a >= center))
            high = middle;
        else
            low = middle + 1;
    }
    return count - low;
}

void walsh_scores(const double *values, size_t count, const double *sorted, size_t sorted_count,
                  double center, double *scores)
{
    for (size_t i = 0; i < count; i++) {
        size_t above = count_above(values[i], sorted, sorted_count, center, false);
        size_t with_equal = count_above(values[i], sorted, sorted_count, center, true);

        scores[i] = (double)(above + with_equal) / 2 / (double)sorted_count;
    }
}
