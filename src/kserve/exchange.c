#include "kserve/exchange.h"

#include "base/buf.h"

void exchange_reset(struct exchange *exchange)
{
    exchange->done = false;
    tare_err_clear(&exchange->failure);
    exchange->part = 0;
    exchange->part_at = 0;
    exchange->next = NULL;
    exchange->call = NULL;
    exchange_advance(exchange, 0);
}

void exchange_finish(struct exchange *exchange, const struct tare_err *err)
{
    if (err && err->status != TARE_OK)
        (void)tare_fail(&exchange->failure, err->status, "%s", err->text);
    exchange->done = true;
}

size_t exchange_slices(const struct exchange *exchange, size_t max_bytes, struct iovec *slices,
                       size_t room)
{
    size_t count = 0, at = exchange->part_at;

    for (size_t i = exchange->part; i < exchange->part_count && max_bytes && count < room; i++) {
        const struct iovec *part = &exchange->parts[i];
        size_t size = part->iov_len - at < max_bytes ? part->iov_len - at : max_bytes;

        if (size) {
            slices[count].iov_base = (uint8_t *)part->iov_base + at;
            slices[count++].iov_len = size;
            max_bytes -= size;
        }
        at = 0;
    }
    return count;
}

void exchange_advance(struct exchange *exchange, size_t bytes)
{
    while (exchange->part < exchange->part_count) {
        size_t left = exchange->parts[exchange->part].iov_len - exchange->part_at;

        if (bytes < left) {
            exchange->part_at += bytes;
            return;
        }
        bytes -= left;
        exchange->part++;
        exchange->part_at = 0;
    }
}

size_t exchange_left(const struct exchange *exchange)
{
    size_t left = 0;

    for (size_t i = exchange->part; i < exchange->part_count; i++)
        left += exchange->parts[i].iov_len;
    return left - exchange->part_at;
}

static enum tare_status buf_begin(void *context, int64_t json_bytes, int64_t body_bytes,
                                  struct tare_err *err)
{
    (void)json_bytes;
    (void)body_bytes;
    (void)err;
    buf_clear(context);
    return TARE_OK;
}

static enum tare_status buf_take(void *context, const uint8_t *bytes, size_t size,
                                 struct tare_err *err)
{
    buf_append(context, bytes, size);
    return buf_status(context, "a server's response", err);
}

static enum tare_status buf_end(void *context, struct tare_err *err)
{
    return buf_status(context, "a server's response", err);
}

const struct exchange_sink exchange_to_buf = {buf_begin, buf_take, NULL, NULL, buf_end};
