/*
 * ledger.h - from a stored run to its ledger: what each cell takes, what each line of tax or gain
 * is with its interval, which cell to pick, and what was not measured and why.
 *
 * Plain data, to be rendered as text, HTML, CSV or JSON; nothing here prints. It can be made again
 * from the file at any time and gives the same numbers (the seed is the run's).
 *
 * Estimands (docs/measurement.md, rules 10 to 12 and 17):
 *     quantiles     of all samples of valid visits, pooled; their intervals by a bootstrap of
 *                   visits within restarts
 *     line          the Hodges-Lehmann centre over sweeps of log(median of the cell / median of its
 *                   baseline in the same sweep), as a ratio; the 95 % intervals of all lines hold
 *                   together
 *     difference    the same centre of the difference of those medians, with the same critical
 *                   value
 *     AP difference a paired bootstrap over pictures
 *
 * NAN stands for "not known" in every double, and an interval of NANs for "none".
 *
 * Threads: a ledger belongs to one thread; a built one is only read.
 */
#ifndef TARE_MEASURE_LEDGER_H
#define TARE_MEASURE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/ledger_energy.h"
#include "measure/roofline.h"
#include "store/store.h"
#include "tare/status.h"

#define LEDGER_CONFIDENCE  0.95
#define LEDGER_MODES       STORE_VISIT_CONFIRM /* those before it: it makes no other figure */
#define LEDGER_MAX_WINNERS 16

struct ledger_interval {
    double low, high;
};

/* A high quantile, or what the samples bear of it. */
enum ledger_tail_kind {
    LEDGER_TAIL_NONE,     /* too few samples for anything */
    LEDGER_TAIL_INTERVAL, /* the quantile `asked`, with its interval */
    LEDGER_TAIL_BOUND,    /* the quantile `shown` is at most value_ns (95 %); shown <= asked */
};

struct ledger_tail {
    enum ledger_tail_kind kind;
    double asked, shown; /* 0.99, 0.97 */
    double value_ns;
    struct ledger_interval interval_ns;
    double effective; /* independent samples that the pooled ones are worth for this quantile */
};

enum ledger_stage {
    LEDGER_DECODE,
    LEDGER_LETTERBOX,
    LEDGER_INFER,
    LEDGER_BOXES,
    LEDGER_STAGES
};

/* Parts of a run on a device, by the device's own clock. */
enum ledger_device_part {
    LEDGER_COPY_IN,
    LEDGER_COMPUTE,
    LEDGER_COPY_OUT,
    LEDGER_DEVICE_PARTS
};

/* Samples of one cell in one mode. All zero if there were none. */
struct ledger_times {
    size_t samples, visits, invalid_visits, sweeps;
    double min_ns, max_ns, mean_ns;
    double p50_ns, p90_ns;
    struct ledger_interval p50_interval_ns, p90_interval_ns;
    struct ledger_tail p95, p99;
    double throughput_hz;   /* items a second: batch / mean; back to back only, else NAN */
    double after_switch_ns; /* median of the first runs of a visit */
    double inside_ns;       /* median as the worker's own binding timed itself */
    double latency_p50_ns;  /* throughput: of one run under that load */
    double latency_p95_ns;
    double latency_p99_ns;
    double lateness_p99_ns;                /* paced: how late the harness itself was */
    double stage_ns[LEDGER_STAGES];        /* medians; NAN where the cell has no such stage */
    double device_ns[LEDGER_DEVICE_PARTS]; /* medians; NAN where no device's clock was read */
    double mean_clock_hz;                  /* mean over visits */
    double cpu_share;                      /* worker's CPU time over wall time */
    double p50_effective; /* independent samples that they are worth for the median */
    double *sorted_ns;    // (samples), ascending
};

/* One visit, valid or not, in the mode that the ledger speaks of. */
struct ledger_point {
    int64_t sweep, position; /* as ran */
    int64_t restart;         /* ordinal within the cell; -1: not known */
    int64_t predecessor_id;  /* row of the cell visited before; 0: none */
    bool valid;
    const char *why_invalid;
    size_t samples;               /* the figures below are NAN without any, and if invalid */
    double p5_ns, p50_ns, p95_ns; /* of the visit's samples */
    double after_switch_ns;       /* median of its first runs; NAN: none */
    double clock_hz, steal_share; /* mean; share of the wall time; NAN: not known */
};

