#include "measure/sustained.h"

#include <math.h>

#define WINDOWS     20
#define MIN_SAMPLES 40

/* Speeds of windows of equal time; starts[w] is the first sample of window w. */
static void make_windows(const double *samples, size_t count, double speeds[WINDOWS],
                         size_t starts[WINDOWS + 1])
{
    double whole = 0, passed = 0, begun = 0;
    size_t window = 0;

    for (size_t i = 0; i < count; i++)
        whole += samples[i];
    starts[0] = 0;
    for (size_t i = 0; i < count && window < WINDOWS; i++) {
        passed += samples[i];
        if (passed < whole * (double)(window + 1) / WINDOWS && i + 1 < count)
            continue;
        speeds[window] = (double)(i + 1 - starts[window]) / (passed - begun);
        begun = passed;
        starts[++window] = i + 1;
    }
    for (; window < WINDOWS; window++) { /* one run was longer than a window */
        speeds[window] = speeds[window - 1];
        starts[window + 1] = count;
    }
}

/* Least squares over windows from first on: relative change over all of them and its error. */
static void fit(const double speeds[WINDOWS], size_t first, double *change, double *error)
{
    double n = (double)(WINDOWS - first), mean = 0, xx = 0, xy = 0, rest = 0, slope;

    for (size_t w = first; w < WINDOWS; w++)
        mean += speeds[w] / n;
    for (size_t w = first; w < WINDOWS; w++) {
        double x = (double)(w - first) - (n - 1) / 2;

        xx += x * x;
        xy += x * (speeds[w] - mean);
    }
    slope = xy / xx;
    for (size_t w = first; w < WINDOWS; w++) {
        double x = (double)(w - first) - (n - 1) / 2, off = speeds[w] - mean - slope * x;

        rest += off * off;
    }
    *change = slope * n / mean;
    *error = sqrt(rest / (n - 2) / xx) * n / mean;
}

struct sustained sustained_part(const double *samples, size_t count)
{
    struct sustained s = {NAN, 0, NAN, false};
    double speeds[WINDOWS], change = NAN, error, sum = 0;
    size_t starts[WINDOWS + 1], first = 0;

    if (count >= MIN_SAMPLES) {
        make_windows(samples, count, speeds, starts);
        for (first = 0; first <= WINDOWS / 2 && !s.steady; first++) {
            fit(speeds, first, &change, &error);
            s.steady = fabs(change) <= fmax(SUSTAINED_CHANGE, 3 * error);
        }
        s.first = starts[--first];
    }
    if (s.first >= count)
        s.first = 0;
    for (size_t i = s.first; i < count; i++)
        sum += samples[i];
    if (count)
        s.run_ns = sum / (double)(count - s.first);
    if (sum > 0)
        s.slope_per_min = change / sum * 60e9;
    return s;
}

double sustained_contrast(const double run_ns[4], bool b_first)
{
    double d = (log(run_ns[0]) - log(run_ns[1]) - log(run_ns[2]) + log(run_ns[3])) / 2;

    return b_first ? -d : d;
}
