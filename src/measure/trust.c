#include "measure/trust.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure/ledger.h"
#include "measure/sweeps.h"
#include "stats/quantile.h"
#include "store/store.h"

#define WORK_UNITS    1000 /* of the null backend: one per cent is ten of them */
#define REAL_SWEEPS   60   /* of the model's study */
#define REAL_RESTARTS 6
#define KNOWN_SHARE   0.65 /* of the time, where there is a model too */
#define GROUP         2 /* known lines a study: the fewer cells, the sooner a sweep comes round */

struct plan_line {
    enum trust_kind kind;
    const char *name;
    double planted;
};

static const struct plan_line known_lines[] = {
    {TRUST_SAME, "same", 0},
    {TRUST_PLANTED, "1 % more", 0.01},
    {TRUST_PLANTED, "2 % more", 0.02},
    {TRUST_PLANTED, "5 % more", 0.05},
};
static const struct plan_line real_lines[] = {
    {TRUST_REAL, "Python binding", (double)NAN},
    {TRUST_REAL, "other model", (double)NAN},
};

#define KNOWN (sizeof(known_lines) / sizeof(known_lines[0]))

/* --- the studies --------------------------------------------------------------------------------
 */

/* Identical cells differ in a seed that nothing uses, because a key stands once in a study. */
static enum tare_status add_null(struct study *study, const char *name, double planted, int seed,
                                 struct tare_err *err)
{
    struct study_cell cell;
    char text[32];
    enum tare_status status;

    study_cell_init(&cell, "");
    (void)snprintf(cell.runtime, sizeof(cell.runtime), "null");
    (void)snprintf(cell.name, sizeof(cell.name), "%s", name);
    (void)snprintf(text, sizeof(text), "%ld", lround(WORK_UNITS * (1 + planted)));
    status = study_set_option(&cell, "work", text, err);
    (void)snprintf(text, sizeof(text), "%d", seed);
    if (status == TARE_OK)
        status = study_set_option(&cell, "seed", text, err);
    return status == TARE_OK ? study_add_cell(study, &cell, err) : status;
}

/* Of one thread: what threads cost depends on what else the machine does in that minute, so that it
 * has no long-run value on a shared one. */
static enum tare_status add_onnxruntime(struct study *study, const char *model, const char *name,
                                        const char *layer, struct tare_err *err)
{
    struct study_cell cell;

    study_cell_init(&cell, model);
    (void)snprintf(cell.name, sizeof(cell.name), "%s", name);
    (void)snprintf(cell.layer, sizeof(cell.layer), "%s", layer);
    cell.threads = 1;
    return study_add_cell(study, &cell, err);
}

/* Each cell but the first against the first. */
static enum tare_status add_lines(struct study *study, struct tare_err *err)
{
    study->lines = calloc(study->cell_count, sizeof(*study->lines));
    if (!study->lines)
        return tare_fail(err, TARE_NOMEM, "out of memory for a study's lines");
    for (size_t i = 1; i < study->cell_count; i++) {
        struct study_line *line = &study->lines[study->line_count++];

        line->cell = i;
        (void)snprintf(line->name, sizeof(line->name), "%s", study->cells[i].name);
    }
    return TARE_OK;
}

/* Each cell has one thread, and one processor is not another: neighbours of a virtual machine, and
 * whatever the system does, slow them down at different times. So all cells share the last one. */
static void share_processor(struct study *study)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return; /* more processors than a set holds */
    for (int i = CPU_SETSIZE - 1; i >= 0; i--)
        if (CPU_ISSET(i, &allowed)) {
            (void)snprintf(study->cpus, sizeof(study->cpus), "%d", i);
            return;
        }
}

static void start_study(const struct trust_options *options, struct study *study)
{
    study_init(study);
    (void)snprintf(study->name, sizeof(study->name), "trust");
    study->seed = options->seed ? options->seed : 1;
    study->confirm = false; /* nobody picks a winner here */
    study->freeze = true;
    share_processor(study);
    study->visit_ns = 8000000;
    study->warmup_runs = 10;
    study->warmup_ns = 15000000;
}

static enum tare_status make_known(const struct trust_options *options,
                                   const struct plan_line *lines, struct study *study,
                                   struct tare_err *err)
{
    enum tare_status status;

    start_study(options, study);
    study->sweeps = options->sweeps ? options->sweeps : TRUST_SWEEPS;
    study->restarts = TRUST_RESTARTS;
    status = add_null(study, "baseline", 0, 1, err);
    for (size_t i = 0; i < GROUP && status == TARE_OK; i++)
        status = add_null(study, lines[i].name, lines[i].planted, 2 + (int)i, err);
    return status == TARE_OK ? add_lines(study, err) : status;
}

static enum tare_status make_real(const struct trust_options *options, struct study *study,
                                  struct tare_err *err)
{
    enum tare_status status;

    start_study(options, study);
    study->sweeps = REAL_SWEEPS;
    study->restarts = REAL_RESTARTS;
    status = add_onnxruntime(study, options->model, "baseline", "direct", err);
    if (status == TARE_OK)
        status = add_onnxruntime(study, options->model, real_lines[0].name, "python", err);
    if (status == TARE_OK && options->other)
        status = add_onnxruntime(study, options->other, real_lines[1].name, "direct", err);
    return status == TARE_OK ? add_lines(study, err) : status;
}

/* --- running one --------------------------------------------------------------------------------
 */

/* Which part of the whole a study is. */
struct part {
    const struct trust_options *options;
    double from, share;
};

static void show(const struct sweeps_progress *progress, void *data)
{
    const struct part *part = data;

    if (part->options->progress)
        part->options->progress(part->from + part->share * progress->share,
                                part->options->progress_data);
}

