/*
 * url_escape.h - a name as a segment of an URL's path (RFC 3986). Threads: no shared state.
 */
#ifndef TARE_KSERVE_URL_ESCAPE_H
#define TARE_KSERVE_URL_ESCAPE_H

#include "base/buf.h"

/* Appends text with everything but unreserved characters as %XX. */
void url_escape(struct buf *out, const char *text);

#endif
