/* report_profile.c - where to stop optimising a cell. */
#include "report/report_profile.h"

#include <math.h>
#include <string.h>

#include "report/report.h"
#include "report/write.h"

#define SHOWN        15 /* lines of the table */
#define NAMED        4  /* nodes of the first sentence */
#define NAME_COLUMNS 36

static double per_cent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

/* "57.3 M", "1.2 G": operations. */
static struct write_number write_operations(double count)
{
    static const char *const units[] = {"", " k", " M", " G", " T"};
    struct write_number text;
    size_t unit = 0;

    for (; count >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        count /= 1000;
    (void)snprintf(text.text, sizeof(text.text), unit ? "%.1f%s" : "%.0f%s", count, units[unit]);
    return text;
}

/* --- the first sentence --- */

static void put_verdict(struct buf *out, const struct profile *p)
{
    struct buf text = BUF_INIT;

    if (p->whole) {
        buf_printf(&text,
                   "Nothing can be said of nodes: %.0f %% of the time is in rows of the runtime "
                   "that name no node of the graph.",
                   per_cent(p->sum_ns - p->mapped_ns, p->sum_ns));
    } else if (isnan(p->lost_ns)) {
        buf_printf(&text, "How much could be won is not known: %s.",
                   p->count ? p->lines[0].limit.why : "the runtime timed no node");
    } else {
        buf_printf(&text,
                   "At most %.0f %% of this cell's time could be won by perfect kernels; %zu of "
                   "%zu nodes hold 80 %% of it: ",
                   per_cent(p->lost_ns, p->sum_ns), p->most, p->count);
        for (size_t i = 0; i < p->most && i < NAMED; i++)
            buf_printf(&text, "%s%s (%.1f %%)", i ? ", " : "", p->lines[i].name,
                       per_cent(p->lines[i].lost_ns, p->sum_ns));
        if (p->most > NAMED)
            buf_printf(&text, " and %zu more", p->most - NAMED);
        buf_append_text(&text, ". Beyond those there is little to win.");
    }
    write_wrapped(out, buf_text(&text), 0, 0);
    buf_release(&text);
}

/* --- the table --- */

static void put_cells(struct buf *out, const struct profile *p, double time_ns, double operations,
                      double bytes, double limit_ns, double lost_ns)
{
    char share[16] = "–";

    if (!isnan(limit_ns) && time_ns > 0)
        (void)snprintf(share, sizeof(share), "%.0f %%", per_cent(limit_ns, time_ns));
    write_padded(out, write_ms(time_ns, false).text, -9);
    buf_printf(out, "%6.1f %%", per_cent(time_ns, p->sum_ns));
    write_padded(out, operations > 0 ? write_operations(operations).text : "–", -10);
    write_padded(out, bytes > 0 ? write_bytes(bytes).text : "–", -10);
    write_padded(out, write_ms(limit_ns, false).text, -9);
    write_padded(out, share, -7);
    write_padded(out, write_ms(lost_ns, false).text, -9);
    buf_append_char(out, '\n');
}

static void put_line(struct buf *out, const struct profile *p, const struct profile_line *line)
{
    struct buf name = BUF_INIT;

    buf_printf(&name, "%s%s%s", line->name, line->of_graph ? "" : " ",
               line->of_graph ? "" : line->ops);
    write_padded(out, buf_text(&name), NAME_COLUMNS);
    put_cells(out, p, line->time_ns, line->cost.operations + line->cost.int8_operations,
              line->limit.known ? line->limit.bytes : 0, line->limit_ns, line->lost_ns);
    buf_release(&name);
}

static void put_others(struct buf *out, const struct profile *p)
{
    double time_ns = 0, operations = 0, bytes = 0, limit_ns = 0, lost_ns = 0;
    char name[48];

    for (size_t i = SHOWN; i < p->count; i++) {
        const struct profile_line *line = &p->lines[i];

        time_ns += line->time_ns;
        operations += line->cost.operations + line->cost.int8_operations;
        bytes += line->limit.known ? line->limit.bytes : 0;
        limit_ns += line->limit_ns;
        lost_ns += line->lost_ns;
    }
    (void)snprintf(name, sizeof(name), "%zu others", p->count - SHOWN);
    write_padded(out, name, NAME_COLUMNS);
    put_cells(out, p, time_ns, operations, bytes, limit_ns, lost_ns);
}

static void put_table(struct buf *out, const struct profile *p)
{
    buf_append_char(out, '\n');
    write_padded(out, "node", NAME_COLUMNS);
    buf_printf(out, "%9s%8s%10s%10s%9s%7s%9s\n", "ms", "share", "FLOPs", "bytes", "limit ms",
               "of it", "lost ms");
    for (size_t i = 0; i < p->count && i < SHOWN; i++)
        put_line(out, p, &p->lines[i]);
    if (p->count > SHOWN)
        put_others(out, p);
}

/* --- what the figures stand on --- */

static void put_ground(struct buf *out, const struct profile *p)
{
    struct buf text = BUF_INIT;
    bool added = false;

    for (size_t i = 0; i < p->count; i++)
        added = added || !p->lines[i].of_graph;
    buf_printf(
        &text, "The nodes sum to %s ms; a run took %s ms while it was profiled (mean of %lld)",
        write_ms(p->sum_ns, false).text, write_ms(p->profiled_ns, false).text, (long long)p->runs);
    if (isnan(p->unprofiled_ns))
        buf_append_text(&text, " and was not measured otherwise.");
    else
        buf_printf(&text,
                   " and %s ms in visits (median): the sum is %s %% against it, which is "
                   "what profiling costs or hides.",
                   write_ms(p->unprofiled_ns, false).text,
                   write_percent(p->sum_ns / p->unprofiled_ns).text);
    buf_append_text(&text, " A line has the operations and bytes of the nodes that were fused into "
                           "it.");
    if (added && !p->whole)
        buf_append_text(&text, " Lines in brackets are the runtime's own: the graph does not ask "
                               "for them, so all of their time counts as lost.");
    buf_append_char(out, '\n');
    write_wrapped(out, buf_text(&text), 0, 0);
    buf_release(&text);
}

enum tare_status report_profile(const struct ledger *ledger, size_t cell, const struct profile *p,
                                struct buf *out, struct tare_err *err)
{
    struct buf head = BUF_INIT;

