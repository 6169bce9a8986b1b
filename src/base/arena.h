/*
 * arena.h - memory that is freed all at once: the nodes of a parsed file, the messages of a graph.
 *
 * Growth has a stated maximum, so that a hostile file ends in TARE_LIMIT and not in swap. Errors
 * are sticky: after a failed allocation every later one fails too, and arena_status() says why.
 *
 * Threads: one arena belongs to one thread at a time.
 */
#ifndef TARE_BASE_ARENA_H
#define TARE_BASE_ARENA_H

#include <stddef.h>

#include "tare/status.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* the newest first */
    size_t used_bytes;          /* handed out so far */
    size_t max_bytes;
    enum tare_status status;
};

/* An empty arena that will hold at most max_bytes (0: 1 GiB). Allocates nothing. */
void arena_init(struct arena *arena, size_t max_bytes);

/* Frees everything that the arena handed out and leaves it empty, with the same maximum. */
void arena_release(struct arena *arena);

/* Memory aligned to 16 bytes, not initialised; never NULL for 0 bytes. NULL on error. */
void *arena_alloc(struct arena *arena, size_t bytes);

/* count × bytes, all zero. NULL on error, also if the product overflows. */
void *arena_zero(struct arena *arena, size_t count, size_t bytes);

/* A copy of size bytes of text with a NUL after them. NULL on error. */
char *arena_text(struct arena *arena, const char *text, size_t size);

/* TARE_OK, TARE_NOMEM or TARE_LIMIT; what names the thing that outgrew its room. */
enum tare_status arena_status(const struct arena *arena, const char *what, struct tare_err *err);

#endif
