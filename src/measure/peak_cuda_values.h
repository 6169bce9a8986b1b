/*
 * peak_cuda_values.h - the numbers that peak_cuda.c multiplies, and what their products must be.
 * Private to it.
 *
 * Both matrices repeat a block of random columns, so that little memory of the host is needed: a
 * matrix's column i is column i % block_rows of its block, and the product's value (row, column)
 * the dot product of column `row` of a and column `column` of b.
 */
#ifndef TARE_MEASURE_PEAK_CUDA_VALUES_H
#define TARE_MEASURE_PEAK_CUDA_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/peak.h"

#define PEAK_VALUES_CHECKED      32
#define PEAK_VALUES_ANSWER_BYTES 4

struct peak_values {
    enum peak_type type;
    int64_t size, block_rows;
    size_t row_bytes, out_bytes;
    void *a, *b;                        // (block_rows, size) each
    size_t places[PEAK_VALUES_CHECKED]; /* in the product, as it lies in memory */
    double sums[PEAK_VALUES_CHECKED];   /* that must be there */
    char *answers; // (PEAK_VALUES_CHECKED) of PEAK_VALUES_ANSWER_BYTES, as they came back
};

/* out_bytes: of one value of the product. On success the caller releases it. */
enum tare_status peak_values_make(enum peak_type type, int64_t size, size_t out_bytes,
                                  struct peak_values *values, struct tare_err *err);
void peak_values_release(struct peak_values *values);

/* Whether all answers are as near to the sums as their type allows. */
bool peak_values_right(const struct peak_values *values);

#endif
