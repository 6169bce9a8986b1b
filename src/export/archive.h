/*
 * archive.h - reads the zip archive that torch.save() writes. Entries are stored, never compressed,
 * so an entry is handed out in place and nothing is copied.
 *
 * Layout (APPNOTE.TXT of PKWARE): local header + bytes per entry, then the central directory, then
 * its end record, with a 64-bit end record and locator before that one in large archives. Only the
 * central directory is believed, and each offset and size in it is checked against the file.
 *
 * Threads: an archive is immutable once open.
 */
#ifndef TARE_EXPORT_ARCHIVE_H
#define TARE_EXPORT_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

struct archive;

/*
 * Reads the directory of an archive of size bytes, which stay the caller's and must outlive it.
 * TARE_BADDATA if it is not a zip archive, is truncated or contradicts itself, TARE_UNSUPPORTED for
 * spanned archives, TARE_LIMIT over 100,000 entries. On success archive_close() it.
 */
enum tare_status archive_open(const uint8_t *data, size_t size, struct archive **archive,
                              struct tare_err *err);
void archive_close(struct archive *archive);

size_t archive_count(const struct archive *archive);

/* Name of an entry, in sorted order; not NUL-terminated, points into the archive's bytes. */
const char *archive_name(const struct archive *archive, size_t index, size_t *size);

/*
 * Finds an entry by its full name and checks its CRC-32. *bytes points into the archive.
 * TARE_ABSENT if there is none, TARE_UNSUPPORTED if it is compressed or encrypted, TARE_BADDATA if
 * it lies outside the file or its checksum is wrong.
 */
enum tare_status archive_find(const struct archive *archive, const char *name,
                              const uint8_t **bytes, size_t *size, struct tare_err *err);

#endif
