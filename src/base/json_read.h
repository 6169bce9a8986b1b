/*
 * json_read.h - a pull reader of JSON (RFC 8259) over memory, for large files: it allocates nothing
 * and copies nothing. The caller walks the document in the order in which it is written:
 *
 *     json_read_start(&reader, text, size);
 *     if (json_enter_array(&reader))
 *         while (json_next_element(&reader))
 *             if (json_enter_object(&reader))
 *                 while (json_next_member(&reader, &key))
 *                     if (json_span_is(&key, "id"))
 *                         json_read_number(&reader, &number);
 *                     else
 *                         json_skip(&reader);
 *     json_read_end(&reader);
 *     return json_read_status(&reader, err);
 *
 * Every value that is announced (by next_element or next_member) must be read or skipped. Errors
 * are sticky: after the first one everything answers false, so that loops end by themselves and one
 * check at the end is enough.
 *
 * Threads: one reader belongs to one thread; several may read the same memory.
 */
#ifndef TARE_BASE_JSON_READ_H
#define TARE_BASE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define JSON_MAX_DEPTH         64
#define JSON_MAX_NUMBER_LENGTH 1000 /* characters of one number */

enum json_type {
    JSON_NONE, /* no value: the text ends here or is malformed, or NULL was passed */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_TEXT,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_reader {
    const char *start, *at, *end;
    const char *fault; /* what was wrong, static text; NULL: nothing so far */
    const char *fault_at;
    int depth;
    bool first; /* nothing was read yet of the container that was entered last */
};

/* A text as it stands between its quotes: escapes are not decoded. Points into the document. */
struct json_span {
    const char *bytes; // (size)
    size_t size;
    bool escaped; /* holds at least one backslash */
};

struct json_number {
    double value;    /* correctly rounded; beyond the range of a double: an infinity */
    int64_t integer; /* the exact value, if is_integer */
    bool is_integer; /* written without point and exponent, and within int64 */
};

/* text must outlive the reader and need not end in a NUL. */
void json_read_start(struct json_reader *reader, const char *text, size_t size);

/* Type of the value that comes next, without reading it; JSON_NONE if there is none. */
enum json_type json_peek(struct json_reader *reader);

/* Opens the container that comes next; false (an error) if the next value is not one. */
bool json_enter_object(struct json_reader *reader);
bool json_enter_array(struct json_reader *reader);

/* Goes to the next member or element; false at the end of the container, which is then left. */
bool json_next_member(struct json_reader *reader, struct json_span *key);
bool json_next_element(struct json_reader *reader);

/* Read the value that comes next; false (an error) if it is of another type. */
bool json_read_number(struct json_reader *reader, struct json_number *number);
bool json_read_text(struct json_reader *reader, struct json_span *text);
bool json_read_bool(struct json_reader *reader, bool *truth);
bool json_read_null(struct json_reader *reader);

/* Reads past one value of any type, checking its grammar. */
bool json_skip(struct json_reader *reader);

/* Nothing but white space may follow; false (an error) if something does. */
bool json_read_end(struct json_reader *reader);

/* Records an error of the caller's own (static text) at the place just read. The first wins. */
void json_read_fault(struct json_reader *reader, const char *fault);

/* TARE_OK, or TARE_BADDATA with "line 3, column 14: expected a number". */
enum tare_status json_read_status(const struct json_reader *reader, struct tare_err *err);

/* Line and column (in bytes) of the error, from 1; both 0 if there was none. */
void json_read_where(const struct json_reader *reader, size_t *line, size_t *column);

/*
 * Decodes a text into out with a final NUL and returns its length. out needs size + 1 bytes at
 * most. -1 if out_bytes is too few, or if the text holds a bad escape, a lone surrogate, \u0000 or
 * bytes that are not UTF-8.
 */
ptrdiff_t json_decode(const struct json_span *text, char *out, size_t out_bytes);

/* Whether a text, decoded, equals a short ASCII literal. */
bool json_span_is(const struct json_span *text, const char *literal);

/* Bytes of the UTF-8 character at `at`; 0 if there is none that is valid. */
size_t json_utf8_length(const char *at, const char *end);

#endif
