/*
 * best.h - the smallest keys of a stream, sorted, in memory that never grows.
 *
 * Time is linear in the number of keys whatever their order, and so are the bytes moved: a model
 * that finds something in every cell costs what it costs, and no more.
 *
 * Threads: one struct best belongs to one thread at a time.
 */
#ifndef TARE_VISION_BEST_H
#define TARE_VISION_BEST_H

#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

struct best {
    uint64_t *keys;    // (2 * keep): the candidates; after best_sort() the first count are sorted
    uint64_t *scratch; // (2 * keep)
    size_t count;
    size_t keep;
    uint64_t limit; /* a key that is not below it can't be among the smallest */
};

/* On success best_release() it. */
enum tare_status best_init(struct best *best, size_t keep, struct tare_err *err);

/* A zeroed struct is allowed. */
void best_release(struct best *best);

/* Forgets all keys. */
void best_clear(struct best *best);

/* Sorts, and leaves the `keep` smallest keys at most. */
void best_sort(struct best *best);

static inline void best_add(struct best *best, uint64_t key)
{
    if (key >= best->limit)
        return;
    best->keys[best->count++] = key;
    if (best->count == 2 * best->keep) {
        best_sort(best);
        best->limit = best->keys[best->count - 1];
    }
}

#endif
