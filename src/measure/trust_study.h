/*
 * trust_study.h - the same study many times over: do its intervals hold what they promise?
 *
 * Of the harness's own cells the truth is known, since what they compute is. A real tax has its
 * long-run value instead: for each repetition, the mean of what the others found (of the logs), so
 * that no repetition is judged by itself. The error of that mean counts against the interval.
 *
 * The detectable slow-down that a study prints is what its lines would be called slower for in 95 %
 * of tries. What that truly is here can be counted: in a repetition whose line missed the truth by
 * m (of the log) with an interval of half width h, a slow-down is found if and only if its log is
 * over h - m, because planting moves a line's differences and nothing else. So the true one is the
 * 95th percentile of h - m over all repetitions and lines whose truth is known.
 *
 * Threads: no shared state.
 */
#ifndef TARE_MEASURE_TRUST_STUDY_H
#define TARE_MEASURE_TRUST_STUDY_H

#include "measure/trust.h"

#define TRUST_MAX_REPETITIONS 1000

/* Of tries; low and high are Wilson's 95 % interval of the share, NAN without tries. */
struct trust_count {
    size_t hits, tries;
    double low, high;
};

struct trust_summary {
    struct trust_count known, real, both;       /* printed intervals that hold the truth */
    struct trust_count known_alone, real_alone; /* each line's own 95 % interval, not widened for
                                                   the others' sake */
    struct trust_count wrong;                   /* identical cells called different */
    struct trust_count found[TRUST_MAX_LINES];  /* of each planted line, in the order of lines */
    double long_run[TRUST_MAX_LINES];           /* ratio; of a known line, what was planted */
    double printed;    /* median over repetitions of the detectable slow-down */
    double detectable; /* what it truly is */
    double factor;     /* the larger over the smaller of the two logs */
};

/* repetitions (count, of one study); NAN where too few tell. TARE_NOMEM. */
enum tare_status trust_summarise(const struct trust_result *repetitions, size_t count,
                                 struct trust_summary *summary, struct tare_err *err);

#endif
