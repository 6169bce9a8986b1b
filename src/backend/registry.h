/*
 * registry.h - which plugins there are, by name or by path.
 *
 * A name ("onnxruntime") is looked for as NAME.so in these folders, in this order; the first file
 * found is the one:
 *     each folder of $TARE_PLUGINS (separated by ':')
 *     plugins/ beside the running program or, in Triton's backend, beside its folder triton/
 *     bin/plugins and plugins in file_home()
 * Anything with a '/' in it is a path and is taken as it is.
 *
 * Threads: no shared state.
 */
#ifndef TARE_BACKEND_REGISTRY_H
#define TARE_BACKEND_REGISTRY_H

#include "backend/loader.h"

/* The file of a plugin. TARE_ABSENT names the plugins that there are or, if there are none, the
 * folders that were looked in; TARE_INVALID for a name that is empty or not of [a-z0-9_-]. */
enum tare_status backend_find(const char *name, char *path, size_t path_bytes,
                              struct tare_err *err);

/* Finds, loads and probes. On success the caller owns *backend. note as in backend_probe(). */
enum tare_status backend_acquire(const char *name, struct backend **backend, char *note,
                                 size_t note_bytes, struct tare_err *err);

/*
 * The names of all plugins in those folders, each once, in strcmp order. On success the caller
 * passes them to backend_free_names(). No plugin at all is not an error.
 */
enum tare_status backend_list(char ***names, size_t *count, struct tare_err *err);
void backend_free_names(char **names, size_t count);

#endif
