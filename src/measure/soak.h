/*
 * soak.h - contiguous visits of pairs of cells in the order A B B A (rule 6): what is sustained,
 * apart from what interleaved sweeps compare. Private to this room.
 *
 * Each line of the ledger gets blocks of four visits, the second block in the order B A A B and so
 * on in turn. In the store a visit's sweep is its block, its position the line's ordinal times four
 * plus its place in the block; besides the runs it has the series "probe_at" (nanoseconds since the
 * visit's start), "temperature" (thousandths of a degree) and "clock" (kHz), where readable.
 */
#ifndef TARE_MEASURE_SOAK_H
#define TARE_MEASURE_SOAK_H

#include "measure/sweeps_inner.h"

#define SOAK_SERIES_AT          "probe_at"
#define SOAK_SERIES_TEMPERATURE "temperature"
#define SOAK_SERIES_CLOCK       "clock"
#define SOAK_MAX_BLOCKS         1000

/* Whether place k (0..3) of a block is the line's cell, rather than its baseline. */
bool soak_is_cell(int64_t block, int64_t k);

/* All of it, from the workers' start on; visits that are in the store are not made again. */
enum tare_status soak_run(struct sweeps *s, struct tare_err *err);

/* Thousandths of a degree below root ("" for this machine): the processor's own zone, else the
 * hottest one; INT64_MIN if none is readable. */
int64_t soak_temperature(const char *root);

#endif
