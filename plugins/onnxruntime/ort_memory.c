/*
 * ort_memory.c - memory that the session hands out: pinned, where a device copies from and to it.
 */
#include <stdlib.h>
#include <string.h>

#include "ort_session.h"

#define BLOCKS_MAX 4096

enum tare_status ort_allocate(struct tare_session *session, size_t size_bytes,
                              struct tare_tensor *tensor, struct tare_err *err)
{
    struct ort_block *grown, block = {NULL, session->device != NULL};
    size_t bytes = (size_bytes + 63) / 64 * 64;
    enum tare_status status = TARE_OK;

    if (session->block_count >= BLOCKS_MAX || bytes < size_bytes)
        return tare_fail(err, TARE_LIMIT, "more than %d tensors or %zu bytes in one", BLOCKS_MAX,
                         size_bytes);
    bytes += bytes == 0 ? 64 : 0;
    grown = realloc(session->blocks, (session->block_count + 1) * sizeof(*grown));
    if (!grown)
        return tare_fail(err, TARE_NOMEM, "out of memory for a tensor");
    session->blocks = grown;
    if (block.pinned) {
        status = cuda_make_current(session->device->cuda, err);
        if (status == TARE_OK)
            status = cuda_alloc_pinned(session->device->cuda, bytes, &block.data, err);
    } else if (!(block.data = aligned_alloc(64, bytes))) {
        status = tare_fail(err, TARE_NOMEM, "out of memory for a tensor of %zu bytes", bytes);
    }
    if (status != TARE_OK)
        return status;
    memset(block.data, 0, bytes);
    session->blocks[session->block_count++] = block;
    tensor->data = block.data;
    tensor->capacity_bytes = bytes;
    tensor->memory = block.pinned ? TARE_MEM_PINNED : TARE_MEM_HOST;
    tensor->device_id = block.pinned ? session->device->index : 0;
    return TARE_OK;
}

void ort_free_blocks(struct tare_session *session)
{
    if (session->device)
        (void)cuda_make_current(session->device->cuda, NULL);
    for (size_t i = 0; i < session->block_count; i++) {
        if (session->blocks[i].pinned)
            cuda_free_pinned(session->device->cuda, session->blocks[i].data);
        else
            free(session->blocks[i].data);
    }
    free(session->blocks);
    session->blocks = NULL;
    session->block_count = 0;
}
