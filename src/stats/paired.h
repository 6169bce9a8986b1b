/*
 * paired.h - the ratio of a cell to its baseline, sweep by sweep, and intervals that hold together.
 *
 * A line of the ledger has one difference a sweep (the log ratio of medians). Its estimate is their
 * centre after Hodges and Lehmann (walsh.h), which a machine that is fast in one moment and half as
 * fast in the next leaves where it is. Its standard error is read off the Walsh averages around the
 * centre, at the distance that their share's own standard error gives; that one is the larger of
 * two: that of the sweeps as independent, and, with three restarts or more, that of the restarts as
 * clusters, because a worker's memory layout stays as it is until the next restart, and what drifts
 * slowly stays with it.
 *
 * Threads: no shared state.
 */
#ifndef TARE_STATS_PAIRED_H
#define TARE_STATS_PAIRED_H

#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

struct paired_estimate {
    double center;
    double error; /* standard error of the center; NAN with fewer than two differences */
    double df;    /* its degrees of freedom */
    size_t count;
    size_t restarts; /* distinct clusters seen */
};

/*
 * Centre of differences (count; NAN: no pair in that sweep). clusters (count) tells which
 * differences share their workers; NULL: none do. NAN where there is none, or memory ran out.
 */
struct paired_estimate paired_center(const double *differences, const int64_t *clusters,
                                     size_t count);

/* Half width of the t interval of one estimate alone. */
double paired_half_width(const struct paired_estimate *estimate, double confidence);

struct paired_lines {
    const double *differences;               // (line_count, sweep_count); NAN: missing
    const struct paired_estimate *estimates; // (line_count)
    size_t line_count, sweep_count;
};

/*
 * Critical values (line_count) such that all intervals center +- critical * error cover at once
 * with the given confidence: the single-step max-t method of Hothorn, Bretz and Westfall (2008),
 * with the joint distribution drawn by a Gaussian multiplier bootstrap over the sweeps' scores, so
 * that lines which share a baseline pay for what they do not share only. Lines whose df differ meet
 * through their p-values. With one line it is Student's t; never under that, never over
 * Bonferroni's. Lines without an error get NAN. TARE_NOMEM.
 */
enum tare_status paired_critical(const struct paired_lines *lines, double confidence, uint64_t seed,
                                 double *critical, struct tare_err *err);

#endif