enum ledger_steadiness {
    LEDGER_UNTOLD,    /* too few visits to tell */
    LEDGER_STEADY,    /* nothing of what follows */
    LEDGER_RESTLESS,  /* its visits' medians scatter by over 3 %, beyond what all cells share */
    LEDGER_RESTARTS,  /* another level from restart to restart: F test, over 1 % */
    LEDGER_DRIFTS,    /* another level at the end than at the start: t test, over 1 % */
    LEDGER_UNSETTLED, /* a warm-up that never became steady */
};

/* How even a cell was over the run. NAN where it cannot be told. Shares of the median. */
struct ledger_stability {
    enum ledger_steadiness verdict;
    double scatter;     /* standard deviation of the logs of the visits' medians */
    double own_scatter; /* the same without what the sweep did to all cells */
    double drift;       /* last visit to first by the straight line through them, a share */
    struct ledger_interval drift_interval; /* 95 % over all cells together */
    double restart_spread;                 /* slowest restart's mean to the fastest's, a share */
    double restart_p;                      /* that restarts are alike (one-way F test) */
    double lag1;                           /* autocorrelation of neighbouring visits' medians */
    double after_switch; /* first runs of a visit to its median, a share; median of visits */
    struct ledger_interval clock_hz; /* slowest and fastest visit */
    double steal_share;              /* of the visits' wall time */
};

struct ledger_accuracy {
    bool known;
    int64_t pictures;
    double coco[STORE_COCO_FIGURES]; /* 0..1; -1 undefined */
    const char *by_class;            /* JSON, "" if none */
};

/* a minus b, both 0..1 */
struct ledger_ap {
    bool known;
    bool identical; /* both gave the same detections: the difference is 0 exactly */
    bool resolved;  /* 0 lies outside the interval */
    double difference;
    struct ledger_interval interval;
    int64_t pictures;
};

/* How far a cell agrees with the run's reference, which agrees with itself. */
struct ledger_agreement {
    bool known;
    double found;                    /* share of the reference's boxes that it has too */
    struct ledger_interval interval; /* NAN: none */
    bool front; /* no other cell is as fast and agrees more, or faster and agrees as much */
};

/* Cold starts: what the page cache held, and what a start is made of. */
enum ledger_cold_state {
    LEDGER_COLD_DROPPED,
    LEDGER_COLD_WARM,
    LEDGER_COLD_STATES
};

enum ledger_cold_part { /* all but the last as enum protocol_step */
    LEDGER_COLD_START,
    LEDGER_COLD_PLUGIN,
    LEDGER_COLD_SESSION,
    LEDGER_COLD_INPUT,
    LEDGER_COLD_RUN,
    LEDGER_COLD_TOTAL,
    LEDGER_COLD_PARTS
};

#define LEDGER_COLD_STAYED   "stayed" /* the figure: share of the pages that did not leave */
#define LEDGER_COLD_MAY_STAY 0.01     /* of them; with more a start is not called dropped */

/* Of one cell in one state. starts is 0 if there were none. */
struct ledger_cold {
    size_t starts, tried;                /* those that the figures are of, and all */
    double median_ns[LEDGER_COLD_PARTS]; /* each by itself: parts need not add up to the total */
    struct ledger_interval total_ns;     /* of the total's median; NAN under 6 starts */
    double least_ns, most_ns;            /* of the total */
    bool dropped;                        /* false: pages stayed in every start */
    double most_stayed;                  /* largest share; 0 in the warm state */
};

