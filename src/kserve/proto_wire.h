/*
 * proto_wire.h - protobuf's encoding by hand, for the messages whose tensors are not to be copied:
 * tags and lengths into a buf, and a reader of fields in memory.
 *
 * A length may be written with room to spare (proto_put_size()): five bytes whatever its value,
 * which every reader of varints takes, so that it can be changed in place.
 *
 * Threads: no shared state.
 */
#ifndef TARE_KSERVE_PROTO_WIRE_H
#define TARE_KSERVE_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define PROTO_SIZE_BYTES  5 /* of a length with room to spare: up to 2^35 - 1 */
#define PROTO_VARINT_MAX  10
#define PROTO_MESSAGE_MAX INT32_MAX /* bytes of a message, as protobuf has it */

enum proto_type {
    PROTO_VARINT = 0,
    PROTO_64 = 1,
    PROTO_BYTES = 2,
    PROTO_32 = 5
};

void proto_put_varint(struct buf *out, uint64_t value);
void proto_put_tag(struct buf *out, uint32_t field, enum proto_type type);
void proto_put_text(struct buf *out, uint32_t field, const char *text);
void proto_put_bytes(struct buf *out, uint32_t field, const struct buf *bytes);

/* Five bytes at place. value: below 2^35. */
void proto_set_size(uint8_t *place, uint64_t value);

/* One field in memory. */
struct proto_field {
    uint32_t number;
    enum proto_type type;
    uint64_t value;       /* PROTO_VARINT */
    const uint8_t *bytes; /* PROTO_BYTES: (size) */
    size_t size;
};

/* Reads a varint of at most PROTO_VARINT_MAX bytes; returns the place behind it, NULL if there is
 * none. */
const uint8_t *proto_get_varint(const uint8_t *at, const uint8_t *end, uint64_t *value);

/* Reads the field at *at and moves on; false at the end, or with *at set to NULL if what is there
 * is no field. */
bool proto_next(const uint8_t **at, const uint8_t *end, struct proto_field *field);

#endif
