/* process_proc.c - what the kernel says of processes in /proc: time, memory, threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"

#define TREE_MAX    1024 /* processes of a tree; bounded, as a pid may be reused meanwhile */
#define START_FIELD 22   /* of /proc/PID/stat, from 1: when the process was started */

static bool read_proc(pid_t pid, const char *name, char **text)
{
    char path[64];
    size_t size;

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return file_read(path, 1 << 16, text, &size, NULL) == TARE_OK;
}

/*
 * /proc/PID/schedstat counts in nanoseconds but for the main thread only; stat counts all threads
 * in clock ticks. The tasks' schedstat has both. Calls take for each thread; false if the process
 * is gone.
 */
static bool each_thread(pid_t pid, void (*take)(pid_t tid, int64_t cpu_ns, void *data), void *data)
{
    char dir[64], **names = NULL;
    size_t count = 0;

    (void)snprintf(dir, sizeof(dir), "/proc/%d/task", (int)pid);
    if (file_list(dir, NULL, &names, &count, NULL) != TARE_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        char path[FILE_MAX_PATH], *text;
        size_t size;

        (void)snprintf(path, sizeof(path), "%s/%s/schedstat", dir, names[i]);
        if (file_read(path, 4096, &text, &size, NULL) != TARE_OK)
            continue; /* the thread has just ended */
        take((pid_t)strtol(names[i], NULL, 10), strtoll(text, NULL, 10), data);
        free(text);
    }
    file_free_names(names, count);
    return true;
}

static void add_time(pid_t tid, int64_t cpu_ns, void *data)
{
    (void)tid;
    *(int64_t *)data += cpu_ns;
}

int64_t process_cpu_ns(pid_t pid)
{
    int64_t total = 0;

    return each_thread(pid, add_time, &total) ? total : -1;
}

uint64_t process_start_ticks(pid_t pid)
{
    uint64_t start = 0;
    char *text, *at;

    if (!read_proc(pid, "stat", &text))
        return 0;
    at = strrchr(text, ')'); /* its name comes before, and may hold anything */
    for (int field = 2; at && field < START_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (at)
        start = strtoull(at, NULL, 10);
    free(text);
    return start;
}

static int64_t status_kib(pid_t pid, const char *key)
{
    int64_t bytes = -1;
    char *text, *at;

    if (!read_proc(pid, "status", &text))
        return -1;
    at = strstr(text, key);
    if (at)
        bytes = strtoll(at + strlen(key), NULL, 10) * 1024;
    free(text);
    return bytes;
}

int64_t process_rss_bytes(pid_t pid)
{
    return status_kib(pid, "\nVmRSS:");
}

int64_t process_peak_rss_bytes(pid_t pid)
{
    return status_kib(pid, "\nVmHWM:");
}

size_t process_tree(pid_t pid, pid_t *pids, size_t max)
{
    size_t count = 0;

    if (max)
        pids[count++] = pid;
    for (size_t i = 0; i < count; i++) {
        char path[64], *text, *at, *end;
        size_t size;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pids[i], (int)pids[i]);
        if (file_read(path, 1 << 16, &text, &size, NULL) != TARE_OK)
            continue;
        for (at = text; count < max; at = end) {
            long child = strtol(at, &end, 10);

            if (end == at)
                break;
            pids[count++] = (pid_t)child;
        }
        free(text);
    }
    return count;
}

/* Sum over a process and its living descendants; -1 if it is gone. */
static int64_t tree_sum(pid_t pid, int64_t (*measure)(pid_t pid))
{
    pid_t pids[TREE_MAX];
    size_t count = process_tree(pid, pids, TREE_MAX);
    int64_t total = measure(pid);

    for (size_t i = 1; i < count && total >= 0; i++) {
        int64_t part = measure(pids[i]);

        total += part > 0 ? part : 0;
    }
    return total;
}

int64_t process_tree_cpu_ns(pid_t pid)
{
    return tree_sum(pid, process_cpu_ns);
}

int64_t process_tree_rss_bytes(pid_t pid)
{
    return tree_sum(pid, process_rss_bytes);
}

int64_t process_tree_peak_rss_bytes(pid_t pid)
{
    return tree_sum(pid, process_peak_rss_bytes);
}

struct thread_list {
    struct process_thread *threads;
    size_t count, room;
};

static void add_thread(pid_t tid, int64_t cpu_ns, void *data)
{
    struct thread_list *list = data;

    if (list->count < list->room)
        list->threads[list->count++] = (struct process_thread){tid, cpu_ns};
}

size_t process_tree_threads(pid_t pid, struct process_thread *threads, size_t room)
{
    struct thread_list list = {threads, 0, room};
    pid_t pids[TREE_MAX];
    size_t count = process_tree(pid, pids, TREE_MAX);

    for (size_t i = 0; i < count; i++)
        (void)each_thread(pids[i], add_thread, &list);
    return list.count;
}
