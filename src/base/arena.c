#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_CHUNK_BYTES ((size_t)64 * 1024)
#define ARENA_ALIGN       ((size_t)16)
#define ARENA_DEFAULT_MAX ((size_t)1 << 30)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    size_t used;
    size_t padding; /* keeps what follows aligned to 16 bytes */
};

void arena_init(struct arena *arena, size_t max_bytes)
{
    arena->chunks = NULL;
    arena->used_bytes = 0;
    arena->max_bytes = max_bytes ? max_bytes : ARENA_DEFAULT_MAX;
    arena->status = TARE_OK;
}

void arena_release(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;

    while (chunk) {
        struct arena_chunk *next = chunk->next;

        free(chunk);
        chunk = next;
    }
    arena_init(arena, arena->max_bytes);
}

static struct arena_chunk *new_chunk(struct arena *arena, size_t bytes)
{
    bool own = bytes > ARENA_CHUNK_BYTES / 4;
    size_t size = own ? bytes : ARENA_CHUNK_BYTES;
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);

    if (!chunk) {
        arena->status = TARE_NOMEM;
        return NULL;
    }
    chunk->size = size;
    chunk->used = 0;
    if (own && arena->chunks) { /* goes behind the one that still has room */
        chunk->next = arena->chunks->next;
        arena->chunks->next = chunk;
    } else {
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    struct arena_chunk *chunk = arena->chunks;
    void *memory;

    if (arena->status != TARE_OK)
        return NULL;
    if (bytes > arena->max_bytes || arena->used_bytes > arena->max_bytes - bytes) {
        arena->status = TARE_LIMIT;
        return NULL;
    }
    bytes = bytes ? (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN : ARENA_ALIGN;
    if (!chunk || bytes > chunk->size - chunk->used) {
        chunk = new_chunk(arena, bytes);
        if (!chunk)
            return NULL;
    }
    memory = (char *)(chunk + 1) + chunk->used;
    chunk->used += bytes;
    arena->used_bytes += bytes;
    return memory;
}

void *arena_zero(struct arena *arena, size_t count, size_t bytes)
{
    size_t total;
    void *memory;

    if (__builtin_mul_overflow(count, bytes, &total))
        total = SIZE_MAX;
    memory = arena_alloc(arena, total);
    if (memory)
        memset(memory, 0, total);
    return memory;
}

char *arena_text(struct arena *arena, const char *text, size_t size)
{
    char *copy = arena_alloc(arena, size < SIZE_MAX ? size + 1 : size);

    if (!copy)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

enum tare_status arena_status(const struct arena *arena, const char *what, struct tare_err *err)
{
    if (arena->status == TARE_LIMIT)
        return tare_fail(err, TARE_LIMIT, "%s is too large: over %zu bytes in memory", what,
                         arena->max_bytes);
    if (arena->status != TARE_OK)
        return tare_fail(err, arena->status, "out of memory for %s", what);
    return TARE_OK;
}
