#include "kserve/proto_wire.h"

#include <string.h>

void proto_put_varint(struct buf *out, uint64_t value)
{
    for (; value > 127; value >>= 7)
        buf_append_char(out, (char)((value & 127) | 128));
    buf_append_char(out, (char)value);
}

void proto_put_tag(struct buf *out, uint32_t field, enum proto_type type)
{
    proto_put_varint(out, (uint64_t)field << 3 | type);
}

void proto_put_text(struct buf *out, uint32_t field, const char *text)
{
    size_t size = strlen(text);

    proto_put_tag(out, field, PROTO_BYTES);
    proto_put_varint(out, size);
    buf_append(out, text, size);
}

void proto_put_bytes(struct buf *out, uint32_t field, const struct buf *bytes)
{
    proto_put_tag(out, field, PROTO_BYTES);
    proto_put_varint(out, bytes->size);
    buf_append(out, buf_text(bytes), bytes->size);
}

void proto_set_size(uint8_t *place, uint64_t value)
{
    for (int i = 0; i < PROTO_SIZE_BYTES; i++, value >>= 7)
        place[i] = (uint8_t)((value & 127) | (i + 1 < PROTO_SIZE_BYTES ? 128 : 0));
}

const uint8_t *proto_get_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    *value = 0;
    for (int i = 0; i < PROTO_VARINT_MAX && at < end; i++) {
        uint8_t byte = *at++;

        *value |= (uint64_t)(byte & 127) << 7 * i;
        if (byte < 128)
            return at;
    }
    return NULL;
}

bool proto_next(const uint8_t **at, const uint8_t *end, struct proto_field *field)
{
    const uint8_t *next = *at;
    uint64_t tag, size = 0;

    if (!next || next == end)
        return false;
    *at = NULL;
    next = proto_get_varint(next, end, &tag);
    if (!next || tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF)
        return false;
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum proto_type)(tag & 7);
    if (field->type == PROTO_VARINT || field->type == PROTO_BYTES) {
        next = proto_get_varint(next, end, &field->value);
        size = field->type == PROTO_BYTES ? field->value : 0;
    } else if (field->type == PROTO_64 || field->type == PROTO_32) {
        size = field->type == PROTO_64 ? 8 : 4;
    } else {
        return false;
    }
    if (!next || size > (size_t)(end - next))
        return false;
    field->bytes = next;
    field->size = size;
    *at = next + size;
    return true;
}
