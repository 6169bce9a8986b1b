#include "vision/exif.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define ENTRY_BYTES     12

enum {
    MARKER_SOI = 0xd8,
    MARKER_EOI = 0xd9,
    MARKER_SOS = 0xda,
    MARKER_APP1 = 0xe1
};

/* A TIFF block within its segment; reads outside of it give 0. */
struct tiff {
    const uint8_t *data; // (size)
    size_t size;
    bool big_endian;
};

static uint32_t tiff_read(const struct tiff *tiff, size_t offset, size_t bytes)
{
    uint32_t value = 0;

    if (offset > tiff->size || bytes > tiff->size - offset)
        return 0;
    for (size_t i = 0; i < bytes; i++) {
        size_t shift = 8 * (tiff->big_endian ? bytes - 1 - i : i);

        value |= (uint32_t)tiff->data[offset + i] << shift;
    }
    return value;
}

/* 0: none. */
static int tiff_orientation(const uint8_t *data, size_t size)
{
    struct tiff tiff = {data, size, false};
    size_t directory, entries;

    if (size < 8 || (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0))
        return 0;
    tiff.big_endian = data[0] == 'M';
    if (tiff_read(&tiff, 2, 2) != 42)
        return 0;
    directory = tiff_read(&tiff, 4, 4);
    entries = tiff_read(&tiff, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        size_t entry = directory + 2 + i * ENTRY_BYTES;
        uint32_t value = tiff_read(&tiff, entry + 8, 2);

        if (tiff_read(&tiff, entry, 2) != TAG_ORIENTATION)
            continue;
        if (tiff_read(&tiff, entry + 2, 2) != TYPE_SHORT || value < 1 || value > 8)
            return 0;
        return (int)value;
    }
    return 0;
}

int exif_orientation(const void *jpeg, size_t bytes)
{
    static const uint8_t name[6] = "Exif\0";
    const uint8_t *data = jpeg;
    size_t at = 2;

    if (bytes < 4 || data[0] != 0xff || data[1] != MARKER_SOI)
        return 1;
    while (bytes - at >= 4 && data[at] == 0xff) {
        uint8_t marker = data[at + 1];
        size_t length = (size_t)data[at + 2] << 8 | data[at + 3];

        if (marker == 0xff) { /* a fill byte */
            at++;
            continue;
        }
        if (marker == MARKER_SOS || marker == MARKER_EOI || length < 2 || length > bytes - at - 2)
            break;
        if (marker == MARKER_APP1 && length >= 2 + sizeof(name) &&
            memcmp(data + at + 4, name, sizeof(name)) == 0) {
            int found = tiff_orientation(data + at + 10, length - 2 - sizeof(name));

            return found ? found : 1;
        }
        at += 2 + length;
    }
    return 1;
}
