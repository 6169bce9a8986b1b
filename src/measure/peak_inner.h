/*
 * peak_inner.h - how kernels of peak.h are written, and how work is timed on several threads at
 * once. Private to the files behind peak.h.
 */
#ifndef TARE_MEASURE_PEAK_INNER_H
#define TARE_MEASURE_PEAK_INNER_H

#include "measure/peak.h"

/* Those of one architecture; empty where this build is for another. */
extern const struct peak_kernel peak_portable_kernels[];
extern const size_t peak_portable_count;
extern const struct peak_kernel peak_x86_kernels[];
extern const size_t peak_x86_count;
extern const struct peak_kernel peak_arm_kernels[];
extern const size_t peak_arm_count;

/* A register of the tile times one column: three sums go on. */
#define PEAK_COLUMN_3(mac, load, at, s0, s1, s2)                                                   \
    y = load(at);                                                                                  \
    s0 = mac(s0, x0, y);                                                                           \
    s1 = mac(s1, x1, y);                                                                           \
    s2 = mac(s2, x2, y);

/*
 * A kernel of 3 x 4 sums: twelve chains of operations that depend on nothing but themselves, enough
 * for two units of a latency of five; with three operands and one more they fill the 16 registers
 * that AVX2 has. The barrier makes the compiler read the operands again in each round.
 */
#define PEAK_TILE_3X4(name, isa, vector, zero, load, mac, total)                                   \
    isa static void name(const void *row_data, const void *column_data, size_t steps,              \
                         size_t rounds, double *sums)                                              \
    {                                                                                              \
        vector s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero,        \
               s7 = zero, s8 = zero, s9 = zero, s10 = zero, s11 = zero;                            \
        const size_t size = sizeof(vector);                                                        \
                                                                                                   \
        for (size_t round = 0; round < rounds; round++) {                                          \
            const char *a = row_data, *b = column_data;                                            \
                                                                                                   \
            __asm__ volatile("" ::: "memory");                                                     \
            for (size_t step = 0; step < steps; step++) {                                          \
                vector x0 = load(a), x1 = load(a + size), x2 = load(a + 2 * size), y;              \
                                                                                                   \
                PEAK_COLUMN_3(mac, load, b, s0, s4, s8)                                            \
                PEAK_COLUMN_3(mac, load, b + size, s1, s5, s9)                                     \
                PEAK_COLUMN_3(mac, load, b + 2 * size, s2, s6, s10)                                \
                PEAK_COLUMN_3(mac, load, b + 3 * size, s3, s7, s11)                                \
                a += 3 * size;                                                                     \
                b += 4 * size;                                                                     \
            }                                                                                      \
        }                                                                                          \
        sums[0] = total(s0);                                                                       \
        sums[1] = total(s1);                                                                       \
        sums[2] = total(s2);                                                                       \
        sums[3] = total(s3);                                                                       \
        sums[4] = total(s4);                                                                       \
        sums[5] = total(s5);                                                                       \
        sums[6] = total(s6);                                                                       \
        sums[7] = total(s7);                                                                       \
        sums[8] = total(s8);                                                                       \
        sums[9] = total(s9);                                                                       \
        sums[10] = total(s10);                                                                     \
        sums[11] = total(s11);                                                                     \
    }

/* The same of 2 x 4 sums, where mac needs registers of its own. */
#define PEAK_COLUMN_2(mac, load, at, s0, s1)                                                       \
    y = load(at);                                                                                  \
    s0 = mac(s0, x0, y);                                                                           \
    s1 = mac(s1, x1, y);

#define PEAK_TILE_2X4(name, isa, vector, zero, load, mac, total)                                   \
    isa static void name(const void *row_data, const void *column_data, size_t steps,              \
                         size_t rounds, double *sums)                                              \
    {                                                                                              \
        vector s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero,        \
               s7 = zero;                                                                          \
        const size_t size = sizeof(vector);                                                        \
                                                                                                   \
        for (size_t round = 0; round < rounds; round++) {                                          \
            const char *a = row_data, *b = column_data;                                            \
                                                                                                   \
            __asm__ volatile("" ::: "memory");                                                     \
            for (size_t step = 0; step < steps; step++) {                                          \
                vector x0 = load(a), x1 = load(a + size), y;                                       \
                                                                                                   \
                PEAK_COLUMN_2(mac, load, b, s0, s4)                                                \
                PEAK_COLUMN_2(mac, load, b + size, s1, s5)                                         \
                PEAK_COLUMN_2(mac, load, b + 2 * size, s2, s6)                                     \
                PEAK_COLUMN_2(mac, load, b + 3 * size, s3, s7)                                     \
                a += 2 * size;                                                                     \
                b += 4 * size;                                                                     \
            }                                                                                      \
        }                                                                                          \
        sums[0] = total(s0);                                                                       \
        sums[1] = total(s1);                                                                       \
        sums[2] = total(s2);                                                                       \
        sums[3] = total(s3);                                                                       \
        sums[4] = total(s4);                                                                       \
        sums[5] = total(s5);                                                                       \
        sums[6] = total(s6);                                                                       \
        sums[7] = total(s7);                                                                       \
    }

/* --- work on several threads at once --- */

struct peak_job {
    /* Once in each thread, before the first window; NULL: nothing to prepare. */
    void (*prepare)(void *data, int thread);
    void (*run)(void *data, int thread); /* one window */
    void *data;
    int threads, windows;
};

/* Runs a job's windows on pinned threads that start each of them together. seconds[w] (windows) is
 * from the first start to the last end of window w; one window before them is not kept. */
enum tare_status peak_run_job(const struct peak_job *job, double *seconds, struct tare_err *err);

/* The rates of windows that did `work` each. Sorts seconds. */
struct peak_rate peak_rate_of(double work, double *seconds, int windows);

#endif
