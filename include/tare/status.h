/*
 * status.h - how every fallible function of tare reports failure.
 *
 * A function that can fail returns enum tare_status and takes, as its last parameter, a
 * caller-owned struct tare_err. The first error wins: a second tare_fail() on the same struct keeps
 * the text of the first, so that a cleanup path cannot hide the cause.
 *
 * Messages are lower case, fault first, subject in 'quotes', then what would be right:
 *     cannot load 'x.so': backend ABI 3.1, need 2.x
 * Only src/cmd and main.c print them.
 *
 * Threads: a struct tare_err belongs to one thread at a time. Nothing here has global state.
 * This header needs no library: a plugin built out of tree can use it as it is.
 */
#ifndef TARE_STATUS_H
#define TARE_STATUS_H

#include <stdarg.h>
#include <stdio.h>

enum tare_status {
    TARE_OK = 0,
    TARE_FAILED = -1,      /* the operation was tried and did not succeed */
    TARE_NOMEM = -2,       /* out of memory (host or device) */
    TARE_IO = -3,          /* the operating system refused a read, write, open, close or rename */
    TARE_BADDATA = -4,     /* input from a file or a peer is malformed, truncated or malicious */
    TARE_UNSUPPORTED = -5, /* well-formed, but beyond what this function or runtime can do */
    TARE_ABSENT = -6,      /* not on this machine: no such library, device or file */
    TARE_BROKEN = -7,      /* on this machine, but unusable: wrong ABI, wrong version, bad symbol */
    TARE_INVALID = -8,     /* the caller's argument is out of range */
    TARE_LIMIT = -9,       /* a stated maximum would be exceeded */
    TARE_TIMEOUT = -10,    /* a deadline passed */
    TARE_STOPPED = -11,    /* the user asked to stop (SIGINT, SIGTERM) */
};

struct tare_err {
    enum tare_status status; /* TARE_OK as long as nothing failed */
    char text[500];          /* one line, no full stop; "" as long as nothing failed */
};

/* Initialiser: struct tare_err err = TARE_ERR_INIT; */
#define TARE_ERR_INIT                                                                              \
    {                                                                                              \
        TARE_OK, ""                                                                                \
    }

/*
 * Records a failure and returns its status, so that a caller can write
 *     return tare_fail(err, TARE_BADDATA, "'%s' is not a zip archive", path);
 * err may be NULL (the status is still returned). If err already holds a failure, its text and its
 * status are kept, and that first status is returned.
 */
__attribute__((format(printf, 3, 4), unused)) static enum tare_status
tare_fail(struct tare_err *err, enum tare_status status, const char *format, ...)
{
    va_list args;

    if (!err)
        return status;
    if (err->status != TARE_OK)
        return err->status;
    err->status = status;
    va_start(args, format);
    if (vsnprintf(err->text, sizeof(err->text), format, args) < 0)
        err->text[0] = '\0';
    va_end(args);
    return status;
}

/* Forgets a failure that the caller has dealt with. err may be NULL. */
__attribute__((unused)) static void tare_err_clear(struct tare_err *err)
{
    if (err) {
        err->status = TARE_OK;
        err->text[0] = '\0';
    }
}

#endif
