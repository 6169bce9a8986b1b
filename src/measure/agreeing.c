#include "measure/agreeing.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS ((int64_t)1800 * 1000000000)

static bool can_score(const struct cell_state *cell)
{
    return !cell->ended && sweeps_scores(cell) && cell->restart_id;
}

static size_t find_reference(const struct sweeps *s)
{
    size_t count = s->study->cell_count, named = study_find_cell(s->study, s->study->reference);

    if (s->study->reference[0])
        return named < count && can_score(&s->cells[named]) ? named : count;
    for (size_t i = 0; i < count; i++)
        if (can_score(&s->cells[i]) && strcmp(s->study->cells[i].precision, "fp32") == 0)
            return i;
    return count;
}

/* Whether the outputs of a cell may differ from the reference's. */
static bool may_differ(const struct sweeps *s, size_t i, size_t reference)
{
    const struct study_cell *cell = &s->study->cells[i], *other = &s->study->cells[reference];

    return i != reference && can_score(&s->cells[i]) &&
           (strcmp(cell->precision, other->precision) != 0 ||
            strcmp(cell->runtime, other->runtime) != 0 ||
            strcmp(s->cells[i].opened.provider, s->cells[reference].opened.provider) != 0);
}

/*
 * The cell that opens the reference for cell i, in whose batch both must run. A graph's batch may
 * be fixed, so of another batch the file is that of a cell that has it and is otherwise the same
 * graph.
 */
static struct study_cell reference_for(const struct sweeps *s, size_t i, size_t reference)
{
    struct study_cell cell = s->study->cells[reference];
    const struct study_cell *wanted = &s->study->cells[i];

    for (size_t k = 0; k < s->study->cell_count && cell.batch != wanted->batch; k++) {
        const struct study_cell *other = &s->study->cells[k];

        if (other->batch != wanted->batch || other->size != cell.size ||
            strcmp(other->model, cell.model) != 0 || strcmp(other->head, cell.head) != 0 ||
            strcmp(other->precision, cell.precision) != 0 ||
            strcmp(other->runtime, cell.runtime) != 0)
            continue;
        memcpy(cell.model_path, other->model_path, sizeof(cell.model_path));
        break;
    }
    cell.batch = wanted->batch;
    return cell;
}

static enum tare_status store_answer(struct sweeps *s, size_t i, size_t reference,
                                     const struct json_value *figures, struct tare_err *err)
{
    int64_t id = s->cells[i].id;
    enum tare_status status =
        store_put_figure(s->store, id, "agreement.reference", (double)s->cells[reference].id, err);

    for (size_t k = 0; k < json_count(figures) && status == TARE_OK; k++)
        if (strncmp(json_key(figures, k), "agreement.", strlen("agreement.")) == 0)
            status = store_put_figure(s->store, id, json_key(figures, k),
                                      json_number(json_at(figures, k), 0), err);
    return status;
}

static enum tare_status ask(struct sweeps *s, size_t i, size_t reference, struct json_tree **answer,
                            struct tare_err *err)
{
    struct study_cell cell = reference_for(s, i, reference);
    struct buf command = BUF_INIT;
    struct json_writer w;
    enum tare_status status;

    json_start(&w, &command, false);
    json_open_object(&w, NULL);
    json_put_text(&w, "op", "agree");
    json_put_int(&w, "seed", s->study->seed);
    json_open_object(&w, "reference");
    crew_put_cell(&w, "open", s->study, &cell);
    json_close_object(&w);
    json_open_array(&w, "pictures");
    for (size_t k = 0; k < s->pictures.count && k < AGREEING_PICTURES; k++)
        json_put_text(&w, NULL, s->pictures.paths[k]);
    json_close_array(&w);
    json_close_object(&w);
    status = crew_ask(&s->crew[i], &command, PATIENCE_NS, answer, err);
    buf_release(&command);
    return status;
}

static enum tare_status warn(struct sweeps *s, size_t i, const struct tare_err *failure,
                             struct tare_err *err)
{
    struct buf text = BUF_INIT;
    struct store_note note = {.kind = STORE_NOTE_WARNING, .subject = s->study->cells[i].name};
    enum tare_status status;

    if (failure->status == TARE_STOPPED)
        return tare_fail(err, TARE_STOPPED, "stopped");
    buf_printf(&text, "no agreement with the reference: %s", failure->text);
    note.text = buf_text(&text);
    status = buf_status(&text, "a note", err);
    if (status == TARE_OK)
        status = store_add_note(s->store, s->result->run_id, &note, err);
    buf_release(&text);
    return status;
}

enum tare_status agreeing_run(struct sweeps *s, struct tare_err *err)
{
    size_t reference = s->pictures.count ? find_reference(s) : s->study->cell_count;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; reference < s->study->cell_count && i < s->study->cell_count; i++) {
        struct tare_err failure = TARE_ERR_INIT;
        struct json_tree *answer = NULL;

        if (status != TARE_OK || !may_differ(s, i, reference))
            continue;
        sweeps_tell(s, "agreement", s->study->cells[i].name, s->result->sweeps_done, 0);
        if (ask(s, i, reference, &answer, &failure) == TARE_OK)
            status = store_answer(s, i, reference, json_get(json_root(answer), "figures"), err);
        else
            status = warn(s, i, &failure, err);
        json_free(answer);
    }
    return status;
}

/* The worker of each such cell opens the reference for itself, and runs both on every picture. */
int64_t agreeing_expected_ns(const struct sweeps *s)
{
    size_t reference = s->pictures.count ? find_reference(s) : s->study->cell_count;
    int64_t pictures =
        (int64_t)(s->pictures.count < AGREEING_PICTURES ? s->pictures.count : AGREEING_PICTURES);
    int64_t total = 0;

    for (size_t i = 0; reference < s->study->cell_count && i < s->study->cell_count; i++) {
        const struct cell_state *other = &s->cells[reference];

        if (!may_differ(s, i, reference))
            continue;
        total += pictures * (s->cells[i].pilot_ns + other->pilot_ns);
        for (size_t k = 0; k < PROTOCOL_STEPS; k++)
            total += other->opened.step_ns[k];
    }
    return total;
}
