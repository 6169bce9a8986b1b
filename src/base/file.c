#include "base/file.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/buf.h"

static enum tare_status fail_errno(struct tare_err *err, const char *verb, const char *path)
{
    enum tare_status status = errno == ENOENT || errno == ENOTDIR ? TARE_ABSENT : TARE_IO;

    return tare_fail(err, status, "cannot %s '%s': %s", verb, path, strerror(errno));
}

enum tare_status file_map(const char *path, size_t max, struct file_map *map, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    struct stat info;
    int fd;

    *map = (struct file_map){NULL, 0};
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
    if (fd < 0)
        return fail_errno(err, "open", path);
    if (fstat(fd, &info) != 0) {
        status = fail_errno(err, "read", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = tare_fail(err, TARE_IO, "'%s' is not a regular file", path);
    } else if ((uint64_t)info.st_size > max) {
        status = tare_fail(err, TARE_LIMIT, "'%s' has %lld bytes, at most %zu are read", path,
                           (long long)info.st_size, max);
    } else if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

        if (data == MAP_FAILED)
            status = fail_errno(err, "map", path);
        else
            *map = (struct file_map){data, (size_t)info.st_size};
    }
    (void)close(fd);
    return status;
}

void file_unmap(struct file_map *map)
{
    if (map->data)
        (void)munmap((void *)(uintptr_t)map->data, map->size);
    *map = (struct file_map){NULL, 0};
}

static enum tare_status read_all(int fd, const char *path, struct buf *buf, struct tare_err *err)
{
    for (;;) {
        void *room = buf_reserve(buf, 65536);
        ssize_t count;

        if (!room)
            return buf_status(buf, path, err);
        count = read(fd, room, 65536);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fail_errno(err, "read", path);
        if (count == 0)
            return TARE_OK;
        buf_commit(buf, (size_t)count);
    }
}

enum tare_status file_read(const char *path, size_t max, char **data, size_t *size,
                           struct tare_err *err)
{
    enum tare_status status;
    struct buf buf;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    *data = NULL;
    *size = 0;
    if (fd < 0)
        return fail_errno(err, "open", path);
    buf_init(&buf, max > (size_t)-1 - 65536 ? max : max + 65536);
    status = read_all(fd, path, &buf, err);
    if (status == TARE_OK && buf.size > max)
        status = tare_fail(err, TARE_LIMIT, "'%s' is larger than %zu bytes", path, max);
    if (status == TARE_OK) {
        *size = buf.size;
        *data = buf_detach(&buf);
        if (!*data)
            status = tare_fail(err, TARE_NOMEM, "out of memory for '%s'", path);
    }
    (void)close(fd);
    buf_release(&buf);
    return status;
}

/* Writes what one call takes at most, from byte offset of the first part on. */
static ssize_t write_some(int fd, const struct file_part *parts, size_t count, size_t offset)
{
    struct iovec pieces[64];
    size_t used = 0;

    for (; used < count && used < sizeof(pieces) / sizeof(pieces[0]); used++) {
        const char *data = parts[used].data;
        size_t skip = used ? 0 : offset;

        pieces[used].iov_base = (void *)(uintptr_t)(data + skip); /* writev() reads it only */
        pieces[used].iov_len = parts[used].size - skip;
    }
    return writev(fd, pieces, (int)used);
}

static enum tare_status write_all(int fd, const char *path, const struct file_part *parts,
                                  size_t count, struct tare_err *err)
{
    size_t offset = 0; /* written of parts[0] */

    for (;;) {
        ssize_t written;

        for (; count > 0 && offset >= parts->size; parts++, count--)
            offset -= parts->size;
        if (count == 0)
            return TARE_OK;
        written = write_some(fd, parts, count, offset);
        if (written < 0 && errno != EINTR)
            return fail_errno(err, "write", path);
        offset += written < 0 ? 0 : (size_t)written;
    }
}

static bool is_plain_target(const char *path)
{
    struct stat info;

    return lstat(path, &info) != 0 || S_ISREG(info.st_mode);
}

/* A device, a pipe or a link can't be renamed over without changing what it is. */
static enum tare_status write_in_place(const char *path, const struct file_part *parts,
                                       size_t count, struct tare_err *err)
{
    enum tare_status status;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    if (fd < 0)
        return fail_errno(err, "create", path);
    status = write_all(fd, path, parts, count, err);
    if (close(fd) != 0 && status == TARE_OK)
        status = fail_errno(err, "close", path);
    return status;
}

