#include "vision/letterbox_rows.h"

#include "vision/picture.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* --- portable -----------------------------------------------------------------------------------
 */

static void split_portable(const uint8_t *pixels, size_t count, float *const planes[3])
{
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < 3; c++)
            planes[c][i] = (float)pixels[i * PICTURE_PIXEL_BYTES + (size_t)c] / 255.0F;
}

static void shrink_portable(const uint8_t *pixels, const struct letterbox_tap *taps, size_t count,
                            int16_t *const planes[3])
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = pixels + (size_t)taps[i].at * PICTURE_PIXEL_BYTES;

        for (int c = 0; c < 3; c++)
            planes[c][i] = (int16_t)((at[c] * taps[i].weight[0] +
                                      at[PICTURE_PIXEL_BYTES + c] * taps[i].weight[1]) >>
                                     4);
    }
}

static void blend_portable(const int16_t *above, const int16_t *below, const int16_t weight[2],
                           size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        int32_t sum = (above[i] * weight[0] >> 16) + (below[i] * weight[1] >> 16);

        out[i] = (float)((sum + 2) >> 2) / 255.0F;
    }
}

const struct letterbox_rows letterbox_rows_portable = {
    "portable",
    split_portable,
    shrink_portable,
    blend_portable,
};

/* --- AVX2 and FMA -------------------------------------------------------------------------------
 */

#if defined(__x86_64__)

#define AVX2 __attribute__((target("avx2,fma")))

/* Correctly rounded value / 255 for whole values of 0..255: one Newton step on the quotient. */
AVX2 static inline __m256 over_255(__m256i values)
{
    const __m256 divisor = _mm256_set1_ps(255.0F);
    const __m256 inverse = _mm256_set1_ps(1.0F / 255.0F);
    __m256 value = _mm256_cvtepi32_ps(values);
    __m256 quotient = _mm256_mul_ps(value, inverse);
    __m256 rest = _mm256_fnmadd_ps(quotient, divisor, value);

    return _mm256_fmadd_ps(rest, inverse, quotient);
}

AVX2 static void split_avx2(const uint8_t *pixels, size_t count, float *const planes[3])
{
    const __m256i byte = _mm256_set1_epi32(0xff);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256i v =
            _mm256_loadu_si256((const __m256i *)(const void *)(pixels + i * PICTURE_PIXEL_BYTES));

        _mm256_storeu_ps(planes[0] + i, over_255(_mm256_and_si256(v, byte)));
        _mm256_storeu_ps(planes[1] + i, over_255(_mm256_and_si256(_mm256_srli_epi32(v, 8), byte)));
        _mm256_storeu_ps(planes[2] + i, over_255(_mm256_and_si256(_mm256_srli_epi32(v, 16), byte)));
    }
    if (i < count) {
        float *const rest[3] = {planes[0] + i, planes[1] + i, planes[2] + i};

        split_portable(pixels + i * PICTURE_PIXEL_BYTES, count - i, rest);
    }
}

/* Output pixels a and b, each as 4 sums of 32 bits: R G B and nothing. */
AVX2 static inline __m256i shrink_two(const uint8_t *pixels, const struct letterbox_tap *a,
                                      const struct letterbox_tap *b)
{
    const __m128i pair = _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    __m128i low = _mm_loadl_epi64(
        (const __m128i *)(const void *)(pixels + (size_t)a->at * PICTURE_PIXEL_BYTES));
    __m128i high = _mm_loadl_epi64(
        (const __m128i *)(const void *)(pixels + (size_t)b->at * PICTURE_PIXEL_BYTES));
    __m256i values = _mm256_cvtepu8_epi16(_mm_shuffle_epi8(_mm_unpacklo_epi64(low, high), pair));
    int32_t weight_a, weight_b;

    __builtin_memcpy(&weight_a, a->weight, sizeof(weight_a));
    __builtin_memcpy(&weight_b, b->weight, sizeof(weight_b));
    return _mm256_srai_epi32(_mm256_madd_epi16(values, _mm256_setr_m128i(_mm_set1_epi32(weight_a),
                                                                         _mm_set1_epi32(weight_b))),
                             4);
}

AVX2 static void shrink_avx2(const uint8_t *pixels, const struct letterbox_tap *taps, size_t count,
                             int16_t *const planes[3])
{
    /* Within a lane, two pixels R G B . R G B . of 16 bits to RR GG BB .. */
    const __m256i pair = _mm256_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0,
                                          1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        const struct letterbox_tap *t = taps + i;
        __m256i p01_45 = _mm256_shuffle_epi8(
            _mm256_packs_epi32(shrink_two(pixels, t, t + 4), shrink_two(pixels, t + 1, t + 5)),
            pair);
        __m256i p23_67 = _mm256_shuffle_epi8(
            _mm256_packs_epi32(shrink_two(pixels, t + 2, t + 6), shrink_two(pixels, t + 3, t + 7)),
            pair);
        __m256i red_green = _mm256_permute4x64_epi64(_mm256_unpacklo_epi32(p01_45, p23_67), 0xd8);
        __m256i blue = _mm256_permute4x64_epi64(_mm256_unpackhi_epi32(p01_45, p23_67), 0xd8);

        _mm_storeu_si128((__m128i *)(void *)(planes[0] + i), _mm256_castsi256_si128(red_green));
        _mm_storeu_si128((__m128i *)(void *)(planes[1] + i),
                         _mm256_extracti128_si256(red_green, 1));
        _mm_storeu_si128((__m128i *)(void *)(planes[2] + i), _mm256_castsi256_si128(blue));
    }
    if (i < count) {
        int16_t *const rest[3] = {planes[0] + i, planes[1] + i, planes[2] + i};

        shrink_portable(pixels, taps + i, count - i, rest);
    }
}

AVX2 static void blend_avx2(const int16_t *above, const int16_t *below, const int16_t weight[2],
                            size_t count, float *out)
{
    const __m256i weight_above = _mm256_set1_epi16(weight[0]);
    const __m256i weight_below = _mm256_set1_epi16(weight[1]);
    const __m256i two = _mm256_set1_epi16(2);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(above + i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(below + i));
        __m256i sum = _mm256_add_epi16(_mm256_mulhi_epi16(a, weight_above),
                                       _mm256_mulhi_epi16(b, weight_below));
        __m256i values = _mm256_srai_epi16(_mm256_add_epi16(sum, two), 2);

        _mm256_storeu_ps(out + i, over_255(_mm256_cvtepi16_epi32(_mm256_castsi256_si128(values))));
        _mm256_storeu_ps(out + i + 8,
                         over_255(_mm256_cvtepi16_epi32(_mm256_extracti128_si256(values, 1))));
    }
    blend_portable(above + i, below + i, weight, count - i, out + i);
}

static const struct letterbox_rows rows_avx2 = {"avx2", split_avx2, shrink_avx2, blend_avx2};

#endif

const struct letterbox_rows *letterbox_rows_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return &rows_avx2;
#endif
    return &letterbox_rows_portable;
}
