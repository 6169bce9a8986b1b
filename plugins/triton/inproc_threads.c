#include "inproc_threads.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define TASKS    "/proc/self/task"
#define POLL_NS  1000000
#define STAT_MAX 4096

void inproc_threads_list(struct inproc_threads *threads)
{
    *threads = (struct inproc_threads){NULL, 0};
    if (file_list(TASKS, NULL, &threads->names, &threads->count, NULL) != TARE_OK)
        *threads = (struct inproc_threads){NULL, 0};
}

void inproc_threads_release(struct inproc_threads *threads)
{
    if (threads->names)
        file_free_names(threads->names, threads->count);
    *threads = (struct inproc_threads){NULL, 0};
}

/* The state is the word after the name, which stands in parentheses and may hold any byte. */
static bool sleeps(const char *name)
{
    char path[64], *text = NULL;
    const char *end;
    size_t size;
    bool asleep = true; /* or ended */

    (void)snprintf(path, sizeof(path), TASKS "/%.20s/stat", name);
    if (file_read(path, STAT_MAX, &text, &size, NULL) != TARE_OK)
        return true;
    end = strrchr(text, ')');
    if (end && end[1] == ' ')
        asleep = end[2] != 'R' && end[2] != 'D';
    free(text);
    return asleep;
}

static bool all_sleep(void)
{
    struct inproc_threads now;
    long own = gettid();
    bool asleep = true;

    inproc_threads_list(&now);
    for (size_t i = 0; i < now.count && asleep; i++)
        asleep = strtol(now.names[i], NULL, 10) == own || sleeps(now.names[i]);
    inproc_threads_release(&now);
    return asleep;
}

void inproc_threads_settle(int64_t least_ns, int64_t patience_ns)
{
    int64_t start_ns = clock_now_ns();

    clock_sleep_until(start_ns + least_ns);
    while (!all_sleep() && clock_now_ns() - start_ns < patience_ns)
        clock_sleep_until(clock_now_ns() + POLL_NS);
}

static bool is_among(const struct inproc_threads *threads, const char *name)
{
    for (size_t i = 0; i < threads->count; i++)
        if (strcmp(threads->names[i], name) == 0)
            return true;
    return false;
}

static bool all_among(const struct inproc_threads *before)
{
    struct inproc_threads now;
    bool among = true;

    inproc_threads_list(&now);
    for (size_t i = 0; i < now.count && among; i++)
        among = is_among(before, now.names[i]);
    inproc_threads_release(&now);
    return among;
}

void inproc_threads_await(const struct inproc_threads *before, int64_t patience_ns)
{
    int64_t until_ns = clock_now_ns() + patience_ns;

    while (before->count && !all_among(before) && clock_now_ns() < until_ns)
        clock_sleep_until(clock_now_ns() + POLL_NS);
}
