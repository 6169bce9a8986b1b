/*
 * energy.h - joules of an inference (rule 15): a phase of its own, in which contiguous visits are
 * made of one cell after the other while a sensor of energy is read. Private to this room.
 *
 * It comes after the sweeps, when all their workers have ended. The machine's device is measured
 * empty, then with a worker that has opened it and loaded nothing, then the cells in the order
 * A B C ... C B A, each with a fresh worker and no other alive; a worker makes two visits, and the
 * first one of a cell then stays idle for a while, which is its own baseline. At the end the device
 * is measured empty again.
 *
 * A visit takes energy_ms of the study, or 50 of the sensor's periods and at least 2 s, of which a
 * budget that is too short leaves no less than 20 and 2 s; it begins at a random moment of the
 * period.
 *
 * In the store, under the visit modes "energy" (sweep: the visit's number within the cell) and
 * "idle" (sweep: the pass), both with the device's looks (gpu.h):
 *     energy_at, energy_read, energy_slack   of each reading: ns since the visit's start; mJ since
 *                     the first (counter) or mW; ns since the reading before
 *     energy_span     ns since the visit's start: begin of the runs, from where readings count, end
 *     energy_runs     how many runs there were
 *     energy_others   processes of others on the device; -1: not known
 * and as documents "energy.<device>.empty.<n>" and ".context.<n>" the same of windows without a
 * cell, as JSON. Facts are named below.
 *
 * Threads: as sweeps.h.
 */
#ifndef TARE_MEASURE_ENERGY_H
#define TARE_MEASURE_ENERGY_H

#include "measure/sweeps_inner.h"
#include "power/power.h"

#define ENERGY_FACT_ASKED "run.energy" /* visits of a cell */
#define ENERGY_FACT_WHY   "energy.why" /* why nothing was measured */
#define ENERGY_FACT_LEFT_OUT                                                                       \
    "energy.left_out."                      /* and the id of a cell that the study leaves out      \
                                             */
#define ENERGY_FACT_FAILED "energy.failed." /* and the cell's id: why it has not all of them */

#define ENERGY_PERIODS     50   /* of the sensor, at least, in a visit */
#define ENERGY_FEWEST      20   /* where a budget has no room for more */
#define ENERGY_LEAST_READS 5    /* in a visit that counts */
#define ENERGY_MAX_VISITS  1000 /* as a study may ask for */
#define ENERGY_MAX_WINDOWS 100  /* of a device without a cell */

#define ENERGY_SERIES_AT     "energy_at"
#define ENERGY_SERIES_READ   "energy_read"
#define ENERGY_SERIES_SLACK  "energy_slack"
#define ENERGY_SERIES_SPAN   "energy_span"
#define ENERGY_SERIES_RUNS   "energy_runs"
#define ENERGY_SERIES_OTHERS "energy_others"

/* What a device is measured with: facts "energy.<device>.<name>" but for the last. */
struct energy_device {
    struct gpu *gpu;
    struct power_source source;
    int64_t period_ns;         /* between changes of what it reads; 0: not seen */
    int64_t visit_ns, step_ns; /* of a visit; between readings */
    int64_t rest_ns;           /* no reading for so long after a change */
    int64_t windows;           /* documents of each kind so far */
    int64_t strangers;         /* processes on it while it was to be empty; -1: not known */
    struct tare_err why;       /* TARE_OK: it can be measured */
};

/* All visits that the store does not have yet. A cell that fails is left out and says why; only the
 * store's errors and the user's own stop end the phase. Nothing if the study asks for none. */
enum tare_status energy_run(struct sweeps *s, struct tare_err *err);

/* How long that will take; for the plan of a budget. */
int64_t energy_expected_ns(const struct sweeps *s);

/* How long a visit may be, for all of them to fit into what a budget has left; most_ns without a
 * budget, and never under least_ns. */
int64_t energy_fit_ns(struct sweeps *s, int64_t most_ns, int64_t least_ns);

/* --- energy_device.c --- */

/* Finds a source that answers and its period, and stores what it is. What speaks against it is left
 * in device->why, with TARE_OK. */
enum tare_status energy_prepare(struct sweeps *s, struct energy_device *device,
                                struct tare_err *err);

/* A window without a cell, stored; context: with a worker that has opened the device. */
enum tare_status energy_baseline(struct sweeps *s, struct energy_device *device, bool context,
                                 struct tare_err *err);

/* Waits; TARE_STOPPED if the user asks to stop meanwhile. */
enum tare_status energy_wait(int64_t ns, struct tare_err *err);

/* From where on readings of a span count. */
int64_t energy_lead_ns(const struct energy_device *device, int64_t span_ns);

/* Processes on the device that are not the worker's (pid 0: no worker); -1: it does not say. */
int64_t energy_others(const struct energy_device *device, pid_t pid);

/* How long a device is left alone before it counts as at rest. */
int64_t energy_settle_ns(const struct energy_device *device);

#endif