struct ledger_cell {
    struct store_cell row; /* texts belong to the store */
    char label[96];        /* short, unique in the ledger where the cells allow it */
    struct ledger_times times[LEDGER_MODES];
    enum store_visit_mode mode; /* the mode that the ledger speaks of */
    bool pipeline;              /* times run from picture to boxes; else one run of the session */
    size_t restarts;
    bool steady;                  /* every warm-up became steady */
    size_t unsteady;              /* warm-ups that did not */
    double load_ns, first_run_ns; /* medians over restarts */
    double peak_rss_bytes;        /* largest */
    struct ledger_accuracy accuracy;
    struct ledger_ap ap_to_reference;
    struct ledger_agreement agreement;
    struct store_figure *figures; // (figure_count)
    size_t figure_count;
    struct ledger_cold cold[LEDGER_COLD_STATES];
    struct ledger_energy energy;
    struct ledger_gpu gpu;       /* in the visits that its times are of */
    struct roofline_row limit;   /* how near it is to what the machine allows */
    struct ledger_point *points; // (point_count), in the order of time
    size_t point_count;
    struct ledger_stability stability;
};

/* What it does to a visit that another cell was visited before (rule 1). */
struct ledger_effect {
    double change; /* to what is usual in that cell and sweep, a share */
    double p;      /* of no effect, over all predecessors and both figures together */
    size_t visits;
};

struct ledger_before {
    size_t cell; /* the predecessor */
    struct ledger_effect median, after_switch;
};

struct ledger_predecessors {
    bool known; /* enough visits to test */
    size_t permutations, visits;
    struct ledger_before *items; // (count)
    size_t count;
    double p;          /* the smallest of all */
    double detectable; /* change of a visit's median that would be called an effect */
    char sentence[400];
};

enum ledger_verdict {
    LEDGER_NOT_MEASURED,
    LEDGER_NOT_SEPARABLE,
    LEDGER_SLOWER,
    LEDGER_FASTER,
};

struct ledger_line {
    struct store_line row;
    size_t cell, baseline; /* indices of cells */
    enum ledger_verdict verdict;
    double ratio; /* of the cell's time to its baseline's */
    struct ledger_interval ratio_interval;
    double log_error; /* standard error of log(ratio) */
    double log_df;    /* its degrees of freedom */
    double difference_ns;
    struct ledger_interval difference_interval_ns;
    double cell_ns, baseline_ns; /* medians that the ratio stands between */
    size_t sweeps, restarts;     /* pairs; independent pairs of workers */
    struct ledger_ap ap;         /* cell minus baseline */
    struct ledger_energy_ratio energy;
    char why[160]; /* why not measured */
};

/* One contiguous visit of a soak. */
struct ledger_soak_visit {
    size_t cell, line;    /* indices */
    int64_t block, place; /* place 0..3 in A B B A */
    int64_t started_ns, wall_ns;
    double run_ns, hz;                          /* mean run and items a second of its steady part */
    double slope_per_min;                       /* relative change of the speed in that part; NAN */
    bool steady;                                /* false: still changing in its last half */
    double steady_from;                         /* share of the samples before the steady part */
    double temperature_first, temperature_last; /* degrees Celsius; NAN: not readable */
    double temperature_slope;                   /* degrees a minute */
    double clock_hz, steal_share;               /* NAN: not readable */
};

/* Sustained speed of a line's two cells. */
struct ledger_soak_pair {
    size_t line, blocks;                   /* blocks of four valid visits */
    double cell_hz, baseline_hz;           /* geometric means over visits */
    double speed_ratio;                    /* over the blocks' contrasts: linear drift cancels */
    struct ledger_interval speed_interval; /* Student's t over blocks; NAN with fewer than two */
};

/* One of the cells that the decision names. */
struct ledger_pick {
    size_t cell;
    double ratio; /* to the winner; 1 for itself */
    struct ledger_interval ratio_interval;
};

/* The winner against the runner-up on fresh sweeps (confirm.h). */
enum ledger_confirmation {
    LEDGER_UNCONFIRMED, /* it was not tried, or came to no figure */
    LEDGER_CONFIRMED,   /* the runner-up is slower there too */
    LEDGER_REFUTED,     /* it is not */
};

struct ledger_decision {
    bool known;               /* at least one cell was measured */
    bool accuracy_known;      /* the field was narrowed by AP */
    size_t reference;         /* cell whose AP is the measure; only if accuracy_known */
    double ap_allowed;        /* 0.01 */
    double found_allowed;     /* share of the reference's boxes to be found again; 0: any */
    size_t winner, runner_up; /* the second smallest median; the winner if there is none */
    struct ledger_pick ties[LEDGER_MAX_WINNERS]; /* not separable from the winner */
    size_t tie_count;
    size_t candidates; /* cells that were near enough in AP or agreement */
    size_t excluded;   /* measured cells that were not */
    enum ledger_confirmation confirmation;
    struct ledger_pick confirmed_against; /* on the fresh sweeps; only if confirmed or refuted */
    size_t confirm_sweeps;                /* fresh ones; 0: none */
    char sentence[700];
};

