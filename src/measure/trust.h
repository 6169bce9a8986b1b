/*
 * trust.h - a verdict for the machine (rule 20): can a difference be seen on it today?
 *
 * The harness measures itself: identical cells against each other, which must not be called
 * different, and cells that compute 1, 2 and 5 % more, which should be found. The cells are the
 * null backend's, doing arithmetic for about a millisecond a run, in worker processes and sweeps
 * like any other's.
 *
 * Threads: no shared state; it takes the machine for itself for some seconds.
 */
#ifndef TARE_MEASURE_TRUST_H
#define TARE_MEASURE_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/sweeps.h"
#include "store/store.h"

#define TRUST_PAIRS   2 /* of identical cells */
#define TRUST_PLANTED 3

struct trust_line {
    double planted; /* 0, 0.01, 0.02, 0.05 */
    double ratio, low, high;
    bool found; /* called slower; for planted 0: called different, which is wrong */
};

struct trust_result {
    struct trust_line same[TRUST_PAIRS], planted[TRUST_PLANTED];
    size_t false_alarms; /* of the identical pairs */

    /* The smallest slow-down that a single comparison of this length would call significant in
     * 95 % of tries: exp((t_0.975 + t_0.95) * standard error) - 1, the error being the larger of
     * the identical pairs'. */
    double detectable;
    int64_t sweeps, wall_ns;
};

struct trust_options {
    int64_t sweeps;                                                       /* 0: 12 */
    void (*progress)(const struct sweeps_progress *progress, void *data); /* may be NULL */
    void *progress_data;
};

/* Runs it in a temporary result file. TARE_ABSENT without the null plugin, TARE_STOPPED. */
enum tare_status trust_run(const struct trust_options *options, struct trust_result *result,
                           struct tare_err *err);

/* One line: "differences from 1.3 % can be seen here today; ..." */
void trust_describe(const struct trust_result *result, char *text, size_t text_bytes);

#endif
