/*
 * coco_common.c - what loading and evaluating share: ids to indices, growing arrays, threads, and
 * the values that both kinds of file hold.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "accuracy/coco_inner.h"

#define MAX_THREADS 16

struct coco_slot {
    int64_t id;
    int64_t index; /* -1: free */
};

static size_t slot_of(const struct coco_map *map, int64_t id)
{
    /* Fibonacci hashing: Knuth, "Sorting and Searching", 6.4 */
    return (size_t)(((uint64_t)id * 0x9E3779B97F4A7C15u) >> 32) & map->mask;
}

enum tare_status coco_map_build(struct coco_map *map, const int64_t *ids, size_t count)
{
    size_t slots = 16;

    while (slots < count * 2)
        slots *= 2;
    map->slots = malloc(slots * sizeof(*map->slots));
    if (!map->slots)
        return TARE_NOMEM;
    map->mask = slots - 1;
    for (size_t i = 0; i < slots; i++)
        map->slots[i].index = -1;
    for (size_t i = 0; i < count; i++) {
        size_t slot = slot_of(map, ids[i]);

        while (map->slots[slot].index >= 0)
            slot = (slot + 1) & map->mask;
        map->slots[slot] = (struct coco_slot){ids[i], (int64_t)i};
    }
    return TARE_OK;
}

void coco_map_release(struct coco_map *map)
{
    free(map->slots);
    *map = (struct coco_map){0};
}

ptrdiff_t coco_map_find(const struct coco_map *map, int64_t id)
{
    size_t slot = slot_of(map, id);

    while (map->slots[slot].index >= 0 && map->slots[slot].id != id)
        slot = (slot + 1) & map->mask;
    return (ptrdiff_t)map->slots[slot].index;
}

enum tare_status coco_grow(void **items, size_t *capacity, size_t count, size_t item_bytes,
                           size_t max, const char *what, struct tare_err *err)
{
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown;

    if (count < *capacity)
        return TARE_OK;
    if (count >= max)
        return tare_fail(err, TARE_LIMIT, "more than %zu %s", max, what);
    grown = realloc(*items, (wanted < max ? wanted : max) * item_bytes);
    if (!grown)
        return tare_fail(err, TARE_NOMEM, "out of memory for %s", what);
    *items = grown;
    *capacity = wanted < max ? wanted : max;
    return TARE_OK;
}

int coco_thread_count(int threads)
{
    cpu_set_t set;

    if (threads <= 0)
        threads = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return threads < MAX_THREADS ? threads : MAX_THREADS;
}

struct task_run {
    coco_task *task;
    void *context;
    size_t count;
    atomic_size_t next;
};

struct task_worker {
    struct task_run *run;
    pthread_t thread;
    int index;
};

static void *work(void *argument)
{
    const struct task_worker *worker = argument;
    struct task_run *run = worker->run;

    for (;;) {
        size_t index = atomic_fetch_add(&run->next, 1);

        if (index >= run->count)
            return NULL;
        run->task(run->context, worker->index, index);
    }
}

void coco_run_tasks(int threads, size_t count, coco_task *task, void *context)
{
    struct task_run run = {.task = task, .context = context, .count = count};
    struct task_worker workers[MAX_THREADS];
    int started = 1;

    threads = coco_thread_count(threads);
    if ((size_t)threads > count)
        threads = (int)count;
    workers[0] = (struct task_worker){.run = &run};
    for (; started < threads; started++) {
        workers[started] = (struct task_worker){.run = &run, .index = started};
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break;
    }
    (void)work(&workers[0]);
    for (int i = 1; i < started; i++)
        (void)pthread_join(workers[i].thread, NULL);
}

enum tare_status coco_json_status(const struct json_reader *reader, const char *name,
                                  struct tare_err *err)
{
    size_t line, column;

    if (!reader->fault)
        return TARE_OK;
    json_read_where(reader, &line, &column);
    return tare_fail(err, TARE_BADDATA, "'%s' line %zu, column %zu: %s", name, line, column,
                     reader->fault);
}

bool coco_read_id(struct json_reader *reader, int64_t *id)
{
    struct json_number number;

    if (!json_read_number(reader, &number))
        return false;
    if (!number.is_integer) {
        json_read_fault(reader, "an id must be an integer");
        return false;
    }
    *id = number.integer;
    return true;
}

bool coco_read_finite(struct json_reader *reader, double *value)
{
    struct json_number number;

    if (!json_read_number(reader, &number))
        return false;
    if (!isfinite(number.value)) {
        json_read_fault(reader, "number out of range");
        return false;
    }
    *value = number.value;
    return true;
}

bool coco_read_box(struct json_reader *reader, double box[4])
{
    int count = 0;

    if (!json_enter_array(reader))
        return false;
    while (json_next_element(reader)) {
        if (count == 4) {
            json_read_fault(reader, "a bbox has 4 numbers, not more");
            return false;
        }
        if (!coco_read_finite(reader, &box[count++]))
            return false;
    }
    if (count < 4)
        json_read_fault(reader, "a bbox has 4 numbers, not fewer");
    return count == 4 && !reader->fault;
}
