/*
 * report_peaks.h - a device's peaks in one sentence, for text and for pages. Private to this room.
 * Threads: no shared state.
 */
#ifndef TARE_REPORT_REPORT_PEAKS_H
#define TARE_REPORT_REPORT_PEAKS_H

#include "base/buf.h"
#include "measure/peak_cuda.h"

/* "cuda:0, NVIDIA H200 (sm_90): fp32 51.2, ... 10^9 op/s by cuBLASLt ..., device copy ... GB/s", or
 * why there are none. Plain text. */
void write_device_peaks(struct buf *out, const struct peak_cuda *device);

#endif
