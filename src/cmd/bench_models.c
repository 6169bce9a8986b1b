#include "cmd/bench_models.h"

#include <stdio.h>
#include <string.h>

#include "backend/look.h"
#include "base/file.h"
#include "cmd/bench_half.h"
#include "cmd/bench_int8.h"
#include "cmd/bench_plans.h"
#include "cmd/bench_served.h"
#include "cmd/command.h"
#include "cmd/version.h"
#include "export/export_file.h"
#include "measure/layer.h"

#define LOOK_PATIENCE_NS ((int64_t)10 * 1000000000)

/* The folder that exported models go to. */
static enum tare_status models_folder(const char *models, const char *output, char *folder,
                                      size_t bytes, struct tare_err *err)
{
    const char *base = file_base_name(output);
    int length = models ? snprintf(folder, bytes, "%s", models)
                        : snprintf(folder, bytes, "%.*smodels", (int)(base - output), output);

    if (length < 0 || (size_t)length >= bytes)
        return tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
    return file_make_dirs(folder, err);
}

/* --- models made from a checkpoint --------------------------------------------------------------
 */

/* "yolov8n-raw-640-b1" for a cell of a checkpoint yolov8n.pt */
static void export_stem(const struct study_cell *cell, char *name, size_t bytes)
{
    const char *base = file_base_name(cell->model);
    size_t stem = strlen(base) - strlen(".pt");
    char batch[16] = "dynamic";

    if (!bench_serves_batches(cell))
        (void)snprintf(batch, sizeof(batch), "%d", cell->batch);
    (void)snprintf(name, bytes, "%.*s-%s-%d-b%s", (int)(stem < 200 ? stem : 200), base,
                   strcmp(cell->head, "full") == 0 ? "full" : "raw", cell->size ? cell->size : 640,
                   batch);
}

/* The file of that export in folder; what: "" or ".int8". */
static enum tare_status export_path(const struct study_cell *cell, const char *folder,
                                    const char *what, char *path, size_t bytes,
                                    struct tare_err *err)
{
    char stem[260], name[300];

    export_stem(cell, stem, sizeof(stem));
    (void)snprintf(name, sizeof(name), "%s%s.onnx", stem, what);
    return file_join(path, bytes, folder, name, err);
}

static bool is_exported(const struct study_cell *cell)
{
    return file_has_suffix(cell->model, ".pt") && !study_cell_opens_checkpoint(cell);
}

/* Whether an earlier cell is exported to the same file; TARE_INVALID if from another checkpoint. */
static enum tare_status find_same(const struct study *study, size_t index, bool *found,
                                  struct tare_err *err)
{
    const struct study_cell *cell = &study->cells[index];
    char stem[260], other[260];

    *found = false;
    export_stem(cell, stem, sizeof(stem));
    for (size_t i = 0; i < index && !*found; i++) {
        const struct study_cell *earlier = &study->cells[i];

        if (!is_exported(earlier))
            continue;
        export_stem(earlier, other, sizeof(other));
        *found = strcmp(stem, other) == 0;
        if (*found && strcmp(earlier->model, cell->model) != 0)
            return tare_fail(err, TARE_INVALID,
                             "'%s' and '%s' would both be exported to '%s.onnx'; rename one",
                             earlier->model, cell->model, stem);
    }
    return TARE_OK;
}

/* An export takes a tenth of a second: made again rather than trusted from an earlier run. */
static enum tare_status export_cell(const struct study *study, size_t index, const char *folder,
                                    struct tare_err *err)
{
    const struct study_cell *cell = &study->cells[index];
    const struct yolov8_options options = {
        .head = strcmp(cell->head, "full") == 0 ? YOLOV8_FULL : YOLOV8_RAW,
        .size = cell->size,
        .batch = bench_serves_batches(cell) ? YOLOV8_DYNAMIC : cell->batch,
        .version = TARE_VERSION,
    };
    char path[FILE_MAX_PATH];
    bool found;
    enum tare_status status = find_same(study, index, &found, err);

    if (status != TARE_OK || found)
        return status;
    status = export_path(cell, folder, "", path, sizeof(path), err);
    return status == TARE_OK ? export_file(cell->model, &options, path, err) : status;
}

/* --- files of another precision ------------------------------------------------------------------
 */

/* What makes a file of a precision: options of tare quantize. */
static const struct maker {
    const char *precision, *options;
} makers[] = {
    {"int8", "--images DIR --for "},
    {"fp16", "--precision fp16"},
};

/*
 * Whether a cell needs a file made for its precision: always for int8; for another one unless its
 * runtime converts or its engine is built from the FP32 file. A plugin that is not there is left to
 * say so itself.
 */
static enum tare_status needs_own_file(const struct study_cell *cell, bool *needs,
                                       struct tare_err *err)
{
    struct backend_look look;
    enum tare_status status = TARE_OK;

    *needs = strcmp(cell->precision, "fp32") != 0;
    if (!*needs || strcmp(cell->precision, "int8") == 0)
        return TARE_OK;
    if (bench_needs_plan(cell)) {
        *needs = false;
        return TARE_OK;
    }
    status = backend_look_at(study_cell_plugin(cell), LOOK_PATIENCE_NS, &look, err);
    *needs = status == TARE_OK && !look.converts;
    return status;
}

