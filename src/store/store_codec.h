/*
 * store_codec.h - how bytes and samples are packed into the result file (format: store.h).
 * Private to this room. Threads: no shared state.
 */
#ifndef TARE_STORE_STORE_CODEC_H
#define TARE_STORE_STORE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tare/status.h"

/* Appends the packed form of size bytes: zlib's if it is smaller, else the bytes themselves. */
enum tare_status codec_pack(const void *bytes, size_t size, struct buf *out, struct tare_err *err);

/*
 * Unpacks into malloc'ed memory of size + 1 bytes (a NUL follows the last) that the caller frees.
 * size is what the file claims and the caller has checked against a maximum; TARE_BADDATA if the
 * packed bytes do not unpack to exactly that.
 */
enum tare_status codec_unpack(const void *packed, size_t packed_size, size_t size, char **bytes,
                              struct tare_err *err);

/* Appends the zigzag varint differences of samples. */
enum tare_status codec_put_samples(const int64_t *samples, size_t count, struct buf *out,
                                   struct tare_err *err);

/* Reads exactly count samples from exactly size bytes. TARE_BADDATA otherwise. */
enum tare_status codec_get_samples(const uint8_t *bytes, size_t size, int64_t *samples,
                                   size_t count, struct tare_err *err);

#endif
