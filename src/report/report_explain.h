/*
 * report_explain.h - everything behind one cell of a ledger, in words with the numbers to check it
 * by, or as JSON. Texts from the file are escaped as in report.h. Threads: no shared state.
 */
#ifndef TARE_REPORT_REPORT_EXPLAIN_H
#define TARE_REPORT_REPORT_EXPLAIN_H

#include "base/buf.h"
#include "measure/explain.h"

/* For a terminal, at most REPORT_COLUMNS wide. */
enum tare_status report_explain(const struct explain *explain, struct buf *out,
                                struct tare_err *err);

/* All of it, with every visit and every pair; times in nanoseconds. */
enum tare_status report_explain_json(const struct explain *explain, struct buf *out,
                                     struct tare_err *err);

#endif
