/*
 * server_places.h - where tritonserver is on this machine, and one folder with all the backends
 * that it may need: Triton takes a single one.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_SERVER_PLACES_H
#define TARE_SERVE_SERVER_PLACES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/file.h"
#include "tare/status.h"

/* A program and what belongs to it. */
struct server_places {
    char binary[FILE_MAX_PATH];
    char backends[FILE_MAX_PATH];  /* Triton's own; "" if there are none */
    char stubs[FILE_MAX_PATH];     /* of the Python backend, a folder a version; "": none apart */
    char libraries[FILE_MAX_PATH]; /* that the backends look for; "" if they find them themselves */
};

/*
 * given, or $TRITONSERVER, or the one that tools/setup put into .deps, or tritonserver on the PATH,
 * or /opt/tritonserver/bin/tritonserver, in this order. TARE_ABSENT says where it was looked for.
 */
enum tare_status server_find(const char *given, struct server_places *places, struct tare_err *err);

/* Appends the LD_LIBRARY_PATH that the backends need: places->libraries before what this process
 * has. Only for places with libraries. */
void server_put_libraries(const struct server_places *places, struct buf *path);

/*
 * Makes folder/NAME for each backend, as links: tare's own and Triton's. python: the Python backend
 * too, with the process that runs it and NumPy beside it, of the interpreter that tare uses
 * ($TARE_PYTHON, .deps/venv, or python3). What the Python backend lacks is a note, not an error:
 * then its models alone fail. note, at least 300 bytes, is "" if all is there.
 */
enum tare_status server_link_backends(const struct server_places *places, const char *folder,
                                      bool python, char *note, struct tare_err *err);

#endif
