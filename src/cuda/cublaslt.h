/*
 * cublaslt.h - matrix products on a device by NVIDIA's cuBLASLt, found and loaded at run time
 * (cuda_find.h; TARE_CUBLASLT names a file): the fastest products that a device is known to do, for
 * peaks.
 *
 * Only square ones, of one kind of layout, that all types have: out = a' b, where a, b and out are
 * (size, size) in column-major order, so that out[row + size * column] is the dot product of column
 * `row` of a and column `column` of b.
 *
 * Errors: TARE_ABSENT without the library; TARE_BROKEN if it cannot be loaded; TARE_UNSUPPORTED if
 * it has no way to do a type on this device; TARE_NOMEM; TARE_FAILED with its name of the error.
 *
 * Threads: as the device's (cuda.h).
 */
#ifndef TARE_CUDA_CUBLASLT_H
#define TARE_CUDA_CUBLASLT_H

#include <stddef.h>
#include <stdint.h>

#include "cuda/cuda.h"

enum cublaslt_type {
    CUBLASLT_FP32, /* sums and products in FP32 alone */
    CUBLASLT_TF32, /* FP32 values, rounded to TF32 before they are multiplied */
    CUBLASLT_FP16, /* sums in FP32, out in FP16 */
    CUBLASLT_BF16, /* sums in FP32, out in BF16 */
    CUBLASLT_INT8, /* sums and out in INT32 */
    CUBLASLT_TYPES
};

/* Bytes of one value of a and b, and of out. */
size_t cublaslt_in_bytes(enum cublaslt_type type);
size_t cublaslt_out_bytes(enum cublaslt_type type);

struct cublaslt;

/* Loads the library for the device, which stays open longer. On success cublaslt_close() it. */
enum tare_status cublaslt_open(struct cuda *cuda, struct cublaslt **lt, struct tare_err *err);
void cublaslt_close(struct cublaslt *lt); /* NULL is allowed */

/* "cuBLASLt 13.1.0" */
const char *cublaslt_version(const struct cublaslt *lt);

struct cublaslt_product;

/* size is a multiple of 16. The product stays within lt. On success cublaslt_product_free() it. */
enum tare_status cublaslt_product_new(struct cublaslt *lt, enum cublaslt_type type, int64_t size,
                                      struct cublaslt_product **product, struct tare_err *err);
void cublaslt_product_free(struct cublaslt_product *product); /* NULL is allowed */

/* Algorithms that the library thinks best here, the first of them first; at least 1. */
int cublaslt_product_ways(const struct cublaslt_product *product);

/* Enqueues a product by that way. a, b and out are device memory that is aligned to 256 bytes. */
enum tare_status cublaslt_product_run(struct cublaslt_product *product, int way, const void *a,
                                      const void *b, void *out, void *stream, struct tare_err *err);

#endif
