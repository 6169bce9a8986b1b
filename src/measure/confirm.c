#include "measure/confirm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_tree.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/stop.h"
#include "measure/cold.h"
#include "measure/energy.h"
#include "measure/ledger.h"
#include "measure/sweeps_inner.h"
#include "stats/random.h"

#define PICK_FACT   "run.confirm"
#define MAX_SWEEPS  100000
#define ORDER_APART 7919 /* sets the seed of the order apart from the sweeps' */

/* --- the pick -------------------------------------------------------------------------------- */

static enum tare_status save(struct sweeps *s, const struct confirm_pick *pick,
                             struct tare_err *err)
{
    struct buf text = BUF_INIT;
    struct json_writer w;
    enum tare_status status;

    json_start(&w, &text, false);
    json_open_object(&w, NULL);
    json_put_int(&w, "winner", pick->winner_id);
    json_put_int(&w, "other", pick->other_id);
    json_put_int(&w, "sweeps", pick->sweeps);
    json_put_int(&w, "restarts", pick->restarts);
    json_put_text(&w, "failure", pick->failure);
    json_close_object(&w);
    status = buf_status(&text, "a pick", err);
    if (status == TARE_OK)
        status = store_put_fact(s->store, s->result->run_id, PICK_FACT, buf_text(&text), err);
    buf_release(&text);
    return status;
}

static enum tare_status read_pick(const struct json_value *root, struct confirm_pick *pick,
                                  struct tare_err *err)
{
    pick->winner_id = json_int(json_get(root, "winner"), -1);
    pick->other_id = json_int(json_get(root, "other"), -1);
    pick->sweeps = json_int(json_get(root, "sweeps"), -1);
    pick->restarts = json_int(json_get(root, "restarts"), -1);
    (void)snprintf(pick->failure, sizeof(pick->failure), "%s",
                   json_text(json_get(root, "failure"), ""));
    if (pick->winner_id < 0 || pick->other_id < 0 || pick->sweeps < 0 ||
        pick->sweeps > MAX_SWEEPS || pick->restarts < 0 || pick->restarts > pick->sweeps)
        return tare_fail(err, TARE_BADDATA, "what the run is to confirm cannot be read");
    return TARE_OK;
}

enum tare_status confirm_load(struct store *store, int64_t run_id, struct confirm_pick *pick,
                              struct tare_err *err)
{
    struct store_fact *facts = NULL;
    struct json_tree *tree = NULL;
    size_t count = 0, at = 0;
    enum tare_status status = store_facts(store, run_id, &facts, &count, err);

    memset(pick, 0, sizeof(*pick));
    while (at < count && strcmp(facts[at].key, PICK_FACT) != 0)
        at++;
    if (status == TARE_OK && at == count)
        status = tare_fail(err, TARE_ABSENT, "the run has picked nothing to confirm");
    if (status == TARE_OK)
        status = json_parse(facts[at].value, strlen(facts[at].value), &tree, err);
    if (status == TARE_OK)
        status = read_pick(json_root(tree), pick, err);
    json_free(tree);
    free(facts);
    return status;
}

/* The winner, and whoever comes next of those that might have won. */
static void pick_cells(const struct ledger *ledger, struct confirm_pick *pick)
{
    const struct ledger_decision *d = &ledger->decision;

    if (!d->known || d->candidates < PLAN_CONFIRM_CELLS)
        return;
    pick->winner_id = ledger->cells[d->winner].row.id;
    pick->other_id = ledger->cells[d->runner_up].row.id;
}

static size_t index_of(const struct sweeps *s, int64_t cell_id)
{
    size_t i = 0;

    while (i < s->study->cell_count && s->cells[i].id != cell_id)
        i++;
    return i;
}

/* As many sweeps as the study has, or what the budget has left for it. */
static void choose_length(struct sweeps *s, const size_t *cells, struct confirm_pick *pick)
{
    struct plan_confirm found = {.left_ns = -1};

    for (size_t k = 0; k < PLAN_PICK_CELLS; k++) {
        const struct cell_state *cell = &s->cells[cells[k]];

        found.start_ns += cell->start_ns;
        found.index[k] = cells[k];
        found.run_ns[k] = cell->pilot_ns;
    }
    if (s->study->budget_ns) {
        int64_t spent_ns = sweeps_spent_ns(s) + cold_expected_ns(s) + energy_expected_ns(s);

        found.left_ns = s->study->budget_ns > spent_ns ? s->study->budget_ns - spent_ns : 0;
    }
    plan_confirm(s->study, &s->plan, &found, &pick->sweeps, &pick->restarts);
}

/* Reads the pick of an earlier process, or makes it. */
static enum tare_status choose(struct sweeps *s, struct confirm_pick *pick, size_t *cells,
                               struct tare_err *err)
{
    const struct ledger_options options = {.run_id = s->result->run_id, .ap_resamples = -1};
    struct tare_err inner = TARE_ERR_INIT;
    struct ledger ledger = {0};
    enum tare_status status = confirm_load(s->store, s->result->run_id, pick, &inner);
    bool fresh = status == TARE_ABSENT;

    if (fresh)
        status = ledger_build(s->store, &options, &ledger, &inner);
    if (status != TARE_OK)
        return tare_fail(err, status, "%s", inner.text);
    if (fresh)
        pick_cells(&ledger, pick);
    ledger_release(&ledger);
    if (!pick->winner_id)
        return TARE_OK;
    cells[0] = index_of(s, pick->winner_id);
    cells[1] = index_of(s, pick->other_id);
    if (cells[0] == s->study->cell_count || cells[1] == s->study->cell_count)
        return tare_fail(err, TARE_BADDATA, "what the run is to confirm is no cell of it");
    if (fresh)
        choose_length(s, cells, pick);
    return fresh ? save(s, pick, err) : TARE_OK;
}

