#include "measure/thread_count.h"

#include <stdlib.h>
#include <string.h>

#include "measure/ledger_inner.h"

#define SHOWN 6 /* cells named in one note */

/* --- while the study runs --- */

enum tare_status thread_count_keep(struct sweeps *s, size_t i, const struct crew_visit *visit,
                                   struct tare_err *err)
{
    struct cell_state *cell = &s->cells[i];
    int32_t threads = s->study->cells[i].threads;
    int asked = cell->streams ? cell->streams * cell->threads : threads;
    enum tare_status status = TARE_OK;

    if (visit->busy_threads > cell->busy_threads) {
        if (cell->busy_threads == 0)
            status = store_put_figure(s->store, cell->id, THREAD_COUNT_ASKED, asked, err);
        cell->busy_threads = visit->busy_threads;
        if (status == TARE_OK)
            status =
                store_put_figure(s->store, cell->id, THREAD_COUNT_BUSY, cell->busy_threads, err);
    }
    if (status == TARE_OK && visit->outside_threads > cell->outside_threads) {
        cell->outside_threads = visit->outside_threads;
        status =
            store_put_figure(s->store, cell->id, THREAD_COUNT_OUTSIDE, cell->outside_threads, err);
    }
    return status;
}

static int number(double value)
{
    return value >= 0 && value <= 1e6 ? (int)value : 0;
}

static int find_figure(const struct store_figure *figures, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(figures[i].name, name) == 0)
            return number(figures[i].value);
    return 0;
}

void thread_count_resume(struct sweeps *s, size_t i)
{
    struct store_figure *figures = NULL;
    size_t count = 0;

    if (store_figures(s->store, s->cells[i].id, &figures, &count, NULL) != TARE_OK)
        return;
    s->cells[i].busy_threads = find_figure(figures, count, THREAD_COUNT_BUSY);
    s->cells[i].outside_threads = find_figure(figures, count, THREAD_COUNT_OUTSIDE);
    free(figures);
}

enum tare_status thread_count_plan(struct sweeps *s, struct tare_err *err)
{
    enum tare_status status;

    if (sched_getaffinity(0, sizeof(s->allowed), &s->allowed) != 0) {
        CPU_ZERO(&s->allowed); /* more processors than a set holds: nothing is pinned */
        s->cores.shared = true;
        return TARE_OK;
    }
    status = cores_plan("", &s->allowed, s->study->cpus, &s->cores, err);
    if (status != TARE_OK)
        return status;
    s->pictures.cores = &s->cores;
    cores_take(&s->cores.cells);
    s->memory_bound = s->cores.nodes > 1 && s->cores.node >= 0 && cores_bind_memory(s->cores.node);
    return TARE_OK;
}

enum tare_status thread_count_record(struct sweeps *s, struct tare_err *err)
{
    int64_t run = s->result->run_id;
    char text[CORES_TEXT];
    enum tare_status status;

    cores_format(&s->cores.cells, text, sizeof(text));
    status = store_put_fact(s->store, run, FACT_CPUS, text, err);
    cores_format(&s->cores.harness, text, sizeof(text));
    if (status == TARE_OK)
        status = store_put_fact(s->store, run, FACT_HARNESS_CPUS, text, err);
    if (status == TARE_OK)
        status =
            store_put_fact(s->store, run, FACT_SHARED_CORES, s->cores.shared ? "yes" : "no", err);
    if (status != TARE_OK || s->cores.nodes < 2)
        return status;
    if (s->memory_bound)
        (void)snprintf(text, sizeof(text), "%d of %d", s->cores.node, s->cores.nodes);
    else
        (void)snprintf(text, sizeof(text), "%s",
                       s->cores.node < 0 ? "any: the cells' processors lie on several"
                                         : "any: the kernel does not let it be chosen");
    return store_put_fact(s->store, run, FACT_MEMORY_NODE, text, err);
}

/* --- in the ledger --- */

static enum tare_status tell_cores(struct ledger *ledger, struct tare_err *err)
{
    const char *cpus = ledger_fact(ledger, FACT_CPUS);
    const char *node = ledger_fact(ledger, FACT_MEMORY_NODE);
    const char *before = node[0] ? "; memory node " : "";

    if (!cpus[0])
        return TARE_OK;
    if (strcmp(ledger_fact(ledger, FACT_SHARED_CORES), "yes") == 0)
        return ledger_add_note(&ledger->trust, err, "cores",
                               "shared cores: the harness runs on the cells' own (%s)%s%s", cpus,
                               before, node);
    return ledger_add_note(&ledger->trust, err, "cores",
                           "every cell on processors %s, the harness on %s%s%s", cpus,
                           ledger_fact(ledger, FACT_HARNESS_CPUS), before, node);
}

static enum tare_status warn_of_threads(struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < ledger->cell_count && status == TARE_OK; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        int busy = find_figure(cell->figures, cell->figure_count, THREAD_COUNT_BUSY);
        int asked = find_figure(cell->figures, cell->figure_count, THREAD_COUNT_ASKED);
        int outside = find_figure(cell->figures, cell->figure_count, THREAD_COUNT_OUTSIDE);

        if (busy && asked && busy != asked)
            status = ledger_add_note(&ledger->warnings, err, cell->label,
                                     "asked for %d thread%s, %d worked", asked,
                                     asked == 1 ? "" : "s", busy);
        if (status == TARE_OK && outside)
            status = ledger_add_note(&ledger->warnings, err, cell->label,
                                     "%d of its threads may run on other processors than those of "
                                     "the study (%s)",
                                     outside, ledger_fact(ledger, FACT_CPUS));
    }
    return status;
}

/* What the runtimes took where the number was left to them. */
static enum tare_status tell_defaults(struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    struct buf text = BUF_INIT;
    size_t shown = 0, more = 0;

    for (size_t i = 0; i < ledger->cell_count; i++) {
        const struct ledger_cell *cell = &ledger->cells[i];
        int busy = find_figure(cell->figures, cell->figure_count, THREAD_COUNT_BUSY);

        if (!busy || find_figure(cell->figures, cell->figure_count, THREAD_COUNT_ASKED))
            continue;
        if (shown == SHOWN) {
            more++;
            continue;
        }
        buf_printf(&text, "%s%d in '%s'", shown++ ? ", " : "", busy, cell->label);
    }
    if (more)
        buf_printf(&text, " and %zu more", more);
    if (shown)
        status = ledger_add_note(&ledger->trust, err, "threads",
                                 "left to the runtime, so many worked: %s", buf_text(&text));
    buf_release(&text);
    return status;
}

enum tare_status thread_count_notes(struct ledger *ledger, struct tare_err *err)
{
    enum tare_status status = tell_cores(ledger, err);

    if (status == TARE_OK)
        status = warn_of_threads(ledger, err);
    return status == TARE_OK ? tell_defaults(ledger, err) : status;
}
