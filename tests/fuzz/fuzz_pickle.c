/*
 * Any bytes: the unpickler refuses them with a message, or gives a tree that can be walked to a
 * bounded depth.
 */
#include <stdint.h>
#include <stdlib.h>

#include "export/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct pickle_value *value, int depth)
{
    char text[64];

    (void)pickle_describe(value, text, sizeof(text));
    (void)pickle_int(value, 0);
    (void)pickle_real(value, 0);
    (void)pickle_get(value, "model");
    if (depth == 0)
        return;
    for (size_t i = 0; i < pickle_count(value) && i < 4; i++)
        walk(pickle_at(value, i), depth - 1);
    if (pickle_kind_of(value) == PICKLE_DICT)
        for (size_t i = 0; i < value->as.dict.count && i < 4; i++)
            walk(value->as.dict.pairs[i].value, depth - 1);
    if (pickle_kind_of(value) == PICKLE_OBJECT)
        walk(value->as.object.state, depth - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tare_err err = TARE_ERR_INIT;
    struct pickle *pickle;

    if (pickle_load(data, size, &pickle, &err) != TARE_OK) {
        if (!err.text[0])
            abort();
        return 0;
    }
    walk(pickle_root(pickle), 6);
    pickle_free(pickle);
    return 0;
}
