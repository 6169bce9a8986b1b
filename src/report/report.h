/*
 * report.h - ledgers as text, HTML, SVG, CSV and JSON. Nothing here measures or decides: it renders
 * what measure/ledger.h holds. Several ledgers (of several result files) stand in one report, each
 * with its host named.
 *
 * All texts that come from a result file are escaped for where they land; control characters and
 * invalid UTF-8 become U+FFFD.
 *
 * Output goes to a buf that the caller gave; its own errors (memory, maximum) are reported.
 * Threads: no shared state.
 */
#ifndef TARE_REPORT_REPORT_H
#define TARE_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "measure/ledger.h"
#include "tare/status.h"

#define REPORT_COLUMNS  100                   /* of the text */
#define REPORT_MAX_HTML ((size_t)2000 * 1000) /* bytes of the page, whatever is in the files */

struct report_set {
    const struct ledger *const *items; // (count), at least one
    size_t count;
};

/* The terminal's ledger, in UTF-8; at most REPORT_COLUMNS wide. */
enum tare_status report_text(const struct report_set *set, bool colour, struct buf *out,
                             struct tare_err *err);

/* One self-contained page: no network, no scripts, light and dark, fit to print. Never over
 * REPORT_MAX_HTML: what does not fit is named and left to the CSV. */
enum tare_status report_html(const struct report_set *set, struct buf *out, struct tare_err *err);

/* The waterfall of one ledger as a picture that stands alone. */
enum tare_status report_svg(const struct ledger *ledger, struct buf *out, struct tare_err *err);

/* One row a cell and one a line of the ledger (RFC 4180, with a header row, CRLF). */
enum tare_status report_csv(const struct report_set *set, struct buf *out, struct tare_err *err);

/* Everything that a ledger holds but the samples; times in nanoseconds. */
enum tare_status report_json(const struct report_set *set, struct buf *out, struct tare_err *err);

#endif
