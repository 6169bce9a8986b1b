#include "quantize/tally_rows.h"

#include <math.h>
#include <string.h>

#include "quantize/tally.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static bool span_portable(const float *values, size_t count, float *low, float *high)
{
    float least = values[0], most = values[0];
    bool finite = true;

    for (size_t i = 0; i < count; i++) {
        finite = finite && isfinite(values[i]);
        least = values[i] < least ? values[i] : least;
        most = values[i] > most ? values[i] : most;
    }
    *low = least;
    *high = most;
    return finite;
}

static void count_portable(const float *values, size_t count, float scale, uint32_t *counts)
{
    for (size_t i = 0; i < count; i++)
        counts[(int32_t)floorf(values[i] * scale) + TALLY_ZERO]++;
}

const struct tally_rows tally_rows_portable = {"portable", span_portable, count_portable};

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2")))

AVX2 static bool span_avx2(const float *values, size_t count, float *low, float *high)
{
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    const __m256 infinity = _mm256_set1_ps(INFINITY);
    __m256 least = _mm256_set1_ps(values[0]), most = least, bad = _mm256_setzero_ps();
    float leasts[8], mosts[8];
    size_t i = 0;
    bool finite;

    for (; i + 8 <= count; i += 8) {
        __m256 v = _mm256_loadu_ps(values + i);

        least = _mm256_min_ps(least, v);
        most = _mm256_max_ps(most, v);
        bad = _mm256_or_ps(bad, _mm256_cmp_ps(_mm256_and_ps(v, magnitude), infinity, _CMP_NLT_UQ));
    }
    finite = _mm256_movemask_ps(bad) == 0;
    if (i < count)
        finite = span_portable(values + i, count - i, low, high) && finite;
    else
        *low = *high = values[0];
    _mm256_storeu_ps(leasts, least);
    _mm256_storeu_ps(mosts, most);
    for (int k = 0; k < 8; k++) {
        *low = leasts[k] < *low ? leasts[k] : *low;
        *high = mosts[k] > *high ? mosts[k] : *high;
    }
    return finite && isfinite(values[0]);
}

#define TWO_TABLES ((size_t)8192) /* values from which a second table pays */

/*
 * Bins are worked out sixteen at a time and increased one by one. Neighbours often fall into one
 * bin, whose second increase must wait for the first; so every other one goes to a second table.
 */
AVX2 static void count_avx2(const float *values, size_t count, float scale, uint32_t *counts)
{
    uint32_t second[TALLY_BINS], *other = count < TWO_TABLES ? counts : second;
    const __m256 factor = _mm256_set1_ps(scale);
    const __m256i zero = _mm256_set1_epi32(TALLY_ZERO);
    int32_t bins[16];
    size_t i = 0;

    if (other == second)
        memset(second, 0, sizeof(second));
    for (; i + 16 <= count; i += 16) {
        __m256 a = _mm256_floor_ps(_mm256_mul_ps(_mm256_loadu_ps(values + i), factor));
        __m256 b = _mm256_floor_ps(_mm256_mul_ps(_mm256_loadu_ps(values + i + 8), factor));

        _mm256_storeu_si256((__m256i *)(void *)bins, _mm256_add_epi32(_mm256_cvtps_epi32(a), zero));
        _mm256_storeu_si256((__m256i *)(void *)(bins + 8),
                            _mm256_add_epi32(_mm256_cvtps_epi32(b), zero));
        for (int k = 0; k < 16; k += 2) {
            counts[bins[k]]++;
            other[bins[k + 1]]++;
        }
    }
    for (size_t bin = 0; other == second && bin < TALLY_BINS; bin++)
        counts[bin] += second[bin];
    count_portable(values + i, count - i, scale, counts);
}

static const struct tally_rows rows_avx2 = {"avx2", span_avx2, count_avx2};

#endif

const struct tally_rows *tally_rows_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return &rows_avx2;
#endif
    return &tally_rows_portable;
}
