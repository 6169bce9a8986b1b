/*
 * doctor_peaks.h - tare doctor --peaks: every kernel of measure/peak.h that this processor can run,
 * checked and timed, and the rates of its memory.
 */
#ifndef TARE_CMD_DOCTOR_PEAKS_H
#define TARE_CMD_DOCTOR_PEAKS_H

#include <stdbool.h>

/* Prints the table, or one JSON object. Returns the exit code: 1 if an instruction answers wrong or
 * something could not be measured. */
int doctor_peaks(bool json);

#endif
