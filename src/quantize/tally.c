#include "quantize/tally.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantize/tally_rows.h"

#define FIXED_ONE 1048576.0F /* 2^20 */

float tally_silu(float x)
{
    return x / (1.0F + expf(-x));
}

enum tare_status tally_init(struct tally *tally, size_t channels, size_t plane,
                            struct tare_err *err)
{
    memset(tally, 0, sizeof(*tally));
    if (channels > TALLY_MAX_CHANNELS)
        return tare_fail(err, TARE_LIMIT, "a tensor has %zu channels, at most %d", channels,
                         TALLY_MAX_CHANNELS);
    tally->channels = channels;
    tally->plane = plane;
    tally->counts = calloc(channels + 1, TALLY_BINS * sizeof(*tally->counts));
    tally->exponents = malloc((channels + 1) * sizeof(*tally->exponents));
    if (!tally->counts || !tally->exponents) {
        tally_release(tally);
        return tare_fail(err, TARE_NOMEM, "out of memory for the histograms of %zu channels",
                         channels);
    }
    for (size_t c = 0; c < channels; c++)
        tally->exponents[c] = TALLY_MIN_EXPONENT;
    return TARE_OK;
}

void tally_release(struct tally *tally)
{
    free(tally->counts);
    free(tally->exponents);
    memset(tally, 0, sizeof(*tally));
}

/* The least k with -2^k <= low and high < 2^k. */
static int exponent_of(float low, float high)
{
    int exponent = TALLY_MIN_EXPONENT, of;
    float most = -low > high ? -low : high;

    if (most > 0) {
        (void)frexpf(most, &of); /* most < 2^of */
        exponent = of > exponent ? of : exponent;
    }
    return exponent;
}

/* Joins bins until the histogram reaches to 2^to. In place: a bin moves towards the middle. */
static void widen(uint32_t *counts, int from, int to)
{
    int shift = to - from > 31 ? 31 : to - from;

    for (int i = TALLY_ZERO; i < TALLY_BINS; i++) {
        uint32_t n = counts[i];

        counts[i] = 0;
        counts[((i - TALLY_ZERO) >> shift) + TALLY_ZERO] += n;
    }
    for (int i = TALLY_ZERO - 1; i >= 0; i--) {
        uint32_t n = counts[i];

        counts[i] = 0; /* >> of a negative number rounds down, with every compiler we use */
        counts[((i - TALLY_ZERO) >> shift) + TALLY_ZERO] += n;
    }
}

static void add_extremes(struct tally_extremes *extremes, float low, float high, bool first)
{
    float most = -low > high ? -low : high;

    extremes->low = first || low < extremes->low ? low : extremes->low;
    extremes->high = first || high > extremes->high ? high : extremes->high;
    extremes->low_sum += llrintf(low * FIXED_ONE);
    extremes->high_sum += llrintf(high * FIXED_ONE);
    extremes->high_squares += (double)most * (double)most;
}

/* A SiLU falls to its least value at SILU_BOTTOM, and rises from there. */
#define SILU_BOTTOM (-1.27846454F)

static void add_silu_extremes(struct tally *tally, float low, float high)
{
    float left = tally_silu(low), right = tally_silu(high);
    float least = low <= SILU_BOTTOM && high >= SILU_BOTTOM ? tally_silu(SILU_BOTTOM)
                  : left < right                            ? left
                                                            : right;

    add_extremes(&tally->silu, least, left > right ? left : right, tally->pictures == 0);
}

enum tare_status tally_count(struct tally *tally, const float *values, bool portable,
                             struct tally_seen *seen, struct tare_err *err)
{
    const struct tally_rows *rows = portable ? &tally_rows_portable : tally_rows_best();

    *seen = (struct tally_seen){INFINITY, -INFINITY, true};
    if (tally->pictures >= UINT32_MAX / (tally->plane + 1))
        return tare_fail(err, TARE_LIMIT, "at most %llu pictures of this size",
                         (unsigned long long)(UINT32_MAX / (tally->plane + 1)));
    for (size_t c = 0; c < tally->channels; c++) {
        const float *plane = values + c * tally->plane;
        uint32_t *counts = tally->counts + c * TALLY_BINS;
        float low, high;
        int exponent;

        if (!rows->span(plane, tally->plane, &low, &high)) {
            seen->finite = false;
            return TARE_OK;
        }
        seen->low = low < seen->low ? low : seen->low;
        seen->high = high > seen->high ? high : seen->high;
        exponent = exponent_of(low, high);
        if (exponent > tally->exponents[c]) {
            widen(counts, tally->exponents[c], exponent);
            tally->exponents[c] = (int16_t)exponent;
        }
        rows->count(plane, tally->plane, ldexpf(TALLY_ZERO, -tally->exponents[c]), counts);
    }
    add_extremes(&tally->raw, seen->low, seen->high, tally->pictures == 0);
    add_silu_extremes(tally, seen->low, seen->high);
    tally->pictures++;
    return TARE_OK;
}

