#include "ort_trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_tree.h"

#define ROWS_MAX     8192
#define NAME_MAX_LEN 4096
#define MAX_US       ((int64_t)3600 * 1000000) /* of one execution */

static const char suffix[] = "_kernel_time";

static bool is_row(const struct tare_profile_row *row, const char *name, size_t length)
{
    return strncmp(row->node, name, length) == 0 && row->node[length] == '\0';
}

/* A run's events come in the same order as the last one's: the row after the last is tried first.
 */
static struct tare_profile_row *find_row(struct ort_trace *trace, const char *name, size_t length,
                                         const char *op_type, size_t *last)
{
    size_t next = *last + 1 < trace->count ? *last + 1 : 0;
    struct tare_profile_row *row;

    for (size_t k = 0; k < trace->count; k++) {
        size_t i = (next + k) % trace->count;

        if (is_row(&trace->rows[i], name, length)) {
            *last = i;
            return &trace->rows[i];
        }
    }
    if (trace->count == ROWS_MAX)
        return NULL;
    *last = trace->count;
    row = &trace->rows[trace->count];
    row->node = strndup(name, length);
    row->op_type = strdup(op_type);
    trace->count++; /* even without its texts: release() takes both */
    return row->node && row->op_type ? row : NULL;
}

static enum tare_status add_event(struct ort_trace *trace, const struct json_value *event,
                                  size_t *last, struct tare_err *err)
{
    const char *name = json_text(json_get(event, "name"), "");
    size_t length = strlen(name), tail = sizeof(suffix) - 1;
    int64_t duration_us = json_int(json_get(event, "dur"), -1);
    struct tare_profile_row *row;

    if (strcmp(json_text(json_get(event, "cat"), ""), "Node") != 0 || length <= tail ||
        length > NAME_MAX_LEN || strcmp(name + length - tail, suffix) != 0 || duration_us < 0 ||
        duration_us > MAX_US)
        return TARE_OK;
    row = find_row(trace, name, length - tail,
                   json_text(json_get(json_get(event, "args"), "op_name"), ""), last);
    if (!row)
        return tare_fail(err, TARE_LIMIT, "a trace has more than %d nodes, or memory is out",
                         ROWS_MAX);
    row->total_ns = row->calls == 0 ? 0 : row->total_ns + duration_us * 1000;
    row->calls++;
    return TARE_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const struct tare_profile_row *x = a, *y = b;

    if (x->total_ns != y->total_ns)
        return x->total_ns < y->total_ns ? 1 : -1;
    return strcmp(x->node, y->node);
}

static enum tare_status add_events(struct ort_trace *trace, const struct json_value *events,
                                   struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    size_t last = 0;

    if (json_type(events) != JSON_ARRAY)
        return tare_fail(err, TARE_BADDATA, "a trace is no JSON array");
    for (size_t i = 0; i < json_count(events) && status == TARE_OK; i++)
        status = add_event(trace, json_at(events, i), &last, err);
    return status;
}

enum tare_status ort_trace_read(const char *text, size_t size, struct ort_trace *trace,
                                struct tare_err *err)
{
    struct json_tree *tree = NULL;
    enum tare_status status = json_parse(text, size, &tree, err);

    memset(trace, 0, sizeof(*trace));
    if (status != TARE_OK)
        return status;
    trace->rows = calloc(ROWS_MAX, sizeof(*trace->rows));
    status = trace->rows ? add_events(trace, json_root(tree), err)
                         : tare_fail(err, TARE_NOMEM, "out of memory for a profile");
    json_free(tree);
    if (status != TARE_OK) {
        ort_trace_release(trace);
        return status;
    }
    for (size_t i = 0; i < trace->count; i++)
        trace->rows[i].calls--; /* the first one */
    if (trace->count)
        qsort(trace->rows, trace->count, sizeof(*trace->rows), compare_rows);
    return TARE_OK;
}

void ort_trace_release(struct ort_trace *trace)
{
    for (size_t i = 0; i < trace->count; i++) {
        free((void *)(uintptr_t)trace->rows[i].node);
        free((void *)(uintptr_t)trace->rows[i].op_type);
    }
    free(trace->rows);
    memset(trace, 0, sizeof(*trace));
}
