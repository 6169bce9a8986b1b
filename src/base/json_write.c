#include "base/json_write.h"

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/json_read.h"

static void append_text(struct buf *out, const char *text)
{
    const char *end = text + strlen(text);

    buf_append_char(out, '"');
    while (text < end) {
        size_t length = json_utf8_length(text, end);
        const char *from = text;

        while (length && (unsigned char)*text >= 0x20 && *text != '"' && *text != '\\') {
            text += length;
            length = json_utf8_length(text, end);
        }
        buf_append(out, from, (size_t)(text - from));
        if (text == end)
            break;
        if (!length)
            buf_append_text(out, "\xEF\xBF\xBD");
        else if (*text == '"' || *text == '\\')
            buf_printf(out, "\\%c", *text);
        else if (*text == '\n')
            buf_append_text(out, "\\n");
        else if (*text == '\t')
            buf_append_text(out, "\\t");
        else
            buf_printf(out, "\\u%04x", (unsigned)*text);
        text++;
    }
    buf_append_char(out, '"');
}

static void break_line(struct json_writer *writer)
{
    if (!writer->pretty)
        return;
    buf_append_char(writer->out, '\n');
    for (int i = 0; i < writer->depth; i++)
        buf_append_text(writer->out, "  ");
}

/* What stands before a value: the comma, the line break, the key. */
static void begin_value(struct json_writer *writer, const char *key)
{
    assert((key != NULL) == (writer->depth > 0 && (writer->objects & 1)));
    if (writer->depth > 0) {
        if (!writer->first)
            buf_append_char(writer->out, ',');
        break_line(writer);
    }
    writer->first = false;
    if (!key)
        return;
    append_text(writer->out, key);
    buf_append_text(writer->out, writer->pretty ? ": " : ":");
}

void json_start(struct json_writer *writer, struct buf *out, bool pretty)
{
    *writer = (struct json_writer){.out = out, .pretty = pretty, .first = true};
}

static void open_container(struct json_writer *writer, const char *key, bool is_object)
{
    begin_value(writer, key);
    assert(writer->depth < JSON_MAX_DEPTH);
    buf_append_char(writer->out, is_object ? '{' : '[');
    writer->depth++;
    writer->objects = writer->objects << 1 | is_object;
    writer->first = true;
}

static void close_container(struct json_writer *writer, bool is_object)
{
    assert(writer->depth > 0 && (writer->objects & 1) == is_object);
    writer->depth--;
    writer->objects >>= 1;
    if (!writer->first)
        break_line(writer);
    buf_append_char(writer->out, is_object ? '}' : ']');
    writer->first = false;
}

void json_open_object(struct json_writer *writer, const char *key)
{
    open_container(writer, key, true);
}

void json_close_object(struct json_writer *writer)
{
    close_container(writer, true);
}

void json_open_array(struct json_writer *writer, const char *key)
{
    open_container(writer, key, false);
}

void json_close_array(struct json_writer *writer)
{
    close_container(writer, false);
}

void json_put_text(struct json_writer *writer, const char *key, const char *text)
{
    begin_value(writer, key);
    if (text)
        append_text(writer->out, text);
    else
        buf_append_text(writer->out, "null");
}

void json_append_number(struct buf *out, double number)
{
    char text[40];
    int digits = fabs(number) < DBL_MIN ? 1 : DBL_DIG; /* DBL_DIG always survive a normal double */
    struct json_reader reader;
    struct json_number again;

    if (!isfinite(number)) {
        buf_append_text(out, "null");
        return;
    }
    for (; digits <= DBL_DECIMAL_DIG; digits++) {
        int length = snprintf(text, sizeof(text), "%.*g", digits, number);

        /* a plugin may have set a locale with another decimal point */
        for (char *at = text; *at; at++)
            if (!strchr("0123456789+-e", *at))
                *at = '.';
        json_read_start(&reader, text, (size_t)length);
        if (json_read_number(&reader, &again) && again.value == number)
            break;
    }
    buf_append_text(out, text);
}

void json_put_number(struct json_writer *writer, const char *key, double number)
{
    begin_value(writer, key);
    json_append_number(writer->out, number);
}

void json_put_int(struct json_writer *writer, const char *key, int64_t number)
{
    begin_value(writer, key);
    buf_printf(writer->out, "%" PRId64, number);
}

void json_put_bool(struct json_writer *writer, const char *key, bool truth)
{
    begin_value(writer, key);
    buf_append_text(writer->out, truth ? "true" : "false");
}

void json_put_null(struct json_writer *writer, const char *key)
{
    begin_value(writer, key);
    buf_append_text(writer->out, "null");
}
