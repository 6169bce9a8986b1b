#include "measure/peak.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "measure/peak_inner.h"
#include "stats/random.h"
#include "vision/half.h"

#define LINE_BYTES  64
#define PANEL_BYTES 16384 /* of both operands: half of the smallest first cache that is about */
#define WINDOWS     24
#define WINDOWS_MAX 1024
#define WINDOW_NS   ((int64_t)3 * 1000000)

const struct peak_kernel *peak_kernel(size_t index)
{
    if (index < peak_portable_count)
        return &peak_portable_kernels[index];
    index -= peak_portable_count;
    if (index < peak_x86_count)
        return &peak_x86_kernels[index];
    index -= peak_x86_count;
    return index < peak_arm_count ? &peak_arm_kernels[index] : NULL;
}

const char *peak_type_name(enum peak_type type)
{
    static const char *const names[] = {"fp32", "fp16", "bf16", "int8", "tf32"};

    return names[type];
}

static size_t value_bytes(enum peak_type type)
{
    return type == PEAK_FP32 || type == PEAK_TF32 ? 4 : type == PEAK_INT8 ? 1 : 2;
}

size_t peak_values(const struct peak_kernel *kernel)
{
    return kernel->vector_bytes / value_bytes(kernel->type);
}

/* --- what a kernel computes, in plain C --- */

static void put_value(enum peak_type type, void *data, size_t index, int value)
{
    float number = (float)value;
    uint32_t bits;

    memcpy(&bits, &number, sizeof(bits));
    if (type == PEAK_FP32)
        ((float *)data)[index] = number;
    else if (type == PEAK_FP16)
        ((uint16_t *)data)[index] = half_from_float(number);
    else if (type == PEAK_BF16)
        ((uint16_t *)data)[index] = (uint16_t)(bits >> 16);
    else
        ((int8_t *)data)[index] = (int8_t)value;
}

static double get_value(enum peak_type type, const void *data, size_t index)
{
    uint32_t bits;
    float number;

    if (type == PEAK_FP32)
        return ((const float *)data)[index];
    if (type == PEAK_INT8)
        return ((const int8_t *)data)[index];
    if (type == PEAK_FP16)
        return half_to_float(((const uint16_t *)data)[index]);
    bits = (uint32_t)((const uint16_t *)data)[index] << 16;
    memcpy(&number, &bits, sizeof(number));
    return number;
}

/* Where in a column's vector the partner of a row's value lies. */
static size_t partner(const struct peak_kernel *kernel, size_t index)
{
    size_t group_values = 4 / value_bytes(kernel->type), group = index / group_values;

    if (kernel->layout == PEAK_PLAIN)
        return index;
    return (group % 16 * 16 + group / 16) * group_values + index % group_values;
}

static double reference_sum(const struct peak_kernel *kernel, size_t steps, int row, int column,
                            const void *row_data, const void *column_data)
{
    size_t values = peak_values(kernel);
    double sum = 0;

    for (size_t step = 0; step < steps; step++) {
        size_t a = (step * (size_t)kernel->rows + (size_t)row) * values;
        size_t b = (step * (size_t)kernel->columns + (size_t)column) * values;

        for (size_t i = 0; i < values; i++)
            sum += get_value(kernel->type, row_data, a + i) *
                   get_value(kernel->type, column_data, b + partner(kernel, i));
    }
    return sum;
}

void peak_fill(const struct peak_kernel *kernel, size_t steps, uint64_t seed, void *row_data,
               void *column_data, double *sums)
{
    size_t values = peak_values(kernel) * steps;
    struct random random;

    random_seed(&random, seed);
    for (size_t i = 0; i < values * (size_t)kernel->rows; i++)
        put_value(kernel->type, row_data, i, (int)random_below(&random, 4));
    for (size_t i = 0; i < values * (size_t)kernel->columns; i++)
        put_value(kernel->type, column_data, i, (int)random_below(&random, 5) - 2);
    for (int row = 0; row < kernel->rows; row++)
        for (int column = 0; column < kernel->columns; column++)
            sums[row * kernel->columns + column] =
                reference_sum(kernel, steps, row, column, row_data, column_data);
}

/* --- timing --- */

