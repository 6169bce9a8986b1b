#include "measure/cold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/page_cache.h"
#include "base/stop.h"
#include "stats/random.h"

#define DROPPED_COST 4 /* a start from disk, in warm ones: for the plan alone */

/* One cell in this phase. */
struct cold_cell {
    struct page_cache_files files; /* what a start reads */
    bool *done;                    // (study->cold)
    bool known;                    /* files have been found */
    bool ended;                    /* no further starts */
    bool warned;
};

/* --- one start --- */

/* Starts it and says what the steps took; the worker stays, for a look at what it has mapped. */
static enum tare_status begin(struct sweeps *s, size_t i, int64_t step_ns[PROTOCOL_STEPS],
                              struct tare_err *failure)
{
    struct crew_opened opened;
    enum tare_status status =
        crew_start_cold(&s->crew[i], s->study, &s->study->cells[i], &s->pictures, &opened, failure);

    if (status == TARE_OK)
        memcpy(step_ns, opened.step_ns, sizeof(opened.step_ns));
    return status;
}

/* The model's file, or all those of a repository of models. */
static enum tare_status add_model(struct page_cache_files *files, const char *model,
                                  struct tare_err *err)
{
    char **names = NULL, path[FILE_MAX_PATH];
    size_t count = 0;
    enum tare_status status;

    if (!file_exists(model))
        return TARE_OK;
    if (!file_is_dir(model))
        return page_cache_add(files, model, err);
    status = file_tree(model, &names, &count, err);
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        status = file_join(path, sizeof(path), model, names[i], err);
        if (status == TARE_OK)
            status = page_cache_add(files, path, err);
    }
    file_free_names(names, count);
    return status;
}

static enum tare_status find_files(struct sweeps *s, size_t i, struct cold_cell *cold,
                                   struct tare_err *failure)
{
    const struct study_cell *cell = &s->study->cells[i];
    const char *model = cell->model_path[0] ? cell->model_path : cell->model;
    int64_t step_ns[PROTOCOL_STEPS];
    enum tare_status status = begin(s, i, step_ns, failure);

    if (status == TARE_OK)
        status = add_model(&cold->files, model, failure);
    if (status == TARE_OK)
        status = page_cache_add_mapped(&cold->files, s->crew[i].process.pid, failure);
    crew_stop(&s->crew[i]);
    cold->known = status == TARE_OK;
    return status;
}

/* --- one repetition --- */

static enum tare_status put(struct sweeps *s, size_t i, const char *state, int64_t n,
                            const char *part, double value, struct tare_err *err)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "cold.%s.%lld.%s", state, (long long)n, part);
    return store_put_figure(s->store, s->cells[i].id, name, value, err);
}

static enum tare_status put_start(struct sweeps *s, size_t i, enum ledger_cold_state state,
                                  int64_t n, const int64_t step_ns[PROTOCOL_STEPS],
                                  struct tare_err *err)
{
    const char *word = ledger_cold_state_name(state);
    enum tare_status status = TARE_OK;
    int64_t total = 0;

    for (size_t k = 0; k < PROTOCOL_STEPS && status == TARE_OK; k++) {
        status = put(s, i, word, n, ledger_cold_part_name((enum ledger_cold_part)k),
                     (double)step_ns[k], err);
        total += step_ns[k];
    }
    return status == TARE_OK
               ? put(s, i, word, n, ledger_cold_part_name(LEDGER_COLD_TOTAL), (double)total, err)
               : status;
}

/* Both starts of a repetition or none: a killed run has no half ones. */
static enum tare_status record(struct sweeps *s, size_t i, int64_t n, const int64_t *dropped,
                               const int64_t *warm, double stayed, struct tare_err *err)
{
    enum tare_status status = store_begin(s->store, err);

    if (status != TARE_OK)
        return status;
    status = put_start(s, i, LEDGER_COLD_DROPPED, n, dropped, err);
    if (status == TARE_OK)
        status = put(s, i, ledger_cold_state_name(LEDGER_COLD_DROPPED), n, LEDGER_COLD_STAYED,
                     stayed, err);
    if (status == TARE_OK)
        status = put_start(s, i, LEDGER_COLD_WARM, n, warm, err);
    if (status == TARE_OK)
        return store_commit(s->store, err);
    store_rollback(s->store);
    return status;
}

static void warn_of_stay(const struct sweeps *s, size_t i, struct cold_cell *cold,
                         const struct page_cache_share *share, double stayed)
{
    if (stayed <= LEDGER_COLD_MAY_STAY || cold->warned)
        return;
    cold->warned = true;
    log_warn("cold start of '%s': %.1f %% of its pages stay in memory, most of them of '%s', which "
             "another process holds",
             s->study->cells[i].name, 100 * stayed, share->most ? share->most : "");
}

static enum tare_status repeat(struct sweeps *s, size_t i, int64_t n, struct cold_cell *cold,
                               struct tare_err *failure, struct tare_err *err)
{
    int64_t dropped[PROTOCOL_STEPS] = {0}, warm[PROTOCOL_STEPS] = {0};
    struct page_cache_share share = {0};
    enum tare_status status = TARE_OK;
    double stayed;

