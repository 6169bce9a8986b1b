#include "base/buf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUF_DEFAULT_MAX ((size_t)1 << 30)

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf)BUF_INIT;
    buf->max = max;
}

void buf_release(struct buf *buf)
{
    size_t max = buf->max;

    free(buf->data);
    buf_init(buf, max);
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    buf->status = TARE_OK;
    if (buf->data)
        buf->data[0] = '\0';
}

void *buf_reserve(struct buf *buf, size_t count)
{
    size_t max = buf->max ? buf->max : BUF_DEFAULT_MAX;
    size_t need, capacity;
    char *data;

    if (buf->status != TARE_OK)
        return NULL;
    if (count > max || buf->size > max - count) {
        buf->status = TARE_LIMIT;
        return NULL;
    }
    need = buf->size + count + 1;
    if (need <= buf->capacity)
        return buf->data + buf->size;
    capacity = buf->capacity < 128 ? 256 : buf->capacity * 2;
    if (capacity < need)
        capacity = need;
    data = realloc(buf->data, capacity);
    if (!data) {
        buf->status = TARE_NOMEM;
        return NULL;
    }
    data[buf->size] = '\0';
    buf->data = data;
    buf->capacity = capacity;
    return data + buf->size;
}

void buf_commit(struct buf *buf, size_t count)
{
    buf->size += count;
    buf->data[buf->size] = '\0';
}

void buf_append(struct buf *buf, const void *bytes, size_t count)
{
    void *room = buf_reserve(buf, count);

    if (!room)
        return;
    if (count)
        memcpy(room, bytes, count);
    buf_commit(buf, count);
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_append_char(struct buf *buf, char byte)
{
    buf_append(buf, &byte, 1);
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    int length;
    char *room;

    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    room = length < 0 ? NULL : buf_reserve(buf, (size_t)length);
    if (room) {
        (void)vsnprintf(room, (size_t)length + 1, format, again);
        buf_commit(buf, (size_t)length);
    }
    va_end(again);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

const char *buf_text(const struct buf *buf)
{
    return buf->data ? buf->data : "";
}

char *buf_detach(struct buf *buf)
{
    char *data = buf_reserve(buf, 0) ? buf->data : NULL;

    if (data) {
        size_t max = buf->max;

        buf_init(buf, max);
    }
    return data;
}

enum tare_status buf_status(const struct buf *buf, const char *what, struct tare_err *err)
{
    if (buf->status == TARE_NOMEM)
        return tare_fail(err, TARE_NOMEM, "out of memory for %s", what);
    if (buf->status == TARE_LIMIT)
        return tare_fail(err, TARE_LIMIT, "%s would be larger than %zu bytes", what,
                         buf->max ? buf->max : BUF_DEFAULT_MAX);
    return TARE_OK;
}
