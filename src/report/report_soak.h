/*
 * report_soak.h - sustained speed, as a section of the text and of the JSON. Private to this room.
 */
#ifndef TARE_REPORT_REPORT_SOAK_H
#define TARE_REPORT_REPORT_SOAK_H

#include "base/buf.h"
#include "base/json_write.h"
#include "measure/ledger.h"

/* Nothing where nothing was soaked. */
void report_soak_text(const struct ledger *ledger, struct buf *out);
void report_soak_json(const struct ledger *ledger, struct json_writer *w);

#endif
