/*
 * Dropping files from the page cache, held against the kernel's own answer: pages that are mapped
 * and touched stay, pages that nobody holds leave. On a file system in memory there is nothing to
 * drop, which must be seen too.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/page_cache.h"
#include "base/process.h"
#include "check.h"

#define BYTES  ((size_t)1 << 20)
#define TMPFS  0x01021994
#define RAMFS  0x858458f6
#define FOLDER TEST_BUILD "/tests"

static char path[256];

static void make_file(void)
{
    static char data[BYTES];

    memset(data, 'x', sizeof(data));
    (void)snprintf(path, sizeof(path), FOLDER "/page_cache.%d", (int)getpid());
    CHECK(file_write(path, data, sizeof(data), NULL) == TARE_OK);
}

static bool in_memory(void)
{
    struct statfs info;

    return statfs(FOLDER, &info) != 0 || info.f_type == TMPFS || (uint32_t)info.f_type == RAMFS;
}

static void what_nobody_holds_leaves(void)
{
    struct page_cache_files files = {0};
    struct page_cache_share share;

    make_file();
    CHECK(page_cache_add(&files, path, NULL) == TARE_OK);
    CHECK(page_cache_add(&files, path, NULL) == TARE_OK && files.count == 1);
    CHECK(page_cache_look(&files, &share, NULL) == TARE_OK);
    CHECK(share.bytes == (int64_t)BYTES && share.resident_bytes == (int64_t)BYTES);
    CHECK(page_cache_drop(&files, &share, NULL) == TARE_OK);
    CHECK(share.bytes == (int64_t)BYTES);
    CHECK(share.resident_bytes == (in_memory() ? (int64_t)BYTES : 0));
    page_cache_release(&files);
    CHECK(unlink(path) == 0);
}

static void what_is_mapped_stays(void)
{
    struct page_cache_files files = {0};
    struct page_cache_share share;
    struct file_map map;
    unsigned sum = 0;

    make_file();
    CHECK(file_map(path, BYTES, &map, NULL) == TARE_OK);
    for (size_t i = 0; i < map.size; i += 4096)
        sum += map.data[i];
    CHECK(sum != 0);
    CHECK(page_cache_add(&files, path, NULL) == TARE_OK);
    CHECK(page_cache_drop(&files, &share, NULL) == TARE_OK);
    CHECK(share.resident_bytes == (int64_t)BYTES);
    CHECK(share.most && strcmp(share.most, path) == 0);
    file_unmap(&map);
    page_cache_release(&files);
    CHECK(unlink(path) == 0);
}

/* As shared memory of a database, which goes with the process that had it mapped. */
static void a_file_that_is_gone_counts_nothing(void)
{
    struct page_cache_files files = {0};
    struct page_cache_share share;

    CHECK(page_cache_add(&files, FOLDER "/no such file", NULL) == TARE_OK);
    CHECK(page_cache_drop(&files, &share, NULL) == TARE_OK);
    CHECK(share.bytes == 0 && share.resident_bytes == 0 && !share.most);
    page_cache_release(&files);
}

/* A child of another program, so that it has something that this one has not. */
static void mapped_files_of_a_child_without_our_own(void)
{
    static const char *const argv[] = {"sleep", "60", NULL};
    struct process_options options = {.argv = argv, .shared_fd = -1};
    struct page_cache_files files = {0};
    struct process child;
    bool found = false;

    CHECK(process_start(&child, &options, NULL) == TARE_OK);
    for (int i = 0; i < 200 && !found; i++) {
        (void)usleep(10000);
        page_cache_release(&files);
        CHECK(page_cache_add_mapped(&files, child.pid, NULL) == TARE_OK);
        for (size_t k = 0; k < files.count; k++)
            found = found || strstr(files.paths[k], "/sleep") ||
                    strstr(files.paths[k], "busybox") || strstr(files.paths[k], "coreutils");
    }
    CHECK(found);
    for (size_t k = 0; k < files.count; k++)
        CHECK(!strstr(files.paths[k], "libc.so") && files.paths[k][0] == '/');
    process_release(&child, 0);
    page_cache_release(&files);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"what_nobody_holds_leaves", what_nobody_holds_leaves},
        {"what_is_mapped_stays", what_is_mapped_stays},
        {"a_file_that_is_gone_counts_nothing", a_file_that_is_gone_counts_nothing},
        {"mapped_files_of_a_child_without_our_own", mapped_files_of_a_child_without_our_own},
        {NULL, NULL},
    };

    return check_main("page_cache", cases, argc, argv);
}
