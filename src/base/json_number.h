/*
 * json_number.h - the text of one JSON number to the nearest double, whatever the locale. Used by
 * json_read.h; others want that.
 */
#ifndef TARE_BASE_JSON_NUMBER_H
#define TARE_BASE_JSON_NUMBER_H

#include "base/json_read.h"

/*
 * Parses the number at `at`. Returns the place after it, or NULL with *fault set (static text).
 * Exact: the fast path of Clinger ("How to read floating point numbers accurately", 1990) where
 * mantissa and power of ten are exact doubles, 128-bit integers up to 19 digits and 10^±27, and
 * strtod beyond.
 */
const char *json_number_parse(const char *at, const char *end, struct json_number *number,
                              const char **fault);

#endif
