#include "export/archive.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define ARCHIVE_MAX_ENTRIES 100000

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    MAX_COMMENT = 65535,
    EXTRA_ZIP64 = 1,
    METHOD_STORED = 0,
    FLAG_ENCRYPTED = 1,
};

#define SIGNATURE_END     0x06054b50u
#define SIGNATURE_END64   0x06064b50u
#define SIGNATURE_LOCATOR 0x07064b50u
#define SIGNATURE_CENTRAL 0x02014b50u
#define SIGNATURE_LOCAL   0x04034b50u

struct entry {
    const char *name; // (name_size), in the archive's bytes
    size_t name_size;
    uint64_t offset; /* of the local header */
    uint64_t packed_bytes;
    uint64_t bytes;
    uint32_t crc;
    uint16_t method;
    uint16_t flags;
};

struct archive {
    const uint8_t *data; // (size)
    size_t size;
    struct entry *entries; // (count), sorted by name
    size_t count;
};

struct directory {
    uint64_t offset;
    uint64_t bytes;
    uint64_t count;
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(const uint8_t *at)
{
    return (uint64_t)get32(at) | (uint64_t)get32(at + 4) << 32;
}

/* The end record may be followed by a comment, so it is searched for from the end. */
static const uint8_t *find_end(const uint8_t *data, size_t size)
{
    size_t lowest = size > END_BYTES + MAX_COMMENT ? size - END_BYTES - MAX_COMMENT : 0;

    if (size < END_BYTES)
        return NULL;
    for (size_t at = size - END_BYTES + 1; at-- > lowest;)
        if (get32(data + at) == SIGNATURE_END && get16(data + at + 20) <= size - at - END_BYTES)
            return data + at;
    return NULL;
}

static enum tare_status read_end64(const uint8_t *data, size_t end, struct directory *directory,
                                   struct tare_err *err)
{
    const uint8_t *locator;
    const uint8_t *record;
    uint64_t at;

    if (end < LOCATOR_BYTES || get32(data + end - LOCATOR_BYTES) != SIGNATURE_LOCATOR)
        return TARE_OK;
    locator = data + end - LOCATOR_BYTES;
    at = get64(locator + 8);
    if (end - LOCATOR_BYTES < END64_BYTES || at > end - LOCATOR_BYTES - END64_BYTES ||
        get32(data + at) != SIGNATURE_END64)
        return tare_fail(err, TARE_BADDATA, "the archive's 64-bit end record is not where it says");
    record = data + at;
    if (get32(record + 16) != 0 || get32(record + 20) != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "the archive is split over several files");
    directory->count = get64(record + 32);
    directory->bytes = get64(record + 40);
    directory->offset = get64(record + 48);
    return TARE_OK;
}

static enum tare_status read_end(const uint8_t *data, size_t size, struct directory *directory,
                                 struct tare_err *err)
{
    const uint8_t *end = find_end(data, size);
    enum tare_status status;
    size_t at;

    if (!end)
        return tare_fail(err, TARE_BADDATA, "not a zip archive, or a truncated one: no end record");
    at = (size_t)(end - data);
    if (get16(end + 4) != get16(end + 6))
        return tare_fail(err, TARE_UNSUPPORTED, "the archive is split over several files");
    directory->count = get16(end + 10);
    directory->bytes = get32(end + 12);
    directory->offset = get32(end + 16);
    status = read_end64(data, at, directory, err);
    if (status != TARE_OK)
        return status;
    if (directory->offset > at || directory->bytes > at - directory->offset)
        return tare_fail(err, TARE_BADDATA, "the archive's directory lies outside the file");
    if (directory->count > ARCHIVE_MAX_ENTRIES)
        return tare_fail(err, TARE_LIMIT, "the archive has %llu entries, at most %d are allowed",
                         (unsigned long long)directory->count, ARCHIVE_MAX_ENTRIES);
    if (directory->count > directory->bytes / CENTRAL_BYTES)
        return tare_fail(err, TARE_BADDATA, "the archive's directory is too small for %llu entries",
                         (unsigned long long)directory->count);
    return TARE_OK;
}

/* Takes one 64-bit field of the zip64 extra where the 32-bit one says "see there". */
static bool widen(uint64_t *value, const uint8_t **field, const uint8_t *end)
{
    if (*value != UINT32_MAX)
        return true;
    if (end - *field < 8)
        return false;
    *value = get64(*field);
    *field += 8;
    return true;
}

static bool read_extra(struct entry *entry, const uint8_t *extra, size_t size)
{
    bool wanted = entry->bytes == UINT32_MAX || entry->packed_bytes == UINT32_MAX ||
                  entry->offset == UINT32_MAX;

    while (wanted && size >= 4) {
        size_t bytes = get16(extra + 2);
        const uint8_t *field = extra + 4;
        const uint8_t *end = field + bytes;

        if (bytes > size - 4)
            return false;
        if (get16(extra) == EXTRA_ZIP64)
            return widen(&entry->bytes, &field, end) && widen(&entry->packed_bytes, &field, end) &&
                   widen(&entry->offset, &field, end);
        extra = end;
        size -= 4 + bytes;
    }
    return true;
}

/* Reads the central header at *at and moves *at behind it. */
static enum tare_status read_entry(const uint8_t *data, size_t *at, size_t end, struct entry *entry,
                                   struct tare_err *err)
{
    const uint8_t *header = data + *at;
    size_t left = end - *at;
    size_t extra_size, total;

