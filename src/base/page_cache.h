/*
 * page_cache.h - which files processes have mapped, and how much of files lies in the page cache:
 * asks the kernel to drop them, and checks that they left.
 *
 * It needs no privilege. Pages that any process has mapped stay, and files of a file system that
 * lives in memory do too. The kernel tells how much is resident only to who may write the file;
 * others see all of it as resident.
 *
 * Threads: no shared state.
 */
#ifndef TARE_BASE_PAGE_CACHE_H
#define TARE_BASE_PAGE_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tare/status.h"

#define PAGE_CACHE_MAX_FILES 4096

/* Paths, each once. All zero: none. */
struct page_cache_files {
    char **paths; // (count)
    size_t count;
};

/* Adds a path, unless it is there. TARE_LIMIT beyond PAGE_CACHE_MAX_FILES. */
enum tare_status page_cache_add(struct page_cache_files *files, const char *path,
                                struct tare_err *err);

/*
 * Adds the regular files that a process and its living descendants have mapped, without those that
 * this process has mapped too: these cannot leave as long as it lives.
 */
enum tare_status page_cache_add_mapped(struct page_cache_files *files, pid_t pid,
                                       struct tare_err *err);
void page_cache_release(struct page_cache_files *files);

/* How much of files is in the cache, in bytes of whole pages. */
struct page_cache_share {
    int64_t bytes, resident_bytes;
    const char *most; /* the file with the most resident bytes; NULL: none has any */
};

/* A file that is gone counts nothing. TARE_IO if one cannot be read. */
enum tare_status page_cache_look(const struct page_cache_files *files,
                                 struct page_cache_share *share, struct tare_err *err);

/* Writes out and drops the files; what stayed comes back in share, after a few tries. */
enum tare_status page_cache_drop(const struct page_cache_files *files,
                                 struct page_cache_share *share, struct tare_err *err);

#endif
