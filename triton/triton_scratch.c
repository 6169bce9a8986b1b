#include "triton_scratch.h"

#include <stdlib.h>

#define KEPT_BYTES ((size_t)64 << 20)
#define ALIGNMENT  64

struct triton_block {
    struct triton_block *next;
    size_t bytes; /* behind the header, which takes one line */
};

static struct triton_block *add_block(struct triton_scratch *scratch, size_t bytes)
{
    struct triton_block *block = aligned_alloc(ALIGNMENT, ALIGNMENT + bytes);

    if (!block)
        return NULL;
    block->next = scratch->blocks;
    block->bytes = bytes;
    scratch->blocks = block;
    scratch->used_bytes = 0;
    return block;
}

void *triton_scratch_get(struct triton_scratch *scratch, size_t bytes, struct tare_err *err)
{
    struct triton_block *block = scratch->blocks;
    size_t lines = bytes / ALIGNMENT + 1;
    void *memory;

    if (bytes > TRITON_SCRATCH_MAX) {
        (void)tare_fail(err, TARE_LIMIT, "%zu bytes for one request, at most %zu", bytes,
                        TRITON_SCRATCH_MAX);
        return NULL;
    }
    if (!block || lines * ALIGNMENT > block->bytes - scratch->used_bytes)
        block = add_block(scratch, lines * ALIGNMENT);
    if (!block) {
        (void)tare_fail(err, TARE_NOMEM, "out of memory for %zu bytes", bytes);
        return NULL;
    }
    memory = (char *)block + ALIGNMENT + scratch->used_bytes;
    scratch->used_bytes += lines * ALIGNMENT;
    scratch->total_bytes += lines * ALIGNMENT;
    return memory;
}

/* What took several blocks gets one of the same size for the next time. */
void triton_scratch_reset(struct triton_scratch *scratch)
{
    size_t total = scratch->total_bytes;
    struct triton_block *block = scratch->blocks;

    scratch->used_bytes = scratch->total_bytes = 0;
    if (!block || (!block->next && block->bytes <= KEPT_BYTES))
        return;
    triton_scratch_free(scratch);
    if (total > 0 && total <= KEPT_BYTES)
        (void)add_block(scratch, total); /* without it, the next time makes its own */
}

void triton_scratch_free(struct triton_scratch *scratch)
{
    while (scratch->blocks) {
        struct triton_block *next = scratch->blocks->next;

        free(scratch->blocks);
        scratch->blocks = next;
    }
    *scratch = (struct triton_scratch){0};
}
