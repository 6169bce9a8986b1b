#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_MIN_CHUNK   ((size_t)64 << 10)
#define ARENA_MAX_CHUNK   ((size_t)32 << 20)
#define ARENA_HUGE_PAGE   ((size_t)2 << 20)
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

/* A large chunk asks for huge pages: touching 12 MB of weights page by page costs more than folding
 * them. What is not touched of a chunk takes no memory. */
static struct arena_chunk *get_memory(size_t bytes)
{
    void *memory = NULL;

    if (bytes < ARENA_HUGE_PAGE)
        return malloc(bytes);
    if (posix_memalign(&memory, ARENA_HUGE_PAGE, bytes) != 0)
        return NULL;
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

/* Chunks grow with the arena, so that their number stays small. */
static size_t chunk_size(const struct arena *arena, size_t bytes)
{
    size_t size = ARENA_MIN_CHUNK;

    while (size < arena->used_bytes && size < ARENA_MAX_CHUNK)
        size *= 2;
    return bytes > size / 4 * 3 ? bytes : size - sizeof(struct arena_chunk);
}

static struct arena_chunk *new_chunk(struct arena *arena, size_t bytes)
{
    size_t size = chunk_size(arena, bytes);
    struct arena_chunk *chunk = get_memory(sizeof(*chunk) + size);

    if (!chunk) {
        arena->status = TARE_NOMEM;
        return NULL;
    }
    chunk->size = size;
    chunk->used = 0;
    if (size == bytes && arena->chunks) { /* goes behind the one that still has room */
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
