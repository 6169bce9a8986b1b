/*
 * report_throughput.h - the cells of a study in throughput mode, as lines of the terminal's report.
 * Private to this room.
 */
#ifndef TARE_REPORT_REPORT_THROUGHPUT_H
#define TARE_REPORT_REPORT_THROUGHPUT_H

#include "base/buf.h"
#include "measure/ledger.h"

/* Whether the cell's figures are rates of many streams, not latencies of one. */
bool throughput_is(const struct ledger_cell *cell);

/* A header line and one for each cell. */
void throughput_put_cells(struct buf *out, const struct ledger *ledger);

#endif
