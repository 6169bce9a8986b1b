/*
 * peak_x86.c - kernels of x86-64's instruction sets. Each function is compiled for its own set,
 * whatever the rest of the program is compiled for, and called only where present() says so.
 */
#include "measure/peak_inner.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vision/half.h"

/* Older compilers declare FP16's functions for files that are compiled for it alone. */
#if defined(__AVX512FP16__) || (defined(__clang__) ? __clang_major__ >= 16 : __GNUC__ >= 12)
#define HAVE_FP16 1
#else
#define HAVE_FP16 0
#endif

/* --- what the processor has, and the kernel lets us use --- */

/* A bit of CPUID's leaf 7; Intel's Software Developer's Manual, volume 2A, CPUID. */
static bool leaf7(unsigned subleaf, int reg, int bit)
{
    unsigned r[4] = {0};

    return __get_cpuid_max(0, NULL) >= 7 &&
           __get_cpuid_count(7, subleaf, &r[0], &r[1], &r[2], &r[3]) && (r[reg] >> bit & 1);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx_vnni(void)
{
    return has_avx2() && leaf7(1, 0, 4);
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static bool has_avx512_vnni(void)
{
    return has_avx512() && leaf7(0, 2, 11);
}

static bool has_avx512_bf16(void)
{
    return has_avx512() && leaf7(1, 0, 5);
}

#if HAVE_FP16
static bool has_avx512_fp16(void)
{
    return has_avx512() && leaf7(0, 3, 23);
}
#endif

/* The kernel gives a process the tiles when it asks for them: Documentation/arch/x86/xstate.rst. */
static bool has_tiles(void)
{
    enum {
        REQUEST_PERMISSION = 0x1023,
        TILE_DATA = 18
    };

    return leaf7(0, 3, 24) && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

static bool has_amx_int8(void)
{
    return leaf7(0, 3, 25) && has_tiles();
}

static bool has_amx_bf16(void)
{
    return leaf7(0, 3, 22) && has_tiles();
}

/* --- sums of a register --- */

static double total_floats(const float *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

static double total_ints(const int32_t *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum;
}

#if HAVE_FP16
static double total_halves(const uint16_t *values, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += half_to_float(values[i]);
    return sum;
}
#endif

/* The register is stored, whatever its type, and added up. */
#define TOTAL(sum, type, count, function)                                                          \
    __extension__({                                                                                \
        type values[count];                                                                        \
                                                                                                   \
        memcpy(values, &(sum), sizeof(values));                                                    \
        function(values, count);                                                                   \
    })
#define TOTAL_8F(sum)  TOTAL(sum, float, 8, total_floats)
#define TOTAL_16F(sum) TOTAL(sum, float, 16, total_floats)
#define TOTAL_8I(sum)  TOTAL(sum, int32_t, 8, total_ints)
#define TOTAL_16I(sum) TOTAL(sum, int32_t, 16, total_ints)
#define TOTAL_32H(sum) TOTAL(sum, uint16_t, 32, total_halves)

/* --- AVX2 and AVX-VNNI --- */

#define AVX2     __attribute__((target("avx2,fma")))
#define AVX_VNNI __attribute__((target("avx2,fma,avxvnni")))

#define LOAD_8F(at)       _mm256_load_ps((const float *)(const void *)(at))
#define LOAD_8I(at)       _mm256_load_si256((const __m256i *)(const void *)(at))
#define MAC_8F(sum, x, y) _mm256_fmadd_ps(x, y, sum)
#define MAC_AVX2_I8(sum, x, y)                                                                     \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(x, y), _mm256_set1_epi16(1)))
#define MAC_VNNI(sum, x, y) _mm256_dpbusd_avx_epi32(sum, x, y)

PEAK_TILE_3X4(avx2_fp32, AVX2, __m256, _mm256_setzero_ps(), LOAD_8F, MAC_8F, TOTAL_8F)
PEAK_TILE_2X4(avx2_int8, AVX2, __m256i, _mm256_setzero_si256(), LOAD_8I, MAC_AVX2_I8, TOTAL_8I)
PEAK_TILE_3X4(avx_vnni, AVX_VNNI, __m256i, _mm256_setzero_si256(), LOAD_8I, MAC_VNNI, TOTAL_8I)

/* --- AVX-512 --- */

#define AVX512      __attribute__((target("avx512f,avx512bw")))
#define AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))
#define AVX512_BF16 __attribute__((target("avx512f,avx512bw,avx512bf16")))
#define AVX512_FP16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512fp16")))

#define LOAD_16F(at)       _mm512_load_ps(at)
#define LOAD_16I(at)       _mm512_load_si512(at)
#define LOAD_32H(at)       _mm512_load_ph(at)
#define MAC_16F(sum, x, y) _mm512_fmadd_ps(x, y, sum)
#define MAC_512_I8(sum, x, y)                                                                      \
    _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(x, y), _mm512_set1_epi16(1)))
#define MAC_512_VNNI(sum, x, y) _mm512_dpbusd_epi32(sum, x, y)
#define MAC_512_BF16(sum, x, y) _mm512_dpbf16_ps(sum, (__m512bh)(x), (__m512bh)(y))
#define MAC_32H(sum, x, y)      _mm512_fmadd_ph(x, y, sum)

PEAK_TILE_3X4(avx512_fp32, AVX512, __m512, _mm512_setzero_ps(), LOAD_16F, MAC_16F, TOTAL_16F)
PEAK_TILE_3X4(avx512_int8, AVX512, __m512i, _mm512_setzero_si512(), LOAD_16I, MAC_512_I8, TOTAL_16I)
PEAK_TILE_3X4(avx512_vnni, AVX512_VNNI, __m512i, _mm512_setzero_si512(), LOAD_16I, MAC_512_VNNI,
              TOTAL_16I)
PEAK_TILE_3X4(avx512_bf16, AVX512_BF16, __m512, _mm512_setzero_ps(), LOAD_16F, MAC_512_BF16,
              TOTAL_16F)
#if HAVE_FP16
PEAK_TILE_3X4(avx512_fp16, AVX512_FP16, __m512h, _mm512_setzero_ph(), LOAD_32H, MAC_32H, TOTAL_32H)
#endif

/* --- AMX: tiles of 16 rows of 64 bytes; 2 x 2 of sums, two of rows, two of columns --- */

#define AMX_INT8 __attribute__((target("amx-tile,amx-int8")))
#define AMX_BF16 __attribute__((target("amx-tile,amx-bf16")))
#define TILE     1024 /* bytes */

/* What LDTILECFG reads: palette 1, and 16 rows of 64 bytes for each of the eight tiles. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static void make_tile_config(struct tile_config *config)
{
    memset(config, 0, sizeof(*config));
    config->palette = 1;
    for (int i = 0; i < 8; i++) {
        config->row_bytes[i] = 64;
        config->rows[i] = 16;
    }
}

#define AMX_KERNEL(name, isa, product, type)                                                       \
    isa static void name(const void *row_data, const void *column_data, size_t steps,              \
                         size_t rounds, double *sums)                                              \
    {                                                                                              \
        struct tile_config config;                                                                 \
        type out[4][256];                                                                          \
                                                                                                   \
        make_tile_config(&config);                                                                 \
        _tile_loadconfig(&config);                                                                 \
        _tile_zero(0);                                                                             \
        _tile_zero(1);                                                                             \
        _tile_zero(2);                                                                             \
        _tile_zero(3);                                                                             \
        for (size_t round = 0; round < rounds; round++) {                                          \
            const char *a = row_data, *b = column_data;                                            \
                                                                                                   \
            for (size_t step = 0; step < steps; step++, a += 2 * TILE, b += 2 * TILE) {            \
                _tile_loadd(4, a, 64);                                                             \
                _tile_loadd(6, b, 64);                                                             \
                product(0, 4, 6);                                                                  \
                _tile_loadd(7, b + TILE, 64);                                                      \
                product(1, 4, 7);                                                                  \
                _tile_loadd(5, a + TILE, 64);                                                      \
                product(2, 5, 6);                                                                  \
                product(3, 5, 7);                                                                  \
            }                                                                                      \
        }                                                                                          \
        _tile_stored(0, out[0], 64);                                                               \
        _tile_stored(1, out[1], 64);                                                               \
        _tile_stored(2, out[2], 64);                                                               \
        _tile_stored(3, out[3], 64);                                                               \
        _tile_release();                                                                           \
        for (int tile = 0; tile < 4; tile++) {                                                     \
            sums[tile] = 0; /* the diagonal is a dot product of whole tiles */                     \
            for (int i = 0; i < 16; i++)                                                           \
                sums[tile] += out[tile][17 * i];                                                   \
        }                                                                                          \
    }

