#include "kserve/shared_region.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

#define NAME_START "tare-kserve-"
#define ATTEMPTS   100

/* Who a name belongs to. */
struct owner {
    uint64_t space, pid, start;
};

static uint64_t process_space(void)
{
    struct stat info;

    return stat("/proc/self/ns/pid", &info) == 0 ? (uint64_t)info.st_ino : 0;
}

static uint64_t start_of(uint64_t pid)
{
    return pid <= INT_MAX ? process_start_ticks((pid_t)pid) : 0;
}

static struct owner this_process(void)
{
    uint64_t pid = (uint64_t)getpid();
    struct owner owner = {process_space(), pid, start_of(pid)};

    return owner;
}

/* One number of a name and the '-' behind it. */
static bool read_number(const char **at, uint64_t *number)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *number = strtoull(*at, &end, 10);
    if (errno || *end != '-')
        return false;
    *at = end + 1;
    return true;
}

bool shared_region_is_stale(const char *name)
{
    const char *at = name + strlen(NAME_START);
    struct owner owner;

    if (strncmp(name, NAME_START, strlen(NAME_START)) != 0 || !read_number(&at, &owner.space) ||
        !read_number(&at, &owner.pid) || !read_number(&at, &owner.start))
        return false;
    return owner.space == process_space() && owner.start != start_of(owner.pid);
}

void shared_region_sweep(void)
{
    DIR *dir = opendir("/dev/shm");
    const struct dirent *entry;
    char key[sizeof(entry->d_name) + 1];

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (shared_region_is_stale(entry->d_name)) {
            (void)snprintf(key, sizeof(key), "/%s", entry->d_name);
            (void)shm_unlink(key);
        }
    (void)closedir(dir);
}

/* A file of a new name. -1 with errno. */
static int create(struct shared_region *region)
{
    const struct owner owner = this_process();
    int fd = -1;

    for (int i = 0; i < ATTEMPTS && fd < 0; i++) {
        (void)snprintf(region->key, sizeof(region->key),
                       "/" NAME_START "%" PRIu64 "-%" PRIu64 "-%" PRIu64 "-%" PRId64, owner.space,
                       owner.pid, owner.start, clock_now_ns());
        fd = shm_open(region->key, O_RDWR | O_CREAT | O_EXCL, 0600);
        if (fd < 0 && errno != EEXIST)
            return -1;
    }
    region->linked = fd >= 0;
    return fd;
}

enum tare_status shared_region_make(struct shared_region *region, size_t size, struct tare_err *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    enum tare_status status = TARE_OK;
    void *data = MAP_FAILED;
    int fd, error;

    memset(region, 0, sizeof(*region));
    if (size == 0 || size > (size_t)INT64_MAX - page)
        return tare_fail(err, TARE_LIMIT, "no shared memory of %zu bytes", size);
    size = (size + page - 1) / page * page;
    fd = create(region);
    if (fd < 0)
        return tare_fail(err, TARE_IO, "cannot make shared memory: %s", strerror(errno));
    /* Taken now: a full /dev/shm is an error here and would be a crash later. */
    error = posix_fallocate(fd, 0, (off_t)size);
    if (error == ENOSPC)
        status = tare_fail(err, TARE_LIMIT, "no room for %zu bytes in /dev/shm", size);
    else if (error)
        status = tare_fail(err, TARE_IO, "cannot make shared memory of %zu bytes: %s", size,
                           strerror(error));
    if (status == TARE_OK)
        data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (status == TARE_OK && data == MAP_FAILED)
        status = tare_fail(err, TARE_NOMEM, "cannot map shared memory of %zu bytes: %s", size,
                           strerror(errno));
    (void)close(fd);
    if (status == TARE_OK) {
        region->data = data;
        region->size = size;
    } else {
        shared_region_release(region);
    }
    return status;
}

void shared_region_unlink(struct shared_region *region)
{
    if (region->linked)
        (void)shm_unlink(region->key);
    region->linked = false;
}

void shared_region_release(struct shared_region *region)
{
    shared_region_unlink(region);
    if (region->data)
        (void)munmap(region->data, region->size);
    memset(region, 0, sizeof(*region));
}

const char *shared_region_name(const struct shared_region *region)
{
    return region->key + 1;
}
