/*
 * backend_options.h - a plugin's own options, checked against its table before it sees them.
 * Threads: no shared state.
 */
#ifndef TARE_BACKEND_BACKEND_OPTIONS_H
#define TARE_BACKEND_BACKEND_OPTIONS_H

#include "tare/backend.h"

#define BACKEND_OPTIONS_MAX 32

/* Options read from text. Plain data; the strings point into text. */
struct backend_options {
    struct tare_option_value values[BACKEND_OPTIONS_MAX];
    size_t count;
    char text[2048];
};

/*
 * Reads "name=value,name=value" ("" and NULL: none; a name alone means "1"; a ',' in a value is
 * written ';'). TARE_INVALID or TARE_LIMIT on error. Nothing is checked against a table yet.
 */
enum tare_status backend_options_parse(const char *text, struct backend_options *options,
                                       struct tare_err *err);

/*
 * Checks values against the backend's table. TARE_INVALID names the option, what was given and what
 * is allowed.
 */
enum tare_status backend_options_check(const struct tare_backend *backend,
                                       const struct tare_option_value *values, size_t count,
                                       struct tare_err *err);

#endif
