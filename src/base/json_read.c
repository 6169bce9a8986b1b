#include "base/json_read.h"

#include <string.h>

#include "base/json_number.h"

static inline void skip_space(struct json_reader *reader)
{
    const char *at = reader->at, *end = reader->end;

    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    reader->at = at;
}

void json_read_start(struct json_reader *reader, const char *text, size_t size)
{
    *reader = (struct json_reader){.start = text, .at = text, .end = text + size};
}

/* Moving to the end makes every later call fail by itself, so that the fast paths need not ask. */
void json_read_fault(struct json_reader *reader, const char *fault)
{
    if (!reader->fault) {
        reader->fault = fault;
        reader->fault_at = reader->at;
    }
    reader->at = reader->end;
}

static bool fail(struct json_reader *reader, const char *fault)
{
    json_read_fault(reader, reader->at == reader->end ? "the text ends too early" : fault);
    return false;
}

enum json_type json_peek(struct json_reader *reader)
{
    skip_space(reader);
    if (reader->at == reader->end)
        return JSON_NONE;
    switch (*reader->at) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_TEXT;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return *reader->at == '-' || (*reader->at >= '0' && *reader->at <= '9') ? JSON_NUMBER
                                                                                : JSON_NONE;
    }
}

static bool enter(struct json_reader *reader, char opener, const char *fault)
{
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != opener)
        return fail(reader, fault);
    if (reader->depth == JSON_MAX_DEPTH)
        return fail(reader, "nested deeper than 64 levels");
    reader->at++;
    reader->depth++;
    reader->first = true;
    return true;
}

bool json_enter_object(struct json_reader *reader)
{
    return enter(reader, '{', "expected an object");
}

bool json_enter_array(struct json_reader *reader)
{
    return enter(reader, '[', "expected an array");
}

/* True if a further item follows; the separator is then behind us. */
static bool next(struct json_reader *reader, char closer, const char *fault)
{
    skip_space(reader);
    if (reader->at == reader->end)
        return fail(reader, fault);
    if (*reader->at == closer) {
        reader->at++;
        reader->depth--;
        reader->first = false;
        return false;
    }
    if (!reader->first) {
        if (*reader->at != ',')
            return fail(reader, fault);
        reader->at++;
    }
    reader->first = false;
    return true;
}

bool json_next_element(struct json_reader *reader)
{
    return next(reader, ']', "expected ',' or ']'");
}

bool json_next_member(struct json_reader *reader, struct json_span *key)
{
    if (!next(reader, '}', "expected ',' or '}'"))
        return false;
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != '"')
        return fail(reader, "expected a key in double quotes");
    if (!json_read_text(reader, key))
        return false;
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != ':')
        return fail(reader, "expected ':'");
    reader->at++;
    return true;
}

bool json_read_number(struct json_reader *reader, struct json_number *number)
{
    const char *fault = NULL, *after;

    skip_space(reader);
    after = json_number_parse(reader->at, reader->end, number, &fault);
    if (!after)
        return fail(reader, fault);
    reader->at = after;
    return true;
}

bool json_read_text(struct json_reader *reader, struct json_span *text)
{
    const char *at, *end = reader->end;

    skip_space(reader);
    at = reader->at;
    if (at == end || *at != '"')
        return fail(reader, "expected a text in double quotes");
    at++;
    *text = (struct json_span){.bytes = at};
    while (at < end && *at != '"') {
        if ((unsigned char)*at < 0x20) {
            reader->at = at;
            return fail(reader, "control character in a text");
        }
        if (*at == '\\') {
            text->escaped = true;
            at++;
            if (at == end)
                break;
        }
        at++;
    }
    reader->at = at;
    if (at == end)
        return fail(reader, "unterminated text");
    text->size = (size_t)(at - text->bytes);
    reader->at = at + 1;
    return true;
}

static bool read_word(struct json_reader *reader, const char *word)
{
    size_t length = strlen(word);

    skip_space(reader);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
        return false;
    reader->at += length;
    return true;
}

bool json_read_bool(struct json_reader *reader, bool *truth)
{
    *truth = read_word(reader, "true");
    return *truth || read_word(reader, "false") || fail(reader, "expected true or false");
}

bool json_read_null(struct json_reader *reader)
{
    return read_word(reader, "null") || fail(reader, "expected null");
}

/* Reads past one value; a container is only entered, and its bit in objects says its kind. */
static bool skip_one(struct json_reader *reader, uint64_t *objects)
{
    struct json_span text;
    bool truth;
    enum json_type type = json_peek(reader);

    switch (type) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        if (!(type == JSON_OBJECT ? json_enter_object(reader) : json_enter_array(reader)))
            return false;
        *objects = *objects << 1 | (type == JSON_OBJECT);
        return true;
    case JSON_TEXT:
        return json_read_text(reader, &text);
    case JSON_BOOL:
        return json_read_bool(reader, &truth);
    case JSON_NULL:
        return json_read_null(reader);
    default:
        return json_read_number(reader, &(struct json_number){0});
    }
}

bool json_skip(struct json_reader *reader)
{
    uint64_t objects = 0; /* one bit a level, so that depth costs no stack */
    int depth = reader->depth;
    struct json_span key;

    if (json_peek(reader) == JSON_NONE)
        return fail(reader, "expected a value");
    if (!skip_one(reader, &objects))
        return false;
    while (reader->depth > depth) {
        bool more = objects & 1 ? json_next_member(reader, &key) : json_next_element(reader);

        if (more && json_peek(reader) == JSON_NONE)
            return fail(reader, "expected a value");
        if (more && !skip_one(reader, &objects))
            return false;
        if (reader->fault)
            return false;
        if (!more)
            objects >>= 1;
    }
    return true;
}

bool json_read_end(struct json_reader *reader)
{
    skip_space(reader);
    if (!reader->fault && reader->at != reader->end)
        json_read_fault(reader, "something follows the end of the document");
    return !reader->fault;
}

void json_read_where(const struct json_reader *reader, size_t *line, size_t *column)
{
    *line = *column = 0;
    if (!reader->fault)
        return;
    *line = *column = 1;
    for (const char *at = reader->start; at < reader->fault_at; at++) {
        (*column)++;
        if (*at == '\n') {
            (*line)++;
            *column = 1;
        }
    }
}

enum tare_status json_read_status(const struct json_reader *reader, struct tare_err *err)
{
    size_t line, column;

    if (!reader->fault)
        return TARE_OK;
    json_read_where(reader, &line, &column);
    return tare_fail(err, TARE_BADDATA, "line %zu, column %zu: %s", line, column, reader->fault);
}
