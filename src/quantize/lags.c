#include "quantize/lags.h"

#include <math.h>
#include <string.h>

#include "quantize/tally.h"

#define FIXED_ONE 1024.0

/* The place of (dy, dx), or of its mirror image, among the lags. */
static size_t lag_index(int dy, int dx)
{
    if (dy < 0 || (dy == 0 && dx < 0)) {
        dy = -dy;
        dx = -dx;
    }
    return dy == 0 ? (size_t)dx : (size_t)(LAGS_SIDE + (dy - 1) * (2 * LAGS_SIDE - 1) + dx + 2);
}

static size_t lag_between(size_t a, size_t b)
{
    return lag_index((int)(b / LAGS_SIDE) - (int)(a / LAGS_SIDE),
                     (int)(b % LAGS_SIDE) - (int)(a % LAGS_SIDE));
}

/* A number that looks random and is the same everywhere (splitmix64's mixing). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

static void add_window(const float *corner, size_t width, bool silu, double *sums)
{
    float window[LAGS_WINDOW];

    for (size_t i = 0; i < LAGS_WINDOW; i++) {
        float x = corner[i / LAGS_SIDE * width + i % LAGS_SIDE];

        window[i] = silu ? tally_silu(x) : x;
    }
    for (size_t a = 0; a < LAGS_WINDOW; a++)
        for (size_t b = a; b < LAGS_WINDOW; b++)
            sums[lag_between(a, b)] += (double)(window[a] * window[b]);
}

/* Pairs of places in a window that are a lag apart. */
static double pair_count(size_t lag)
{
    double count = 0;

    for (size_t a = 0; a < LAGS_WINDOW; a++)
        for (size_t b = a; b < LAGS_WINDOW; b++)
            count += lag_between(a, b) == lag;
    return count;
}

void lags_add(struct lags *lags, const float *values, size_t channels, size_t height, size_t width,
              bool silu, size_t picture)
{
    double sums[LAGS_COUNT] = {0};

    if (height < LAGS_SIDE || width < LAGS_SIDE)
        return;
    for (size_t c = 0; c < channels; c++)
        for (size_t s = 0; s < LAGS_SAMPLES; s++) {
            uint64_t chance = mix(((uint64_t)picture << 32) + (c << 8) + s + 1);
            size_t y = (size_t)(chance >> 32) % (height - LAGS_SIDE + 1);
            size_t x = (size_t)(uint32_t)chance % (width - LAGS_SIDE + 1);

            add_window(values + (c * height + y) * width + x, width, silu, sums);
        }
    for (size_t lag = 0; lag < LAGS_COUNT; lag++) {
        double mean = sums[lag] / pair_count(lag) / LAGS_SAMPLES;

        if (fabs(mean) < 1e12)
            lags->sums[lag] += llrint(mean * FIXED_ONE);
    }
}

bool lags_normalise(const struct lags *lags, double *correlations)
{
    if (lags->sums[0] <= 0)
        return false;
    for (size_t lag = 0; lag < LAGS_COUNT; lag++)
        correlations[lag] = (double)lags->sums[lag] / (double)lags->sums[0];
    return true;
}

/* --- feedback -----------------------------------------------------------------------------------
 */

typedef double matrix[LAGS_WINDOW][LAGS_WINDOW];

/* a = lower × lower'; false if a is not positive definite. */
static bool factor(matrix a, matrix lower)
{
    memset(lower, 0, sizeof(matrix));
    for (size_t j = 0; j < LAGS_WINDOW; j++)
        for (size_t i = j; i < LAGS_WINDOW; i++) {
            double sum = a[i][j];

            for (size_t k = 0; k < j; k++)
                sum -= lower[i][k] * lower[j][k];
            if (i == j && !(sum > 1e-9))
                return false;
            lower[i][j] = i == j ? sqrt(sum) : sum / lower[j][j];
        }
    return true;
}

/* inverse = (lower × lower')^-1, column by column. */
static void invert(matrix lower, matrix inverse)
{
    for (size_t c = 0; c < LAGS_WINDOW; c++) {
        double x[LAGS_WINDOW];

        for (size_t i = 0; i < LAGS_WINDOW; i++) {
            x[i] = i == c;
            for (size_t k = 0; k < i; k++)
                x[i] -= lower[i][k] * x[k];
            x[i] /= lower[i][i];
        }
        for (size_t i = LAGS_WINDOW; i-- > 0;) {
            for (size_t k = i + 1; k < LAGS_WINDOW; k++)
                x[i] -= lower[k][i] * x[k];
            x[i] /= lower[i][i];
            inverse[i][c] = x[i];
        }
    }
}

bool lags_make_feedback(const double *correlations, struct lags_feedback *feedback)
{
    matrix alike, lower, inverse;

    for (size_t a = 0; a < LAGS_WINDOW; a++)
        for (size_t b = 0; b < LAGS_WINDOW; b++)
            alike[a][b] = correlations[lag_between(a, b)] + (a == b ? LAGS_DAMPING : 0);
    if (!factor(alike, lower))
        return false;
    invert(lower, inverse);
    if (!factor(inverse, lower))
        return false;
    for (size_t j = 0; j < LAGS_WINDOW; j++)
        for (size_t k = 0; k < LAGS_WINDOW; k++)
            feedback->share[j][k] = lower[k][j] / lower[j][j];
    return true;
}

void lags_round(const float *weights, size_t count, float scale, float most,
                const struct lags_feedback *feedback, int8_t *integers)
{
    double carried[LAGS_WINDOW] = {0};

    for (size_t j = 0; j < count; j++) {
        double wanted = (double)weights[j] / (double)scale;
        double error, rounded;

        if (feedback)
            wanted += carried[j];
        rounded = rint(wanted);
        rounded = rounded > (double)most ? (double)most : rounded;
        rounded = rounded < -(double)most ? -(double)most : rounded;
        integers[j] = (int8_t)rounded;
        error = wanted - rounded;
        for (size_t k = j + 1; feedback && k < count; k++)
            carried[k] -= error * feedback->share[j][k];
    }
}
