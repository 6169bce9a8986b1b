/*
 * peak_cuda.h - the highest rates that one of NVIDIA's devices reaches, measured: products of large
 * square matrices by cuBLASLt (cuda/cublaslt.h), and copies within the device, to it and from it.
 * They are the roof that a cell on that device is held against (measure/roofline.h).
 *
 * The values are random: zeros switch fewer transistors, so that clocks stay higher than any work
 * would let them. Before a product is timed, its answers are compared with the host's at places
 * drawn at random, and closely enough to tell FP32 from TF32; a copy's whole answer is compared.
 * Rates are by the device's own clock (events). The best of some windows counts, as measure/peak.h
 * says, and the fastest of the algorithms that the library proposes. Between windows the device
 * rests: large products without a pause may bring it to its limit of power, where clocks fall,
 * which a small model's bursts never do.
 *
 * Bytes of a copy within the device are those read and those written; of one to or from it, those
 * that cross the link, from and to pinned memory.
 *
 * Measuring makes a context, of which only one may be active in a visit: peak_cuda_ask() does it in
 * a process of its own, that is gone when it returns.
 */
#ifndef TARE_MEASURE_PEAK_CUDA_H
#define TARE_MEASURE_PEAK_CUDA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json_tree.h"
#include "base/json_write.h"
#include "measure/peak.h"
#include "tare/status.h"

enum peak_copy {
    PEAK_COPY_DEVICE,
    PEAK_COPY_IN,
    PEAK_COPY_OUT,
    PEAK_COPIES
};

struct peak_cuda_rate {
    struct peak_rate rate; /* operations or bytes a second; best 0: not measured */
    char why[200];         /* why not; "" if it was */
};

struct peak_cuda {
    bool known;
    char why[300]; /* why not */
    int index;     /* cuda:index */
    char name[96];
    char architecture[16];             /* "sm_90" */
    char library[48];                  /* "cuBLASLt 13.1.0"; "" without */
    int driver_version;                /* 13000: CUDA 13.0 */
    int64_t memory_bytes, cache_bytes; /* cache: L2 */
    int64_t size;                      /* rows and columns of the matrices */
    int64_t copy_bytes;                /* of one copy within the device */
    int64_t took_ns;
    bool stand_in; /* no device: the tests' library took the driver's place */
    struct peak_cuda_rate operations[PEAK_TYPES];
    struct peak_cuda_rate copies[PEAK_COPIES];
};

struct peak_cuda_options {
    int windows;         /* 0: 24 */
    int64_t window_ns;   /* of one window, about; 0: 10 ms */
    int64_t rest_ns;     /* between windows; 0: 30 ms */
    int64_t warm_ns;     /* of work before the first window; 0: 50 ms */
    int64_t size;        /* rows and columns; 0: by the device and its memory */
    const char *program; /* whose worker measures; NULL: this program's */
};

/* "device copy", "host to device", "device to host". */
const char *peak_copy_name(enum peak_copy copy);

/*
 * Measures here, and leaves no context of its own. What could not be measured has its reason in its
 * row: a type that the device lacks, a library that is missing. Fails as cuda_open() if there is no
 * device to measure; peaks->why says the same then.
 */
enum tare_status peak_cuda_measure(int device, const struct peak_cuda_options *options,
                                   struct peak_cuda *peaks, struct tare_err *err);

/* The same in a worker process. Also fails with how that ended, or TARE_TIMEOUT. */
enum tare_status peak_cuda_ask(int device, const struct peak_cuda_options *options,
                               struct peak_cuda *peaks, struct tare_err *err);

/* As JSON, members alone, and back: what does not belong there counts as not measured. */
void peak_cuda_put(const struct peak_cuda *peaks, struct json_writer *w);
void peak_cuda_read(const struct json_value *value, struct peak_cuda *peaks);

#endif
