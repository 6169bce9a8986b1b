#include "measure/trust.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger.h"
#include "stats/student.h"

#define WORK_UNITS 1000 /* of the null backend: one per cent is ten of them */

static const double planted_shares[TRUST_PLANTED] = {0.01, 0.02, 0.05};

/* Identical cells differ in a seed that nothing uses, because a key stands once in a study. */
static enum tare_status add_cell(struct study *study, const char *name, int64_t work, int seed,
                                 struct tare_err *err)
{
    struct study_cell cell;
    char text[32];
    enum tare_status status;

    study_cell_init(&cell, "");
    (void)snprintf(cell.runtime, sizeof(cell.runtime), "null");
    (void)snprintf(cell.name, sizeof(cell.name), "%s", name);
    (void)snprintf(text, sizeof(text), "%lld", (long long)work);
    status = study_set_option(&cell, "work", text, err);
    (void)snprintf(text, sizeof(text), "%d", seed);
    if (status == TARE_OK)
        status = study_set_option(&cell, "seed", text, err);
    return status == TARE_OK ? study_add_cell(study, &cell, err) : status;
}

static enum tare_status add_lines(struct study *study, struct tare_err *err)
{
    study->lines = calloc(TRUST_PAIRS + TRUST_PLANTED, sizeof(*study->lines));
    if (!study->lines)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study's lines");
    for (size_t i = 0; i < TRUST_PAIRS + TRUST_PLANTED; i++) {
        struct study_line *line = &study->lines[study->line_count++];

        line->baseline = i < TRUST_PAIRS ? 2 * i : 0;
        line->cell = i < TRUST_PAIRS ? 2 * i + 1 : TRUST_PAIRS + i;
        (void)snprintf(line->name, sizeof(line->name), "%s", study->cells[line->cell].name);
    }
    return TARE_OK;
}

static enum tare_status make_study(const struct trust_options *options, struct study *study,
                                   struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    char name[32];

    study_init(study);
    (void)snprintf(study->name, sizeof(study->name), "trust");
    study->sweeps = options->sweeps ? options->sweeps : 12;
    study->restarts = 2;
    study->visit_ns = 150000000;
    study->warmup_ns = 50000000;
    for (int i = 0; i < 2 * TRUST_PAIRS && status == TARE_OK; i++) {
        (void)snprintf(name, sizeof(name), "same %d", i + 1);
        status = add_cell(study, name, WORK_UNITS, i + 1, err);
    }
    for (int i = 0; i < TRUST_PLANTED && status == TARE_OK; i++) {
        double share = planted_shares[i];

        (void)snprintf(name, sizeof(name), "%.0f %% more", 100 * share);
        status = add_cell(study, name, (int64_t)lround(WORK_UNITS * (1 + share)), 1, err);
    }
    return status == TARE_OK ? add_lines(study, err) : status;
}

static struct trust_line take_line(const struct ledger_line *from, double planted)
{
    return (struct trust_line){
        .planted = planted,
        .ratio = from->ratio,
        .low = from->ratio_interval.low,
        .high = from->ratio_interval.high,
        .found = planted > 0 ? from->verdict == LEDGER_SLOWER
                             : from->verdict == LEDGER_SLOWER || from->verdict == LEDGER_FASTER,
    };
}

static enum tare_status conclude(const struct ledger *ledger, struct trust_result *result,
                                 struct tare_err *err)
{
    double error = 0, df = (double)result->sweeps - 1;

    if (ledger->line_count != TRUST_PAIRS + TRUST_PLANTED)
        return tare_fail(err, TARE_FAILED, "the harness's own cells could not be measured");
    for (size_t i = 0; i < TRUST_PAIRS; i++) {
        result->same[i] = take_line(&ledger->lines[i], 0);
        result->false_alarms += result->same[i].found;
        error = fmax(error, ledger->lines[i].log_error);
    }
    for (size_t i = 0; i < TRUST_PLANTED; i++)
        result->planted[i] = take_line(&ledger->lines[TRUST_PAIRS + i], planted_shares[i]);
    result->detectable =
        df >= 1 ? exp((student_quantile(0.975, df) + student_quantile(0.95, df)) * error) - 1
                : (double)NAN;
    return TARE_OK;
}

static enum tare_status run_in(struct store *store, const struct study *study,
                               const struct trust_options *options, struct trust_result *result,
                               struct tare_err *err)
{
    const struct sweeps_options sweeps = {
        .version = "",
        .command = "tare trust",
        .study_text = "",
        .progress = options->progress,
        .progress_data = options->progress_data,
    };
    const struct ledger_options none = {.ap_resamples = -1};
    struct sweeps_result done;
    struct ledger ledger;
    enum tare_status status = sweeps_run(study, store, &sweeps, &done, err);

    if (status == TARE_OK && (done.failed || done.skipped))
        status = tare_fail(err, TARE_FAILED, "the harness's own cells could not be measured");
    if (status != TARE_OK)
        return status;
    result->sweeps = done.sweeps_done;
    result->wall_ns = done.wall_ns;
    status = ledger_build(store, &none, &ledger, err);
    if (status == TARE_OK) {
        status = conclude(&ledger, result, err);
        ledger_release(&ledger);
    }
    return status;
}

enum tare_status trust_run(const struct trust_options *options, struct trust_result *result,
                           struct tare_err *err)
{
    struct store *store = NULL;
    struct study study;
    enum tare_status status;

    memset(result, 0, sizeof(*result));
    status = make_study(options, &study, err);
    if (status == TARE_OK) /* SQLite's name for a database in memory: nothing is left behind */
        status = store_open(":memory:", STORE_CREATE, &store, err);
    if (status == TARE_OK)
        status = run_in(store, &study, options, result, err);
    store_close(store);
    study_release(&study);
    return status;
}

void trust_describe(const struct trust_result *result, char *text, size_t text_bytes)
{
    char found[64] = "";

    for (size_t i = 0; i < TRUST_PLANTED; i++) {
        size_t used = strlen(found);

        if (result->planted[i].found)
            (void)snprintf(found + used, sizeof(found) - used, "%s%.0f %%", used ? ", " : "",
                           100 * result->planted[i].planted);
    }
    if (!(result->detectable < 1))
        (void)snprintf(text, text_bytes,
                       "too noisy, or too few sweeps (%lld), to tell differences under 100 %%",
                       (long long)result->sweeps);
    else
        (void)snprintf(
            text, text_bytes,
            "a slow-down of %.1f %% or more can be seen in %lld sweeps; planted and found: "
            "%s; identical cells called different: %zu of %d",
            100 * result->detectable, (long long)result->sweeps, found[0] ? found : "none",
            result->false_alarms, TRUST_PAIRS);
}
