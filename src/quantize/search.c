#include "quantize/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "measure/ledger.h"
#include "measure/sweeps.h"

#define MODEL_MAX ((size_t)4 << 30) /* bytes of a model */
#define RESTARTS  2

/* How many convolutions are float at the points that are tried. */
static const size_t steps[] = {0, 1, 2, 4, 6, 9, 13, 18, 25, 35, 50, 75, 100, 150};

struct job {
    const struct search_options *options;
    struct search_result *result;
    struct store *store;
    struct quant_table calibration;
    size_t *order; // (result->sensitivity.count)
    struct study study;
    struct tare_err *err;
};

/* --- progress -----------------------------------------------------------------------------------
 */

static void tell(const struct job *job, const char *stage, double share)
{
    if (job->options->progress)
        job->options->progress(stage, share, job->options->progress_data);
}

static void tell_calibration(double share, void *data)
{
    tell(data, "calibration", share);
}

static void tell_sensitivity(double share, void *data)
{
    tell(data, "each convolution alone", share);
}

static void tell_study(const struct sweeps_progress *progress, void *data)
{
    char stage[200];

    (void)snprintf(stage, sizeof(stage), "%s  %.120s", progress->stage, progress->cell);
    tell(data, stage, progress->share);
}

/* --- the models ---------------------------------------------------------------------------------
 */

static enum tare_status add_cell(struct job *job, const char *name, const char *path,
                                 const char *precision)
{
    struct study_cell cell;

    study_cell_init(&cell, path);
    (void)snprintf(cell.name, sizeof(cell.name), "%s", name);
    (void)snprintf(cell.model_path, sizeof(cell.model_path), "%s", path);
    (void)snprintf(cell.runtime, sizeof(cell.runtime), "%s", job->options->runtime);
    (void)snprintf(cell.precision, sizeof(cell.precision), "%s", precision);
    cell.threads = job->options->threads;
    job->result->tried++;
    return study_add_cell(&job->study, &cell, job->err);
}

/* Writes a model and makes it a cell. */
static enum tare_status add_model(struct job *job, const char *name, const char *file,
                                  const struct quant_profile *profile)
{
    struct quantize_options options = *job->options->quantize;
    struct quantize_report report;
    char path[FILE_MAX_PATH];
    enum tare_status status = file_join(path, sizeof(path), job->options->folder, file, job->err);

    options.profile = *profile;
    options.output = path;
    options.calibration = &job->calibration;
    options.save_table = options.save_cache = NULL;
    if (status == TARE_OK)
        status = quantize_model(&options, &report, job->err);
    return status == TARE_OK ? add_cell(job, name, path, "int8") : status;
}

/* The first `count` convolutions of the order stay in float. */
static enum tare_status add_step(struct job *job, size_t count)
{
    struct quant_profile profile = job->options->quantize->profile;
    const char *floats[256];
    char name[64], file[64];

    quantize_free_profile(&profile);
    for (size_t i = 0; i < count; i++)
        floats[i] = job->result->sensitivity.rows[job->order[i]].name;
    profile.floats = floats;
    profile.float_count = count;
    (void)snprintf(name, sizeof(name), count ? "int8, %zu in float" : "all int8", count);
    (void)snprintf(file, sizeof(file), "float-%zu.onnx", count);
    return add_model(job, name, file, &profile);
}

static enum tare_status make_models(struct job *job)
{
    const struct quantize_options *quantize = job->options->quantize;
    size_t layers = job->result->sensitivity.count;
    enum tare_status status = file_make_dirs(job->options->folder, job->err);

    if (status == TARE_OK)
        status = add_cell(job, "fp32", quantize->input, "fp32");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && status == TARE_OK; i++)
        if (steps[i] < layers) {
            tell(job, "models", (double)i / (double)(sizeof(steps) / sizeof(steps[0])));
            status = add_step(job, steps[i]);
        }
    if (status == TARE_OK)
        status = add_model(job, "the profile's own", "own.onnx", &quantize->profile);
    return status;
}

