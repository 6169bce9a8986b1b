/* peak_memory.c - bytes a second from memory and from the last-level cache. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "measure/peak_inner.h"

#define BUFFER_MIN ((int64_t)64 << 20)
#define BUFFER_MAX ((int64_t)2 << 30)
#define BUFFER_ABSENT                                                                              \
    ((int64_t)256 << 20) /* where the machine does not say how large its cache is */
#define CACHE_BUFFER ((int64_t)8 << 20)
#define BLOCK_BYTES  256 /* that a loop goes through at a time; parts are multiples of it */
#define CHUNKS       8   /* of a buffer, a window each: short ones are disturbed less often */
#define WINDOWS      24
#define WINDOWS_MAX  1024
#define CPUS_MAX     4096

typedef uint64_t words2 __attribute__((vector_size(16), may_alias));
typedef double doubles2 __attribute__((vector_size(16), may_alias));

const char *peak_traffic_name(enum peak_traffic traffic)
{
    static const char *const names[] = {"read", "triad", "cache"};

    return names[traffic];
}

/* --- how large the last-level cache is --- */

/* One line of a cache's description below /sys; false if there is none. */
static bool read_cache_line(const char *root, int cpu, int index, const char *name, char *text,
                            size_t text_bytes)
{
    char path[FILE_MAX_PATH], *data;
    size_t size;

    if (snprintf(path, sizeof(path), "%.3000s/sys/devices/system/cpu/cpu%d/cache/index%d/%s", root,
                 cpu, index, name) >= (int)sizeof(path) ||
        file_read(path, 4096, &data, &size, NULL) != TARE_OK)
        return false;
    (void)snprintf(text, text_bytes, "%.*s", (int)strcspn(data, "\n"), data);
    free(data);
    return true;
}

/* The cache of the highest level that a processor has: its size, and its first processor. */
static int64_t last_cache(const char *root, int cpu, long *first)
{
    int64_t bytes = 0;
    long highest = 0;
    char text[256];

    for (int index = 0; index < 8; index++) {
        char *end;
        long level, size;

        if (!read_cache_line(root, cpu, index, "level", text, sizeof(text)))
            break;
        level = strtol(text, NULL, 10);
        if (level <= highest || !read_cache_line(root, cpu, index, "size", text, sizeof(text)))
            continue;
        size = strtol(text, &end, 10);
        if (size <= 0 || size > (long)1 << 30)
            continue;
        highest = level;
        bytes = (int64_t)size * (*end == 'M' ? 1 << 20 : *end == 'K' ? 1024 : 1);
        *first = read_cache_line(root, cpu, index, "shared_cpu_list", text, sizeof(text))
                     ? strtol(text, NULL, 10)
                     : cpu;
    }
    return bytes;
}

int64_t peak_cache_bytes(const char *root)
{
    int64_t sum = 0;

    for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
        long first = cpu;
        int64_t bytes = last_cache(root, cpu, &first);

        if (bytes == 0 && cpu > 0)
            break;
        sum += first == cpu ? bytes : 0; /* each cache once, by the first that shares it */
    }
    return sum;
}

int64_t peak_buffer_bytes(enum peak_traffic traffic)
{
    int64_t cache = peak_cache_bytes(""), bytes = cache ? 4 * cache : BUFFER_ABSENT;
    struct cpu_info info;

    if (traffic == PEAK_CACHE)
        return cache && cache / 4 < CACHE_BUFFER ? cache / 4 : CACHE_BUFFER;
    bytes = bytes < BUFFER_MIN ? BUFFER_MIN : bytes > BUFFER_MAX ? BUFFER_MAX : bytes;
    if (cpu_read("", &info, NULL) == TARE_OK && info.available_bytes > 0 &&
        bytes > info.available_bytes / 4)
        bytes = info.available_bytes / 4;
    return bytes;
}

/* --- moving bytes --- */

struct traffic {
    enum peak_traffic kind;
    char *buffer;
    size_t part_bytes;  /* of one thread, a multiple of 3 * BLOCK_BYTES */
    size_t chunk_bytes; /* of one window, likewise: windows go on where the last one ended */
    int repeats;        /* of a window */
    struct place {
        size_t at;
        uint64_t sum;
        char apart[48]; /* from the next thread's */
    } places[PEAK_MAX_THREADS];
};

