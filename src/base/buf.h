/*
 * buf.h - a growing run of bytes with a stated maximum. Not a string: it may hold NULs, but a NUL
 * always follows the last byte, so that text can be read in place.
 *
 * Errors are sticky: after a failed append (out of memory, maximum reached) every later append does
 * nothing, and buf_status() says why. So a writer checks once, at the end.
 *
 * Threads: one buf belongs to one thread at a time.
 */
#ifndef TARE_BASE_BUF_H
#define TARE_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>

#include "tare/status.h"

struct buf {
    char *data; /* NULL as long as nothing was appended; owned by the buf */
    size_t size;
    size_t capacity;
    size_t max; /* bytes; 0 means 1 GiB */
    enum tare_status status;
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0, 0, TARE_OK                                                                     \
    }

void buf_init(struct buf *buf, size_t max);

/* Frees the memory and leaves an empty buf with the same maximum. */
void buf_release(struct buf *buf);

/* Empties it, keeps the memory, forgets a sticky error. */
void buf_clear(struct buf *buf);

void buf_append(struct buf *buf, const void *bytes, size_t count);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char byte);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Room for count more bytes at the end: returns where they go, NULL on error. The caller then adds
 * what it wrote to size itself through buf_commit(). */
void *buf_reserve(struct buf *buf, size_t count);
void buf_commit(struct buf *buf, size_t count);

/* The text so far; "" if nothing was appended. Valid until the next append. */
const char *buf_text(const struct buf *buf);

/* Hands the memory over to the caller, who frees it; the buf is empty afterwards. Never NULL
 * unless memory ran out. */
char *buf_detach(struct buf *buf);

/* TARE_OK, TARE_NOMEM or TARE_LIMIT; fills err with what it was that outgrew its room. */
enum tare_status buf_status(const struct buf *buf, const char *what, struct tare_err *err);

#endif
