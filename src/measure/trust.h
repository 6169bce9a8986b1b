/*
 * trust.h - a verdict for the machine (rule 20): can a difference be seen on it today?
 *
 * The harness measures itself: identical cells against each other, which must not be called
 * different, and cells that compute 1, 2 and 5 % more, which should be found. The cells are the
 * null backend's, doing arithmetic for about half a millisecond a run, in worker processes and
 * sweeps like any other's, and their lines come from the ledger like any other's.
 *
 * Visits are short and sweeps many. A core here is fast while its neighbour sleeps, half as fast
 * while it works, and stays so from milliseconds to a second: the sooner a sweep comes round, the
 * more of its visits meet one state, and every sweep is one more draw of it. For the same reason
 * workers are stopped by signal between visits (freeze.h), and there are two lines a study, whose
 * intervals hold together, and not four.
 *
 * Threads: no shared state; it takes the machine for itself for some seconds.
 */
#ifndef TARE_MEASURE_TRUST_H
#define TARE_MEASURE_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define TRUST_SWEEPS    240 /* unless the options say otherwise */
#define TRUST_RESTARTS  12
#define TRUST_MAX_LINES 8

enum trust_kind {
    TRUST_SAME,    /* identical cells */
    TRUST_PLANTED, /* more work, by a share that is known */
    TRUST_REAL,    /* a tax of a runtime, whose truth only repetitions tell */
};

struct trust_line {
    enum trust_kind kind;
    const char *name; /* "same", "5 % more", "Python binding" */
    double planted;   /* 0, 0.01, 0.02, 0.05; NAN for a real tax */
    double ratio, low, high;
    double log_error, log_df; /* standard error of log(ratio), its degrees of freedom */
    double detectable;        /* ledger_detectable() */
    bool slower, faster;      /* as the ledger calls it */
};

/* What is measured, as it is done again and again by the long form. */
struct trust_result {
    struct trust_line lines[TRUST_MAX_LINES]; // (line_count) by kind
    size_t line_count;
    double detectable; /* median over the lines whose truth is known; NAN: too few sweeps */
    int64_t sweeps, started_wall_ns, wall_ns;
    char host[200];
};

struct trust_options {
    int64_t sweeps;    /* 0: TRUST_SWEEPS */
    const char *model; /* ONNX file: the tax of ONNX Runtime's Python binding is measured on it too;
                          NULL: none */
    const char *other; /* and the tax of this ONNX file against it; NULL: none */
    int64_t seed;      /* of the sweeps' order; 0: 1 */
    void (*progress)(double share, void *data); /* may be NULL */
    void *progress_data;
};

/* Runs it in a temporary result file. TARE_STOPPED; TARE_FAILED or TARE_ABSENT if a cell could not
 * be measured. */
enum tare_status trust_run(const struct trust_options *options, struct trust_result *result,
                           struct tare_err *err);

/* Whether a line's interval holds the ratio. */
bool trust_covers(const struct trust_line *line, double ratio);

/* Called different for identical cells, slower for a planted or a real tax. */
bool trust_called(const struct trust_line *line);

/* One line: "a slow-down of 1.3 % or more can be seen in 240 sweeps; ..." */
void trust_describe(const struct trust_result *result, char *text, size_t text_bytes);

#endif
