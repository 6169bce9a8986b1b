/* Any text: names that end, or one message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "models/class_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tare_err err = TARE_ERR_INIT;
    struct class_names *names;
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (class_names_parse(text, &names, &err) == TARE_OK) {
        for (int32_t i = -1; i < 100; i++)
            if (strlen(class_names_get(names, i)) > size)
                abort();
        class_names_free(names);
    } else if (err.text[0] == '\0') {
        abort();
    }
    free(text);
    return 0;
}
