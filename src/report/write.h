/*
 * write.h - small pieces that all renderers share: escaping, numbers with the digits that matter,
 * dates. Private to this room. Threads: no shared state.
 */
#ifndef TARE_REPORT_WRITE_H
#define TARE_REPORT_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "measure/ledger.h"

/* A number as text, for one use in a printf. */
struct write_number {
    char text[40];
};

/* Three digits that matter, in ms: "54.8", "0.0213". signed_: a plus for positive ones. "–": NAN */
struct write_number write_ms(double ns, bool signed_);

/* A ratio as a signed change in per cent: 1.05 is "+5.0". */
struct write_number write_percent(double ratio);

/* AP of 0..1 in points: "47.2"; signed: "-0.8", "0.0". */
struct write_number write_points(double ap, bool signed_);

/* "17.4", "48200": items a second. */
struct write_number write_rate(double hz);

/* "2025-11-23 17:15 UTC"; "–" for 0. */
struct write_number write_date(int64_t wall_ns);

/* "12.8 MB" */
struct write_number write_bytes(double bytes);

/* A tail as text: "66.1", "≤ 66.1", "p97 ≤ 66.1", "–". */
struct write_number write_tail(const struct ledger_tail *tail);

/* Length in bytes of the valid UTF-8 sequence at text (NUL-terminated); 0 if it is none. */
size_t write_sequence(const char *text);

/* Columns that a UTF-8 text takes, one a code point. */
size_t write_columns(const char *text);

/* A share in per cent, two digits where there are no more before the point: "60 %", "0.26 %". */
struct write_number write_share(double share);

/* Appends stored text for a terminal: no control characters. */
void write_plain(struct buf *out, const char *text);

/* The same in exactly `columns` columns: cut with "…" or padded; negative: right-aligned. */
void write_padded(struct buf *out, const char *text, int columns);

/* Words of stored text and a line break, broken at REPORT_COLUMNS: the first line starts at column,
 * later ones are indented. */
void write_wrapped(struct buf *out, const char *text, size_t column, size_t indent);

/* Appends stored text to HTML or SVG, in content or in a quoted attribute. */
void write_html(struct buf *out, const char *text);

/* Text of a note, with the subjects of later ones that say the same: "... Also: 'B', 'C'". False:
 * an earlier note has this one's. Clears out first. */
bool write_note(const struct ledger_notes *notes, size_t index, struct buf *out);

/* The name of a mode in words: "back to back". */
const char *write_mode(enum store_visit_mode mode);

/* What one sample is: "one picture, JPEG to boxes" or "one run of the session". */
const char *write_unit(const struct ledger *ledger);

/* The model that all cells share, or "several models". */
const char *write_model(const struct ledger *ledger);

#endif
