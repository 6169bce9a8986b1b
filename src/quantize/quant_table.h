/*
 * quant_table.h - a calibration as JSON, to be looked at, edited and used again; and as the text of
 * a TensorRT calibration cache.
 *
 *     {"format": "tare calibration table 1", "pictures": 64, "tensors": [
 *       {"tensor": "images", "low": 0, "high": 1, "method": "fixed",
 *        "histogram": "9b0c...", "means": [0.43, 0.41, 0.38], "lags": [1, 0.9, ...]}, ...]}
 *
 * A tensor's range is low..high, low <= 0 <= high; whoever edits it should write "fixed" as its
 * method. histogram tells whether two calibrations saw the same values. means are those of the
 * channels, which the correction of biases needs; lags those of lags.h, by which 3 × 3 kernels are
 * rounded. Without them there is no correction, and each weight is rounded by itself.
 *
 * The cache is a line "TRT-VERSION-EntropyCalibration2" and, for each tensor, "NAME: HEX", the
 * scale (greatest magnitude / 127) as the hexadecimal digits of a 32-bit float.
 *
 * Threads: a table belongs to one thread at a time.
 */
#ifndef TARE_QUANTIZE_QUANT_TABLE_H
#define TARE_QUANTIZE_QUANT_TABLE_H

#include "base/arena.h"
#include "quantize/quant_plan.h"

#define QUANT_TABLE_MAX_BYTES ((size_t)64 << 20)

struct quant_row {
    const char *tensor;
    struct range range;
    uint64_t histogram;  /* 0: not known */
    const double *means; // (mean_count)
    size_t mean_count;
    const double *lags; // (LAGS_COUNT), or NULL
};

struct quant_table {
    struct arena arena; /* holds everything */
    size_t pictures;
    struct quant_row *rows; // (count)
    size_t count;
};

/* TARE_BADDATA for what is no such table, naming the row. On success quant_table_release() it. */
enum tare_status quant_table_parse(const char *text, size_t size, struct quant_table *table,
                                   struct tare_err *err);
enum tare_status quant_table_read(const char *path, struct quant_table *table,
                                  struct tare_err *err);
void quant_table_release(struct quant_table *table);

/* A table of copies of rows and all they point to. TARE_NOMEM. On success quant_table_release() it.
 */
enum tare_status quant_table_copy(const struct quant_row *rows, size_t count, size_t pictures,
                                  struct quant_table *table, struct tare_err *err);

/* Writes the file by way of a temporary one. */
enum tare_status quant_table_write(const struct quant_table *table, const char *path,
                                   struct tare_err *err);

/* Writes the cache of a plan whose values have their ranges. version: 8601 for TensorRT 8.6.1. */
enum tare_status quant_cache_write(const struct quant_plan *plan, int64_t version, const char *path,
                                   struct tare_err *err);

#endif
