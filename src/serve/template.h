/*
 * template.h - text with places for values, as triton_repo/ holds it.
 *
 *     @NAME@           the value; a name that is not given is an error
 *     @if NAME         what follows stands only where NAME's value is neither "" nor "0"
 *     @if !NAME        only where it is one of them
 *     @else            the other case
 *     @end             blocks nest, up to 8 deep
 *
 * The last four stand on lines of their own. Empty lines that follow each other become one.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_TEMPLATE_H
#define TARE_SERVE_TEMPLATE_H

#include <stddef.h>

#include "base/buf.h"
#include "tare/status.h"

struct template_value {
    const char *name, *value;
};

/*
 * Appends the text with the values in their places. values ends with a NULL name. TARE_BADDATA,
 * naming what and the line, for a name that is not given and blocks that do not match; out is then
 * incomplete.
 */
enum tare_status template_fill(const char *text, const struct template_value *values,
                               struct buf *out, struct tare_err *err);

#endif
