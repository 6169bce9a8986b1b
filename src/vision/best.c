#include "vision/best.h"

#include <stdlib.h>
#include <string.h>

#define DIGITS 8 /* bytes of a key, the lowest first */
#define VALUES 256

enum tare_status best_init(struct best *best, size_t keep, struct tare_err *err)
{
    memset(best, 0, sizeof(*best));
    best->keep = keep;
    best->keys = malloc(2 * keep * sizeof(*best->keys));
    best->scratch = malloc(2 * keep * sizeof(*best->scratch));
    if (!best->keys || !best->scratch) {
        best_release(best);
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu candidates", keep);
    }
    best_clear(best);
    return TARE_OK;
}

void best_release(struct best *best)
{
    free(best->keys);
    free(best->scratch);
    memset(best, 0, sizeof(*best));
}

void best_clear(struct best *best)
{
    best->count = 0;
    best->limit = UINT64_MAX;
}

/* Radix sort; a byte that all keys share needs no pass. */
void best_sort(struct best *best)
{
    size_t counts[DIGITS][VALUES] = {{0}};

    for (size_t i = 0; i < best->count; i++)
        for (size_t d = 0; d < DIGITS; d++)
            counts[d][best->keys[i] >> (8 * d) & 0xff]++;
    for (size_t d = 0; d < DIGITS && best->count > 0; d++) {
        uint64_t *swap = best->keys;
        size_t start = 0;

        if (counts[d][best->keys[0] >> (8 * d) & 0xff] == best->count)
            continue;
        for (size_t v = 0; v < VALUES; v++) {
            size_t here = counts[d][v];

            counts[d][v] = start;
            start += here;
        }
        for (size_t i = 0; i < best->count; i++)
            best->scratch[counts[d][best->keys[i] >> (8 * d) & 0xff]++] = best->keys[i];
        best->keys = best->scratch;
        best->scratch = swap;
    }
    if (best->count > best->keep)
        best->count = best->keep;
}
