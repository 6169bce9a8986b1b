/* profile.c - a stored profile against the peaks of its run. */
#include "measure/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_ENOUGH 0.5 /* of the time, in rows of nodes */
#define MOST          0.8 /* of the time lost: what the first sentence names */

static const struct json_value *find_cell(const struct json_value *cells, int64_t cell_id)
{
    for (size_t i = 0; i < json_count(cells); i++)
        if (json_int(json_get(json_at(cells, i), "cell"), 0) == cell_id)
            return json_at(cells, i);
    return NULL;
}

/* Whether all four numbers are there and may be what they say. */
static bool read_cost(const struct json_value *row, struct roofline_cost *cost)
{
    cost->operations = json_number(json_get(row, "operations"), -1);
    cost->int8_operations = json_number(json_get(row, "int8_operations"), -1);
    cost->weight_bytes = json_number(json_get(row, "weight_bytes"), -1);
    cost->edge_bytes = json_number(json_get(row, "edge_bytes"), -1);
    return isfinite(cost->operations) && isfinite(cost->int8_operations) &&
           isfinite(cost->weight_bytes) && isfinite(cost->edge_bytes) && cost->operations >= 0 &&
           cost->int8_operations >= 0 && cost->weight_bytes >= 0 && cost->edge_bytes >= 0;
}

static void read_line(const struct json_value *row, const struct ledger *ledger, size_t cell,
                      struct profile_line *line)
{
    const struct store_cell *own = &ledger->cells[cell].row;
    const char *executed = own->executed_precision;
    struct roofline_graph graph = {.known = true};

    line->name = json_text(json_get(row, "name"), "");
    line->ops = json_text(json_get(row, "ops"), "");
    line->nodes = json_get(row, "nodes");
    line->of_graph = json_bool(json_get(row, "of_graph"), false);
    line->time_ns = json_number(json_get(row, "time_ns"), NAN);
    if (!(line->time_ns >= 0) || !isfinite(line->time_ns))
        line->time_ns = 0;
    graph.known = read_cost(row, &graph.cost);
    (void)snprintf(graph.why, sizeof(graph.why), "what its operator costs is not known");
    if (graph.known)
        line->cost = graph.cost;
    line->limit =
        roofline_row_on(&ledger->peaks, own->device, &graph,
                        executed[0] ? executed : own->precision, own->threads, line->time_ns);
    line->limit_ns = line->limit.known ? line->limit.limit_ns : NAN;
    if (!line->of_graph && ledger->peaks.known)
        line->limit_ns = 0; /* the graph does not ask for it */
    line->lost_ns = isnan(line->limit_ns) ? NAN : fmax(0, line->time_ns - line->limit_ns);
}

/* By time lost, what has none by time, behind. */
static int compare_lines(const void *a, const void *b)
{
    const struct profile_line *x = a, *y = b;
    double lost_x = isnan(x->lost_ns) ? -1 : x->lost_ns;
    double lost_y = isnan(y->lost_ns) ? -1 : y->lost_ns;

    if (lost_x != lost_y)
        return lost_x < lost_y ? 1 : -1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* Where a runtime executes the graph, or most of it, as one, nothing can be held against nodes. */
static void sum_times(struct profile *profile)
{
    for (size_t i = 0; i < profile->count; i++) {
        profile->sum_ns += profile->lines[i].time_ns;
        profile->mapped_ns += profile->lines[i].of_graph ? profile->lines[i].time_ns : 0;
    }
    profile->whole = profile->mapped_ns < MAPPED_ENOUGH * profile->sum_ns;
    for (size_t i = 0; i < profile->count && profile->whole; i++)
        profile->lines[i].limit_ns = profile->lines[i].lost_ns = NAN;
}

static void sum_lost(struct profile *profile)
{
    double most = 0;

    profile->lost_ns = NAN;
    for (size_t i = 0; i < profile->count; i++) {
        const struct profile_line *line = &profile->lines[i];

        if (!isnan(line->lost_ns))
            profile->lost_ns = (isnan(profile->lost_ns) ? 0 : profile->lost_ns) + line->lost_ns;
    }
    while (profile->most < profile->count && most < MOST * profile->lost_ns)
        most += profile->lines[profile->most++].lost_ns;
}

static enum tare_status read_lines(const struct json_value *row, const struct ledger *ledger,
                                   size_t cell, struct profile *profile, struct tare_err *err)
{
    const struct json_value *lines = json_get(row, "lines");
    const struct ledger_times *times = ledger_times(&ledger->cells[cell]);
    double infer = times ? times->stage_ns[LEDGER_INFER] : NAN;

    profile->lines = calloc(json_count(lines) + 1, sizeof(*profile->lines));
    if (!profile->lines)
        return tare_fail(err, TARE_NOMEM, "out of memory for a profile");
    profile->known = true;
    profile->runs = json_int(json_get(row, "runs"), 0);
    profile->profiled_ns = json_number(json_get(row, "profiled_ns"), NAN);
    profile->unprofiled_ns = !times ? NAN : isnan(infer) ? times->p50_ns : infer;
    for (; profile->count < json_count(lines); profile->count++)
        read_line(json_at(lines, profile->count), ledger, cell, &profile->lines[profile->count]);
    sum_times(profile);
    qsort(profile->lines, profile->count, sizeof(*profile->lines), compare_lines);
    sum_lost(profile);
    return TARE_OK;
}

enum tare_status profile_read(struct store *store, const struct ledger *ledger, size_t cell,
                              struct profile *profile, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    const struct json_value *row;
    char *text = NULL;
    size_t size = 0;
    enum tare_status status =
        store_document(store, ledger->run.id, PROFILE_DOCUMENT, &text, &size, &inner);

    memset(profile, 0, sizeof(*profile));
    profile->why = "the run was made without --profile";
    if (status == TARE_ABSENT)
        return TARE_OK;
    if (status != TARE_OK)
        return tare_fail(err, status, "%s", inner.text);
    status = json_parse(text, size, &profile->tree, err);
    free(text);
    if (status != TARE_OK)
        return status;
    row = find_cell(json_root(profile->tree), ledger->cells[cell].row.id);
    if (row)
        profile->why = json_text(json_get(row, "why"), "");
    else if (ledger->cells[cell].row.reason[0])
        profile->why = ledger->cells[cell].row.reason;
    if (row && !profile->why[0])
        status = read_lines(row, ledger, cell, profile, err);
    if (status != TARE_OK)
        profile_release(profile);
    return status;
}

void profile_release(struct profile *profile)
{
    free(profile->lines);
    json_free(profile->tree);
    memset(profile, 0, sizeof(*profile));
}
