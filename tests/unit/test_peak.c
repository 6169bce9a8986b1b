/*
 * Every kernel of every instruction set that this processor has computes what plain C computes, of
 * any length; and which sets it has is what the system says.
 */
#include "measure/peak.h"

#include <stdlib.h>

#include "base/cpu.h"
#include "base/file.h"
#include "check.h"

#define STEPS_MAX 24

/* A kernel's answers for some steps and rounds against plain C's. */
static bool is_right(const struct peak_kernel *kernel, size_t steps, size_t rounds, uint64_t seed)
{
    size_t rows = kernel->vector_bytes * (size_t)kernel->rows * steps;
    size_t columns = kernel->vector_bytes * (size_t)kernel->columns * steps;
    char *row_data = aligned_alloc(64, (rows + 63) / 64 * 64);
    char *column_data = aligned_alloc(64, (columns + 63) / 64 * 64);
    double expected[PEAK_MAX_TILE], sums[PEAK_MAX_TILE];
    bool right = row_data && column_data;

    if (right) {
        peak_fill(kernel, steps, seed, row_data, column_data, expected);
        kernel->run(row_data, column_data, steps, rounds, sums);
    }
    for (int i = 0; right && i < kernel->rows * kernel->columns; i++)
        right = sums[i] == expected[i] * (double)rounds;
    free(row_data);
    free(column_data);
    return right;
}

static void kernels_compute_dot_products(void)
{
    const struct peak_kernel *kernel;

    for (size_t i = 0; (kernel = peak_kernel(i)); i++) {
        if (!kernel->present())
            continue;
        (void)fprintf(stderr, "%s %s\n", peak_type_name(kernel->type), kernel->name);
        for (size_t steps = 1; steps <= STEPS_MAX; steps += steps < 4 ? 1 : 5) {
            CHECK(is_right(kernel, steps, 1, steps));
            CHECK(is_right(kernel, steps, 2, 100 + steps));
        }
        CHECK(peak_is_right(kernel));
    }
}

/* By hand, so that plain C is held against something too: 1 2 3 1 times 1 -1 2 0. */
static void plain_c_is_right(void)
{
    _Alignas(64) float rows[12] = {0}, columns[16] = {0};
    double sums[PEAK_MAX_TILE];

    for (size_t i = 0; i < 4; i++) {
        rows[4 + i] = (float[]){1, 2, 3, 1}[i];
        columns[8 + i] = (float[]){1, -1, 2, 0}[i];
    }
    CHECK_TEXT(peak_kernel(0)->name, "plain C");
    peak_kernel(0)->run(rows, columns, 1, 10, sums);
    for (int i = 0; i < 12; i++)
        CHECK(sums[i] == (i == 1 * 4 + 2 ? 50 : 0));
}

static bool has(const char *name, enum peak_type type)
{
    const struct peak_kernel *kernel;

    for (size_t i = 0; (kernel = peak_kernel(i)); i++)
        if (kernel->type == type && strcmp(kernel->name, name) == 0)
            return kernel->present();
    return false;
}

/* /proc/cpuinfo is the system's own word. */
static void what_is_present_is_what_the_system_says(void)
{
    struct cpu_info info;

    CHECK_OK(cpu_read("", &info, err));
#if defined(__x86_64__)
    CHECK(has("AVX2 FMA", PEAK_FP32) == ((info.features & CPU_AVX2) && (info.features & CPU_FMA)));
    CHECK(has("AVX-512 BF16", PEAK_BF16) == ((info.features & CPU_AVX512_BF16) != 0));
    if (has("AVX-512 FP16", PEAK_FP16)) /* some compilers can't make it */
        CHECK(info.features & CPU_AVX512_FP16);
    CHECK(has("AMX INT8", PEAK_INT8) == ((info.features & CPU_AMX_INT8) != 0));
    CHECK(has("AMX BF16", PEAK_BF16) == ((info.features & CPU_AMX_BF16) != 0));
    CHECK((has("AVX-VNNI", PEAK_INT8) || has("AVX-512 VNNI", PEAK_INT8)) ==
          ((info.features & CPU_VNNI) != 0));
#elif defined(__aarch64__)
    if (info.features & CPU_NEON) { /* an emulator shows the host's /proc/cpuinfo */
        CHECK(has("NEON", PEAK_FP32));
        CHECK(has("dotprod", PEAK_INT8) == ((info.features & CPU_DOTPROD) != 0));
        CHECK(has("i8mm", PEAK_INT8) == ((info.features & CPU_I8MM) != 0));
        CHECK(has("BF16 dot", PEAK_BF16) == ((info.features & CPU_ARM_BF16) != 0));
    }
#endif
}

/* A rate that is not a multiple or a fraction of the truth: one thread of plain C makes at least a
 * few operations a nanosecond's hundredth, and no processor makes a million in one. */
static void rates_are_sane(void)
{
    const struct peak_options options = {.threads = 1, .windows = 3, .window_ns = 1000000};
    const struct peak_options two = {.threads = 2, .windows = 3, .window_ns = 1000000};
    struct peak_rate rate;

    CHECK_OK(peak_measure(peak_kernel(0), &options, &rate, err));
    CHECK(rate.best >= rate.median && rate.median >= rate.worst);
    CHECK(rate.worst > 1e5 && rate.best < 1e15);
    CHECK_OK(peak_measure(peak_kernel(0), &two, &rate, err));
    CHECK(rate.worst > 1e5 && rate.best < 1e15);
    CHECK_OK(peak_measure_traffic(PEAK_CACHE, &two, &rate, err));
    CHECK(rate.worst > 1e5 && rate.best < 1e15);
}

static void refuses_no_threads(void)
{
    const struct peak_options options = {.threads = PEAK_MAX_THREADS + 1};
    struct tare_err err = TARE_ERR_INIT;
    struct peak_rate rate;

    CHECK(peak_measure(peak_kernel(0), &options, &rate, &err) == TARE_INVALID);
    CHECK(rate.best == 0);
}

/* An EPYC of 2 processors that share 32 MiB, as lscpu showed there. */
static void adds_up_caches(void)
{
    CHECK(peak_cache_bytes("tests/fixtures/machines/nowhere") == 0);
    if (file_exists("/sys/devices/system/cpu/cpu0/cache/index0/size"))
        CHECK(peak_cache_bytes("") >= 1 << 18);
    CHECK(peak_buffer_bytes(PEAK_READ) >= peak_buffer_bytes(PEAK_CACHE));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"kernels_compute_dot_products", kernels_compute_dot_products},
        {"plain_c_is_right", plain_c_is_right},
        {"what_is_present_is_what_the_system_says", what_is_present_is_what_the_system_says},
        {"rates_are_sane", rates_are_sane},
        {"refuses_no_threads", refuses_no_threads},
        {"adds_up_caches", adds_up_caches},
        {0},
    };

    return check_main("peak", cases, argc, argv);
}