static mode_t file_mode(void)
{
    mode_t mask = umask(0);

    (void)umask(mask);
    return 0666 & ~mask;
}

enum tare_status file_write(const char *path, const void *data, size_t size, struct tare_err *err)
{
    const struct file_part part = {data, size};

    return file_write_parts(path, &part, 1, err);
}

enum tare_status file_write_parts(const char *path, const struct file_part *parts, size_t count,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    char temporary[FILE_MAX_PATH];
    int fd, length;

    if (strcmp(path, "-") == 0)
        return write_all(STDOUT_FILENO, "standard output", parts, count, err);
    if (!is_plain_target(path))
        return write_in_place(path, parts, count, err);
    length = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path);
    if (length < 0 || (size_t)length >= sizeof(temporary))
        return tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "create", path);
    if (fchmod(fd, file_mode()) != 0)
        status = fail_errno(err, "write", path);
    if (status == TARE_OK)
        status = write_all(fd, path, parts, count, err);
    if (close(fd) != 0 && status == TARE_OK)
        status = fail_errno(err, "close", path);
    if (status == TARE_OK && rename(temporary, path) != 0)
        status = fail_errno(err, "rename to", path);
    if (status != TARE_OK)
        (void)unlink(temporary);
    return status;
}

enum tare_status file_temporary(char *path, size_t path_bytes, const char *suffix,
                                struct tare_err *err)
{
    const char *folder = getenv("TMPDIR");
    int fd, length = snprintf(path, path_bytes, "%s/tare-XXXXXX%s",
                              folder && *folder ? folder : "/tmp", suffix);

    if (length < 0 || (size_t)length >= path_bytes)
        return tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
    fd = mkstemps(path, (int)strlen(suffix));
    if (fd < 0)
        return tare_fail(err, TARE_IO, "cannot make '%s': %s", path, strerror(errno));
    (void)close(fd);
    return TARE_OK;
}

bool file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum tare_status file_make_dirs(const char *path, struct tare_err *err)
{
    char part[FILE_MAX_PATH];
    size_t length = strlen(path);

    if (length >= sizeof(part))
        return tare_fail(err, TARE_LIMIT, "path of %zu bytes is too long", length);
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && !(errno == EEXIST && file_is_dir(part)))
            return fail_errno(err, "make directory", part);
        if (i < length)
            part[i] = '/';
    }
    return TARE_OK;
}

enum tare_status file_join(char *out, size_t out_bytes, const char *dir, const char *name,
                           struct tare_err *err)
{
    size_t length = strlen(dir);
    const char *slash = length == 0 || dir[length - 1] == '/' ? "" : "/";
    int written = snprintf(out, out_bytes, "%s%s%s", dir, slash, name);

    if (written < 0 || (size_t)written >= out_bytes)
        return tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", written);
    return TARE_OK;
}

const char *file_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

bool file_has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path), tail = strlen(suffix);

    return length > tail && strcmp(path + length - tail, suffix) == 0;
}