AMX_KERNEL(amx_int8, AMX_INT8, _tile_dpbusd, int32_t)
AMX_KERNEL(amx_bf16, AMX_BF16, _tile_dpbf16ps, float)

const struct peak_kernel peak_x86_kernels[] = {
    {"AVX2 FMA", PEAK_FP32, PEAK_PLAIN, 32, 3, 4, 1, has_avx2, avx2_fp32},
    {"AVX-512", PEAK_FP32, PEAK_PLAIN, 64, 3, 4, 1, has_avx512, avx512_fp32},
#if HAVE_FP16
    {"AVX-512 FP16", PEAK_FP16, PEAK_PLAIN, 64, 3, 4, 1, has_avx512_fp16, avx512_fp16},
#endif
    {"AVX-512 BF16", PEAK_BF16, PEAK_PLAIN, 64, 3, 4, 1, has_avx512_bf16, avx512_bf16},
    {"AMX BF16", PEAK_BF16, PEAK_TURNED, TILE, 2, 2, 16, has_amx_bf16, amx_bf16},
    {"AVX2", PEAK_INT8, PEAK_PLAIN, 32, 2, 4, 1, has_avx2, avx2_int8},
    {"AVX-VNNI", PEAK_INT8, PEAK_PLAIN, 32, 3, 4, 1, has_avx_vnni, avx_vnni},
    {"AVX-512", PEAK_INT8, PEAK_PLAIN, 64, 3, 4, 1, has_avx512, avx512_int8},
    {"AVX-512 VNNI", PEAK_INT8, PEAK_PLAIN, 64, 3, 4, 1, has_avx512_vnni, avx512_vnni},
    {"AMX INT8", PEAK_INT8, PEAK_TURNED, TILE, 2, 2, 16, has_amx_int8, amx_int8},
};
const size_t peak_x86_count = sizeof(peak_x86_kernels) / sizeof(peak_x86_kernels[0]);

#else

const struct peak_kernel peak_x86_kernels[1];
const size_t peak_x86_count = 0;

#endif