static enum tare_status take_lines(const struct ledger *ledger, const struct plan_line *plan,
                                   size_t count, struct trust_result *result, struct tare_err *err)
{
    for (size_t i = 0; i < ledger->cell_count; i++)
        if (!ledger_times(&ledger->cells[i]))
            return tare_fail(err, TARE_FAILED, "'%s' could not be measured: %s",
                             ledger->cells[i].label, ledger->cells[i].row.reason);
    if (ledger->line_count != count)
        return tare_fail(err, TARE_FAILED, "the harness's own cells could not be measured");
    for (size_t i = 0; i < count; i++) {
        const struct ledger_line *from = &ledger->lines[i];

        result->lines[result->line_count++] = (struct trust_line){
            .kind = plan[i].kind,
            .name = plan[i].name,
            .planted = plan[i].planted,
            .ratio = from->ratio,
            .low = from->ratio_interval.low,
            .high = from->ratio_interval.high,
            .log_error = from->log_error,
            .log_df = from->log_df,
            .detectable = ledger_detectable(from),
            .slower = from->verdict == LEDGER_SLOWER,
            .faster = from->verdict == LEDGER_FASTER,
        };
    }
    (void)snprintf(result->host, sizeof(result->host), "%s", ledger->host);
    if (result->started_wall_ns == 0)
        result->started_wall_ns = ledger->run.started_wall_ns;
    return TARE_OK;
}

static enum tare_status run_in(struct store *store, const struct study *study, struct part *part,
                               const struct plan_line *plan, struct trust_result *result,
                               struct tare_err *err)
{
    const struct sweeps_options sweeps = {
        .version = "",
        .command = "tare trust",
        .study_text = "",
        .progress = show,
        .progress_data = part,
        .skip_limits = true,
    };
    const struct ledger_options none = {.ap_resamples = -1};
    struct sweeps_result done;
    struct ledger ledger;
    enum tare_status status = sweeps_run(study, store, &sweeps, &done, err);

    if (status == TARE_OK)
        status = ledger_build(store, &none, &ledger, err);
    if (status != TARE_OK)
        return status;
    if (result->line_count == 0)
        result->sweeps = done.sweeps_done;
    result->wall_ns += done.wall_ns;
    status = take_lines(&ledger, plan, study->line_count, result, err);
    ledger_release(&ledger);
    return status;
}

static enum tare_status run_study(enum tare_status made, const struct study *study,
                                  struct part *part, const struct plan_line *plan,
                                  struct trust_result *result, struct tare_err *err)
{
    struct store *store = NULL;
    enum tare_status status = made;

    if (status == TARE_OK) /* SQLite's name for a database in memory: nothing is left behind */
        status = store_open(":memory:", STORE_CREATE, &store, err);
    if (status == TARE_OK)
        status = run_in(store, study, part, plan, result, err);
    store_close(store);
    return status;
}

static double median_detectable(const struct trust_result *result)
{
    double values[TRUST_MAX_LINES];
    size_t count = 0;

    for (size_t i = 0; i < result->line_count; i++)
        if (result->lines[i].kind != TRUST_REAL && !isnan(result->lines[i].detectable))
            values[count++] = result->lines[i].detectable;
    return quantile_median(values, count);
}

enum tare_status trust_run(const struct trust_options *options, struct trust_result *result,
                           struct tare_err *err)
{
    double share = (options->model ? KNOWN_SHARE : 1) * GROUP / KNOWN;
    struct part part = {options, 0, share};
    enum tare_status status = TARE_OK;
    struct study study;

    memset(result, 0, sizeof(*result));
    for (size_t i = 0; i < KNOWN && status == TARE_OK; i += GROUP) {
        part.from = share * (double)(i / GROUP);
        status = make_known(options, &known_lines[i], &study, err);
        status = run_study(status, &study, &part, &known_lines[i], result, err);
        study_release(&study);
    }
    if (status == TARE_OK && options->model) {
        part = (struct part){options, KNOWN_SHARE, 1 - KNOWN_SHARE};
        status = make_real(options, &study, err);
        status = run_study(status, &study, &part, real_lines, result, err);
        study_release(&study);
    }
    result->detectable = median_detectable(result);
    return status;
}

/* --- saying it ----------------------------------------------------------------------------------
 */

bool trust_covers(const struct trust_line *line, double ratio)
{
    return line->low <= ratio && ratio <= line->high;
}

bool trust_called(const struct trust_line *line)
{
    return line->slower || (line->kind == TRUST_SAME && line->faster);
}

void trust_describe(const struct trust_result *result, char *text, size_t text_bytes)
{
    size_t same = 0, wrong = 0, used;
    char found[64] = "";

    for (size_t i = 0; i < result->line_count; i++) {
        const struct trust_line *line = &result->lines[i];

        same += line->kind == TRUST_SAME;
        wrong += line->kind == TRUST_SAME && trust_called(line);
        used = strlen(found);
        if (line->kind == TRUST_PLANTED && trust_called(line))
            (void)snprintf(found + used, sizeof(found) - used, "%s%.0f %%", used ? ", " : "",
                           100 * line->planted);
    }
    if (!(result->detectable < 1))
        (void)snprintf(text, text_bytes,
                       "too noisy, or too few sweeps (%lld), to tell differences under 100 %%",
                       (long long)result->sweeps);
    else
        (void)snprintf(text, text_bytes,
                       "a slow-down of %.1f %% or more can be seen in %lld sweeps; planted and "
                       "found: %s; identical cells called different: %zu of %zu",
                       100 * result->detectable, (long long)result->sweeps,
                       found[0] ? found : "none", wrong, same);
}
