#include "base/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define COPY_MAX  ((size_t)1 << 34) /* bytes of a file that is copied */
#define OPEN_MAX  16
#define DEPTH_MAX 16

#define SWEEP_SECONDS 60 /* a folder that was just made is not held yet */

static enum tare_status fail_errno(struct tare_err *err, const char *verb, const char *path)
{
    return tare_fail(err, TARE_IO, "cannot %s '%s': %s", verb, path, strerror(errno));
}

static enum tare_status make_new(char *path, struct tare_err *err)
{
    return mkdtemp(path) ? TARE_OK : fail_errno(err, "make", path);
}

static const char *temporary_root(void)
{
    const char *folder = getenv("TMPDIR");

    return folder && *folder ? folder : "/tmp";
}

enum tare_status tree_temporary(char *path, size_t path_bytes, const char *prefix,
                                struct tare_err *err)
{
    int length = snprintf(path, path_bytes, "%s/%s-XXXXXX", temporary_root(), prefix);

    if (length < 0 || (size_t)length >= path_bytes)
        return tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
    return make_new(path, err);
}

/* Removes a folder that this user made some time ago and nobody holds. */
static void sweep_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat info;

    if (fd < 0)
        return;
    if (fstat(fd, &info) == 0 && info.st_uid == geteuid() &&
        time(NULL) - info.st_mtime > SWEEP_SECONDS && flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)tree_remove(path, NULL);
    (void)close(fd);
}

static void sweep(const char *prefix)
{
    size_t count = 0, length = strlen(prefix), random = strlen("-XXXXXX");
    char **names = NULL, path[FILE_MAX_PATH];

    if (file_list(temporary_root(), NULL, &names, &count, NULL) != TARE_OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (strncmp(names[i], prefix, length) == 0 && names[i][length] == '-' &&
            strlen(names[i]) == length + random &&
            file_join(path, sizeof(path), temporary_root(), names[i], NULL) == TARE_OK)
            sweep_folder(path);
    file_free_names(names, count);
}

enum tare_status tree_temporary_held(char *path, size_t path_bytes, const char *prefix, int *fd,
                                     struct tare_err *err)
{
    enum tare_status status;

    *fd = -1;
    sweep(prefix);
    status = tree_temporary(path, path_bytes, prefix, err);
    if (status != TARE_OK)
        return status;
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0 && flock(*fd, LOCK_EX) == 0)
        return TARE_OK;
    status = fail_errno(err, "hold", path);
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    (void)rmdir(path);
    return status;
}

enum tare_status tree_beside(char *path, size_t path_bytes, const char *target,
                             struct tare_err *err)
{
    size_t length = strlen(target);
    enum tare_status status = TARE_OK;
    mode_t mask = umask(0);
    const char *base;

    (void)umask(mask);
    while (length > 1 && target[length - 1] == '/')
        length--;
    if (length == 0 || length + sizeof(".XXXXXX") > path_bytes)
        return tare_fail(err, TARE_LIMIT, "a folder's path of %zu bytes", length);
    memcpy(path, target, length);
    path[length] = '\0';
    base = file_base_name(path);
    if (base > path + 1) { /* its parents */
        path[base - path - 1] = '\0';
        status = file_make_dirs(path, err);
        path[base - path - 1] = '/';
    }
    memcpy(path + length, ".XXXXXX", sizeof(".XXXXXX"));
    if (status == TARE_OK)
        status = make_new(path, err);
    if (status == TARE_OK && chmod(path, 0777 & ~mask) != 0) {
        status = fail_errno(err, "open to others", path);
        (void)rmdir(path);
    }
    return status;
}

enum tare_status tree_replace(const char *path, const char *target, struct tare_err *err)
{
    char name[FILE_MAX_PATH];
    size_t length = strlen(target);

    while (length > 1 && target[length - 1] == '/')
        length--;
    if (length >= sizeof(name))
        return tare_fail(err, TARE_LIMIT, "a folder's path of %zu bytes", length);
    memcpy(name, target, length);
    name[length] = '\0';
    if (rename(path, name) == 0) /* there was none, or an empty one */
        return TARE_OK;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return fail_errno(err, "write", target);
    if (renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_EXCHANGE) != 0)
        return fail_errno(err, "replace", target);
    return tree_remove(path, err);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)place;
    return kind == FTW_DP || kind == FTW_DNR ? rmdir(path) : unlink(path);
}

enum tare_status tree_remove(const char *path, struct tare_err *err)
{
    if (nftw(path, remove_entry, OPEN_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0 &&
        errno != ENOENT)
        return fail_errno(err, "remove", path);
    return TARE_OK;
}

struct walk {
    bool (*visit)(const char *name, void *context);
    void *context;
    size_t root; /* bytes of the folder's own path and its slash */
    bool stopped;
};

/* path has room for FILE_MAX_PATH bytes, and is again what it was afterwards. */
static enum tare_status walk_folder(struct walk *walk, char *path, int depth, struct tare_err *err)
{
    size_t length = strlen(path), count = 0;
    char **names = NULL;
    enum tare_status status = file_list(path, NULL, &names, &count, err);

    if (status == TARE_OK && depth > DEPTH_MAX)
        status = tare_fail(err, TARE_LIMIT, "'%s' lies too deep", path);
    for (size_t i = 0; i < count && status == TARE_OK && !walk->stopped; i++) {
        struct stat info;

        if (length + 1 + strlen(names[i]) >= FILE_MAX_PATH) {
            status = tare_fail(err, TARE_LIMIT, "a path below '%s' is too long", path);
            break;
        }
        path[length] = '/';
        memcpy(path + length + 1, names[i], strlen(names[i]) + 1);
        if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
            status = walk_folder(walk, path, depth + 1, err);
        else
            walk->stopped = !walk->visit(path + walk->root, walk->context);
        path[length] = '\0';
    }
    file_free_names(names, count);
    return status;
}

enum tare_status tree_walk(const char *path, bool (*visit)(const char *name, void *context),
                           void *context, struct tare_err *err)
{
    struct walk walk = {visit, context, strlen(path) + 1, false};
    char folder[FILE_MAX_PATH];

    if (strlen(path) >= sizeof(folder))
        return tare_fail(err, TARE_LIMIT, "a folder's path of %zu bytes", strlen(path));
    memcpy(folder, path, strlen(path) + 1);
    return walk_folder(&walk, folder, 0, err);
}

enum tare_status tree_copy_file(const char *from, const char *to, struct tare_err *err)
{
    struct file_map map;
    enum tare_status status = file_map(from, COPY_MAX, &map, err);

    if (status != TARE_OK)
        return status;
    status = file_write(to, map.data, map.size, err);
    file_unmap(&map);
    return status;
}