struct operands {
    const struct peak_kernel *kernel;
    size_t steps, rounds;
    char *row_data, *column_data; /* one block, that row_data begins */
    double expected[PEAK_MAX_TILE];
};

static enum tare_status make_operands(const struct peak_kernel *kernel, struct operands *operands,
                                      struct tare_err *err)
{
    size_t step_bytes = kernel->vector_bytes * (size_t)(kernel->rows + kernel->columns);
    size_t steps = PANEL_BYTES / step_bytes, rows;

    memset(operands, 0, sizeof(*operands));
    steps -= steps % 4;
    steps = steps ? steps : 4;
    rows = steps * kernel->vector_bytes * (size_t)kernel->rows;
    rows += (LINE_BYTES - rows % LINE_BYTES) % LINE_BYTES;
    operands->kernel = kernel;
    operands->steps = steps;
    if (posix_memalign((void **)&operands->row_data, LINE_BYTES,
                       rows + steps * kernel->vector_bytes * (size_t)kernel->columns) != 0)
        return tare_fail(err, TARE_NOMEM, "out of memory for operands");
    operands->column_data = operands->row_data + rows;
    peak_fill(kernel, steps, 1, operands->row_data, operands->column_data, operands->expected);
    return TARE_OK;
}

static bool answers_right(const struct operands *operands, size_t rounds)
{
    const struct peak_kernel *kernel = operands->kernel;
    double sums[PEAK_MAX_TILE] = {0};

    kernel->run(operands->row_data, operands->column_data, operands->steps, rounds, sums);
    for (int i = 0; i < kernel->rows * kernel->columns; i++)
        if (sums[i] != operands->expected[i] * (double)rounds)
            return false;
    return true;
}

bool peak_is_right(const struct peak_kernel *kernel)
{
    struct operands operands;
    bool right = make_operands(kernel, &operands, NULL) == TARE_OK && answers_right(&operands, 1) &&
                 answers_right(&operands, kernel->type == PEAK_FP16 ? 1 : 3);

    free(operands.row_data);
    return right;
}

static double round_operations(const struct operands *operands)
{
    const struct peak_kernel *kernel = operands->kernel;

    return 2.0 * (double)peak_values(kernel) * kernel->products * kernel->rows * kernel->columns *
           (double)operands->steps;
}

static void run_rounds(void *data, int thread)
{
    const struct operands *operands = data;
    double sums[PEAK_MAX_TILE];

    (void)thread; /* all of them read the same operands */
    operands->kernel->run(operands->row_data, operands->column_data, operands->steps,
                          operands->rounds, sums);
}

/* Rounds that fill a window on one thread. */
static size_t choose_rounds(struct operands *operands, int64_t window_ns)
{
    for (operands->rounds = 16; operands->rounds < (size_t)1 << 40; operands->rounds *= 2) {
        int64_t start = clock_now_ns(), took;

        run_rounds(operands, 0);
        took = clock_now_ns() - start;
        if (took > window_ns / 4)
            return (size_t)((double)operands->rounds * (double)window_ns / (double)took) + 1;
    }
    return operands->rounds;
}

enum tare_status peak_measure(const struct peak_kernel *kernel, const struct peak_options *options,
                              struct peak_rate *rate, struct tare_err *err)
{
    int windows = options->windows > 0 ? options->windows : WINDOWS;
    double seconds[WINDOWS_MAX];
    struct operands operands;
    struct peak_job job = {.run = run_rounds, .data = &operands, .threads = options->threads};
    enum tare_status status = make_operands(kernel, &operands, err);

    memset(rate, 0, sizeof(*rate));
    job.windows = windows < WINDOWS_MAX ? windows : WINDOWS_MAX;
    if (status == TARE_OK && !answers_right(&operands, 1))
        status = tare_fail(err, TARE_BROKEN, "the %s dot product of %s gives a wrong answer here",
                           peak_type_name(kernel->type), kernel->name);
    if (status == TARE_OK) {
        operands.rounds =
            choose_rounds(&operands, options->window_ns > 0 ? options->window_ns : WINDOW_NS);
        status = peak_run_job(&job, seconds, err);
    }
    if (status == TARE_OK)
        *rate = peak_rate_of(round_operations(&operands) * (double)operands.rounds * job.threads,
                             seconds, job.windows);
    free(operands.row_data);
    return status;
}
