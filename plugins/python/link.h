/*
 * link.h - the line to the child process that runs python/tare_worker.py: starting it, the memory
 * shared with it, JSON requests before the runs and single bytes during them. What the bytes and
 * the header mean is written down at the top of tare_worker.py.
 *
 * After a crash, a time-out or an answer that makes no sense the child is ended, and every later
 * call fails with the first failure's text.
 *
 * Threads: a link belongs to one thread at a time.
 */
#ifndef TARE_PYTHON_LINK_H
#define TARE_PYTHON_LINK_H

#include "base/json_tree.h"
#include "base/process.h"
#include "tare/backend.h"

#define LINK_HEADER_BYTES ((size_t)65536)
#define LINK_MEMORY_BYTES ((size_t)8 << 30) /* reserved; only what is touched is taken */
#define LINK_SHAPES_AT    1024
#define LINK_SHAPE_BYTES  72

struct link {
    struct process process;
    uint8_t *memory; // (LINK_MEMORY_BYTES), NULL: not mapped
    size_t used_bytes;
    int64_t timeout_ns;
    struct tare_err broken; /* the failure that ended the child */
};

/* Which interpreter: given if not "", else $TARE_PYTHON, else .deps/venv/bin/python3 of this
 * installation, else "python3". */
void link_find_python(const char *given, char *path, size_t path_bytes);

/*
 * Starts the child; timeout_ns is the longest that any answer may take. With probe, the child
 * answers once and ends, and there is no shared memory. On success link_release() it.
 */
enum tare_status link_start(struct link *link, const char *python, int64_t timeout_ns, bool probe,
                            struct tare_err *err);
void link_release(struct link *link);

/* size bytes of shared memory, aligned to 64 and zeroed; NULL if the reserve is used up. */
void *link_allocate(struct link *link, size_t size_bytes);

/* Sends a request (NULL: none, an answer comes by itself) and gives the answer, which the caller
 * frees. An answer with an "error" becomes one, with its "status". */
enum tare_status link_call(struct link *link, const char *request, struct json_tree **answer,
                           struct tare_err *err);

/* One run. timing may be NULL. */
enum tare_status link_run(struct link *link, struct tare_timing *timing, struct tare_err *err);

#endif
