#include "quantize/range.h"

#include <math.h>
#include <string.h>

#define LEVELS      256
#define SEARCH_MIN  0.04F  /* of an extreme: how far inwards a search goes */
#define SEARCH_STEP 0.944F /* 2^(-1/12) */

static const char *const names[RANGE_METHODS] = {"entropy", "minmax", "percentile", "mse",
                                                 "auto",    "silu",   "fixed"};

const char *range_method_name(enum range_method method)
{
    return names[method];
}

enum range_method range_method_of(const char *name)
{
    int method = 0;

    while (method < RANGE_METHODS && strcmp(names[method], name) != 0)
        method++;
    return (enum range_method)method;
}

struct range_scale range_to_scale(float low, float high, bool symmetric)
{
    struct range_scale scale = {1, 0, symmetric ? -128 : 0, symmetric ? 127 : 255};

    low = low < 0 ? low : 0;
    high = high > 0 ? high : 0;
    if (symmetric) {
        float most = -low > high ? -low : high;

        if (most > 0)
            scale.scale = most / 127;
        return scale;
    }
    if (high > low)
        scale.scale = (high - low) / 255;
    scale.zero = (int32_t)rintf(-low / scale.scale);
    return scale;
}

struct range range_join(struct range a, struct range b)
{
    a.low = b.low < a.low ? b.low : a.low;
    a.high = b.high > a.high ? b.high : a.high;
    return a;
}

static float bin_width(const struct tally_sum *sum)
{
    return ldexpf(1.0F / TALLY_ZERO, sum->exponent);
}

static float bin_middle(const struct tally_sum *sum, int bin)
{
    return ((float)(bin - TALLY_ZERO) + 0.5F) * bin_width(sum);
}

static float quantised(float value, const struct range_scale *scale)
{
    float q = rintf(value / scale->scale) + (float)scale->zero;

    q = q < (float)scale->least ? (float)scale->least : q;
    q = q > (float)scale->most ? (float)scale->most : q;
    return (q - (float)scale->zero) * scale->scale;
}

double range_error(const struct tally_sum *sum, const struct range_scale *scale)
{
    double error = 0, total = 0;
    float width = bin_width(sum);

    for (int i = 0; i < TALLY_BINS; i++) {
        float value = ((float)(i - TALLY_ZERO) + 0.5F) * width, gap;

        if (sum->mass[i] == 0)
            continue;
        gap = quantised(value, scale) - value;
        error += sum->mass[i] * (double)(gap * gap);
        total += sum->mass[i];
    }
    return total > 0 ? error / total : 0;
}

static struct range from_extremes(const struct range_source *source)
{
    struct range range = {tally_mean_low(source->extremes, source->pictures),
                          tally_mean_high(source->extremes, source->pictures), RANGE_MINMAX};

    range.low = range.low < 0 ? range.low : 0;
    range.high = range.high > 0 ? range.high : 0;
    return range;
}

/* No range reaches further than the values. */
static struct range within(struct range range, const struct tally_extremes *extremes)
{
    range.low = range.low > extremes->low ? range.low : extremes->low;
    range.high = range.high < extremes->high ? range.high : extremes->high;
    range.low = range.low < 0 ? range.low : 0;
    range.high = range.high > 0 ? range.high : 0;
    return range;
}

static struct range from_percentile(const struct range_source *source)
{
    const struct tally_sum *sum = source->sum;
    struct range range = {0, 0, RANGE_PERCENTILE};
    double total = 0, tail, below = 0, above = 0;
    int first = 0, last = TALLY_BINS - 1;

    for (int i = 0; i < TALLY_BINS; i++)
        total += sum->mass[i];
    tail = total * RANGE_TAIL;
    while (first < TALLY_BINS - 1 && below + sum->mass[first] <= tail)
        below += sum->mass[first++];
    while (last > 0 && above + sum->mass[last] <= tail)
        above += sum->mass[last--];
    range.low = (float)(first - TALLY_ZERO) * bin_width(sum);
    range.high = (float)(last + 1 - TALLY_ZERO) * bin_width(sum);
    return within(range, source->extremes);
}

/* --- entropy ------------------------------------------------------------------------------------
 */

/* The weighed mass of each magnitude; returns how many bins up to the last that has any. */
static int magnitudes(const struct tally_sum *sum, double *mass)
{
    int count = 0;

    for (int i = 0; i < TALLY_ZERO; i++) {
        double both = sum->mass[TALLY_ZERO + i] + sum->mass[TALLY_ZERO - 1 - i];

        mass[i] = both * pow(i + 0.5, RANGE_ENERGY);
        if (mass[i] > 0)
            count = i + 1;
    }
    return count;
}

/*
 * Divergence of the first `bins` bins, with the mass beyond them in the last, from what `levels`
 * levels keep of them: each level's mass spread evenly over its bins that have any. total is all
 * mass, plogp the sum of m log m over those bins but the last.
 */
static double divergence(const double *mass, int bins, int levels, double total, double plogp)
{
    double sum = 0, within_all = 0, clipped = total, plogq = 0;

    for (int level = 0; level < levels; level++) {
        int from = (int)((int64_t)level * bins / levels), filled = 0;
        int to = (int)((int64_t)(level + 1) * bins / levels);

        sum = 0;
        for (int i = from; i < to; i++) {
            sum += mass[i];
            filled += mass[i] > 0;
        }
        within_all += sum;
        if (level == levels - 1)
            clipped -= within_all;
        if (level == levels - 1 && mass[bins - 1] == 0 && clipped > total * 1e-15)
            return INFINITY;
        if (filled)
            plogq += (level == levels - 1 ? sum + clipped : sum) * log(sum / filled);
    }
    if (mass[bins - 1] + clipped > 0)
        plogp += (mass[bins - 1] + clipped) * log(mass[bins - 1] + clipped);
    return (plogp - plogq) / total + log(within_all / total);
}

