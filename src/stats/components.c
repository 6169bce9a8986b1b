#include "stats/components.h"

#include <math.h>
#include <stdbool.h>

struct group {
    size_t count;
    double mean, squares; /* of deviations from its mean */
};

static struct group read_group(const double *values, const int64_t *groups, size_t count,
                               int64_t id)
{
    struct group g = {0, 0, 0};

    for (size_t i = 0; i < count; i++)
        if (groups[i] == id && !isnan(values[i])) {
            g.count++;
            g.mean += values[i];
        }
    g.mean /= (double)g.count;
    for (size_t i = 0; i < count; i++)
        if (groups[i] == id && !isnan(values[i]))
            g.squares += (values[i] - g.mean) * (values[i] - g.mean);
    return g;
}

static bool is_first(const double *values, const int64_t *groups, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (groups[i] == groups[index] && !isnan(values[i]))
            return false;
    return !isnan(values[index]);
}

struct components components_estimate(const double *values, const int64_t *groups, size_t count)
{
    struct components c = {0, 0, NAN, NAN, NAN, NAN};
    double sum = 0, within = 0, between = 0, sizes = 0, n, k, mean, balanced;

    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i])) {
            c.count++;
            sum += values[i];
        }
    n = (double)c.count;
    mean = sum / n;
    for (size_t i = 0; i < count; i++) {
        struct group g;

        if (!is_first(values, groups, i))
            continue;
        g = read_group(values, groups, count, groups[i]);
        c.groups++;
        within += g.squares;
        between += (double)g.count * (g.mean - mean) * (g.mean - mean);
        sizes += (double)g.count * (double)g.count;
    }
    if (c.groups < 2 || c.count <= c.groups)
        return c;
    k = (double)c.groups;
    balanced = (n - sizes / n) / (k - 1);
    c.within = within / (n - k);
    c.between = fmax(0, (between / (k - 1) - c.within) / balanced);
    c.mean_between = c.between * sizes / (n * n);
    c.mean_within = c.within / n;
    return c;
}
