/*
 * resume.c - takes up a run that was interrupted: what is in the store is not measured again. Cells
 * that had failed get another chance; what they lack is measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "measure/sweeps_inner.h"
#include "measure/thread_count.h"

static enum tare_status resume_visits(struct sweeps *s, size_t i, struct tare_err *err)
{
    struct cell_state *cell = &s->cells[i];
    struct store_restart *restarts;
    struct store_accuracy accuracy;
    struct store_visit *visits;
    size_t count;
    enum tare_status status = store_visits(s->store, cell->id, &visits, &count, err);

    if (status != TARE_OK)
        return status;
    for (size_t k = 0; k < count && s->planned; k++)
        if (visits[k].mode == s->mode && visits[k].sweep >= 0 &&
            visits[k].sweep < s->plan.sweeps * s->plan.sets)
            s->visited[(size_t)visits[k].sweep * s->study->cell_count + i] = true;
    free(visits);
    status = store_restarts(s->store, cell->id, &restarts, &count, err);
    cell->restarts = (int64_t)count;
    free(restarts);
    thread_count_resume(s, i);
    cell->scored = store_accuracy(s->store, cell->id, &accuracy, NULL) == TARE_OK;
    return status;
}

static void copy_text(char *out, size_t bytes, const char *text)
{
    (void)snprintf(out, bytes, "%s", text);
}

static enum tare_status resume_cell(struct sweeps *s, const struct store_cell *rows, size_t count,
                                    size_t i, struct tare_err *err)
{
    struct cell_state *cell = &s->cells[i];
    size_t at = 0;

    while (at < count && strcmp(rows[at].key, s->study->cells[i].key) != 0)
        at++;
    if (at == count)
        return tare_fail(err, TARE_BADDATA, "the run has no cell '%s'", s->study->cells[i].key);
    cell->id = rows[at].id;
    copy_text(cell->opened.family, sizeof(cell->opened.family), rows[at].family);
    copy_text(cell->opened.provider, sizeof(cell->opened.provider), rows[at].provider);
    copy_text(cell->opened.runtime_version, sizeof(cell->opened.runtime_version),
              rows[at].runtime_version);
    copy_text(cell->opened.executed_precision, sizeof(cell->opened.executed_precision),
              rows[at].executed_precision);
    return resume_visits(s, i, err);
}

enum tare_status resume_run(struct sweeps *s, struct tare_err *err)
{
    int64_t run_id = s->options->resume_run_id;
    int64_t since = clock_wall_ns() - s->options->resume_wall_ns;
    struct tare_err inner = TARE_ERR_INIT;
    struct store_cell *rows = NULL;
    size_t count = 0;
    enum tare_status status;

    s->result->run_id = run_id;
    if (since < 0) /* the clock was set back, or this machine has none that outlasts a power cut */
        since = 0;
    s->epoch_ns = clock_now_ns() - since;
    status = plan_load(s->store, run_id, s->study->cell_count, &s->plan, &inner);
    if (status != TARE_OK && status != TARE_ABSENT)
        return tare_fail(err, status, "%s", inner.text);
    status = status == TARE_OK ? sweeps_make_room(s, err) : TARE_OK;
    if (status == TARE_OK)
        status = store_end_run(s->store, run_id, STORE_RUN_RUNNING, 0, err);
    if (status == TARE_OK)
        status = store_cells(s->store, run_id, &rows, &count, err);
    for (size_t i = 0; i < s->study->cell_count && status == TARE_OK; i++)
        status = resume_cell(s, rows, count, i, err);
    free(rows);
    return status;
}
