#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "measure/plan.h"
#include "measure/protocol.h"

#define SECOND ((int64_t)1000000000)

/* Three cells of 10, 20 and 40 ms, each 2.5 s to start. */
static void make(struct study *study, struct plan_pilot *pilot)
{
    static const char *const runtimes[] = {"a", "b", "c"};

    study_init(study);
    memset(pilot, 0, sizeof(*pilot));
    for (int i = 0; i < 3; i++) {
        struct study_cell cell;

        study_cell_init(&cell, "m.onnx");
        (void)snprintf(cell.runtime, sizeof(cell.runtime), "%s", runtimes[i]);
        CHECK_OK(study_add_cell(study, &cell, err));
        pilot->run_ns[i] = 10000000 << i;
    }
    pilot->start_ns = pilot->restart_ns = 3 * SECOND * 5 / 2;
}

/* What a plan's study takes: visits, and all of it. */
static void predict(const struct study *study, const struct plan_pilot *pilot,
                    const struct plan *plan, double *visits, double *whole)
{
    double count = 0;

    *visits = 0;
    for (size_t i = 0; i < study->cell_count; i++) {
        *visits += (double)(plan->runs[i] + study->after_switch) * (double)pilot->run_ns[i];
        count += pilot->run_ns[i] > 0;
    }
    *visits *= (double)plan->sweeps;
    *whole = *visits + (double)pilot->start_ns + (double)pilot->other_ns +
             (double)(plan->restarts - 1) * (double)pilot->restart_ns +
             60e6 * count * (double)plan->sweeps;
}

static void visits_have_most_of_the_time(void)
{
    static const int64_t starts[] = {SECOND / 10, SECOND, 8 * SECOND, 20 * SECOND};
    struct plan_pilot pilot;
    struct study study;
    struct plan plan;
    double visits, whole;

    make(&study, &pilot);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        pilot.start_ns = pilot.restart_ns = starts[i];
        plan_choose(&study, &pilot, &plan);
        predict(&study, &pilot, &plan, &visits, &whole);
        CHECK(plan.sweeps == 20 && plan.restarts == 5 && !plan.shortened);
        CHECK(visits >= 0.8 * whole);
        CHECK(plan.visit_ns >= SECOND / 2 && plan.visit_ns <= 10 * SECOND);
    }
    pilot.start_ns = pilot.restart_ns = 600 * SECOND; /* nothing can make up for that */
    plan_choose(&study, &pilot, &plan);
    CHECK(plan.visit_ns == 10 * SECOND);
    study_release(&study);
}

static void what_a_study_says_is_kept(void)
{
    struct plan_pilot pilot;
    struct study study;
    struct plan plan;

    make(&study, &pilot);
    study.visit_ns = 400000000;
    plan_choose(&study, &pilot, &plan);
    CHECK(plan.runs[0] == 40 && plan.runs[1] == 20 && plan.runs[2] == 10);
    study.runs = 7;
    plan_choose(&study, &pilot, &plan);
    CHECK(plan.runs[0] == 7 && plan.runs[2] == 7);
    study.runs = 0;
    pilot.pictures[0] = pilot.pictures[2] = true; /* 20 ms is the mean of 10 and 40 */
    plan_choose(&study, &pilot, &plan);
    CHECK(plan.runs[0] == 20 && plan.runs[1] == 20 && plan.runs[2] == 20);
    study.paced = true;
    study.rate_hz = 50;
    plan_choose(&study, &pilot, &plan);
    CHECK(plan.runs[0] == 20 && plan.runs[2] == 20);
    study_release(&study);
}

static void a_budget_is_kept(void)
{
    static const int64_t budgets[] = {40 * SECOND, 60 * SECOND, 100 * SECOND, 300 * SECOND,
                                      3000 * SECOND};
    struct plan_pilot pilot;
    struct study study;
    struct plan plan;
    double visits, whole;

    make(&study, &pilot);
    for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
        study.budget_ns = budgets[i];
        plan_choose(&study, &pilot, &plan);
        predict(&study, &pilot, &plan, &visits, &whole);
        CHECK(whole <= (double)budgets[i] * 1.001);
        CHECK(plan.sweeps >= PLAN_MIN_SWEEPS && plan.restarts >= 1);
        if (budgets[i] >= 60 * SECOND) /* two layouts of memory where they can be had */
            CHECK(plan.restarts >= 2);
        if (budgets[i] >= 300 * SECOND)
            CHECK(plan.sweeps == 20 && visits >= 0.8 * whole);
    }
    CHECK(plan.restarts == 5 && !plan.shortened);
    study.budget_ns = SECOND; /* too little for anything */
    plan_choose(&study, &pilot, &plan);
    CHECK(plan.sweeps == PLAN_MIN_SWEEPS && plan.restarts == 1 && plan.shortened);
    study_release(&study);
}

static void a_width_sets_the_sweeps(void)
{
    const struct plan pilot = {
        .sweeps = 20, .restarts = 5, .pilot_sweeps = 20, .pilot_restarts = 5};
    struct plan_width found = {.generation_ns = 10 * SECOND, .left_ns = -1};
    struct study study;
    struct plan plan = pilot;

    study_init(&study);
    study.width = 0.02;
    found.half = 3 * log(1.02); /* three times too wide: nine times the work */
    plan_settle(&study, &found, &plan);
    CHECK(plan.restarts == 45 && plan.sweeps == 180 && plan.settled);
    CHECK(plan_first_sweep(&plan, 5) == 20 && plan_first_sweep(&plan, 45) == 180);
    plan = pilot;
    found.half = 4 * log(1.02); /* 16 times 20 is more than the maximum of 200 */
    plan_settle(&study, &found, &plan);
    CHECK(plan.restarts == 50 && plan.sweeps == 200);
    plan = pilot;
    found.left_ns = 35 * SECOND; /* three generations */
    plan_settle(&study, &found, &plan);
    CHECK(plan.restarts == 8 && plan.sweeps == 32);
    plan = pilot;
    found.left_ns = -1;
    found.half = log(1.01); /* narrow enough: nothing is added, nothing taken */
    plan_settle(&study, &found, &plan);
    CHECK(plan.restarts == 5 && plan.sweeps == 20);
    plan = pilot;
    found.half = (double)NAN;
    plan_settle(&study, &found, &plan);
    CHECK(plan.restarts == 5 && plan.sweeps == 20 && plan.settled);
    study_release(&study);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"visits_have_most_of_the_time", visits_have_most_of_the_time},
        {"what_a_study_says_is_kept", what_a_study_says_is_kept},
        {"a_budget_is_kept", a_budget_is_kept},
        {"a_width_sets_the_sweeps", a_width_sets_the_sweeps},
        {NULL, NULL},
    };

    return check_main("plan", cases, argc, argv);
}
