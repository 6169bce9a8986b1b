/*
 * peak.h - the highest rates that this machine's processor reaches, measured: dot products with
 * each instruction set that it has, and bytes from memory and from its last cache. They are the
 * roof that a graph's time is held against (measure/roofline.h).
 *
 * A kernel keeps a tile of independent sums in registers and feeds it from a few KiB, as the inner
 * loop of a matrix product does, so that neither latency nor memory holds it back. It computes real
 * dot products, and before it is timed its answers are compared with those of plain C.
 *
 * A rate is the best of several short windows, because whatever disturbs one only makes it slower;
 * the slowest window is kept beside it. Operations are multiplications and additions: a fused
 * multiply-add is two. Threads are pinned, one to each processor that the caller may run on.
 *
 * Threads: a measurement is the only thing that should run, so one at a time.
 */
#ifndef TARE_MEASURE_PEAK_H
#define TARE_MEASURE_PEAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define PEAK_MAX_TILE    12 /* sums of one kernel */
#define PEAK_MAX_THREADS 1024

enum peak_type {
    PEAK_FP32,
    PEAK_FP16, /* sums in FP16 too */
    PEAK_BF16, /* sums in FP32 */
    PEAK_INT8, /* sums in INT32 */
    PEAK_TF32, /* FP32 that is rounded before it is multiplied: GPUs alone (measure/peak_cuda.h) */
    PEAK_TYPES
};

/* How the values of an operand lie in it. */
enum peak_layout {
    PEAK_PLAIN,
    PEAK_TURNED, /* columns: 16 x 16 groups of 4 bytes, turned, as AMX wants its second operand */
};

struct peak_kernel {
    const char *name; /* "AVX2 FMA" */
    enum peak_type type;
    enum peak_layout layout;
    size_t vector_bytes; /* of one operand */
    int rows, columns;   /* of the tile: sums, at most PEAK_MAX_TILE */
    int products; /* for each pair of values: over 1 where one instruction multiplies tiles */
    bool (*present)(void);
    /*
     * sums[r * columns + c] (rows x columns) becomes the dot product of row r and column c, each of
     * them steps vectors, rounds times added up. row_data holds, for each step, a vector of each
     * row; column_data the same of the columns; both are aligned to 64 bytes. An INT8 row holds
     * 0..127.
     */
    void (*run)(const void *row_data, const void *column_data, size_t steps, size_t rounds,
                double *sums);
};

/* The kernels that this build holds, those of instruction sets that the processor lacks too; NULL
 * past the last. */
const struct peak_kernel *peak_kernel(size_t index);

/* "fp32", "fp16", "bf16", "int8", "tf32". */
const char *peak_type_name(enum peak_type type);

/* Values in one vector of the kernel. */
size_t peak_values(const struct peak_kernel *kernel);

/* Fills row_data and column_data (steps x rows and steps x columns vectors) with small whole
 * numbers whose sums every type holds exactly, and sums with what a kernel must answer after one
 * round. */
void peak_fill(const struct peak_kernel *kernel, size_t steps, uint64_t seed, void *row_data,
               void *column_data, double *sums);

/* Whether a kernel that is present computes what it should. */
bool peak_is_right(const struct peak_kernel *kernel);

/* Rates of one measurement, by window. */
struct peak_rate {
    double best, median, worst; /* a second; 0: not measured */
};

struct peak_options {
    int threads;
    int windows;       /* 0: 24 */
    int64_t window_ns; /* of one window, about; 0: 3 ms */
};

/* Operations a second of a kernel that is present. TARE_BROKEN if its answers are wrong. */
enum tare_status peak_measure(const struct peak_kernel *kernel, const struct peak_options *options,
                              struct peak_rate *rate, struct tare_err *err);

enum peak_traffic {
    PEAK_READ,  /* bytes read of a buffer of at least four times the last cache, if memory allows */
    PEAK_TRIAD, /* a = b + s c over such a buffer: 24 bytes for each element of 8, as STREAM counts
                 */
    PEAK_CACHE, /* bytes read of a buffer that fits into the last cache, but not in those below */
    PEAK_TRAFFICS
};

/* "read", "triad", "cache". */
const char *peak_traffic_name(enum peak_traffic traffic);

/* Bytes a second. TARE_NOMEM if there is no room for the buffer. */
enum tare_status peak_measure_traffic(enum peak_traffic traffic, const struct peak_options *options,
                                      struct peak_rate *rate, struct tare_err *err);

/* Bytes of the last-level cache, all its parts together; 0 if the machine does not say. root: ""
 * for this machine. */
int64_t peak_cache_bytes(const char *root);

/* Bytes of the buffer of that measurement. */
int64_t peak_buffer_bytes(enum peak_traffic traffic);

/* Processors that the caller may run on. */
int peak_processors(void);

#endif
