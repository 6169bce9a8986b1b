#include "export/archive.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "check.h"

/* A little archive in memory, by APPNOTE.TXT: entries stored one after the other. */
struct maker {
    uint8_t bytes[4096];
    size_t size;
    uint8_t central[2048];
    size_t central_size;
    unsigned count;
};

static void put(uint8_t *bytes, size_t *size, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        bytes[(*size)++] = i < sizeof(value) ? (uint8_t)(value >> (8 * i)) : 0;
}

static void put_bytes(uint8_t *bytes, size_t *size, const void *data, size_t count)
{
    memcpy(bytes + *size, data, count);
    *size += count;
}

static void add(struct maker *m, const char *name, const char *text, unsigned method)
{
    size_t at = m->size, length = strlen(name), size = strlen(text);
    uint32_t crc = (uint32_t)crc32(0, (const Bytef *)text, (uInt)size);

    put(m->bytes, &m->size, 0x04034b50, 4);
    put(m->bytes, &m->size, 20, 2);
    put(m->bytes, &m->size, 0, 2);
    put(m->bytes, &m->size, method, 2);
    put(m->bytes, &m->size, 0, 4);
    put(m->bytes, &m->size, crc, 4);
    put(m->bytes, &m->size, size, 4);
    put(m->bytes, &m->size, size, 4);
    put(m->bytes, &m->size, length, 2);
    put(m->bytes, &m->size, 0, 2);
    put_bytes(m->bytes, &m->size, name, length);
    put_bytes(m->bytes, &m->size, text, size);
    put(m->central, &m->central_size, 0x02014b50, 4);
    put(m->central, &m->central_size, 20, 2);
    put(m->central, &m->central_size, 20, 2);
    put(m->central, &m->central_size, 0, 2);
    put(m->central, &m->central_size, method, 2);
    put(m->central, &m->central_size, 0, 4);
    put(m->central, &m->central_size, crc, 4);
    put(m->central, &m->central_size, size, 4);
    put(m->central, &m->central_size, size, 4);
    put(m->central, &m->central_size, length, 2);
    put(m->central, &m->central_size, 0, 12);
    put(m->central, &m->central_size, at, 4);
    put_bytes(m->central, &m->central_size, name, length);
    m->count++;
}

static void finish(struct maker *m)
{
    size_t at = m->size;

    put_bytes(m->bytes, &m->size, m->central, m->central_size);
    put(m->bytes, &m->size, 0x06054b50, 4);
    put(m->bytes, &m->size, 0, 4);
    put(m->bytes, &m->size, m->count, 2);
    put(m->bytes, &m->size, m->count, 2);
    put(m->bytes, &m->size, m->central_size, 4);
    put(m->bytes, &m->size, at, 4);
    put(m->bytes, &m->size, 0, 2);
}

/* What archive_find() answers for an entry of an archive in memory. */
static enum tare_status find(const struct maker *m, const char *name, char *text, size_t bytes)
{
    struct archive *archive = NULL;
    const uint8_t *data;
    size_t size;
    enum tare_status status = archive_open(m->bytes, m->size, &archive, NULL);

    if (status == TARE_OK)
        status = archive_find(archive, name, &data, &size, NULL);
    if (status == TARE_OK && size < bytes) {
        memcpy(text, data, size);
        text[size] = '\0';
    }
    archive_close(archive);
    return status;
}

static void finds_entries_by_name(void)
{
    struct maker m = {.size = 0};
    char text[32] = "";

    add(&m, "x/data.pkl", "pickle", 0);
    add(&m, "x/data/0", "", 0);
    add(&m, "x/data/10", "ten", 0);
    finish(&m);
    CHECK(find(&m, "x/data.pkl", text, sizeof(text)) == TARE_OK);
    CHECK_TEXT(text, "pickle");
    CHECK(find(&m, "x/data/10", text, sizeof(text)) == TARE_OK);
    CHECK_TEXT(text, "ten");
    CHECK(find(&m, "x/data/0", text, sizeof(text)) == TARE_OK);
    CHECK_TEXT(text, "");
    CHECK(find(&m, "x/data/1", text, sizeof(text)) == TARE_ABSENT);
}

static void refuses_compressed_entries(void)
{
    struct maker m = {.size = 0};
    char text[32];

    add(&m, "a", "deflated", 8);
    finish(&m);
    CHECK(find(&m, "a", text, sizeof(text)) == TARE_UNSUPPORTED);
}

static void refuses_two_entries_of_one_name(void)
{
    struct maker m = {.size = 0};
    char text[32];

    add(&m, "a", "first", 0);
    add(&m, "a", "second", 0);
    finish(&m);
    CHECK(find(&m, "a", text, sizeof(text)) == TARE_BADDATA);
}

static void sees_a_flipped_bit(void)
{
    struct maker m = {.size = 0};
    char text[32];

    add(&m, "a", "content", 0);
    finish(&m);
    m.bytes[30 + 1 + 3] ^= 4; /* header of 30, a name of 1, into the content */
    CHECK(find(&m, "a", text, sizeof(text)) == TARE_BADDATA);
}

static void refuses_every_truncation(void)
{
    struct maker m = {.size = 0};
    char text[32];

    add(&m, "a", "content", 0);
    finish(&m);
    for (size_t whole = m.size; m.size > 0; m.size--)
        if (m.size < whole)
            CHECK(find(&m, "a", text, sizeof(text)) == TARE_BADDATA);
}

/* The directory's offset, the entry's offset, its size: each set far outside. */
static void refuses_offsets_outside_the_file(void)
{
    static const size_t back[] = {6, 22 + 1 + 4, 22 + 1 + 4 + 18};

    for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++) {
        struct maker m = {.size = 0};
        char text[32];

        add(&m, "a", "content", 0);
        finish(&m);
        memset(m.bytes + m.size - back[i], 0x7f, 4);
        CHECK(find(&m, "a", text, sizeof(text)) == TARE_BADDATA);
    }
}

/* Written by Python's zipfile layout of a 64-bit archive, checked there to be readable. */
static void reads_64_bit_archives(void)
{
    struct file_map map = {NULL, 0};
    struct archive *archive = NULL;
    const uint8_t *data;
    size_t size;

    CHECK_OK(file_map("tests/fuzz/corpus/archive/zip64", 4096, &map, err));
    CHECK_OK(archive_open(map.data, map.size, &archive, err));
    CHECK_OK(archive_find(archive, "x/data.pkl", &data, &size, err));
    CHECK(archive_count(archive) == 1 && size == 4 && memcmp(data, "\x80\x02N.", 4) == 0);
    archive_close(archive);
    file_unmap(&map);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"finds_entries_by_name", finds_entries_by_name},
        {"refuses_compressed_entries", refuses_compressed_entries},
        {"refuses_two_entries_of_one_name", refuses_two_entries_of_one_name},
        {"sees_a_flipped_bit", sees_a_flipped_bit},
        {"refuses_every_truncation", refuses_every_truncation},
        {"refuses_offsets_outside_the_file", refuses_offsets_outside_the_file},
        {"reads_64_bit_archives", reads_64_bit_archives},
        {0},
    };

    return check_main("archive", cases, argc, argv);
}
