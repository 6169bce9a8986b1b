/* engine_profile.c - time per layer, as TensorRT reports it after each run. */
#include <stdlib.h>
#include <string.h>

#include "engine_session.h"

#define LAYERS_MAX ((size_t)1 << 16)

struct engine_times {
    struct tare_profile_row *rows; // (count), names are ours
    struct tare_profile_row *sorted;
    size_t count, room, next;
    bool failed; /* out of memory, or more than LAYERS_MAX layers */
};

/* Layers come in the same order each time, so the one after the last is tried first. */
static struct tare_profile_row *find_row(struct engine_times *times, const char *layer)
{
    for (size_t i = 0; i < times->count; i++) {
        size_t at = (times->next + i) % times->count;

        if (strcmp(times->rows[at].node, layer) == 0) {
            times->next = at + 1;
            return &times->rows[at];
        }
    }
    return NULL;
}

static struct tare_profile_row *add_row(struct engine_times *times, const char *layer)
{
    struct tare_profile_row *rows = times->rows;
    char *name = NULL;

    if (times->count == times->room && times->room < LAYERS_MAX) {
        size_t room = times->room ? 2 * times->room : 256;

        rows = realloc(times->rows, room * sizeof(*rows));
        if (rows) {
            times->rows = rows;
            times->room = room;
        }
    }
    if (times->count < times->room)
        name = strdup(layer);
    if (!name) {
        times->failed = true;
        return NULL;
    }
    times->rows[times->count] = (struct tare_profile_row){name, "", 0, 0};
    return &times->rows[times->count++];
}

static void add_time(void *data, const char *layer, float ms)
{
    struct engine_times *times = data;
    struct tare_profile_row *row = find_row(times, layer);

    if (!row)
        row = add_row(times, layer);
    if (!row || !(ms >= 0.0F && ms < 1e6F))
        return;
    row->total_ns += (int64_t)((double)ms * 1e6);
    row->calls++;
}

enum tare_status engine_time_layers(struct tare_session *session, struct tare_err *err)
{
    enum tare_status status;

    session->times = calloc(1, sizeof(*session->times));
    if (!session->times)
        return tare_fail(err, TARE_NOMEM, "out of memory for times of layers");
    status = trt_profiler_new(session->library.flavour, add_time, session->times,
                              &session->profiler, err);
    if (status == TARE_OK)
        trt_set_profiler(session->context, session->profiler);
    return status;
}

void engine_drop_times(struct engine_times *times)
{
    if (!times)
        return;
    for (size_t i = 0; i < times->count; i++)
        free((char *)(uintptr_t)times->rows[i].node);
    free(times->rows);
    free(times->sorted);
    free(times);
}

static int compare_rows(const void *a, const void *b)
{
    const struct tare_profile_row *x = a, *y = b;

    return (x->total_ns < y->total_ns) - (x->total_ns > y->total_ns);
}

enum tare_status engine_profile(struct tare_session *session, const struct tare_profile_row **rows,
                                size_t *count, struct tare_err *err)
{
    struct engine_times *times = session->times;

    *count = 0;
    if (!times)
        return tare_fail(err, TARE_INVALID, "the session was opened without option profile=1");
    if (times->failed)
        return tare_fail(err, TARE_LIMIT, "a profile has more than %zu layers, or memory ran out",
                         LAYERS_MAX);
    free(times->sorted);
    times->sorted = calloc(times->count + 1, sizeof(*times->sorted));
    if (!times->sorted)
        return tare_fail(err, TARE_NOMEM, "out of memory for a profile");
    if (times->count > 0)
        memcpy(times->sorted, times->rows, times->count * sizeof(*times->rows));
    qsort(times->sorted, times->count, sizeof(*times->sorted), compare_rows);
    *rows = times->sorted;
    *count = times->count;
    return TARE_OK;
}