    buf_printf(&head, "%s: node by node in run %lld of %s", ledger->cells[cell].label,
               (long long)ledger->run.id, ledger->path);
    write_wrapped(out, buf_text(&head), 0, 0);
    buf_clear(&head);
    if (p->known) {
        put_verdict(out, p);
        put_table(out, p);
        put_ground(out, p);
    } else {
        buf_printf(&head, "There is no profile: %s.", p->why);
        write_wrapped(out, buf_text(&head), 0, 0);
    }
    buf_release(&head);
    return buf_status(out, "profile", err);
}

/* --- for programs --- */

static void put_json_line(struct json_writer *w, const struct profile_line *line)
{
    const struct roofline_row *limit = &line->limit;

    json_open_object(w, NULL);
    json_put_text(w, "name", line->name);
    json_put_text(w, "ops", line->ops);
    json_put_bool(w, "of_graph", line->of_graph);
    json_open_array(w, "nodes");
    for (size_t i = 0; i < json_count(line->nodes); i++)
        json_put_text(w, NULL, json_text(json_at(line->nodes, i), ""));
    json_close_array(w);
    json_put_number(w, "time_ns", line->time_ns);
    json_put_number(w, "operations", line->cost.operations + line->cost.int8_operations);
    json_put_number(w, "bytes", limit->known ? limit->bytes : NAN);
    json_put_text(w, "bound", limit->known ? roofline_bound_name(limit->bound) : NULL);
    json_put_number(w, "limit_ns", line->limit_ns);
    json_put_number(w, "of_limit", line->time_ns > 0 ? line->limit_ns / line->time_ns : NAN);
    json_put_number(w, "lost_ns", line->lost_ns);
    json_close_object(w);
}

enum tare_status report_profile_json(const struct ledger *ledger, size_t cell,
                                     const struct profile *p, struct buf *out, struct tare_err *err)
{
    struct json_writer w;

    json_start(&w, out, true);
    json_open_object(&w, NULL);
    json_put_int(&w, "version", 1);
    json_put_text(&w, "cell", ledger->cells[cell].label);
    json_put_text(&w, "key", ledger->cells[cell].row.key);
    json_put_text(&w, "why_none", p->known ? NULL : p->why);
    if (p->known) {
        json_put_int(&w, "runs", p->runs);
        json_put_number(&w, "profiled_ns", p->profiled_ns);
        json_put_number(&w, "unprofiled_ns", p->unprofiled_ns);
        json_put_number(&w, "sum_ns", p->sum_ns);
        json_put_number(&w, "mapped_ns", p->mapped_ns);
        json_put_number(&w, "lost_ns", p->lost_ns);
        json_put_int(&w, "most", (int64_t)p->most);
        json_open_array(&w, "lines");
        for (size_t i = 0; i < p->count; i++)
            put_json_line(&w, &p->lines[i]);
        json_close_array(&w);
    }
    json_close_object(&w);
    buf_append_char(out, '\n');
    return buf_status(out, "JSON", err);
}
