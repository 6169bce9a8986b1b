/*
 * width.c - how wide the ledger's intervals are after a pilot, and how many sweeps follow from it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure/ledger_inner.h"
#include "measure/sweeps_inner.h"

/* The widest line's half width of the log ratio; NAN if no line has an interval. */
static enum tare_status widest(struct sweeps *s, const struct ledger_visits *visits, double *half,
                               struct tare_err *err)
{
    const struct study *study = s->study;
    struct ledger_pair *pairs = calloc(study->line_count + 1, sizeof(*pairs));
    size_t count = 0;
    enum tare_status status;

    *half = NAN;
    if (!pairs)
        return tare_fail(err, TARE_NOMEM, "out of memory for a pilot");
    for (size_t i = 0; i < study->line_count; i++) {
        const struct study_line *line = &study->lines[i];

        if (!s->cells[line->cell].ended && !s->cells[line->baseline].ended)
            pairs[count++] = (struct ledger_pair){.cell = line->cell, .baseline = line->baseline};
    }
    status = ledger_compare_pairs(visits, pairs, count, (uint64_t)study->seed, err);
    for (size_t i = 0; i < count && status == TARE_OK; i++)
        *half = fmax(*half, log(pairs[i].ratio_interval.high / pairs[i].ratio));
    free(pairs);
    return status;
}

static size_t cells_left(const struct sweeps *s)
{
    size_t left = 0;

    for (size_t i = 0; i < s->study->cell_count; i++)
        left += !s->cells[i].ended;
    return left;
}

enum tare_status width_settle(struct sweeps *s, int64_t spent_ns, struct tare_err *err)
{
    const struct study *study = s->study;
    enum store_visit_mode mode = sweeps_mode(study);
    struct ledger_visits *visits = calloc(study->cell_count + 1, sizeof(*visits));
    struct plan_width found = {.left_ns = -1};
    enum tare_status status = TARE_OK;
    char aim[32];

    if (!visits)
        return tare_fail(err, TARE_NOMEM, "out of memory for a pilot");
    for (size_t i = 0; i < study->cell_count && status == TARE_OK; i++)
        status = ledger_load_visits(s->store, s->cells[i].id, mode, &visits[i], err);
    if (status == TARE_OK)
        status = widest(s, visits, &found.half, err);
    if (status == TARE_OK) {
        found.generation_ns = spent_ns / s->plan.pilot_restarts;
        if (study->budget_ns) {
            spent_ns += plan_reserved_ns(study, cells_left(s));
            found.left_ns = study->budget_ns > spent_ns ? study->budget_ns - spent_ns : 0;
        }
        plan_settle(study, &found, &s->plan);
        (void)snprintf(aim, sizeof(aim), "%.9g", study->width);
        status = store_put_fact(s->store, s->result->run_id, "run.width", aim, err);
    }
    if (status == TARE_OK)
        status = plan_save(s->store, s->result->run_id, study->cell_count, &s->plan, err);
    for (size_t i = 0; i < study->cell_count; i++)
        ledger_release_visits(&visits[i]);
    free(visits);
    return status;
}