static bool has_any_suffix(const char *name, const char *const *suffixes)
{
    size_t length = strlen(name);

    if (!suffixes)
        return true;
    for (; *suffixes; suffixes++) {
        size_t tail = strlen(*suffixes);

        if (length >= tail && strcasecmp(name + length - tail, *suffixes) == 0)
            return true;
    }
    return false;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum tare_status add_name(char ***names, size_t *count, const char *name,
                                 struct tare_err *err)
{
    char **grown = realloc(*names, (*count + 1) * sizeof(**names));

    if (!grown)
        return tare_fail(err, TARE_NOMEM, "out of memory for a list of files");
    *names = grown;
    grown[*count] = strdup(name);
    if (!grown[*count])
        return tare_fail(err, TARE_NOMEM, "out of memory for a list of files");
    (*count)++;
    return TARE_OK;
}

enum tare_status file_list(const char *dir, const char *const *suffixes, char ***names,
                           size_t *count, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    struct dirent *entry;
    DIR *handle = opendir(dir);

    *names = NULL;
    *count = 0;
    if (!handle)
        return fail_errno(err, "open directory", dir);
    while (status == TARE_OK && (errno = 0, entry = readdir(handle))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (has_any_suffix(entry->d_name, suffixes))
            status = add_name(names, count, entry->d_name, err);
    }
    if (status == TARE_OK && errno)
        status = fail_errno(err, "read directory", dir);
    (void)closedir(handle);
    if (status == TARE_OK && *count > 1)
        qsort(*names, *count, sizeof(**names), compare_names);
    if (status != TARE_OK) {
        file_free_names(*names, *count);
        *names = NULL;
        *count = 0;
    }
    return status;
}

/* Replaces a name by "dir/name". */
static enum tare_status put_before(const char *dir, char **name, struct tare_err *err)
{
    size_t room = strlen(dir) + strlen(*name) + 2;
    char *path = malloc(room);
    enum tare_status status = path
                                  ? file_join(path, room, dir, *name, err)
                                  : tare_fail(err, TARE_NOMEM, "out of memory for a list of files");

    if (status != TARE_OK) {
        free(path);
        return status;
    }
    free(*name);
    *name = path;
    return TARE_OK;
}

enum tare_status file_list_paths(const char *dir, const char *const *suffixes, const char *wanted,
                                 char ***paths, size_t *count, struct tare_err *err)
{
    enum tare_status status = file_list(dir, suffixes, paths, count, err);

    if (status != TARE_OK)
        return status;
    if (*count == 0)
        status = tare_fail(err, TARE_ABSENT, "no %s in '%s'", wanted, dir);
    for (size_t i = 0; i < *count && status == TARE_OK; i++)
        status = put_before(dir, &(*paths)[i], err);
    if (status != TARE_OK) {
        file_free_names(*paths, *count);
        *paths = NULL;
        *count = 0;
    }
    return status;
}

void file_free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

enum tare_status file_self(char *out, size_t out_bytes, struct tare_err *err)
{
    static const char here = 0; /* an address in the file that is looked for */
    char path[FILE_MAX_PATH];
    const char *name = "/proc/self/exe";
    void *object = NULL;
    Dl_info info;

    /* The program's own name is whatever it was called by, and is left empty there. */
    if (dladdr1(&here, &info, &object, RTLD_DL_LINKMAP) != 0 && object &&
        ((const struct link_map *)object)->l_name[0])
        name = ((const struct link_map *)object)->l_name;
    if (!realpath(name, path))
        return fail_errno(err, "find", name);
    return snprintf(out, out_bytes, "%s", path) < (int)out_bytes
               ? TARE_OK
               : tare_fail(err, TARE_LIMIT, "path of %zu bytes is too long", strlen(path));
}

static bool try_home(char *out, size_t out_bytes, const char *base, const char *relative)
{
    static const char *const witnesses[] = {"python", "studies"};
    char path[FILE_MAX_PATH];

    if (file_join(path, sizeof(path), base, relative, NULL) != TARE_OK || !realpath(path, out))
        return false;
    for (size_t i = 0; i < sizeof(witnesses) / sizeof(witnesses[0]); i++)
        if (file_join(path, sizeof(path), out, witnesses[i], NULL) != TARE_OK || !file_is_dir(path))
            return false;
    return strlen(out) < out_bytes;
}

/*
 * The program lies in bin/ of a source tree, in build/NAME/bin/ of one, or in PREFIX/bin beside
 * PREFIX/lib/tare; a plugin one folder below, Triton's backend two. All three places hold the
 * folders python/ and studies/, which no folder between has.
 */
enum tare_status file_home(char *out, size_t out_bytes, struct tare_err *err)
{
    static const char *const places[] = {"..",       "../lib/tare", "../..",
                                         "../../..", "../../../..", "../../../../.."};
    const char *given = getenv("TARE_HOME");
    char self[FILE_MAX_PATH], found[FILE_MAX_PATH];
    enum tare_status status;
    char *slash;

    if (given && *given)
        return file_join(out, out_bytes, given, "", err);
    status = file_self(self, sizeof(self), err);
    if (status != TARE_OK)
        return status;
    slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (try_home(found, sizeof(found), self, places[i]))
            return snprintf(out, out_bytes, "%s", found) < (int)out_bytes
                       ? TARE_OK
                       : tare_fail(err, TARE_LIMIT, "path of %zu bytes is too long", strlen(found));
    return tare_fail(err, TARE_ABSENT,
                     "cannot find tare's own files near '%s'; set TARE_HOME to their folder", self);
}
