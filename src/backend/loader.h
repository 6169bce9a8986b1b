/*
 * loader.h - one shared object becomes one backend. This is the only file that calls dlopen() for
 * a plugin.
 *
 * The order is: path, dlopen(RTLD_NOW | RTLD_LOCAL), tare_backend_entry, ABI version, struct size,
 * required slots by capability, and, as a step of its own, probe. Every failure names the path and
 * the reason, and both versions where versions differ. Two answers are kept apart:
 *     TARE_ABSENT  no such file, or the runtime is not on this machine
 *     TARE_BROKEN  it is there, but cannot be used
 *
 * A loaded object is never unloaded: runtimes start threads and register exit handlers that would
 * outlive their code. So backend_free() frees tare's own memory only.
 *
 * Threads: a struct backend is constant once loaded, and any thread may use it.
 */
#ifndef TARE_BACKEND_LOADER_H
#define TARE_BACKEND_LOADER_H

#include "tare/backend.h"

struct backend;

/* Whether name is a plugin's name: not empty, of [a-z0-9_-]. NULL is not. */
bool backend_name_is_valid(const char *name);

/*
 * Loads the plugin at path, up to and without probe(). On success the caller owns *backend and
 * passes it to backend_free(); on error it is NULL. TARE_ABSENT if there is no such file,
 * TARE_BROKEN for everything that is wrong with the file.
 */
enum tare_status backend_load(const char *path, struct backend **backend, struct tare_err *err);

/* NULL is allowed. Sessions of this backend must be closed before. */
void backend_free(struct backend *backend);

/*
 * Asks the plugin whether its runtime is usable on this machine; note gets the version (may be
 * NULL with 0 bytes). TARE_OK, TARE_ABSENT or TARE_BROKEN; any other answer of the plugin is turned
 * into TARE_BROKEN.
 */
enum tare_status backend_probe(const struct backend *backend, char *note, size_t note_bytes,
                               struct tare_err *err);

/* The slots. Those that lie past the plugin's own struct_size are NULL. Valid until
 * backend_free(). */
const struct tare_backend *backend_slots(const struct backend *backend);

/* The file that it was loaded from. Valid until backend_free(). */
const char *backend_path(const struct backend *backend);

#endif
