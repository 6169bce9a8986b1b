/*
 * tree.h - whole folders: made under a name of their own, filled, put in a place at once, removed.
 *
 * Errors: TARE_IO, and TARE_LIMIT for a path that is too long.
 *
 * Threads: no shared state, but that tree_beside() asks for the umask, which can only be done by
 * setting it for a moment.
 */
#ifndef TARE_BASE_TREE_H
#define TARE_BASE_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "tare/status.h"

/* An empty folder of a new name in $TMPDIR or /tmp, for this user alone (0700). The caller removes
 * it. */
enum tare_status tree_temporary(char *path, size_t path_bytes, const char *prefix,
                                struct tare_err *err);

/*
 * The same, held until *fd is closed: a folder that nobody holds any longer, as its process was
 * killed, is removed by the next call with that prefix, once it is a minute old.
 */
enum tare_status tree_temporary_held(char *path, size_t path_bytes, const char *prefix, int *fd,
                                     struct tare_err *err);

/* A new folder beside target ("DIR/NAME.XXXXXX" for "DIR/NAME"), with the mode of an ordinary new
 * folder: tree_replace() can put it in target's place. The folder's parents are made, and stay on
 * error. */
enum tare_status tree_beside(char *path, size_t path_bytes, const char *target,
                             struct tare_err *err);

/*
 * Gives the folder at path the name target. A folder that is there already is replaced by it at
 * once, so that nobody sees half of either, and removed afterwards. On error both are as they were,
 * unless what was replaced cannot be removed: it then lies, in part, at path.
 */
enum tare_status tree_replace(const char *path, const char *target, struct tare_err *err);

/* Removes a folder and all in it; follows no links and leaves no file system. One that is not there
 * is fine. */
enum tare_status tree_remove(const char *path, struct tare_err *err);

/*
 * Calls visit for each file below a folder (whatever is no folder itself), with its path from there
 * ("a/b.txt"), until one returns false. Links are not followed. TARE_LIMIT over 16 folders deep.
 */
enum tare_status tree_walk(const char *path, bool (*visit)(const char *name, void *context),
                           void *context, struct tare_err *err);

/* A copy of a file of up to 16 GiB, by way of a temporary one; to is replaced. */
enum tare_status tree_copy_file(const char *from, const char *to, struct tare_err *err);

#endif
