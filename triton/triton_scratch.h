/*
 * triton_scratch.h - memory for one execution after the other: handed out piece by piece, taken
 * back all at once, and kept for the next time, so that executions alike allocate nothing.
 *
 * Threads: one scratch belongs to one thread at a time.
 */
#ifndef TARE_TRITON_SCRATCH_H
#define TARE_TRITON_SCRATCH_H

#include <stddef.h>

#include "tare/status.h"

#define TRITON_SCRATCH_MAX ((size_t)4 << 30) /* bytes of one piece */

struct triton_scratch {
    struct triton_block *blocks; /* the newest first */
    size_t used_bytes;           /* of the newest */
    size_t total_bytes;          /* handed out since the last reset */
};

/* Memory aligned to 64 bytes, not initialised; NULL, and err says so, if there is none (TARE_NOMEM)
 * or it is too much (TARE_LIMIT). A zeroed scratch is empty. */
void *triton_scratch_get(struct triton_scratch *scratch, size_t bytes, struct tare_err *err);

/* Takes everything back. */
void triton_scratch_reset(struct triton_scratch *scratch);

void triton_scratch_free(struct triton_scratch *scratch);

#endif
