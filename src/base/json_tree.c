#include "base/json_tree.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES  ((size_t)64 << 20)
#define MAX_VALUES ((size_t)4 << 20)

struct json_value {
    enum json_type type;
    bool is_integer;
    uint32_t count;  /* elements or members */
    const char *key; /* NULL unless the value is a member */
    union {
        const char *text;
        double number;
        int64_t integer; /* if is_integer */
        bool truth;
        const struct json_value *items; // (count)
    } as;
};

struct json_tree {
    struct json_value *values;  /* containers' items, each container's side by side, and the root */
    struct json_value *pending; /* items of containers that are not complete yet: a stack */
    char *texts;                /* every decoded text with its NUL */
    size_t used, pending_count, texts_used, texts_bytes;
};

static void parse_value(struct json_reader *reader, struct json_tree *tree,
                        struct json_value *value);

/* Every value is the root, the first of a container, or behind a comma. */
static size_t count_values_at_most(const char *text, size_t size)
{
    size_t count = 1;

    for (size_t i = 0; i < size; i++)
        count += text[i] == ',' || text[i] == '[' || text[i] == '{';
    return count;
}

/* A text takes less room decoded, with its NUL, than it does between its quotes. */
static const char *keep_text(struct json_reader *reader, struct json_tree *tree,
                             const struct json_span *span)
{
    char *out = tree->texts + tree->texts_used;
    ptrdiff_t length = json_decode(span, out, tree->texts_bytes - tree->texts_used);

    if (length < 0) {
        reader->at = span->bytes;
        json_read_fault(reader, "bad escape, \\u0000 or a byte that is not UTF-8 in this text");
        return "";
    }
    tree->texts_used += (size_t)length + 1;
    return out;
}

static void parse_container(struct json_reader *reader, struct json_tree *tree,
                            struct json_value *value)
{
    size_t mark = tree->pending_count, count;
    bool is_object = value->type == JSON_OBJECT;
    struct json_span key;

    if (!(is_object ? json_enter_object(reader) : json_enter_array(reader)))
        return;
    while (is_object ? json_next_member(reader, &key) : json_next_element(reader)) {
        struct json_value item = {0};

        if (is_object)
            item.key = keep_text(reader, tree, &key);
        parse_value(reader, tree, &item);
        if (reader->fault)
            return;
        tree->pending[tree->pending_count++] = item;
    }
    count = tree->pending_count - mark;
    value->count = (uint32_t)count;
    value->as.items = tree->values + tree->used;
    if (count)
        memcpy(tree->values + tree->used, tree->pending + mark, count * sizeof(*tree->values));
    tree->used += count;
    tree->pending_count = mark;
}

/* Recursion is bounded by the reader's depth. */
static void parse_value(struct json_reader *reader, struct json_tree *tree,
                        struct json_value *value)
{
    struct json_number number;
    struct json_span text;

    value->type = json_peek(reader);
    switch (value->type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        parse_container(reader, tree, value);
        break;
    case JSON_TEXT:
        if (json_read_text(reader, &text))
            value->as.text = keep_text(reader, tree, &text);
        break;
    case JSON_NUMBER:
        if (!json_read_number(reader, &number))
            break;
        value->is_integer = number.is_integer;
        if (number.is_integer)
            value->as.integer = number.integer;
        else
            value->as.number = number.value;
        break;
    case JSON_BOOL:
        (void)json_read_bool(reader, &value->as.truth);
        break;
    default:
        (void)json_skip(reader); /* null, or the fault that says what was expected */
        break;
    }
}

enum tare_status json_parse(const char *text, size_t size, struct json_tree **out,
                            struct tare_err *err)
{
    struct json_tree *tree = NULL;
    struct json_reader reader;
    struct json_value root = {0};
    enum tare_status status = TARE_NOMEM;
    size_t most;

    *out = NULL;
    if (size > MAX_BYTES)
        return tare_fail(err, TARE_LIMIT, "JSON document over %zu bytes", MAX_BYTES);
    most = count_values_at_most(text, size);
    if (most > MAX_VALUES)
        return tare_fail(err, TARE_LIMIT, "JSON document with over %zu values", MAX_VALUES);
    tree = calloc(1, sizeof(*tree));
    if (!tree)
        goto done;
    tree->texts_bytes = size + 1;
    tree->values = malloc(most * sizeof(*tree->values));
    tree->pending = malloc(most * sizeof(*tree->pending));
    tree->texts = malloc(tree->texts_bytes);
    if (!tree->values || !tree->pending || !tree->texts)
        goto done;
    json_read_start(&reader, text, size);
    parse_value(&reader, tree, &root);
    (void)json_read_end(&reader);
    status = json_read_status(&reader, err);
    if (status != TARE_OK)
        goto done;
    tree->values[tree->used] = root;
    free(tree->pending);
    tree->pending = NULL;
    *out = tree;
    return TARE_OK;
done:
    json_free(tree);
    return status == TARE_NOMEM ? tare_fail(err, status, "out of memory for a JSON document")
                                : status;
}

void json_free(struct json_tree *tree)
{
    if (!tree)
        return;
    free(tree->values);
    free(tree->pending);
    free(tree->texts);
    free(tree);
}

const struct json_value *json_root(const struct json_tree *tree)
{
    return tree ? tree->values + tree->used : NULL;
}

enum json_type json_type(const struct json_value *value)
{
    return value ? value->type : JSON_NONE;
}

const struct json_value *json_get(const struct json_value *object, const char *key)
{
    if (json_type(object) != JSON_OBJECT)
        return NULL;
    for (size_t i = object->count; i-- > 0;)
        if (strcmp(object->as.items[i].key, key) == 0)
            return &object->as.items[i];
    return NULL;
}

size_t json_count(const struct json_value *value)
{
    return value ? value->count : 0;
}

const struct json_value *json_at(const struct json_value *value, size_t index)
{
    return index < json_count(value) ? &value->as.items[index] : NULL;
}

const char *json_key(const struct json_value *object, size_t index)
{
    const struct json_value *member = json_at(object, index);

    return member ? member->key : NULL;
}

const char *json_text(const struct json_value *value, const char *fallback)
{
    return json_type(value) == JSON_TEXT ? value->as.text : fallback;
}

double json_number(const struct json_value *value, double fallback)
{
    if (json_type(value) != JSON_NUMBER)
        return fallback;
    return value->is_integer ? (double)value->as.integer : value->as.number;
}

int64_t json_int(const struct json_value *value, int64_t fallback)
{
    double number;

    if (json_type(value) != JSON_NUMBER)
        return fallback;
    if (value->is_integer)
        return value->as.integer;
    number = value->as.number;
    if (!(fabs(number) < 9223372036854775808.0) || number != trunc(number))
        return fallback;
    return (int64_t)number;
}

bool json_bool(const struct json_value *value, bool fallback)
{
    return json_type(value) == JSON_BOOL ? value->as.truth : fallback;
}
