/*
 * report_agreement.h - how far cells agree with their reference, as lines of the terminal's report
 * and as a table of the page. Private to this room.
 */
#ifndef TARE_REPORT_REPORT_AGREEMENT_H
#define TARE_REPORT_REPORT_AGREEMENT_H

#include "base/buf.h"
#include "measure/ledger.h"

/* What the heading says of the figures: "against fp32, 24 pictures"; "" if no cell has any. */
void agreement_about(struct buf *out, const struct ledger *ledger);

/* A header line and one for each cell that was scored. */
void agreement_put_cells(struct buf *out, const struct ledger *ledger);

/* The same as an HTML table. */
void agreement_put_table(struct buf *out, const struct ledger *ledger);

#endif
