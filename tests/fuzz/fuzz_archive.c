/*
 * Any bytes: the archive reader refuses them or hands out entries that lie inside them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "export/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_entry(const struct archive *archive, size_t index, const uint8_t *data,
                       size_t size)
{
    size_t length, bytes;
    const char *name = archive_name(archive, index, &length);
    char *text = malloc(length + 1);
    const uint8_t *found;

    if (!text)
        return;
    memcpy(text, name, length);
    text[length] = '\0';
    if (archive_find(archive, text, &found, &bytes, NULL) == TARE_OK &&
        (found < data || bytes > size || found + bytes > data + size))
        abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct archive *archive;

    if (archive_open(data, size, &archive, NULL) != TARE_OK)
        return 0;
    for (size_t i = 0; i < archive_count(archive) && i < 100; i++)
        read_entry(archive, i, data, size);
    archive_close(archive);
    return 0;
}
