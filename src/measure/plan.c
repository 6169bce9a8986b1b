#include "measure/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_tree.h"
#include "base/json_write.h"
#include "measure/protocol.h"
#include "measure/residency.h"
#include "measure/throughput.h"

#define PLAN_FACT         "run.plan"
#define RUNS_MIN          5
#define VISIT_OVERHEAD_NS 60e6 /* quiet before a visit, and its row in the store */
#define RESTART_SHARE     0.4
#define VISIT_NS          5e8 /* at least */
#define VISIT_SHORT_NS    3e8 /* at least, under a budget */
#define PILOT_SHARE       0.5 /* of a budget, where a width is aimed at */
#define VISIT_LONG_NS     1e10
#define CONFIRM_SHARE     0.15 /* of a budget, for confirming the fastest */

static int64_t runs_for(const struct study *study, double visit_ns, double run_ns)
{
    double most = PROTOCOL_MAX_RUNS - (double)study->after_switch, runs;

    if (study->paced)
        run_ns = 1e9 / study->rate_hz;
    runs = study->runs ? (double)study->runs : fmax(visit_ns / run_ns, RUNS_MIN);
    return (int64_t)fmin(runs, most);
}

static void choose_runs(const struct study *study, const struct plan_pilot *pilot,
                        struct plan *plan)
{
    double sum = 0, count = 0;

    for (size_t i = 0; i < study->cell_count; i++) {
        double run_ns = pilot->run_ns[i] > 0 ? (double)pilot->run_ns[i] : 1;

        plan->runs[i] = runs_for(study, (double)plan->visit_ns, run_ns);
        if (pilot->run_ns[i] > 0 && pilot->pictures[i]) {
            sum += log(run_ns);
            count++;
        }
    }
    for (size_t i = 0; i < study->cell_count && count > 0; i++)
        if (pilot->pictures[i])
            plan->runs[i] = runs_for(study, (double)plan->visit_ns, exp(sum / count));
}

/* The baseline takes part in every set. */
static double times_in(const struct plan_pilot *pilot, size_t cell)
{
    return pilot->sets > 1 && cell == pilot->baseline ? (double)pilot->sets : 1;
}

/* Around what counts of a visit of many streams. */
static double lead_and_end_ns(const struct study *study, int64_t run_ns)
{
    int64_t streams = study->streams ? study->streams : 1;

    return study->throughput ? 2 * (double)throughput_lead_ns(streams, run_ns) : 0;
}

static double sweep_ns(const struct study *study, const struct plan_pilot *pilot,
                       const struct plan *plan)
{
    double sum = 0;

    for (size_t i = 0; i < study->cell_count; i++) {
        double run_ns = study->paced ? 1e9 / study->rate_hz : (double)pilot->run_ns[i];

        if (pilot->run_ns[i] > 0)
            sum +=
                times_in(pilot, i) * ((double)(plan->runs[i] + study->after_switch) * run_ns +
                                      VISIT_OVERHEAD_NS + lead_and_end_ns(study, pilot->run_ns[i]));
    }
    return sum;
}

/* Cells that could be started. */
static double cells_alive(const struct study *study, const struct plan_pilot *pilot)
{
    double count = 0;

    for (size_t i = 0; i < study->cell_count; i++)
        count += pilot->run_ns[i] > 0;
    return fmax(count, 1);
}

/* All that is neither a visit nor the quiet before it. */
static double fixed_ns(const struct plan_pilot *pilot, int64_t restarts)
{
    return (double)pilot->start_ns + (double)pilot->restart_ns * (double)(restarts - 1) +
           (double)pilot->other_ns;
}

/* The length of visits that have PLAN_SHARE of the time. */
static double visit_for_share(const struct study *study, const struct plan_pilot *pilot,
                              int64_t restarts)
{
    double visits = (double)study->sweeps * cells_alive(study, pilot);

    return PLAN_SHARE / (1 - PLAN_SHARE) * (fixed_ns(pilot, restarts) / visits + VISIT_OVERHEAD_NS);
}

static int64_t restarts_within(const struct study *study, const struct plan_pilot *pilot)
{
    double budget = (double)study->budget_ns, restart = fmax((double)pilot->restart_ns, 1);
    double first = fixed_ns(pilot, 1);
    double held = 1 + floor((budget * (1 - PLAN_SHARE) - first) / restart);
    double most = 1 + floor((budget * RESTART_SHARE - first) / restart);

    return (int64_t)fmin((double)study->restarts, fmax(fmax(held, fmin(2, most)), 1));
}

