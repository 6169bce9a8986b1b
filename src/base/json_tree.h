/*
 * json_tree.h - a whole small JSON document as a tree: studies, messages, calibration tables. For
 * large files (annotations, detections) use the pull reader in json_read.h instead.
 *
 * Every accessor takes NULL for "no such value" and answers with the fallback, so that a chain of
 * look-ups needs one check at the end. A tree is immutable and owns all its strings.
 */
#ifndef TARE_BASE_JSON_TREE_H
#define TARE_BASE_JSON_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json_read.h"
#include "tare/status.h"

struct json_tree;
struct json_value;

/*
 * Parses one document of size bytes (RFC 8259; nesting at most 64, text need not end in a NUL;
 * anything but white space after it is an error). Fails with TARE_BADDATA naming line and column,
 * with TARE_LIMIT over 64 MiB or 4 million values. A text must be UTF-8 without \u0000. On success
 * *tree is freed with json_free().
 */
enum tare_status json_parse(const char *text, size_t size, struct json_tree **tree,
                            struct tare_err *err);
void json_free(struct json_tree *tree);

const struct json_value *json_root(const struct json_tree *tree);
enum json_type json_type(const struct json_value *value);

/* Member of an object (the last, if a key stands twice); NULL if absent or not an object. */
const struct json_value *json_get(const struct json_value *object, const char *key);

/* Number of elements or members; 0 for anything else. */
size_t json_count(const struct json_value *value);

/* Element index of an array, or value of member index of an object; NULL past the end. */
const struct json_value *json_at(const struct json_value *value, size_t index);

/* Key of member index of an object; NULL past the end. */
const char *json_key(const struct json_value *object, size_t index);

const char *json_text(const struct json_value *value, const char *fallback);
double json_number(const struct json_value *value, double fallback);
int64_t json_int(const struct json_value *value, int64_t fallback); /* exact up to 2^63 - 1 */
bool json_bool(const struct json_value *value, bool fallback);

#endif
