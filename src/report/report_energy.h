/*
 * report_energy.h - joules, as a section of the text and of the JSON, and the words that the page
 * uses too. Private to this room.
 */
#ifndef TARE_REPORT_REPORT_ENERGY_H
#define TARE_REPORT_REPORT_ENERGY_H

#include "base/buf.h"
#include "base/json_write.h"
#include "measure/ledger.h"

/* Nothing where no cell has joules. */
void report_energy_text(const struct ledger *ledger, struct buf *out);

/* The keys "energy" and "gpu" of a cell; null where it has none. */
void report_energy_json(const struct ledger_cell *cell, struct json_writer *w);

/* The key "energy" of a line. */
void report_energy_line_json(const struct ledger_line *line, struct json_writer *w);

/* "1.23 [1.20, 1.26]": a value of the same unit as its range. */
void report_energy_value(double value, const struct ledger_range *range, char *text,
                         size_t text_bytes);

/* "alone; counter", "shared; stand-in counter": whose joules they are, and by what. */
void report_energy_origin(const struct ledger_energy *energy, char *text, size_t text_bytes);

/* "1500 and 2600 MHz, 40 °C": what the GPU did; "" if nothing is known. */
void report_energy_gpu(const struct ledger_gpu *gpu, char *text, size_t text_bytes);

#endif
