/*
 * library.h - somebody else's shared library, loaded at run time. It is never unloaded: it may have
 * threads of its own.
 *
 * Threads: no shared state of ours.
 */
#ifndef TARE_BASE_LIBRARY_H
#define TARE_BASE_LIBRARY_H

#include "tare/status.h"

/*
 * path: a file, or a name without a '/' that is looked for where the system's loader looks. what:
 * the library's name in messages, "NVIDIA's driver".
 *
 * TARE_ABSENT if the loader finds nothing of such a name: "there is no NAME, WHAT". TARE_BROKEN for
 * all else, a library that it needs and that is missing among them: "cannot load WHAT: ...", in
 * printable characters. *handle is NULL then.
 */
enum tare_status library_open(const char *path, const char *what, void **handle,
                              struct tare_err *err);

#endif
