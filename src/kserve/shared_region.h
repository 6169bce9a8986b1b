/*
 * shared_region.h - a piece of POSIX shared memory that a server of the same machine maps too.
 *
 * Its name says who made it (process namespace, process, when that started), so that what a killed
 * process left behind is told from what a living one uses. It stands in /dev/shm only until the
 * server has mapped the memory: shared_region_unlink().
 *
 * Threads: no shared state; a region belongs to one thread at a time.
 */
#ifndef TARE_KSERVE_SHARED_REGION_H
#define TARE_KSERVE_SHARED_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define SHARED_NAME_MAX 112 /* with its NUL */

struct shared_region {
    char key[SHARED_NAME_MAX + 1]; /* "/name", as shm_open(3) wants it */
    uint8_t *data;                 // (size), zeroed, of whole pages
    size_t size;
    bool linked;
};

/* TARE_LIMIT if /dev/shm has no room for size bytes (rounded up to whole pages). On success
 * shared_region_release() it. */
enum tare_status shared_region_make(struct shared_region *region, size_t size,
                                    struct tare_err *err);

/* Takes its name away; who has mapped it keeps it. */
void shared_region_unlink(struct shared_region *region);

/* Unmaps it, and unlinks it if need be. A zeroed struct is allowed. */
void shared_region_release(struct shared_region *region);

/* The name that a server knows it by: its key without '/'. */
const char *shared_region_name(const struct shared_region *region);

/* Whether a name is that of a region whose process is gone. False for any other name, and for those
 * of another process namespace, of which nothing is known here. */
bool shared_region_is_stale(const char *name);

/* Unlinks what killed processes left in /dev/shm. */
void shared_region_sweep(void);

#endif
