/*
 * turns.h - two ways of doing the same take turns in one process, so that whatever changes with
 * time meets both. Any failure ends the process: these are benchmarks.
 */
#ifndef TARE_BENCH_TURNS_H
#define TARE_BENCH_TURNS_H

#include <stddef.h>
#include <stdint.h>

#include "backend/session.h"

#define TURNS_SERIES_MAX 2

/* One of the two. turn() does it runs times and writes how long each took, by each of the clocks
 * that are compared. */
struct turns_side {
    void (*turn)(void *side, int64_t *const series[TURNS_SERIES_MAX], int64_t runs);
    void *side;
};

/*
 * Each side does runs runs in each of turns turns, and which begins changes from turn to turn; one
 * more turn of each, before, is left out. Prints one JSON object: for each of the names (count, at
 * most TURNS_SERIES_MAX) an object of the medians of both in nanoseconds, "bare" and "plugin", and
 * "ratio", the median of each turn's ratio of medians (plugin / bare).
 */
void turns_compare(const struct turns_side *bare, const struct turns_side *plugin, int64_t turns,
                   int64_t runs, const char *const *names, size_t count);

/* The plugin's side: side is a struct backend_session. The first clock is the host's, around the
 * run; the second is the sum of what the plugin says of copies and computing. */
void turns_plugin(void *side, int64_t *const series[TURNS_SERIES_MAX], int64_t runs);

/* Prints "NAME: TEXT" and exits: 77 if the error is that something is not on this machine. */
void turns_fail(const char *name, const struct tare_err *err);

#endif