/* --- the sweeps ------------------------------------------------------------------------------ */

struct confirming {
    struct sweeps *s;
    struct confirm_pick pick;
    size_t cells[PLAN_PICK_CELLS];
    bool *visited;           // (sweeps, PLAN_PICK_CELLS)
    struct tare_err failure; /* of a worker; ends it all */
};

/* What an earlier process of this run did. */
static enum tare_status mark_visited(struct confirming *c, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t k = 0; k < PLAN_PICK_CELLS && status == TARE_OK; k++) {
        struct store_visit *rows = NULL;
        size_t count = 0;

        status = store_visits(c->s->store, c->s->cells[c->cells[k]].id, &rows, &count, err);
        for (size_t i = 0; i < count; i++)
            if (rows[i].mode == STORE_VISIT_CONFIRM && rows[i].sweep >= 0 &&
                rows[i].sweep < c->pick.sweeps)
                c->visited[(size_t)rows[i].sweep * PLAN_PICK_CELLS + k] = true;
        free(rows);
    }
    return status;
}

static enum tare_status start(struct confirming *c, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t k = 0; k < PLAN_PICK_CELLS && status == TARE_OK && c->failure.status == TARE_OK;
         k++) {
        sweeps_tell(c->s, "confirming", c->s->study->cells[c->cells[k]].name, 0, 0);
        status = sweeps_start_cell(c->s, c->cells[k], &c->failure, err);
        sweeps_tell(c->s, "confirming", c->s->study->cells[c->cells[k]].name, 0, SWEEPS_START_WORK);
    }
    return status;
}

static enum tare_status sweep_once(struct confirming *c, int64_t sweep, struct tare_err *err)
{
    size_t order[PLAN_PICK_CELLS] = {0, 1};
    bool *visited = c->visited + (size_t)sweep * PLAN_PICK_CELLS;
    enum tare_status status = TARE_OK;
    struct random random;

    random_seed(&random, (uint64_t)c->s->study->seed * 1000003 + (uint64_t)sweep + ORDER_APART);
    random_shuffle(&random, order, PLAN_PICK_CELLS);
    for (size_t k = 0; k < PLAN_PICK_CELLS && status == TARE_OK && c->failure.status == TARE_OK;
         k++) {
        size_t i = c->cells[order[k]];

        if (visited[order[k]])
            continue;
        status = sweeps_visit_cell(c->s, i, sweep, (int64_t)k, &c->failure, err);
        visited[order[k]] = status == TARE_OK && c->failure.status == TARE_OK;
        sweeps_tell(c->s, "confirming", c->s->study->cells[i].name, sweep + 1, 1);
    }
    return status;
}

static bool is_done(const struct confirming *c, int64_t first, int64_t end)
{
    for (int64_t at = first * PLAN_PICK_CELLS; at < end * PLAN_PICK_CELLS; at++)
        if (!c->visited[at])
            return false;
    return true;
}

/* One generation of two workers and its share of the sweeps. */
static enum tare_status run_restart(struct confirming *c, int64_t ordinal, struct tare_err *err)
{
    int64_t first = ordinal * c->pick.sweeps / c->pick.restarts;
    int64_t end = (ordinal + 1) * c->pick.sweeps / c->pick.restarts;
    enum tare_status status;

    if (is_done(c, first, end))
        return TARE_OK;
    status = start(c, err);
    for (int64_t sweep = first; sweep < end && status == TARE_OK && c->failure.status == TARE_OK;
         sweep++)
        status =
            stop_requested() ? tare_fail(err, TARE_STOPPED, "stopped") : sweep_once(c, sweep, err);
    return status == TARE_OK ? sweeps_stop_crew(c->s, err) : status;
}

/* A failure that is not the user's stop is the end of it, and no more. */
static enum tare_status settle(struct confirming *c, struct tare_err *err)
{
    if (c->failure.status == TARE_OK)
        return TARE_OK;
    if (c->failure.status == TARE_STOPPED)
        return tare_fail(err, TARE_STOPPED, "stopped");
    log_warn("the fastest cell could not be confirmed: %s", c->failure.text);
    (void)snprintf(c->pick.failure, sizeof(c->pick.failure), "%.190s", c->failure.text);
    return save(c->s, &c->pick, err);
}

enum tare_status confirm_run(struct sweeps *s, struct tare_err *err)
{
    struct confirming c = {.s = s, .failure = TARE_ERR_INIT};
    enum store_visit_mode mode = s->mode;
    enum tare_status status;

    if (!s->study->confirm || s->study->throughput || s->study->cell_count < PLAN_CONFIRM_CELLS ||
        !s->planned)
        return TARE_OK;
    sweeps_tell(s, "confirming", "", 0, 0);
    status = choose(s, &c.pick, c.cells, err);
    if (status != TARE_OK || !c.pick.winner_id || c.pick.sweeps == 0 || c.pick.failure[0])
        return status;
    c.visited = calloc((size_t)c.pick.sweeps * PLAN_PICK_CELLS, sizeof(*c.visited));
    if (!c.visited)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study");
    s->mode = STORE_VISIT_CONFIRM;
    s->confirm_sweeps = c.pick.sweeps;
    s->work = s->done + PLAN_PICK_CELLS *
                            ((double)c.pick.sweeps + SWEEPS_START_WORK * (double)c.pick.restarts);
    status = mark_visited(&c, err);
    for (int64_t r = 0; status == TARE_OK && r < c.pick.restarts; r++) {
        status = run_restart(&c, r, err);
        if (status == TARE_OK)
            status = settle(&c, err);
        if (c.failure.status != TARE_OK)
            break;
    }
    s->mode = mode;
    free(c.visited);
    return status;
}
