/*
 * ledger_energy.h - joules of an inference in a ledger, and what the GPU did meanwhile (rules 7 and
 * 15; energy.h says what is in the store).
 *
 * Estimands: of a visit, the sensor's mean power over it times its time a inference; of a cell, the
 * mean of its visits, with Student's t over them. A ratio is the mean over pairs of visits of the
 * same number, of the log, with Student's t over those pairs: the order A B ... B A takes a linear
 * drift out of it. NAN: not known.
 */
#ifndef TARE_MEASURE_LEDGER_ENERGY_H
#define TARE_MEASURE_LEDGER_ENERGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger;

/* What is taken away from gross joules for net ones: never more than one of them. */
enum ledger_idle {
    LEDGER_IDLE_EMPTY,   /* no process of ours on the device */
    LEDGER_IDLE_CONTEXT, /* a worker has opened the device, and loaded nothing */
    LEDGER_IDLE_WORKER,  /* this cell's own worker, its session loaded */
    LEDGER_IDLES
};

enum ledger_alone {
    LEDGER_ALONE_UNKNOWN, /* the device does not say who uses it */
    LEDGER_ALONE,
    LEDGER_SHARED, /* somebody else was on the device: joules are not the cell's own */
};

/* low, high; NANs: none */
struct ledger_range {
    double low, high;
};

/* What a GPU did over a cell's visits. */
struct ledger_gpu {
    size_t visits; /* with looks; 0: nothing is known */
    double clock_hz, memory_clock_hz;
    double temperature_c, hottest_c;
    double power_w;
    size_t throttled; /* visits in which power, heat or a brake held it back */
    int64_t reasons;  /* of those, power_reason_name() */
};

struct ledger_energy {
    size_t visits, invalid; /* that count, and that do not */
    double joules;          /* of one inference, gross */
    struct ledger_range joules_interval;
    double per_joule; /* inferences */
    struct ledger_range per_joule_interval;
    double watts; /* mean while it ran */
    struct ledger_range watts_interval;
    double idle_w[LEDGER_IDLES];
    struct ledger_range idle_range[LEDGER_IDLES]; /* over its windows */
    double net_joules[LEDGER_IDLES];
    struct ledger_range net_interval[LEDGER_IDLES];
    double resolution; /* how far off the sensor's steps may put a visit, a share; the worst */
    double periods;    /* of the sensor in a visit; the fewest; NAN: the period was not seen */
    struct ledger_gpu gpu;
    enum ledger_alone alone;
    const char *source, *sensor, *scope; /* texts of the store; "" if not known */
    bool integrated;                     /* power's readings, not a counter */
    bool stand_in;                       /* no sensor: a library of the tests */
    const char *why;                     /* why it was not measured, or not as often as asked */
};

/* A line's cell against its baseline. */
struct ledger_energy_ratio {
    double ratio;
    struct ledger_range interval;
    size_t pairs; /* 0: not known */
};

/* "empty", "context", "worker". */
const char *ledger_idle_name(enum ledger_idle idle);

/* "alone", "shared", "not known". */
const char *ledger_alone_name(enum ledger_alone alone);

/* Whether any cell has joules. */
bool ledger_has_energy(const struct ledger *ledger);

#endif
