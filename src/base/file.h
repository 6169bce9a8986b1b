/*
 * file.h - whole files in, whole files out, and the few path questions that commands ask.
 *
 * Writing goes to a temporary file beside the target and is renamed over it at the end, so a full
 * disk or a kill never leaves half a result under the real name.
 *
 * Threads: no shared state.
 */
#ifndef TARE_BASE_FILE_H
#define TARE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define FILE_MAX_PATH 4096 /* with its final NUL */

/* A file mapped read-only. data is NULL for an empty file. */
struct file_map {
    const uint8_t *data; // (size)
    size_t size;
};

/*
 * Maps a regular file. TARE_ABSENT if it is not there, TARE_LIMIT if it is larger than max bytes,
 * TARE_IO otherwise. On success file_unmap() it.
 */
enum tare_status file_map(const char *path, size_t max, struct file_map *map, struct tare_err *err);
void file_unmap(struct file_map *map);

/*
 * Reads a whole file (which may be a pipe or a /proc file) into malloc'ed memory that the caller
 * frees; a NUL follows the last byte. Errors as file_map().
 */
enum tare_status file_read(const char *path, size_t max, char **data, size_t *size,
                           struct tare_err *err);

/* Writes a whole file by way of a temporary one. "-" writes to standard output. */
enum tare_status file_write(const char *path, const void *data, size_t size, struct tare_err *err);

/* The same from several pieces one after the other, so that nobody joins them in memory first. */
struct file_part {
    const void *data; // (size)
    size_t size;
};
enum tare_status file_write_parts(const char *path, const struct file_part *parts, size_t count,
                                  struct tare_err *err);

/* An empty file of a new name in $TMPDIR or /tmp; path gets its name. The caller removes it. */
enum tare_status file_temporary(char *path, size_t path_bytes, const char *suffix,
                                struct tare_err *err);

bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* Makes a directory and its parents; one that is there already is fine. */
enum tare_status file_make_dirs(const char *path, struct tare_err *err);

/* Puts "dir/name" into out. TARE_LIMIT if it does not fit. */
enum tare_status file_join(char *out, size_t out_bytes, const char *dir, const char *name,
                           struct tare_err *err);

/* The part after the last '/'. Points into path. */
const char *file_base_name(const char *path);

/* Whether path ends in suffix (".pt"), with something before it; cases differ. */
bool file_has_suffix(const char *path, const char *suffix);

/*
 * The names of a directory's entries that end in one of the suffixes (NULL-terminated list, case
 * ignored; NULL: all), without "." and "..", in strcmp order. On success the caller passes names
 * to file_free_names().
 */
enum tare_status file_list(const char *dir, const char *const *suffixes, char ***names,
                           size_t *count, struct tare_err *err);

/* The same as "dir/name" each; TARE_ABSENT, saying what is wanted ("picture"), if there are none.
 */
enum tare_status file_list_paths(const char *dir, const char *const *suffixes, const char *wanted,
                                 char ***paths, size_t *count, struct tare_err *err);
void file_free_names(char **names, size_t count);

/*
 * The paths ("sub/name") of all regular files below a folder, in strcmp order; without hidden ones
 * and Python's __pycache__. Links are followed. TARE_LIMIT over FILE_TREE_MAX of them, or folders
 * FILE_TREE_DEPTH deep. On success the caller passes paths to file_free_names().
 */
#define FILE_TREE_MAX   4096
#define FILE_TREE_DEPTH 16
enum tare_status file_tree(const char *dir, char ***paths, size_t *count, struct tare_err *err);

/* SHA-256 of a whole file, as 64 hex digits and a NUL. */
enum tare_status file_sha256(const char *path, char hex[65], struct tare_err *err);

/* The same of a folder: of the text with a line "HASH  PATH" for each file of file_tree(), as
 * sha256sum prints it. bytes: of all the files. */
enum tare_status file_tree_sha256(const char *dir, char hex[65], int64_t *bytes,
                                  struct tare_err *err);

/*
 * The file that this code is in, as an absolute path without links: the program, or the shared
 * object that has the library in it, wherever the program that loaded it lies.
 */
enum tare_status file_self(char *out, size_t out_bytes, struct tare_err *err);

/* Folder that this installation's data lies in (plugins, python, studies, data): $TARE_HOME, or
 * found from file_self() (bin/.., or PREFIX/lib/tare). */
enum tare_status file_home(char *out, size_t out_bytes, struct tare_err *err);

#endif
