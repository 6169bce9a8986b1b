/*
 * power.h - sensors of energy and power, whatever they are: a source says what it is and is read;
 * a sampler reads it in a thread of its own while something runs, and a mean comes from what the
 * sampler saw.
 *
 * A source either counts energy (millijoules since some moment) or tells a power (milliwatts),
 * which is then integrated. It measures a board, a module or a processor's package: what is outside
 * of that is not in it, and sources are never added up here.
 *
 * Of a counter, only its changes are kept. A mean power is then taken from its first change in a
 * span to its last one, divided by the time between: the sensor's own period costs no accuracy,
 * only how closely the moments of those two changes are known, which is what `resolution` says.
 *
 * What a source does not know is POWER_UNKNOWN, never a guess.
 *
 * Threads: a source is read by one thread at a time, unless its file says more. A sampler's trace
 * belongs to its thread from power_sampler_start() to power_sampler_stop().
 */
#ifndef TARE_POWER_POWER_H
#define TARE_POWER_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define POWER_UNKNOWN   (-1)
#define POWER_MAX_READS ((size_t)1 << 18) /* readings of one trace; later ones are not kept */
#define POWER_MAX_PIDS  256

enum power_kind {
    POWER_COUNTER,  /* a reading is energy in mJ, never less than the one before */
    POWER_READINGS, /* a reading is power in mW */
};

enum power_scope {
    POWER_BOARD,
    POWER_MODULE,
    POWER_PACKAGE,
};

/* What the device is doing at a moment, POWER_UNKNOWN where it does not say. */
struct power_state {
    int64_t at_ns;           /* CLOCK_MONOTONIC */
    int64_t sm_clock_hz;     /* of the multiprocessors */
    int64_t memory_clock_hz; /* of its memory */
    int64_t temperature_mc;  /* thousandths of a degree Celsius */
    int64_t power_mw;
    int64_t reasons; /* why its clocks are lower than they could be: bits, power_reason_name() */
};

struct power_source {
    char name[64];    /* "NVML energy counter" */
    char device[128]; /* what it is a sensor of: "NVIDIA H200, GPU-..." */
    enum power_kind kind;
    enum power_scope scope;
    bool stand_in; /* no sensor: a library of the tests took its place */
    void *self;
    enum tare_status (*read)(void *self, int64_t *value, struct tare_err *err);
    void (*state)(void *self, struct power_state *state); /* NULL: none of it is known */
    /* Processes that use the device; TARE_UNSUPPORTED if it cannot say. NULL: it never can. */
    enum tare_status (*processes)(void *self, int64_t pids[POWER_MAX_PIDS], size_t *count,
                                  struct tare_err *err);
};

const char *power_kind_name(enum power_kind kind);    /* "counter", "power" */
const char *power_scope_name(enum power_scope scope); /* "board", "module", "package" */

/* "sw_power_cap"; NULL for a bit that has no name. bit: 0..62. */
const char *power_reason_name(int bit);

/* Whether a set of reasons has one that means slower than asked for: power, heat, a brake. */
bool power_throttled(int64_t reasons);

/* The names of those that do, with spaces between; "" for none. */
void power_put_reasons(int64_t reasons, char *text, size_t text_bytes);

/* --- a trace: what was read over a time --- */

struct power_trace {
    enum power_kind kind;
    int64_t *at_ns;    // (count) CLOCK_MONOTONIC; a counter's: when its change was seen
    int64_t *value;    // (count) mJ or mW
    int64_t *slack_ns; // (count) from the call before to the end of this one: the change may lie
                       // anywhere in that
    size_t count;
    struct power_state *states; // (state_count)
    size_t state_count;
    struct tare_err failure; /* of the first reading that failed; the trace ends there */
};

void power_trace_release(struct power_trace *trace); /* a zeroed struct is allowed */

/* Mean power over the part of a trace from from_ns to to_ns. */
struct power_mean {
    double mw;
    int64_t from_ns, to_ns; /* of the readings that it stands between */
    size_t readings;
    double resolution; /* how far off the sensor's steps may put it, a share */
};

/*
 * TARE_ABSENT with fewer than `least` readings in the span; TARE_BADDATA for a counter that goes
 * backwards, or that stands still. The trapezoids of power's readings, the slope of a counter's.
 */
enum tare_status power_mean_of(const struct power_trace *trace, int64_t from_ns, int64_t to_ns,
                               size_t least, struct power_mean *mean, struct tare_err *err);

/* The median time between changes of what was read; 0 with fewer than 5 changes. */
int64_t power_period_ns(const struct power_trace *trace);

/* --- the sampler --- */

struct power_sampler_options {
    const struct power_source *source; /* outlives the sampler; its read() may be NULL */
    int64_t step_ns;                   /* between readings; 0: none are made */
    int64_t rest_ns;                   /* a counter is not read for so long after a change */
    int64_t state_step_ns;             /* between looks at the device's state; 0: none */
};

struct power_sampler;

/* Starts the thread; its first reading and look are made at once. On error nothing is held. */
enum tare_status power_sampler_start(const struct power_sampler_options *options,
                                     struct power_sampler **sampler, struct tare_err *err);

/* Looks a last time, ends the thread, and gives what it saw, which the caller releases. Frees the
 * sampler; NULL gives an empty trace. */
void power_sampler_stop(struct power_sampler *sampler, struct power_trace *trace);

#endif
