/*
 * peak_arm.c - kernels of AArch64's instruction sets, each compiled for its own. Clang's arm_neon.h
 * declares those of extensions for whole files only before its version 16: there they are in the
 * build if the file was compiled for them.
 */
#include "measure/peak_inner.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <sys/auxv.h>

#include "vision/half.h"

#if !defined(__clang__) || __clang_major__ >= 16
#define ANY_FUNCTION 1
#else
#define ANY_FUNCTION 0
#endif

/* Bits of the auxiliary vector: Documentation/arch/arm64/elf_hwcaps.rst. */
static bool hwcap(unsigned long type, int bit)
{
    return getauxval(type) >> bit & 1;
}

static bool has_neon(void)
{
    return hwcap(AT_HWCAP, 1);
}

#define LOAD_4F(at) vld1q_f32((const float *)(const void *)(at))

/* --- NEON, that every AArch64 has --- */

#define BASE
#define MAC_4F(sum, x, y) vfmaq_f32(sum, x, y)
#define TOTAL_4F(sum)     ((double)vaddvq_f32(sum))

PEAK_TILE_3X4(neon_fp32, BASE, float32x4_t, vdupq_n_f32(0), LOAD_4F, MAC_4F, TOTAL_4F)

#define LOAD_4I(at)   vld1q_s32((const int32_t *)(const void *)(at))
#define TOTAL_4I(sum) ((double)vaddvq_s32(sum))
#define MAC_NEON_I8(sum, x, y)                                                                     \
    vpadalq_s16(vpadalq_s16(sum, vmull_s8(vget_low_s8(vreinterpretq_s8_s32(x)),                    \
                                          vget_low_s8(vreinterpretq_s8_s32(y)))),                  \
                vmull_high_s8(vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(y)))

PEAK_TILE_3X4(neon_int8, BASE, int32x4_t, vdupq_n_s32(0), LOAD_4I, MAC_NEON_I8, TOTAL_4I)

/* --- FP16 --- */

#if ANY_FUNCTION || defined(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC)
#define HAVE_FP16         1
#define FP16              __attribute__((target("arch=armv8.2-a+fp16")))
#define LOAD_8H(at)       vreinterpretq_f16_u16(vld1q_u16((const uint16_t *)(const void *)(at)))
#define MAC_8H(sum, x, y) vfmaq_f16(sum, x, y)
#define TOTAL_8H(sum)     total_halves(vreinterpretq_u16_f16(sum))

static bool has_fp16(void)
{
    return hwcap(AT_HWCAP, 10);
}

static double total_halves(uint16x8_t sum)
{
    uint16_t halves[8];
    double total = 0;

    vst1q_u16(halves, sum);
    for (int i = 0; i < 8; i++)
        total += half_to_float(halves[i]);
    return total;
}

PEAK_TILE_3X4(arm_fp16, FP16, float16x8_t, vreinterpretq_f16_u16(vdupq_n_u16(0)), LOAD_8H, MAC_8H,
              TOTAL_8H)
#endif

/* --- INT8 dot products, and products of 2 x 8 by 8 x 2 --- */

#if ANY_FUNCTION || defined(__ARM_FEATURE_DOTPROD)
#define HAVE_DOTPROD       1
#define DOTPROD            __attribute__((target("arch=armv8.2-a+dotprod")))
#define MAC_DOT(sum, x, y) vdotq_s32(sum, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(y))

static bool has_dotprod(void)
{
    return hwcap(AT_HWCAP, 20);
}

PEAK_TILE_3X4(arm_dotprod, DOTPROD, int32x4_t, vdupq_n_s32(0), LOAD_4I, MAC_DOT, TOTAL_4I)
#endif

#if ANY_FUNCTION || defined(__ARM_FEATURE_MATMUL_INT8)
#define HAVE_I8MM           1
#define I8MM                __attribute__((target("arch=armv8.2-a+i8mm")))
#define MAC_I8MM(sum, x, y) vmmlaq_s32(sum, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(y))
#define TOTAL_2X2I(sum)     ((double)vgetq_lane_s32(sum, 0) + vgetq_lane_s32(sum, 3))

static bool has_i8mm(void)
{
    return hwcap(AT_HWCAP2, 13);
}

PEAK_TILE_3X4(arm_i8mm, I8MM, int32x4_t, vdupq_n_s32(0), LOAD_4I, MAC_I8MM, TOTAL_2X2I)
#endif

/* --- BF16 --- */

#if ANY_FUNCTION || defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#define HAVE_BF16           1
#define BF16                __attribute__((target("arch=armv8.2-a+bf16")))
#define MAC_BF16(sum, x, y) vbfdotq_f32(sum, vreinterpretq_bf16_f32(x), vreinterpretq_bf16_f32(y))
#define MAC_BFMM(sum, x, y) vbfmmlaq_f32(sum, vreinterpretq_bf16_f32(x), vreinterpretq_bf16_f32(y))
#define TOTAL_2X2F(sum)     ((double)vgetq_lane_f32(sum, 0) + vgetq_lane_f32(sum, 3))

static bool has_bf16(void)
{
    return hwcap(AT_HWCAP2, 14);
}

PEAK_TILE_3X4(arm_bfdot, BF16, float32x4_t, vdupq_n_f32(0), LOAD_4F, MAC_BF16, TOTAL_4F)
PEAK_TILE_3X4(arm_bfmm, BF16, float32x4_t, vdupq_n_f32(0), LOAD_4F, MAC_BFMM, TOTAL_2X2F)
#endif

const struct peak_kernel peak_arm_kernels[] = {
    {"NEON", PEAK_FP32, PEAK_PLAIN, 16, 3, 4, 1, has_neon, neon_fp32},
    {"NEON", PEAK_INT8, PEAK_PLAIN, 16, 3, 4, 1, has_neon, neon_int8},
#if defined(HAVE_FP16)
    {"NEON FP16", PEAK_FP16, PEAK_PLAIN, 16, 3, 4, 1, has_fp16, arm_fp16},
#endif
#if defined(HAVE_DOTPROD)
    {"dotprod", PEAK_INT8, PEAK_PLAIN, 16, 3, 4, 1, has_dotprod, arm_dotprod},
#endif
#if defined(HAVE_I8MM)
    {"i8mm", PEAK_INT8, PEAK_PLAIN, 16, 3, 4, 2, has_i8mm, arm_i8mm},
#endif
#if defined(HAVE_BF16)
    {"BF16 dot", PEAK_BF16, PEAK_PLAIN, 16, 3, 4, 1, has_bf16, arm_bfdot},
    {"BF16 matrix", PEAK_BF16, PEAK_PLAIN, 16, 3, 4, 2, has_bf16, arm_bfmm},
#endif
};
const size_t peak_arm_count = sizeof(peak_arm_kernels) / sizeof(peak_arm_kernels[0]);

#else

const struct peak_kernel peak_arm_kernels[1];
const size_t peak_arm_count = 0;

#endif
