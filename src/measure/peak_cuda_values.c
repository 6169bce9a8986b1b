#include "measure/peak_cuda_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/random.h"
#include "vision/half.h"

#define BLOCK_ROWS 256

static size_t value_bytes(enum peak_type type)
{
    return type == PEAK_INT8 ? 1 : type == PEAK_FP16 || type == PEAK_BF16 ? 2 : 4;
}

static float bf16_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint16_t bf16_from_float(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (uint16_t)(bits >> 16);
}

static double get(enum peak_type type, const void *data, size_t index)
{
    if (type == PEAK_INT8)
        return ((const int8_t *)data)[index];
    if (type == PEAK_FP16)
        return half_to_float(((const uint16_t *)data)[index]);
    if (type == PEAK_BF16)
        return bf16_to_float(((const uint16_t *)data)[index]);
    return ((const float *)data)[index];
}

/* -1 to 1, or -127 to 127. */
static void put_random(enum peak_type type, struct random *random, void *data, size_t index)
{
    float value = (float)(2 * random_uniform(random) - 1);

    if (type == PEAK_INT8)
        ((int8_t *)data)[index] = (int8_t)((int)random_below(random, 255) - 127);
    else if (type == PEAK_FP16)
        ((uint16_t *)data)[index] = half_from_float(value);
    else if (type == PEAK_BF16)
        ((uint16_t *)data)[index] = bf16_from_float(value);
    else
        ((float *)data)[index] = value;
}

static double dot(const struct peak_values *values, int64_t row, int64_t column)
{
    size_t a = (size_t)(row % values->block_rows * values->size);
    size_t b = (size_t)(column % values->block_rows * values->size);
    double sum = 0;

    for (size_t i = 0; i < (size_t)values->size; i++)
        sum += get(values->type, values->a, a + i) * get(values->type, values->b, b + i);
    return sum;
}

enum tare_status peak_values_make(enum peak_type type, int64_t size, size_t out_bytes,
                                  struct peak_values *values, struct tare_err *err)
{
    struct random random;
    size_t count;

    memset(values, 0, sizeof(*values));
    values->type = type;
    values->size = size;
    values->block_rows = size % BLOCK_ROWS == 0 ? BLOCK_ROWS : size;
    values->row_bytes = (size_t)size * value_bytes(type);
    values->out_bytes = out_bytes;
    count = (size_t)(values->block_rows * size);
    values->a = malloc(count * value_bytes(type));
    values->b = malloc(count * value_bytes(type));
    values->answers = calloc(PEAK_VALUES_CHECKED, PEAK_VALUES_ANSWER_BYTES);
    if (!values->a || !values->b || !values->answers) {
        peak_values_release(values);
        return tare_fail(err, TARE_NOMEM, "out of memory for matrices");
    }
    random_seed(&random, 7);
    for (size_t i = 0; i < count; i++) {
        put_random(type, &random, values->a, i);
        put_random(type, &random, values->b, i);
    }
    for (int i = 0; i < PEAK_VALUES_CHECKED; i++) {
        int64_t row = (int64_t)random_below(&random, (uint64_t)size);
        int64_t column = (int64_t)random_below(&random, (uint64_t)size);

        values->places[i] = (size_t)(row + size * column);
        values->sums[i] = dot(values, row, column);
    }
    return TARE_OK;
}

void peak_values_release(struct peak_values *values)
{
    free(values->a);
    free(values->b);
    free(values->answers);
    memset(values, 0, sizeof(*values));
}

/*
 * How far a sum of `size` products may be off. A product of two values from -1 to 1 is 1/3 in the
 * root mean square, their sum sqrt(size) / 3: errors grow with sqrt(size) as well. TF32 rounds each
 * value to 2^-11, which is 1.3e-4 sqrt(size) in a sum: FP32 must be well below, so that a library
 * which takes TF32 for it is told. FP16 and BF16 round the sum once more, to 2^-11 and 2^-8.
 */
static double tolerance(const struct peak_values *values)
{
    static const double shares[] = {
        [PEAK_FP32] = 2e-5, [PEAK_FP16] = 1e-3, [PEAK_BF16] = 8e-3, [PEAK_TF32] = 2e-3};

    return values->type == PEAK_INT8 ? 0 : shares[values->type] * sqrt((double)values->size);
}

static double answer(const struct peak_values *values, int index)
{
    const char *at = values->answers + index * PEAK_VALUES_ANSWER_BYTES;
    uint16_t half;
    int32_t whole;
    float value;

    memcpy(&half, at, sizeof(half));
    memcpy(&whole, at, sizeof(whole));
    memcpy(&value, at, sizeof(value));
    return values->type == PEAK_INT8   ? whole
           : values->type == PEAK_FP16 ? half_to_float(half)
           : values->type == PEAK_BF16 ? bf16_to_float(half)
                                       : value;
}

bool peak_values_right(const struct peak_values *values)
{
    const double within = tolerance(values);

    for (int i = 0; i < PEAK_VALUES_CHECKED; i++)
        if (!(fabs(answer(values, i) - values->sums[i]) <= within))
            return false;
    return true;
}