    if (!cold->known)
        status = find_files(s, i, cold, failure);
    if (status == TARE_OK)
        status = page_cache_drop(&cold->files, &share, failure);
    stayed = share.bytes > 0 ? (double)share.resident_bytes / (double)share.bytes : 0;
    if (status == TARE_OK)
        status = begin(s, i, dropped, failure);
    crew_stop(&s->crew[i]);
    if (status == TARE_OK)
        status = begin(s, i, warm, failure);
    crew_stop(&s->crew[i]);
    if (status != TARE_OK)
        return TARE_OK;
    warn_of_stay(s, i, cold, &share, stayed);
    return record(s, i, n, dropped, warm, stayed, err);
}

/* --- the whole --- */

static enum tare_status end_cell(struct sweeps *s, size_t i, struct cold_cell *cold,
                                 const struct tare_err *failure, struct tare_err *err)
{
    char key[64];

    if (failure->status == TARE_STOPPED)
        return tare_fail(err, TARE_STOPPED, "stopped");
    cold->ended = true;
    log_warn("cold start of '%s': %s", s->study->cells[i].name, failure->text);
    (void)snprintf(key, sizeof(key), COLD_FACT_FAILED "%lld", (long long)s->cells[i].id);
    return store_put_fact(s->store, s->result->run_id, key, failure->text, err);
}

/* From the seed and the repetition alone, so that a resumed run keeps to it. */
static enum tare_status repeat_all(struct sweeps *s, int64_t n, struct cold_cell *cold,
                                   struct tare_err *err)
{
    size_t order[STUDY_MAX_CELLS], cells = s->study->cell_count;
    enum tare_status status = TARE_OK;
    struct random random;

    for (size_t k = 0; k < cells; k++)
        order[k] = k;
    random_seed(&random, (uint64_t)s->study->seed * 1000033 + (uint64_t)n);
    random_shuffle(&random, order, cells);
    for (size_t k = 0; k < cells && status == TARE_OK; k++) {
        struct tare_err failure = TARE_ERR_INIT;
        size_t i = order[k];

        if (stop_requested())
            return tare_fail(err, TARE_STOPPED, "stopped");
        if (s->cells[i].ended || cold[i].ended || cold[i].done[n])
            continue;
        sweeps_tell(s, "cold start", s->study->cells[i].name, 0, 0);
        status = repeat(s, i, n, &cold[i], &failure, err);
        if (status == TARE_OK && failure.status != TARE_OK)
            status = end_cell(s, i, &cold[i], &failure, err);
        sweeps_tell(s, "cold start", s->study->cells[i].name, 0, SWEEPS_COLD_WORK);
    }
    return status;
}

/* What an earlier process of this run made. */
static enum tare_status mark_done(struct sweeps *s, size_t i, struct cold_cell *cold,
                                  struct tare_err *err)
{
    struct store_figure *figures = NULL;
    size_t count = 0;
    enum tare_status status = store_figures(s->store, s->cells[i].id, &figures, &count, err);

    for (size_t k = 0; k < count; k++) {
        enum ledger_cold_state state;
        const char *part;
        int64_t n;

        if (ledger_cold_parse(figures[k].name, &state, &n, &part) && n < s->study->cold)
            cold->done[n] = true;
    }
    free(figures);
    return status;
}

enum tare_status cold_run(struct sweeps *s, struct tare_err *err)
{
    size_t cells = s->study->cell_count, asked = (size_t)s->study->cold;
    struct cold_cell *cold = asked ? calloc(cells + 1, sizeof(*cold)) : NULL;
    enum tare_status status = TARE_OK;
    char text[32];

    if (asked == 0)
        return TARE_OK;
    if (!cold)
        return tare_fail(err, TARE_NOMEM, "out of memory for cold starts");
    for (size_t i = 0; i < cells; i++)
        crew_stop(&s->crew[i]);
    (void)snprintf(text, sizeof(text), "%zu", asked);
    status = store_put_fact(s->store, s->result->run_id, COLD_FACT_ASKED, text, err);
    for (size_t i = 0; i < cells && status == TARE_OK; i++) {
        cold[i].done = calloc(asked, sizeof(bool));
        status = cold[i].done ? mark_done(s, i, &cold[i], err)
                              : tare_fail(err, TARE_NOMEM, "out of memory for cold starts");
    }
    for (size_t n = 0; n < asked && status == TARE_OK; n++)
        status = repeat_all(s, (int64_t)n, cold, err);
    for (size_t i = 0; i < cells; i++) {
        page_cache_release(&cold[i].files);
        free(cold[i].done);
    }
    free(cold);
    return status;
}

int64_t cold_expected_ns(const struct sweeps *s)
{
    int64_t total = 0;

    for (size_t i = 0; i < s->study->cell_count; i++)
        for (size_t k = 0; k < PROTOCOL_STEPS && !s->cells[i].ended; k++)
            total += s->cells[i].opened.step_ns[k];
    return s->study->cold ? total * (1 + s->study->cold * (1 + DROPPED_COST)) : 0;
}
