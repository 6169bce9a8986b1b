#include "store/store_codec.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    PACKED_PLAIN = 0,
    PACKED_ZLIB = 1
};

#define VARINT_MAX_BYTES 10

enum tare_status codec_pack(const void *bytes, size_t size, struct buf *out, struct tare_err *err)
{
    size_t mark = out->size;
    uLongf packed = compressBound((uLong)size);
    uint8_t *room;

    buf_append_char(out, PACKED_ZLIB);
    room = buf_reserve(out, packed);
    if (!room)
        return buf_status(out, "packed result", err);
    if (compress2(room, &packed, size ? bytes : (const void *)"", (uLong)size, 6) == Z_OK &&
        packed < size) {
        buf_commit(out, packed);
    } else {
        out->size = mark;
        buf_append_char(out, PACKED_PLAIN);
        buf_append(out, bytes, size);
    }
    return buf_status(out, "packed result", err);
}

static enum tare_status inflate_exactly(const uint8_t *packed, size_t packed_size, char *bytes,
                                        size_t size, struct tare_err *err)
{
    uLongf got = (uLongf)size;
    uint8_t nothing; /* zlib wants room even for nothing */
    uLong used = (uLong)packed_size;
    int code = uncompress2(size ? (uint8_t *)bytes : &nothing, &got, packed, &used);

    if (code == Z_MEM_ERROR)
        return tare_fail(err, TARE_NOMEM, "out of memory while unpacking %zu bytes", size);
    if (code != Z_OK || got != size || used != packed_size)
        return tare_fail(err, TARE_BADDATA, "packed bytes are damaged");
    return TARE_OK;
}

enum tare_status codec_unpack(const void *packed, size_t packed_size, size_t size, char **bytes,
                              struct tare_err *err)
{
    const uint8_t *in = packed;
    enum tare_status status = TARE_OK;
    char *out;

    *bytes = NULL;
    if (packed_size < 1 || (in[0] != PACKED_PLAIN && in[0] != PACKED_ZLIB))
        return tare_fail(err, TARE_BADDATA, "packed bytes are of no known format");
    /* deflate cannot expand more than 1032 times: a claim beyond that is not worth the memory */
    if (in[0] == PACKED_PLAIN ? packed_size - 1 != size : size / 1100 > packed_size)
        return tare_fail(err, TARE_BADDATA, "packed bytes are damaged: %zu bytes for %zu",
                         packed_size, size);
    out = malloc(size + 1);
    if (!out)
        return tare_fail(err, TARE_NOMEM, "out of memory while unpacking %zu bytes", size);
    if (in[0] == PACKED_ZLIB)
        status = inflate_exactly(in + 1, packed_size - 1, out, size, err);
    else if (size)
        memcpy(out, in + 1, size);
    if (status != TARE_OK) {
        free(out);
        return status;
    }
    out[size] = '\0';
    *bytes = out;
    return TARE_OK;
}

enum tare_status codec_put_samples(const int64_t *samples, size_t count, struct buf *out,
                                   struct tare_err *err)
{
    uint64_t before = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t difference = (uint64_t)samples[i] - before;
        uint64_t zigzag = (difference << 1) ^ (0 - (difference >> 63));
        uint8_t *room = buf_reserve(out, VARINT_MAX_BYTES);
        size_t n = 0;

        if (!room)
            break;
        for (; zigzag >= 0x80; zigzag >>= 7)
            room[n++] = (uint8_t)(zigzag | 0x80);
        room[n++] = (uint8_t)zigzag;
        buf_commit(out, n);
        before = (uint64_t)samples[i];
    }
    return buf_status(out, "series", err);
}

/* Bytes that the varint took; 0 if it is cut off, too long or over 64 bits. */
static size_t get_varint(const uint8_t *bytes, size_t size, uint64_t *value)
{
    uint64_t v = 0;

    for (size_t n = 0; n < size && n < VARINT_MAX_BYTES; n++) {
        uint64_t bits = bytes[n] & 0x7F;

        if (n == VARINT_MAX_BYTES - 1 && bits > 1)
            return 0;
        v |= bits << (7 * n);
        if (!(bytes[n] & 0x80)) {
            *value = v;
            return n + 1;
        }
    }
    return 0;
}

enum tare_status codec_get_samples(const uint8_t *bytes, size_t size, int64_t *samples,
                                   size_t count, struct tare_err *err)
{
    uint64_t value = 0;
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t zigzag;
        size_t n = get_varint(bytes + at, size - at, &zigzag);

        if (n == 0)
            return tare_fail(err, TARE_BADDATA, "series is damaged at sample %zu of %zu", i, count);
        at += n;
        value += (zigzag >> 1) ^ (0 - (zigzag & 1));
        samples[i] = (int64_t)value;
    }
    if (at != size)
        return tare_fail(err, TARE_BADDATA, "series holds more than its %zu samples", count);
    return TARE_OK;
}
