/*
 * report_device.h - what a run costs on a device: by the host's clock, and by the device's own.
 *
 * Threads: touches its arguments alone.
 */
#ifndef TARE_REPORT_DEVICE_H
#define TARE_REPORT_DEVICE_H

#include "base/buf.h"
#include "measure/ledger.h"

#define DEVICE_ABOUT                                                                               \
    "medians in ms; run: one run of the session by the host's clock to synchronisation, "          \
    "transfers inside; on device, copy in and copy out: by the device's own clock; rest: what "    \
    "the run has beyond these"

/* A line for each measured cell on a device that has a clock. */
void device_put_cells(struct buf *out, const struct ledger *ledger);

#endif
