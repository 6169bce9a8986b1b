/*
 * report_cold.h - cold starts, as a section of the text and of the JSON. Private to this room.
 */
#ifndef TARE_REPORT_REPORT_COLD_H
#define TARE_REPORT_REPORT_COLD_H

#include "base/buf.h"
#include "base/json_write.h"
#include "measure/ledger.h"

/* Nothing where no cell was started so. */
void report_cold_text(const struct ledger *ledger, struct buf *out);

/* The key "cold_start" of a cell; null where it was not started so. */
void report_cold_json(const struct ledger_cell *cell, struct json_writer *w);

/* Whether any cell has cold starts. */
bool report_has_cold(const struct ledger *ledger);

/* "dropped", "warm" or, where pages stayed, "12 % stayed". */
void report_cold_state(const struct ledger_cold *cold, enum ledger_cold_state state, char *text,
                       size_t text_bytes);

/* "45.2 [44.1, 47.0]" or, where the starts bear no interval, "45.2 (44.1 to 47.0)"; ms. */
void report_cold_total(const struct ledger_cold *cold, char *text, size_t text_bytes);

#endif