float tally_mean_low(const struct tally_extremes *extremes, uint64_t pictures)
{
    return (float)((double)extremes->low_sum / (double)FIXED_ONE /
                   (double)(pictures ? pictures : 1));
}

float tally_mean_high(const struct tally_extremes *extremes, uint64_t pictures)
{
    return (float)((double)extremes->high_sum / (double)FIXED_ONE /
                   (double)(pictures ? pictures : 1));
}

double tally_uncertainty(const struct tally_extremes *extremes, uint64_t pictures)
{
    double n = (double)pictures, low = (double)tally_mean_low(extremes, pictures);
    double high = (double)tally_mean_high(extremes, pictures);
    double mean = -low > high ? -low : high, variance;

    if (pictures < 2)
        return 1;
    if (mean <= 0)
        return 0;
    variance = (extremes->high_squares - n * mean * mean) / (n - 1);
    return variance > 0 ? sqrt(variance / n) / mean : 0;
}

/* --- one histogram of all channels --------------------------------------------------------------
 */

static int exponent_all(const struct tally *tally)
{
    int exponent = TALLY_MIN_EXPONENT;

    for (size_t c = 0; c < tally->channels; c++)
        exponent = tally->exponents[c] > exponent ? tally->exponents[c] : exponent;
    return exponent;
}

/* Puts the mass of bins of one width into a sum of another, part by part. */
static void spread(const double *mass, int exponent, bool silu, struct tally_sum *sum)
{
    float width = ldexpf(1.0F / TALLY_ZERO, exponent);
    float scale = ldexpf(TALLY_ZERO, -sum->exponent);

    for (int i = 0; i < TALLY_BINS; i++) {
        if (mass[i] == 0)
            continue;
        for (int part = 0; part < TALLY_PARTS; part++) {
            float x = ((float)(i - TALLY_ZERO) + ((float)part + 0.5F) / TALLY_PARTS) * width;
            float y = silu ? tally_silu(x) : x;

            sum->mass[(int)floorf(y * scale) + TALLY_ZERO] += mass[i] / TALLY_PARTS;
        }
    }
}

void tally_fold(const struct tally *tally, bool silu, const double *weights, struct tally_sum *sum)
{
    double mass[TALLY_BINS];

    memset(sum, 0, sizeof(*sum));
    sum->exponent = exponent_all(tally);
    for (int exponent = TALLY_MIN_EXPONENT; exponent <= sum->exponent; exponent++) {
        bool any = false;

        memset(mass, 0, sizeof(mass));
        for (size_t c = 0; c < tally->channels; c++) {
            const uint32_t *counts = tally->counts + c * TALLY_BINS;
            double weight = weights ? weights[c] : 1;

            if (tally->exponents[c] != exponent)
                continue;
            any = true;
            for (int i = 0; i < TALLY_BINS; i++)
                mass[i] += weight * counts[i];
        }
        if (any)
            spread(mass, exponent, silu, sum);
    }
}

/* What a bin of that exponent stands for: the mean of its parts. */
static void bin_values(int exponent, bool silu, double *values)
{
    float width = ldexpf(1.0F / TALLY_ZERO, exponent);

    for (int i = 0; i < TALLY_BINS; i++) {
        values[i] = 0;
        for (int part = 0; part < TALLY_PARTS; part++) {
            float x = ((float)(i - TALLY_ZERO) + ((float)part + 0.5F) / TALLY_PARTS) * width;

            values[i] += (double)(silu ? tally_silu(x) : x) / TALLY_PARTS;
        }
    }
}

void tally_means(const struct tally *tally, bool silu, double *means)
{
    double values[TALLY_BINS];
    int all = exponent_all(tally);

    for (int exponent = TALLY_MIN_EXPONENT; exponent <= all; exponent++) {
        bool ready = false;

        for (size_t c = 0; c < tally->channels; c++) {
            const uint32_t *counts = tally->counts + c * TALLY_BINS;
            double sum = 0, total = 0;

            if (tally->exponents[c] != exponent)
                continue;
            if (!ready)
                bin_values(exponent, silu, values);
            ready = true;
            for (int i = 0; i < TALLY_BINS; i++) {
                sum += counts[i] * values[i];
                total += counts[i];
            }
            means[c] = total > 0 ? sum / total : 0;
        }
    }
}

uint64_t tally_hash(const struct tally *tally)
{
    uint64_t hash = 14695981039346656037U;

    for (size_t c = 0; c < tally->channels; c++) {
        hash = (hash ^ (uint64_t)(uint16_t)tally->exponents[c]) * 1099511628211U;
        for (size_t i = 0; i < TALLY_BINS; i++)
            hash = (hash ^ tally->counts[c * TALLY_BINS + i]) * 1099511628211U;
    }
    return hash;
}