/* --- the study ----------------------------------------------------------------------------------
 */

static enum tare_status make_lines(struct job *job)
{
    struct study *study = &job->study;

    study->lines = calloc(study->cell_count, sizeof(*study->lines));
    if (!study->lines)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for a study's lines");
    for (size_t i = 1; i < study->cell_count; i++) {
        struct study_line *line = &study->lines[study->line_count++];

        line->gain = true;
        line->cell = i;
        (void)snprintf(line->name, sizeof(line->name), "%s", study->cells[i].name);
    }
    return TARE_OK;
}

static void fill_study(struct job *job)
{
    const struct search_options *options = job->options;
    struct study *study = &job->study;
    bool by_ap = options->max_drop <= 0;

    (void)snprintf(study->name, sizeof(study->name), "search");
    (void)snprintf(study->images, sizeof(study->images), "%s",
                   by_ap ? options->images : options->quantize->calibrate.images);
    if (by_ap)
        (void)snprintf(study->annotations, sizeof(study->annotations), "%s", options->annotations);
    (void)snprintf(study->reference, sizeof(study->reference), "fp32");
    study->restarts = RESTARTS;
    study->budget_ns = options->budget_ns;
    study->max_drop = by_ap ? 0 : options->max_drop;
    study->max_ap_drop = by_ap ? options->max_ap_drop : 0;
}

static enum tare_status run_study(struct job *job)
{
    struct sweeps_options sweeps = {
        .version = job->options->version,
        .command = job->options->command,
        .progress = tell_study,
        .progress_data = job,
        .skip_limits = true,
    };
    struct sweeps_result done = {0};
    struct buf text = BUF_INIT;
    enum tare_status status = make_lines(job);

    study_write(&job->study, &text);
    sweeps.study_text = buf_text(&text);
    if (status == TARE_OK)
        status = buf_status(&text, "a study", job->err);
    if (status == TARE_OK)
        status = sweeps_run(&job->study, job->store, &sweeps, &done, job->err);
    job->result->run_id = done.run_id;
    buf_release(&text);
    return status;
}

static enum tare_status copy_model(const char *from, const char *to, struct tare_err *err)
{
    struct file_map map = {NULL, 0};
    enum tare_status status = file_map(from, MODEL_MAX, &map, err);

    if (status == TARE_OK)
        status = file_write(to, map.data, map.size, err);
    file_unmap(&map);
    return status;
}

static enum tare_status take_winner(struct job *job)
{
    const struct ledger_options options = {.run_id = job->result->run_id, .ap_resamples = -1};
    const struct ledger_decision *d;
    struct ledger ledger;
    size_t cell;
    enum tare_status status = ledger_build(job->store, &options, &ledger, job->err);

