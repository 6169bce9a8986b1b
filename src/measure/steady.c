#include "measure/steady.h"

#include <math.h>
#include <stdlib.h>

#include "stats/quantile.h"

static double deviation(const int64_t *samples, size_t count, double median)
{
    double *apart = malloc(count * sizeof(*apart)), mad = 0;

    if (!apart)
        return 0;
    for (size_t i = 0; i < count; i++)
        apart[i] = fabs((double)samples[i] - median);
    mad = quantile_median(apart, count);
    free(apart);
    return 1.4826 * mad;
}

bool steady_check(const int64_t *samples, size_t count)
{
    size_t skip = count / 3, half = (count - skip) / 2;
    const int64_t *early = samples + skip, *late = early + half;
    double a, b, error;

    if (count < 6)
        return false;
    a = quantile_median_int(early, half);
    b = quantile_median_int(late, half);
    error =
        1.2533 * hypot(deviation(early, half, a), deviation(late, half, b)) / sqrt((double)half);
    return fabs(a - b) <= fmax(0.02 * a, 3 * error);
}

int64_t steady_median(const int64_t *samples, size_t count)
{
    size_t half = count / 2;

    return count ? (int64_t)quantile_median_int(samples + half, count - half) : 0;
}