/* Shorter visits first, so that the sweeps, which intervals live on, are kept where they can be. */
static void fit_into(const struct study *study, const struct plan_pilot *pilot, double left,
                     struct plan *plan)
{
    double sweeps;

    for (int round = 0; round < 2 && !study->visit_ns && !study->runs; round++) {
        double needed = sweep_ns(study, pilot, plan) * (double)study->sweeps;

        if (needed <= left)
            break;
        plan->visit_ns =
            (int64_t)fmax((double)plan->visit_ns * fmax(left, 0) / needed, VISIT_SHORT_NS);
        choose_runs(study, pilot, plan);
    }
    sweeps = floor(fmax(left, 0) / fmax(sweep_ns(study, pilot, plan), 1));
    plan->sweeps = (int64_t)fmin((double)study->sweeps, fmax(sweeps, PLAN_MIN_SWEEPS));
}

static void choose(const struct study *study, const struct plan_pilot *pilot, struct plan *plan)
{
    double share;

    memset(plan, 0, sizeof(*plan));
    plan->sweeps = study->sweeps;
    plan->restarts = study->budget_ns ? restarts_within(study, pilot) : study->restarts;
    share = visit_for_share(study, pilot, plan->restarts);
    plan->visit_ns =
        study->visit_ns ? study->visit_ns : (int64_t)fmin(fmax(share, VISIT_NS), VISIT_LONG_NS);
    choose_runs(study, pilot, plan);
    if (study->budget_ns)
        fit_into(study, pilot, (double)study->budget_ns - fixed_ns(pilot, plan->restarts), plan);
    if (plan->restarts > plan->sweeps)
        plan->restarts = plan->sweeps;
    plan->shortened = plan->sweeps < study->sweeps || plan->restarts < study->restarts;
    plan->pilot_sweeps = plan->sweeps;
    plan->pilot_restarts = plan->restarts;
    plan->sets = pilot->sets > 1 ? pilot->sets : 1;
    for (size_t i = 0; i < study->cell_count && plan->sets > 1; i++)
        plan->set[i] = pilot->set[i];
    plan->settled = study->width <= 0 || plan->sets > 1;
}

int64_t plan_reserved_ns(const struct study *study, size_t cells)
{
    bool confirms =
        study->confirm && !study->soak && !study->throughput && cells >= PLAN_CONFIRM_CELLS;

    return confirms ? (int64_t)((double)study->budget_ns * CONFIRM_SHARE) : 0;
}

void plan_choose(const struct study *study, const struct plan_pilot *pilot, struct plan *plan)
{
    struct study first = *study;

    first.budget_ns -= plan_reserved_ns(study, (size_t)cells_alive(study, pilot));
    if (study->width > 0)
        first.budget_ns = (int64_t)((double)first.budget_ns * PILOT_SHARE);
    choose(&first, pilot, plan);
}

int64_t plan_first_sweep(const struct plan *plan, int64_t ordinal)
{
    return ordinal * plan->pilot_sweeps / plan->pilot_restarts;
}

void plan_settle(const struct study *study, const struct plan_width *found, struct plan *plan)
{
    double pilot = (double)plan->pilot_restarts, needed = pilot, most;

    if (found->half > 0)
        needed = ceil(pilot * pow(found->half / log1p(study->width), 2) - 1e-9);
    most = floor((double)study->max_sweeps * pilot / (double)plan->pilot_sweeps);
    if (found->left_ns >= 0)
        most = fmin(most,
                    pilot + floor((double)found->left_ns / fmax((double)found->generation_ns, 1)));
    plan->restarts = (int64_t)fmax(pilot, fmin(needed, most));
    plan->sweeps = plan_first_sweep(plan, plan->restarts);
    plan->settled = true;
}

void plan_confirm(const struct study *study, const struct plan *plan,
                  const struct plan_confirm *found, int64_t *sweeps, int64_t *restarts)
{
    double left = (double)found->left_ns, start = fmax((double)found->start_ns, 1), sweep = 0;
    double fits;

    *sweeps = plan->sweeps;
    *restarts = plan->restarts;
    if (found->left_ns < 0)
        return;
    for (size_t k = 0; k < PLAN_PICK_CELLS; k++) {
        size_t i = found->index[k];
        double run_ns = study->paced ? 1e9 / study->rate_hz : (double)found->run_ns[k];

        sweep +=
            VISIT_OVERHEAD_NS + (run_ns > 0 ? (double)(plan->runs[i] + study->after_switch) * run_ns
                                            : (double)plan->visit_ns);
    }
    fits = floor(left * RESTART_SHARE / start);
    *restarts = (int64_t)fmin((double)plan->restarts, fmax(fits, 1));
    fits = floor((left - start * (double)*restarts) / fmax(sweep, 1));
    *sweeps = (int64_t)fmin((double)plan->sweeps, fmax(fits, PLAN_MIN_SWEEPS));
    *restarts = *restarts < *sweeps ? *restarts : *sweeps;
}

