/*
 * report_profile.h - where one cell's time goes node by node, in words and a table, or as JSON.
 * Texts from the file are escaped as in report.h. Threads: no shared state.
 */
#ifndef TARE_REPORT_REPORT_PROFILE_H
#define TARE_REPORT_REPORT_PROFILE_H

#include "base/buf.h"
#include "measure/profile.h"

/* For a terminal, at most REPORT_COLUMNS wide: the lines that lose most, the others as one. */
enum tare_status report_profile(const struct ledger *ledger, size_t cell,
                                const struct profile *profile, struct buf *out,
                                struct tare_err *err);

/* All lines; times in nanoseconds. */
enum tare_status report_profile_json(const struct ledger *ledger, size_t cell,
                                     const struct profile *profile, struct buf *out,
                                     struct tare_err *err);

#endif