static bool is_int8(const struct study_cell *cell)
{
    return strcmp(cell->precision, "int8") == 0;
}

/* What a cell's row says if its file is not there. */
static void explain_missing(struct study_cell *cell, const char *fp32_path)
{
    for (size_t i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
        if (strcmp(makers[i].precision, cell->precision) == 0) {
            (void)snprintf(cell->if_missing, sizeof(cell->if_missing),
                           "no %s file: 'tare quantize %.170s %s%s -o %.170s' makes it",
                           cell->precision, fp32_path, makers[i].options,
                           is_int8(cell) ? bench_int8_target(cell) : "", cell->model_path);
            return;
        }
    (void)snprintf(cell->if_missing, sizeof(cell->if_missing), "no %s file '%.300s'",
                   cell->precision, cell->model_path);
}

/* ".fp16", ".int8", ".int8-openvino" */
static void own_suffix(const struct study_cell *cell, char *text, size_t bytes)
{
    const char *target = is_int8(cell) ? bench_int8_target(cell) : "cpu";
    bool plain = strcmp(target, "cpu") == 0;

    (void)snprintf(text, bytes, ".%s%s%s", cell->precision, plain ? "" : "-", plain ? "" : target);
}

/* yolov8n-raw-640-b1.int8.onnx or, for just these settings, yolov8n.int8.onnx, whichever is there;
 * *fp32_path is what the first is made from. */
static enum tare_status find_own_file(struct study_cell *cell, const char *folder,
                                      char fp32_path[FILE_MAX_PATH], struct tare_err *err)
{
    const char *base = file_base_name(cell->model);
    char plain_path[FILE_MAX_PATH], what[32], name[300];
    bool plain = cell->batch == 1 && strcmp(cell->head, "full") != 0 &&
                 (cell->size == 0 || cell->size == 640);
    enum tare_status status;

    own_suffix(cell, what, sizeof(what));
    (void)snprintf(name, sizeof(name), "%.*s%s.onnx",
                   (int)(strlen(base) - strlen(".pt") < 200 ? strlen(base) - strlen(".pt") : 200),
                   base, what);
    status = export_path(cell, folder, "", fp32_path, FILE_MAX_PATH, err);
    if (status == TARE_OK)
        status = export_path(cell, folder, what, cell->model_path, sizeof(cell->model_path), err);
    if (status == TARE_OK)
        status = file_join(plain_path, sizeof(plain_path), folder, name, err);
    if (status != TARE_OK)
        return status;
    if (plain && !file_exists(cell->model_path) && file_exists(plain_path))
        memcpy(cell->model_path, plain_path, sizeof(plain_path));
    explain_missing(cell, fp32_path);
    return TARE_OK;
}

/* Whether the plugin that would run the cell can be loaded; if not, its row says why. */
static bool is_here(const struct study_cell *cell)
{
    struct backend_look look;

    return backend_look_at(study_cell_plugin(cell), LOOK_PATIENCE_NS, &look, NULL) == TARE_OK;
}

static enum tare_status resolve_cell(struct study *study, size_t index, const char *folder,
                                     bool quiet, struct tare_err *err)
{
    struct study_cell *cell = &study->cells[index];
    char fp32_path[FILE_MAX_PATH];
    bool own_file = false;
    enum tare_status status;

    if (!is_exported(cell)) {
        memcpy(cell->model_path, cell->model, sizeof(cell->model_path));
        return TARE_OK;
    }
    status = export_cell(study, index, folder, err);
    if (status == TARE_OK)
        status = needs_own_file(cell, &own_file, err);
    if (status != TARE_OK)
        return status;
    if (!own_file)
        return export_path(cell, folder, "", cell->model_path, sizeof(cell->model_path), err);
    status = find_own_file(cell, folder, fp32_path, err);
    if (status == TARE_OK && is_int8(cell) && study->calibration[0] && is_here(cell))
        status = bench_int8_make(fp32_path, study->calibration, bench_int8_target(cell),
                                 cell->model_path, quiet, err);
    if (status == TARE_OK && bench_half_wanted(cell) && is_here(cell))
        status = bench_half_make(fp32_path, cell->model_path, err);
    return status;
}

enum tare_status bench_export_models(struct study *study, const char *models, const char *output,
                                     bool quiet, struct tare_err *err)
{
    char folder[FILE_MAX_PATH];
    enum tare_status status = TARE_OK;
    bool any = false;

    for (size_t i = 0; i < study->cell_count; i++)
        any = any || is_exported(&study->cells[i]) || layer_find(study->cells[i].layer) ||
              bench_needs_plan(&study->cells[i]);
    if (any)
        status = models_folder(models, output, folder, sizeof(folder), err);
    for (size_t i = 0; i < study->cell_count && status == TARE_OK; i++) {
        status = resolve_cell(study, i, folder, quiet, err);
        if (status == TARE_OK && bench_needs_plan(&study->cells[i]))
            status = bench_plan_make(&study->cells[i], folder, quiet, err);
        if (status == TARE_OK)
            status = bench_serve(study, &study->cells[i], folder, err);
    }
    return status;
}

int bench_print_ledger(char *output, bool json)
{
    char name[] = "report", flag[] = "--json", *argv[] = {name, output, json ? flag : NULL, NULL};

    return cmd_report(json ? 3 : 2, argv);
}
