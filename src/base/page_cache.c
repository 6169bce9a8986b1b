#include "base/page_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"

#define MAX_MAPS   ((size_t)16 << 20) /* bytes of one /proc/PID/maps */
#define MAX_TREE   1024
#define LOOK_PAGES ((size_t)1 << 16) /* pages looked at in one call */
#define TRIES      5
#define PAUSE_MS   20 /* between tries: a process that was just killed still has pages mapped */

/* --- lists --- */

static bool holds(const struct page_cache_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->paths[i], path) == 0)
            return true;
    return false;
}

enum tare_status page_cache_add(struct page_cache_files *files, const char *path,
                                struct tare_err *err)
{
    char **grown;

    if (holds(files, path))
        return TARE_OK;
    if (files->count == PAGE_CACHE_MAX_FILES)
        return tare_fail(err, TARE_LIMIT, "more than %d files are mapped", PAGE_CACHE_MAX_FILES);
    grown = realloc(files->paths, (files->count + 1) * sizeof(*grown));
    if (grown) {
        files->paths = grown;
        grown[files->count] = strdup(path);
    }
    if (!grown || !grown[files->count])
        return tare_fail(err, TARE_NOMEM, "out of memory for a list of files");
    files->count++;
    return TARE_OK;
}

void page_cache_release(struct page_cache_files *files)
{
    file_free_names(files->paths, files->count);
    memset(files, 0, sizeof(*files));
}

/* Device files are mapped too, and files that were deleted since. */
static bool is_regular(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

/* A line is "address perms offset device inode path"; the path of a mapped file is absolute. */
static enum tare_status add_maps(struct page_cache_files *files, pid_t pid,
                                 const struct page_cache_files *without, struct tare_err *err)
{
    char name[64], *text, *end;
    enum tare_status status = TARE_OK;
    size_t size;

    (void)snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
    if (file_read(name, MAX_MAPS, &text, &size, NULL) != TARE_OK)
        return TARE_OK; /* it has just ended */
    for (char *line = text; status == TARE_OK && (end = strchr(line, '\n')); line = end + 1) {
        char *path;

        *end = '\0';
        path = strchr(line, '/');
        if (path && !(without && holds(without, path)) && !holds(files, path) && is_regular(path))
            status = page_cache_add(files, path, err);
    }
    free(text);
    return status;
}

enum tare_status page_cache_add_mapped(struct page_cache_files *files, pid_t pid,
                                       struct tare_err *err)
{
    struct page_cache_files own = {0};
    pid_t pids[MAX_TREE];
    size_t count = process_tree(pid, pids, MAX_TREE);
    enum tare_status status = add_maps(&own, getpid(), NULL, err);

    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = add_maps(files, pids[i], &own, err);
    page_cache_release(&own);
    return status;
}

/* --- pages --- */

static enum tare_status fail_file(const char *path, const char *what, struct tare_err *err)
{
    return tare_fail(err, TARE_IO, "cannot %s '%s': %s", what, path, strerror(errno));
}

/* Counts the resident pages of an open file of `size` bytes, part by part. */
static bool count_resident(int fd, size_t size, unsigned char *seen, int64_t *resident)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), part = LOOK_PAGES * page;

    *resident = 0;
    for (size_t at = 0; at < size; at += part) {
        size_t length = size - at < part ? size - at : part;
        void *memory = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, (off_t)at);
        bool known;

        if (memory == MAP_FAILED)
            return false;
        known = mincore(memory, length, seen) == 0;
        for (size_t i = 0; known && i < (length + page - 1) / page; i++)
            *resident += seen[i] & 1 ? (int64_t)page : 0;
        (void)munmap(memory, length);
        if (!known)
            return false;
    }
    return true;
}

static enum tare_status look_at(const char *path, bool drop, unsigned char *seen, int64_t *bytes,
                                int64_t *resident, struct tare_err *err)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    enum tare_status status = TARE_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;

    *bytes = *resident = 0;
    if (fd < 0 && errno == ENOENT) /* some files live as long as the process that mapped them */
        return TARE_OK;
    if (fd < 0)
        return fail_file(path, "open", err);
    if (drop) { /* a file system that cannot says so; what stayed is seen below */
        (void)fsync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    if (fstat(fd, &info) != 0 || info.st_size < 0)
        status = fail_file(path, "look at", err);
    else if (!count_resident(fd, (size_t)info.st_size, seen, resident))
        status = fail_file(path, "see which pages are in memory of", err);
    else
        *bytes = ((int64_t)info.st_size + page - 1) / page * page;
    (void)close(fd);
    return status;
}

static enum tare_status look(const struct page_cache_files *files, bool drop,
                             struct page_cache_share *share, struct tare_err *err)
{
    unsigned char *seen = malloc(LOOK_PAGES);
    enum tare_status status =
        seen ? TARE_OK : tare_fail(err, TARE_NOMEM, "out of memory for a look at the page cache");
    int64_t most = 0;

    memset(share, 0, sizeof(*share));
    for (size_t i = 0; i < files->count && status == TARE_OK; i++) {
        int64_t bytes, resident;

        status = look_at(files->paths[i], drop, seen, &bytes, &resident, err);
        share->bytes += bytes;
        share->resident_bytes += resident;
        if (resident > most) {
            most = resident;
            share->most = files->paths[i];
        }
    }
    free(seen);
    return status;
}

enum tare_status page_cache_look(const struct page_cache_files *files,
                                 struct page_cache_share *share, struct tare_err *err)
{
    return look(files, false, share, err);
}

enum tare_status page_cache_drop(const struct page_cache_files *files,
                                 struct page_cache_share *share, struct tare_err *err)
{
    enum tare_status status = look(files, true, share, err);

    for (int try = 1; try < TRIES && status == TARE_OK && share->resident_bytes; try++) {
        (void)poll(NULL, 0, PAUSE_MS);
        status = look(files, true, share, err);
    }
    return status;
}
