/*
 * chart.h - the report's pictures as SVG: fixed coordinates 920 wide, classes instead of colours
 * (css.h gives them), a title and a description each. Private to this room.
 * Threads: no shared state.
 */
#ifndef TARE_REPORT_CHART_H
#define TARE_REPORT_CHART_H

#include <stddef.h>

#include "base/buf.h"
#include "measure/ledger.h"

#define CHART_MAX_ROWS 60 /* of any chart; what is left out is said under it */

/* From each baseline to its cell, with intervals. id tells charts of one page apart. style is CSS
 * to put inside (a picture that stands alone), or NULL. */
void chart_waterfall(const struct ledger *ledger, size_t id, const char *style, struct buf *out);

/* A histogram a cell, on one axis of per cent from the cell's own median. */
void chart_distributions(const struct ledger *ledger, size_t id, struct buf *out);

/* Where the time of one item goes: a stacked bar a cell. */
void chart_stages(const struct ledger *ledger, size_t id, struct buf *out);

/* Every visit of every cell, a row a cell: median and band over the sweeps, restarts, invalid
 * visits, and the paired difference to its baseline. Nothing if no cell was measured. */
void chart_series(const struct ledger *ledger, size_t id, struct buf *out);

/* What latency is set against. */
enum chart_trade {
    CHART_AP,
    CHART_FOUND, /* share of the reference's boxes that are found again */
};

/* Latency against that, with the intervals of both and the front of cells that no other beats. */
void chart_trade(const struct ledger *ledger, size_t id, enum chart_trade what, struct buf *out);
bool chart_has_trade(const struct ledger *ledger, enum chart_trade what); /* two cells at least */

/* Cells under the highest rates that were measured where they run: place 0 is the processor, those
 * up to chart_roofline_places() the devices. */
void chart_roofline(const struct ledger *ledger, size_t place, size_t id, struct buf *out);
bool chart_has_roofline(const struct ledger *ledger, size_t place);
size_t chart_roofline_places(const struct ledger *ledger);

/* Whether any cell has stages. */
bool chart_has_stages(const struct ledger *ledger);

#endif