/* Each thread touches its own part first, so that the pages lie near it. */
static void prepare(void *data, int thread)
{
    const struct traffic *traffic = data;

    memset(traffic->buffer + (size_t)thread * traffic->part_bytes, 1, traffic->part_bytes);
}

static uint64_t read_part(const char *part, size_t bytes)
{
    words2 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, s4 = {0}, s5 = {0}, s6 = {0}, s7 = {0};

    __asm__ volatile("" ::: "memory");
    for (size_t at = 0; at < bytes; at += 128) {
        const words2 *from = (const words2 *)(const void *)(part + at);

        s0 += from[0];
        s1 += from[1];
        s2 += from[2];
        s3 += from[3];
        s4 += from[4];
        s5 += from[5];
        s6 += from[6];
        s7 += from[7];
    }
    s0 += s1 + s2 + s3 + s4 + s5 + s6 + s7;
    return s0[0] + s0[1];
}

static void triad_part(char *part, size_t bytes)
{
    size_t count = bytes / 3 / sizeof(doubles2);
    doubles2 *to = (doubles2 *)(void *)part;
    const doubles2 *b = to + count, *c = b + count, scale = {3, 3};

    for (size_t i = 0; i < count; i += 4) {
        to[i] = b[i] + scale * c[i];
        to[i + 1] = b[i + 1] + scale * c[i + 1];
        to[i + 2] = b[i + 2] + scale * c[i + 2];
        to[i + 3] = b[i + 3] + scale * c[i + 3];
    }
    __asm__ volatile("" ::: "memory");
}

static void move(void *data, int thread)
{
    struct traffic *traffic = data;
    struct place *place = &traffic->places[thread];
    char *part = traffic->buffer + (size_t)thread * traffic->part_bytes + place->at;

    for (int i = 0; i < traffic->repeats; i++)
        if (traffic->kind == PEAK_TRIAD)
            triad_part(part, traffic->chunk_bytes);
        else
            place->sum += read_part(part, traffic->chunk_bytes);
    place->at += traffic->chunk_bytes;
    if (place->at + traffic->chunk_bytes > traffic->part_bytes)
        place->at = 0;
}

enum tare_status peak_measure_traffic(enum peak_traffic kind, const struct peak_options *options,
                                      struct peak_rate *rate, struct tare_err *err)
{
    const size_t grain = 3 * BLOCK_BYTES;
    int windows = options->windows > 0 ? options->windows : WINDOWS;
    size_t threads = options->threads > 0 ? (size_t)options->threads : 1, bytes;
    double seconds[WINDOWS_MAX];
    struct traffic *traffic = calloc(1, sizeof(*traffic));
    struct peak_job job = {prepare, move, traffic, (int)threads, 0};
    enum tare_status status;

    memset(rate, 0, sizeof(*rate));
    if (!traffic)
        return tare_fail(err, TARE_NOMEM, "out of memory for a buffer");
    job.windows = windows < WINDOWS_MAX ? windows : WINDOWS_MAX;
    traffic->kind = kind;
    traffic->part_bytes = (size_t)peak_buffer_bytes(kind) / threads / grain * grain;
    traffic->chunk_bytes = traffic->part_bytes;
    traffic->repeats = kind == PEAK_CACHE ? 2 : 1;
    if (kind != PEAK_CACHE)
        traffic->chunk_bytes = traffic->part_bytes / CHUNKS / grain * grain;
    bytes = traffic->part_bytes * threads;
    traffic->buffer =
        mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (traffic->buffer == MAP_FAILED || traffic->chunk_bytes == 0) {
        status = tare_fail(err, TARE_NOMEM, "no room for a buffer of %zu bytes", bytes);
    } else {
        (void)madvise(traffic->buffer, bytes, MADV_HUGEPAGE); /* translation is not what is asked */
        status = peak_run_job(&job, seconds, err);
    }
    if (status == TARE_OK)
        *rate = peak_rate_of((double)traffic->chunk_bytes * job.threads * traffic->repeats, seconds,
                             job.windows);
    if (traffic->buffer != MAP_FAILED)
        (void)munmap(traffic->buffer, bytes ? bytes : 1);
    free(traffic);
    return status;
}
