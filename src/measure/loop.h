/*
 * loop.h - the measuring loop: runs a session and stamps the clock around it. Everything that is
 * ever called a latency comes from here.
 *
 * Between two stamps the harness allocates, locks, logs and writes nothing; samples go to memory
 * that was touched before.
 *
 * Threads: a loop belongs to one thread.
 */
#ifndef TARE_MEASURE_LOOP_H
#define TARE_MEASURE_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "backend/session.h"
#include "models/family.h"

/* One JPEG file in memory. */
struct loop_picture {
    const void *jpeg; // (bytes)
    size_t bytes;
    char name[64]; /* of its file, for messages */
};

struct loop {
    struct backend_session *session;
    const struct family *family;
    struct family_state *state;
    const struct loop_picture *pictures; // (picture_count)
    size_t picture_count; /* 0: the inputs are filled already, and only the session is timed */
    int32_t slots;        /* pictures a run */
};

struct loop_options {
    int64_t runs;
    int64_t min_ns;        /* goes on until this time has passed too, up to max_runs */
    int64_t max_runs;      /* room in the series; at least runs */
    int64_t first_picture; /* run i takes picture (first_picture + i * slots + slot) % count */
    int64_t period_ns;     /* 0: back to back; else run i is due at start + i * period_ns, and its
                              total counts from there */
};

/* Where samples go: each NULL or with room for max_runs. Index: enum protocol_series. */
struct loop_sinks {
    int64_t *total, *decode, *letterbox, *infer, *boxes, *inside, *lateness; // (max_runs)
    int64_t *copy_in, *copy_out;                                             // (max_runs)
};

/* Runs, and says how many runs were made. Stops at the first error. */
enum tare_status loop_run(const struct loop *loop, const struct loop_options *options,
                          const struct loop_sinks *sinks, int64_t *runs, struct tare_err *err);

#endif