    if (left < CENTRAL_BYTES || get32(header) != SIGNATURE_CENTRAL)
        return tare_fail(err, TARE_BADDATA, "the archive's directory is damaged");
    entry->name_size = get16(header + 28);
    extra_size = get16(header + 30);
    total = CENTRAL_BYTES + entry->name_size + extra_size + get16(header + 32);
    if (total > left)
        return tare_fail(err, TARE_BADDATA, "the archive's directory is truncated");
    entry->name = (const char *)header + CENTRAL_BYTES;
    entry->flags = get16(header + 8);
    entry->method = get16(header + 10);
    entry->crc = get32(header + 16);
    entry->packed_bytes = get32(header + 20);
    entry->bytes = get32(header + 24);
    entry->offset = get32(header + 42);
    if (!read_extra(entry, header + CENTRAL_BYTES + entry->name_size, extra_size))
        return tare_fail(err, TARE_BADDATA,
                         "the archive's directory is damaged: 64-bit sizes of "
                         "an entry are missing");
    *at += total;
    return TARE_OK;
}

static int compare_names(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    return compare_names(left->name, left->name_size, right->name, right->name_size);
}

static enum tare_status read_directory(struct archive *archive, const struct directory *directory,
                                       struct tare_err *err)
{
    size_t at = (size_t)directory->offset;
    size_t end = at + (size_t)directory->bytes;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < archive->count && status == TARE_OK; i++)
        status = read_entry(archive->data, &at, end, &archive->entries[i], err);
    if (status != TARE_OK)
        return status;
    qsort(archive->entries, archive->count, sizeof(*archive->entries), compare_entries);
    for (size_t i = 1; i < archive->count; i++)
        if (compare_entries(&archive->entries[i - 1], &archive->entries[i]) == 0)
            return tare_fail(err, TARE_BADDATA, "the archive has two entries named '%.*s'",
                             (int)archive->entries[i].name_size, archive->entries[i].name);
    return TARE_OK;
}

enum tare_status archive_open(const uint8_t *data, size_t size, struct archive **archive,
                              struct tare_err *err)
{
    struct directory directory = {0};
    struct archive *self = NULL;
    enum tare_status status = read_end(data, size, &directory, err);

    *archive = NULL;
    if (status != TARE_OK)
        goto done;
    self = calloc(1, sizeof(*self));
    if (self)
        self->entries = calloc((size_t)directory.count + 1, sizeof(*self->entries));
    if (!self || !self->entries) {
        status = tare_fail(err, TARE_NOMEM, "out of memory for the archive's directory");
        goto done;
    }
    self->data = data;
    self->size = size;
    self->count = (size_t)directory.count;
    status = read_directory(self, &directory, err);

done:
    if (status == TARE_OK)
        *archive = self;
    else
        archive_close(self);
    return status;
}

void archive_close(struct archive *archive)
{
    if (!archive)
        return;
    free(archive->entries);
    free(archive);
}

size_t archive_count(const struct archive *archive)
{
    return archive->count;
}

const char *archive_name(const struct archive *archive, size_t index, size_t *size)
{
    *size = archive->entries[index].name_size;
    return archive->entries[index].name;
}

static const struct entry *find_entry(const struct archive *archive, const char *name)
{
    struct entry key = {.name = name, .name_size = strlen(name)};

    return bsearch(&key, archive->entries, archive->count, sizeof(key), compare_entries);
}

static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), bytes, size);
}

enum tare_status archive_find(const struct archive *archive, const char *name,
                              const uint8_t **bytes, size_t *size, struct tare_err *err)
{
    const struct entry *entry = find_entry(archive, name);
    const uint8_t *local;
    uint64_t start;

    *bytes = NULL;
    *size = 0;
    if (!entry)
        return tare_fail(err, TARE_ABSENT, "the archive has no entry '%s'", name);
    if (entry->flags & FLAG_ENCRYPTED)
        return tare_fail(err, TARE_UNSUPPORTED, "archive entry '%s' is encrypted", name);
    if (entry->method != METHOD_STORED)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "archive entry '%s' is compressed (method %d), need stored entries as "
                         "torch.save() writes them",
                         name, entry->method);
    if (archive->size < LOCAL_BYTES || entry->offset > archive->size - LOCAL_BYTES)
        return tare_fail(err, TARE_BADDATA, "archive entry '%s' lies outside the file", name);
    local = archive->data + entry->offset;
    if (get32(local) != SIGNATURE_LOCAL)
        return tare_fail(err, TARE_BADDATA, "archive entry '%s' has no local header", name);
    start = entry->offset + LOCAL_BYTES + get16(local + 26) + get16(local + 28);
    if (entry->packed_bytes != entry->bytes || start > archive->size ||
        entry->bytes > archive->size - start)
        return tare_fail(err, TARE_BADDATA, "archive entry '%s' lies outside the file", name);
    if (checksum(archive->data + start, (size_t)entry->bytes) != entry->crc)
        return tare_fail(err, TARE_BADDATA, "archive entry '%s' is damaged: its checksum is wrong",
                         name);
    *bytes = archive->data + start;
    *size = (size_t)entry->bytes;
    return TARE_OK;
}
