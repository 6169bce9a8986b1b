/*
 * json_write.h - writes one JSON document into a buf. Commas, quoting and indentation are done
 * here; well-formedness is asserted. key is NULL inside an array and at the root.
 *
 * Numbers: json_put_number writes the shortest text that reads back to the same double; NaN and
 * infinities become null. Texts: a byte that is not UTF-8 becomes U+FFFD, so that what is written
 * can always be read. Nesting: at most 64 levels.
 */
#ifndef TARE_BASE_JSON_WRITE_H
#define TARE_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct json_writer {
    struct buf *out;
    int depth;
    bool pretty; /* two spaces a level and line breaks; otherwise one line */
    bool first;
    uint64_t objects; /* one bit a level: an object, not an array */
};

/* A writer over out, whose errors are out's (see buf_status()). */
void json_start(struct json_writer *writer, struct buf *out, bool pretty);

void json_open_object(struct json_writer *writer, const char *key);
void json_close_object(struct json_writer *writer);
void json_open_array(struct json_writer *writer, const char *key);
void json_close_array(struct json_writer *writer);

void json_put_text(struct json_writer *writer, const char *key, const char *text); /* NULL: null */
void json_put_number(struct json_writer *writer, const char *key, double number);
void json_put_int(struct json_writer *writer, const char *key, int64_t number);
void json_put_bool(struct json_writer *writer, const char *key, bool truth);
void json_put_null(struct json_writer *writer, const char *key);

/* The bare text of a number, as json_put_number writes it. */
void json_append_number(struct buf *out, double number);

#endif