enum tare_status plan_save(struct store *store, int64_t run_id, size_t cells,
                           const struct plan *plan, struct tare_err *err)
{
    struct buf text = BUF_INIT;
    struct json_writer w;
    enum tare_status status;

    json_start(&w, &text, false);
    json_open_object(&w, NULL);
    json_put_int(&w, "sweeps", plan->sweeps);
    json_put_int(&w, "restarts", plan->restarts);
    json_put_int(&w, "pilot_sweeps", plan->pilot_sweeps);
    json_put_int(&w, "pilot_restarts", plan->pilot_restarts);
    json_put_bool(&w, "settled", plan->settled);
    json_put_int(&w, "visit_ns", plan->visit_ns);
    json_put_bool(&w, "shortened", plan->shortened);
    json_put_int(&w, "sets", plan->sets);
    json_open_array(&w, "set");
    for (size_t i = 0; i < cells && plan->sets > 1; i++)
        json_put_int(&w, NULL, plan->set[i]);
    json_close_array(&w);
    json_open_array(&w, "runs");
    for (size_t i = 0; i < cells; i++)
        json_put_int(&w, NULL, plan->runs[i]);
    json_close_array(&w);
    json_close_object(&w);
    status = buf_status(&text, "a plan", err);
    if (status == TARE_OK)
        status = store_put_fact(store, run_id, PLAN_FACT, buf_text(&text), err);
    buf_release(&text);
    return status;
}

static bool in_range(int64_t value, int64_t min, int64_t max)
{
    return value >= min && value <= max;
}

static enum tare_status read_plan(const struct json_value *root, size_t cells, struct plan *plan,
                                  struct tare_err *err)
{
    const struct json_value *runs = json_get(root, "runs");
    bool fits = json_count(runs) == cells;

    memset(plan, 0, sizeof(*plan));
    plan->sweeps = json_int(json_get(root, "sweeps"), 0);
    plan->restarts = json_int(json_get(root, "restarts"), 0);
    plan->pilot_sweeps = json_int(json_get(root, "pilot_sweeps"), plan->sweeps);
    plan->pilot_restarts = json_int(json_get(root, "pilot_restarts"), plan->restarts);
    plan->settled = json_bool(json_get(root, "settled"), true);
    plan->visit_ns = json_int(json_get(root, "visit_ns"), 0);
    plan->shortened = json_bool(json_get(root, "shortened"), false);
    plan->sets = json_int(json_get(root, "sets"), 1);
    fits = fits && in_range(plan->sets, 1, STUDY_MAX_CELLS);
    for (size_t i = 0; i < cells && fits; i++) {
        plan->set[i] = plan->sets > 1 ? json_int(json_at(json_get(root, "set"), i), -2) : 0;
        fits = in_range(plan->set[i], RESIDENCY_EVERY_SET, plan->sets - 1);
    }
    for (size_t i = 0; i < cells && fits; i++) {
        plan->runs[i] = json_int(json_at(runs, i), 0);
        fits = in_range(plan->runs[i], 1, PROTOCOL_MAX_RUNS);
    }
    if (!fits || !in_range(plan->sweeps, 1, 100000) || !in_range(plan->restarts, 1, plan->sweeps) ||
        !in_range(plan->pilot_restarts, 1, plan->restarts) ||
        !in_range(plan->pilot_sweeps, plan->pilot_restarts, plan->sweeps) ||
        plan_first_sweep(plan, plan->restarts) != plan->sweeps)
        return tare_fail(err, TARE_BADDATA, "the plan of the run is of another study");
    return TARE_OK;
}

enum tare_status plan_load(struct store *store, int64_t run_id, size_t cells, struct plan *plan,
                           struct tare_err *err)
{
    struct store_fact *facts;
    struct json_tree *tree = NULL;
    size_t count, at = 0;
    enum tare_status status = store_facts(store, run_id, &facts, &count, err);

    if (status != TARE_OK)
        return status;
    while (at < count && strcmp(facts[at].key, PLAN_FACT) != 0)
        at++;
    if (at == count)
        status = tare_fail(err, TARE_ABSENT, "the run has no plan yet");
    if (status == TARE_OK)
        status = json_parse(facts[at].value, strlen(facts[at].value), &tree, err);
    if (status == TARE_OK)
        status = read_plan(json_root(tree), cells, plan, err);
    json_free(tree);
    free(facts);
    return status;
}