/* The bins that hold the greatest magnitude of the mean picture. */
static int least_bins(const struct range_source *source)
{
    float low = tally_mean_low(source->extremes, source->pictures);
    float high = tally_mean_high(source->extremes, source->pictures);

    return (int)ceilf((-low > high ? -low : high) / bin_width(source->sum));
}

static struct range from_entropy(const struct range_source *source)
{
    int levels = source->symmetric ? LEVELS / 2 : LEVELS, best = 0, bins, done = 0, first;
    double mass[TALLY_ZERO], total = 0, plogp = 0, least = INFINITY;
    struct range range = {0, 0, RANGE_ENTROPY};
    int count = magnitudes(source->sum, mass);

    for (int i = 0; i < count; i++)
        total += mass[i];
    first = least_bins(source);
    first = first > levels ? first : levels;
    for (bins = count - (count - first) / RANGE_STEP * RANGE_STEP; bins <= count && count > first;
         bins += RANGE_STEP) {
        double value;

        for (; done < bins - 1; done++)
            plogp += mass[done] > 0 ? mass[done] * log(mass[done]) : 0;
        value = divergence(mass, bins, levels, total, plogp);
        if (value < least) {
            least = value;
            best = bins;
        }
    }
    range.high = (float)(best ? best : count) * bin_width(source->sum);
    range.low = -range.high;
    return within(range, source->extremes);
}

/* --- least error --------------------------------------------------------------------------------
 */

static inline double gap_power(float gap)
{
    return (double)(gap * gap * sqrtf(fabsf(gap)));
}

/* Mean |silu(quantised) - silu(value)|^2.5, times the mass. */
static double silu_error(const struct tally_sum *sum, const float *after,
                         const struct range_scale *scale)
{
    float table[LEVELS];
    double error = 0;
    float steps = bin_width(sum) / scale->scale;

    for (int i = 0; i < LEVELS; i++)
        table[i] = tally_silu((float)(i - scale->zero) * scale->scale);
    for (int i = 0; i < TALLY_BINS; i++) {
        float q = rintf(((float)(i - TALLY_ZERO) + 0.5F) * steps) + (float)scale->zero;

        if (sum->mass[i] == 0)
            continue;
        q = q < 0 ? 0 : q > LEVELS - 1 ? LEVELS - 1 : q;
        error += sum->mass[i] * gap_power(table[(int)q] - after[i]);
    }
    return error;
}

struct search {
    const struct tally_sum *sum;
    const float *after; /* of each bin after a SiLU; NULL: error is squared, without one */
    bool symmetric;
    struct range best;
    double least;
};

static void try_range(struct search *search, float low, float high)
{
    struct range_scale scale = range_to_scale(low, high, search->symmetric);
    double error = search->after ? silu_error(search->sum, search->after, &scale)
                                 : range_error(search->sum, &scale);

    if (error < search->least) {
        search->least = error;
        search->best.low = low;
        search->best.high = high;
    }
}

/* One end at a time from the extremes inwards, the greater one first, and once more. */
static void search_ends(struct search *search, float low, float high)
{
    search->least = INFINITY;
    try_range(search, low, high);
    for (int turn = 0; turn < 2; turn++) {
        float other = search->best.low;

        for (float share = 1; share > SEARCH_MIN && high > 0; share *= SEARCH_STEP)
            try_range(search, search->symmetric ? -share * high : other, share * high);
        other = search->best.high;
        for (float share = 1; share > SEARCH_MIN && low < 0 && !search->symmetric;
             share *= SEARCH_STEP)
            try_range(search, share * low, other);
    }
}

static struct range from_mse(const struct range_source *source)
{
    const struct tally_extremes *extremes = source->extremes;
    struct search search = {.sum = source->sum, .symmetric = source->symmetric};
    float low = extremes->low < 0 ? extremes->low : 0;
    float high = extremes->high > 0 ? extremes->high : 0;

    if (source->symmetric)
        low = -(high = -low > high ? -low : high);
    search_ends(&search, low, high);
    search.best.method = RANGE_MSE;
    return within(search.best, extremes);
}

struct range range_find_silu(const struct tally_sum *sum, const struct tally_extremes *extremes)
{
    float after[TALLY_BINS];
    struct search search = {.sum = sum, .after = after};

    for (int i = 0; i < TALLY_BINS; i++)
        after[i] = tally_silu(bin_middle(sum, i));
    search_ends(&search, extremes->low < 0 ? extremes->low : 0,
                extremes->high > 0 ? extremes->high : 0);
    search.best.method = RANGE_SILU;
    return search.best;
}

static struct range from_all(const struct range_source *source)
{
    struct range best = {0, 0, RANGE_AUTO};
    double least = INFINITY;

    for (int method = RANGE_ENTROPY; method < RANGE_AUTO; method++) {
        struct range range = range_find(source, (enum range_method)method);
        struct range_scale scale = range_to_scale(range.low, range.high, source->symmetric);
        double error = range_error(source->weighed ? source->weighed : source->sum, &scale);

        if (error < least) {
            least = error;
            best = range;
        }
    }
    return best;
}

struct range range_find(const struct range_source *source, enum range_method method)
{
    switch (method) {
    case RANGE_MINMAX:
        return from_extremes(source);
    case RANGE_PERCENTILE:
        return from_percentile(source);
    case RANGE_MSE:
        return from_mse(source);
    case RANGE_AUTO:
        return from_all(source);
    default:
        return from_entropy(source);
    }
}
