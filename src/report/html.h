/*
 * html.h - the pieces that the page's files share. Private to this room. Stored texts go through
 * write_html() everywhere. Threads: no shared state.
 */
#ifndef TARE_REPORT_HTML_H
#define TARE_REPORT_HTML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "measure/ledger.h"
#include "report/report.h"

/* How much goes onto the page. */
struct html_detail {
    size_t cells;       /* rows of a table of cells; what is left out is said */
    bool classes;       /* AP by class */
    bool distributions; /* and time series */
};

/* A number of our own making, its hyphens as minus signs. */
void html_number(struct buf *out, const char *text);

/* " [low, high]", or nothing if it is not known. */
void html_interval(struct buf *out, const char *low, const char *high, bool known);

/* An AP difference with what is known of it. */
void html_ap(struct buf *out, const struct ledger_ap *ap);

/* Opens a part that scrolls sideways by itself in a narrow window; closed with </div>. */
void html_open_scroll(struct buf *out, const char *label);

void html_notes(struct buf *out, const struct ledger_notes *notes);

/* Sections. id tells the files of one page apart. */
void html_cells(struct buf *out, const struct ledger *ledger, size_t id,
                const struct html_detail *detail);
void html_device(struct buf *out, const struct ledger *ledger, size_t id);
void html_spread(struct buf *out, const struct ledger *ledger, size_t id,
                 const struct html_detail *detail);
void html_cold(struct buf *out, const struct ledger *ledger, size_t id,
               const struct html_detail *detail);
void html_energy(struct buf *out, const struct ledger *ledger, size_t id,
                 const struct html_detail *detail);
void html_trade(struct buf *out, const struct ledger *ledger, size_t id);
void html_agreement(struct buf *out, const struct ledger *ledger, size_t id);
void html_roofline(struct buf *out, const struct ledger *ledger, size_t id);
bool html_has_roofline(const struct ledger *ledger);
void html_series(struct buf *out, const struct ledger *ledger, size_t id,
                 const struct html_detail *detail);
void html_stability(struct buf *out, const struct ledger *ledger, size_t id,
                    const struct html_detail *detail);
void html_soak(struct buf *out, const struct ledger *ledger, size_t id);
void html_stages(struct buf *out, const struct ledger *ledger, size_t id);
void html_accuracy(struct buf *out, const struct ledger *ledger, size_t id,
                   const struct html_detail *detail);
void html_environment(struct buf *out, const struct ledger *ledger, size_t id);
void html_commands(struct buf *out, const struct ledger *ledger, size_t id,
                   const struct html_detail *detail);
void html_side_by_side(struct buf *out, const struct report_set *set);
void html_footer(struct buf *out, const struct report_set *set);

#endif
