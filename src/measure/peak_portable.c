/* peak_portable.c - kernels in plain C, as compiled for the least processor of the architecture. */

#include "measure/peak_inner.h"

typedef float float4 __attribute__((vector_size(16), may_alias));

static bool always(void)
{
    return true;
}

#define ZERO4                                                                                      \
    {                                                                                              \
        0                                                                                          \
    }
#define LOAD4(at)       (*(const float4 *)(const void *)(at))
#define MAC4(sum, x, y) ((sum) + (x) * (y))
#define TOTAL4(sum)     ((double)(sum)[0] + (sum)[1] + (sum)[2] + (sum)[3])
#define NO_INSTRUCTION_SET

PEAK_TILE_3X4(portable_fp32, NO_INSTRUCTION_SET, float4, ZERO4, LOAD4, MAC4, TOTAL4)

/* Unsigned sums, because a signed one may not run over in C. */
static void portable_int8(const void *row_data, const void *column_data, size_t steps,
                          size_t rounds, double *sums)
{
    uint32_t totals[4] = {0};

    for (size_t round = 0; round < rounds; round++) {
        const int8_t *a = row_data, *b = column_data;

        __asm__ volatile("" ::: "memory");
        for (size_t step = 0; step < steps; step++, a += 16, b += 64)
            for (size_t column = 0; column < 4; column++)
                for (size_t i = 0; i < 16; i++)
                    totals[column] += (uint32_t)(a[i] * b[16 * column + i]);
    }
    for (size_t column = 0; column < 4; column++)
        sums[column] = (int32_t)totals[column];
}

const struct peak_kernel peak_portable_kernels[] = {
    {"plain C", PEAK_FP32, PEAK_PLAIN, 16, 3, 4, 1, always, portable_fp32},
    {"plain C", PEAK_INT8, PEAK_PLAIN, 16, 1, 4, 1, always, portable_int8},
};
const size_t peak_portable_count = sizeof(peak_portable_kernels) / sizeof(peak_portable_kernels[0]);
