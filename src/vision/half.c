#include "vision/half.h"

#include <string.h>

#define FLOAT_SIGN     0x80000000u
#define FLOAT_INFINITY 0x7f800000u
#define HALF_INFINITY  0x7c00u
#define REBIAS         ((127u - 15u) << 23) /* exponent biases of float and half */

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = half & HALF_INFINITY;
    uint32_t rest = half & 0x7fffu;

    if (exponent == HALF_INFINITY)
        return float_of_bits(sign | FLOAT_INFINITY | (rest & 0x3ffu) << 13);
    if (exponent == 0) { /* zero and subnormals: rest * 2^-24 */
        float magnitude = (float)rest * 0x1p-24f;

        return sign ? -magnitude : magnitude;
    }
    return float_of_bits(sign | ((rest << 13) + REBIAS));
}

uint16_t half_from_float(float value)
{
    uint32_t bits = bits_of_float(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t rest = bits & ~FLOAT_SIGN;

    if (rest > FLOAT_INFINITY)
        return (uint16_t)(sign | HALF_INFINITY | 0x200u | (rest >> 13 & 0x1ffu));
    if (rest >= 0x477ff000u) /* 65520, halfway from the largest half to the next */
        return (uint16_t)(sign | HALF_INFINITY);
    if (rest < 0x38800000u) { /* under 2^-14: adding 0.5 leaves the rounded multiple of 2^-24 */
        float shifted = float_of_bits(rest) + 0.5f;

        return (uint16_t)(sign | (bits_of_float(shifted) - bits_of_float(0.5f)));
    }
    rest += 0xfffu + (rest >> 13 & 1u);
    return (uint16_t)(sign | (rest - REBIAS) >> 13);
}

void half_to_floats(const uint16_t *halves, size_t count, float *floats)
{
    for (size_t i = 0; i < count; i++)
        floats[i] = half_to_float(halves[i]);
}

void half_from_floats(const float *floats, size_t count, uint16_t *halves)
{
    for (size_t i = 0; i < count; i++)
        halves[i] = half_from_float(floats[i]);
}
