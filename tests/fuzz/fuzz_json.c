/*
 * Any bytes: the tree and the pull reader agree on whether they are JSON, and what is written from
 * a tree reads back.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/json_tree.h"
#include "base/json_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(struct json_writer *writer, const char *key, const struct json_value *value)
{
    switch (json_type(value)) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        if (json_type(value) == JSON_OBJECT)
            json_open_object(writer, key);
        else
            json_open_array(writer, key);
        for (size_t i = 0; i < json_count(value); i++)
            write_value(writer, json_key(value, i), json_at(value, i));
        if (json_type(value) == JSON_OBJECT)
            json_close_object(writer);
        else
            json_close_array(writer);
        break;
    case JSON_TEXT:
        json_put_text(writer, key, json_text(value, ""));
        break;
    case JSON_NUMBER:
        json_put_number(writer, key, json_number(value, 0));
        break;
    case JSON_BOOL:
        json_put_bool(writer, key, json_bool(value, false));
        break;
    default:
        json_put_null(writer, key);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct json_tree *tree = NULL, *again = NULL;
    struct json_reader reader;
    struct json_writer writer;
    struct buf out = BUF_INIT;
    bool skipped;

    json_read_start(&reader, text, size);
    skipped = json_skip(&reader) && json_read_end(&reader);
    if (json_parse(text, size, &tree, NULL) == TARE_OK) {
        if (!skipped)
            abort();
        json_start(&writer, &out, size & 1);
        write_value(&writer, NULL, json_root(tree));
        if (json_parse(buf_text(&out), out.size, &again, NULL) != TARE_OK)
            abort();
        json_free(again);
    }
    json_free(tree);
    buf_release(&out);
    return 0;
}