/* What a reader must know, in words. */
struct ledger_note {
    char subject[120];
    char text[360];
};

struct ledger_notes {
    struct ledger_note *items; // (count)
    size_t count;
};

struct ledger {
    const char *path;         /* of the file */
    struct store_run run;     /* texts belong to the store */
    char host[200];           /* "AMD EPYC, 2 cores, Debian 12" */
    struct store_fact *facts; // (fact_count)
    size_t fact_count;
    struct store_file *files; // (file_count)
    size_t file_count;
    struct ledger_cell *cells; // (cell_count)
    size_t cell_count;
    struct ledger_line *lines; // (line_count)
    size_t line_count;
    struct roofline_peaks peaks;           /* of the machine, measured before the first visit */
    struct ledger_soak_visit *soak_visits; // (soak_visit_count), in the order of time
    size_t soak_visit_count;
    struct ledger_soak_pair *soak_pairs; // (soak_pair_count); none without a soak
    size_t soak_pair_count;
    struct ledger_decision decision;
    struct ledger_predecessors predecessors;
    double common_share; /* of the variance of visits' medians: what the sweep did to all cells */
    struct ledger_notes missing;  /* not measured, and why */
    struct ledger_notes warnings; /* measured, but mind this */
    struct ledger_notes trust;    /* the machine's own verdict */
};

struct ledger_options {
    int64_t run_id;    /* 0: the file's last run */
    int ap_resamples;  /* 0: 1000; -1: no AP intervals */
    double ap_allowed; /* 0: the study's max_ap_drop, or 0.01 */
};

/*
 * Builds the ledger of a run. The store must outlive it. TARE_ABSENT if the file holds no such run;
 * TARE_BADDATA for a damaged file. On success ledger_release() it; on error nothing is held.
 */
enum tare_status ledger_build(struct store *store, const struct ledger_options *options,
                              struct ledger *ledger, struct tare_err *err);
void ledger_release(struct ledger *ledger); /* a zeroed struct is allowed */

/*
 * The smallest slow-down that such a line would be called slower for in 95 % of tries: the half
 * width of its interval, and Student's t at 95 % times the standard error, both of the log ratio.
 * NAN for a line that was not measured.
 */
double ledger_detectable(const struct ledger_line *line);

/* Times of a cell in the mode that the ledger speaks of; NULL if it was not measured. */
const struct ledger_times *ledger_times(const struct ledger_cell *cell);

/* A figure of a cell by its name; NAN if it has none of it. */
double ledger_figure(const struct ledger_cell *cell, const char *name);

/* A fact's value; "" if it is not known. */
const char *ledger_fact(const struct ledger *ledger, const char *key);

/* "slower", "faster", "not separable", "not measured". */
const char *ledger_verdict_name(enum ledger_verdict verdict);

/* "steady", "drifts", "restarts differ". */
const char *ledger_steadiness_name(enum ledger_steadiness verdict);

/* "dropped", "warm"; "start_ns", "plugin_ns", ... "total_ns". */
const char *ledger_cold_state_name(enum ledger_cold_state state);
const char *ledger_cold_part_name(enum ledger_cold_part part);

/* Takes the name of a figure apart; part points into it. False if it is of no cold start. */
bool ledger_cold_parse(const char *name, enum ledger_cold_state *state, int64_t *n,
                       const char **part);

/* "decode", "letterbox", "infer", "boxes". */
const char *ledger_device_part_name(enum ledger_device_part part); /* "copy_in" */

/* Whether any measured cell ran on a device whose own clock was read. */
bool ledger_has_device_times(const struct ledger *ledger);

/* Median of one run of the cell's session by the host's clock, transfers inside; NAN: none. */
double ledger_session_ns(const struct ledger_cell *cell);

const char *ledger_stage_name(enum ledger_stage stage);

#endif