    if (status != TARE_OK)
        return status;
    d = &ledger.decision;
    if (!d->known) {
        status = tare_fail(job->err, TARE_FAILED, "no model is near enough to FP32");
    } else {
        (void)snprintf(job->result->winner, sizeof(job->result->winner), "%s",
                       ledger.cells[d->winner].row.name);
        cell = study_find_cell(&job->study, job->result->winner);
        if (cell == job->study.cell_count)
            status = tare_fail(job->err, TARE_BROKEN, "the winner '%s' is no cell of the study",
                               job->result->winner);
        else if (cell == 0)
            status = tare_fail(job->err, TARE_FAILED,
                               "FP32 is the fastest that is near enough: no model was written");
        else
            status = copy_model(job->study.cells[cell].model_path, job->options->quantize->output,
                                job->err);
    }
    ledger_release(&ledger);
    return status;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static enum tare_status measure_layers(struct job *job)
{
    struct quantize_options all = *job->options->quantize;
    struct sensitivity_options options = {
        .quantize = job->options->quantize,
        .calibration = &job->calibration,
        .runtime = job->options->runtime,
        .threads = job->options->threads,
        .progress = tell_sensitivity,
        .progress_data = job,
    };
    char scratch[FILE_MAX_PATH];
    enum tare_status status = file_make_dirs(job->options->folder, job->err);

    quantize_free_profile(&all.profile);
    all.calibrate.progress = tell_calibration;
    all.calibrate.progress_data = job;
    if (status == TARE_OK)
        status = file_join(scratch, sizeof(scratch), job->options->folder, "alone.onnx", job->err);
    if (status == TARE_OK)
        status = quantize_calibrate(&all, &job->calibration, &job->result->report, job->err);
    options.scratch = scratch;
    if (status == TARE_OK)
        status = sensitivity_measure(&options, &job->result->sensitivity, job->err);
    return status;
}

enum tare_status search_run(const struct search_options *options, struct store *store,
                            struct search_result *result, struct tare_err *err)
{
    struct job job = {.options = options, .result = result, .store = store, .err = err};
    enum tare_status status;

    memset(result, 0, sizeof(*result));
    study_init(&job.study);
    status = measure_layers(&job);
    if (status == TARE_OK) {
        job.order = calloc(result->sensitivity.count + 1, sizeof(*job.order));
        status = job.order ? sensitivity_order(&result->sensitivity, job.order, err)
                           : tare_fail(err, TARE_NOMEM, "out of memory for an order");
    }
    if (status == TARE_OK) {
        fill_study(&job);
        status = make_models(&job);
    }
    if (status == TARE_OK)
        status = run_study(&job);
    if (status == TARE_OK)
        status = take_winner(&job);
    free(job.order);
    study_release(&job.study);
    quant_table_release(&job.calibration);
    return status;
}

void search_release(struct search_result *result)
{
    sensitivity_release(&result->sensitivity);
}

/* --- pictures apart -----------------------------------------------------------------------------
 */

struct hashed {
    char hex[65];
    const char *path;
};

static int by_hash(const void *a, const void *b)
{
    return strcmp(((const struct hashed *)a)->hex, ((const struct hashed *)b)->hex);
}

static enum tare_status hash_folder(char **paths, size_t count, struct hashed **hashed,
                                    struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    *hashed = calloc(count + 1, sizeof(**hashed));
    if (!*hashed)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu pictures", count);
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        (*hashed)[i].path = paths[i];
        status = file_sha256(paths[i], (*hashed)[i].hex, err);
    }
    return status;
}

enum tare_status search_check_apart(const char *tuning, const char *evaluation,
                                    struct tare_err *err)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", NULL};
    const char *const folders[2] = {tuning, evaluation};
    char **paths[2] = {NULL, NULL};
    size_t counts[2] = {0, 0};
    struct hashed *hashed[2] = {NULL, NULL};
    enum tare_status status = TARE_OK;

    for (int k = 0; k < 2 && status == TARE_OK; k++) {
        status = file_list_paths(folders[k], suffixes, "picture (.jpg or .jpeg)", &paths[k],
                                 &counts[k], err);
        if (status == TARE_OK)
            status = hash_folder(paths[k], counts[k], &hashed[k], err);
    }
    if (status == TARE_OK)
        qsort(hashed[1], counts[1], sizeof(*hashed[1]), by_hash);
    for (size_t i = 0; i < counts[0] && status == TARE_OK; i++) {
        const struct hashed *same =
            bsearch(&hashed[0][i], hashed[1], counts[1], sizeof(*hashed[1]), by_hash);

        if (same)
            status = tare_fail(err, TARE_INVALID,
                               "'%s' is '%s', by which the model is to be judged: tune on others",
                               hashed[0][i].path, same->path);
    }
    for (int k = 0; k < 2; k++) {
        free(hashed[k]);
        file_free_names(paths[k], counts[k]);
    }
    return status;
}
