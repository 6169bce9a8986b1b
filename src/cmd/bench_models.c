#include "cmd/bench_models.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cmd/command.h"
#include "cmd/version.h"
#include "export/checkpoint.h"
#include "export/export_yolov8.h"
#include "onnx/onnx_write.h"

static bool is_checkpoint(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && strcmp(dot, ".pt") == 0;
}

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

static enum tare_status export_file(const char *checkpoint_path, const char *model_path,
                                    const struct yolov8_options *options, struct tare_err *err)
{
    struct checkpoint *checkpoint = NULL;
    struct tare_err inner = TARE_ERR_INIT;
    struct onnx_model model;
    enum tare_status status = checkpoint_open(checkpoint_path, &checkpoint, err);

    onnx_model_init(&model, 0);
    if (status == TARE_OK && yolov8_build(checkpoint, options, &model, NULL, &inner) != TARE_OK)
        status = tare_fail(err, inner.status, "'%s': %s", checkpoint_path, inner.text);
    if (status == TARE_OK)
        status = onnx_write(&model, model_path, NULL, err);
    onnx_model_release(&model);
    checkpoint_close(checkpoint);
    return status;
}

/* An export takes a tenth of a second: made again rather than trusted from an earlier run. */
static enum tare_status export_cell(struct study *study, size_t index, const char *folder,
                                    struct tare_err *err)
{
    struct study_cell *cell = &study->cells[index];
    const char *base = file_base_name(cell->model);
    const struct yolov8_options options = {
        .head = strcmp(cell->head, "full") == 0 ? YOLOV8_FULL : YOLOV8_RAW,
        .size = cell->size,
        .batch = cell->batch,
        .version = TARE_VERSION,
    };
    char name[300];
    enum tare_status status;

    (void)snprintf(name, sizeof(name), "%.*s-%s-%lld-b%d.onnx",
                   (int)(strlen(base) - 3 < 200 ? strlen(base) - 3 : 200), base,
                   options.head == YOLOV8_FULL ? "full" : "raw",
                   (long long)(cell->size ? cell->size : 640), cell->batch);
    status = file_join(cell->model_path, sizeof(cell->model_path), folder, name, err);
    for (size_t i = 0; i < index && status == TARE_OK; i++)
        if (strcmp(study->cells[i].model_path, cell->model_path) == 0 &&
            strcmp(study->cells[i].model, cell->model) != 0)
            status = tare_fail(err, TARE_INVALID,
                               "'%s' and '%s' would both be exported to '%s'; rename one",
                               study->cells[i].model, cell->model, cell->model_path);
    return status == TARE_OK ? export_file(cell->model, cell->model_path, &options, err) : status;
}

/* A cell before this one that is exported to the same file, with the same content. */
static const struct study_cell *find_same(const struct study *study, size_t index)
{
    const struct study_cell *cell = &study->cells[index];

    for (size_t i = 0; i < index; i++)
        if (!study_cell_opens_checkpoint(&study->cells[i]) &&
            strcmp(study->cells[i].model, cell->model) == 0 &&
            strcmp(study->cells[i].head, cell->head) == 0 && study->cells[i].batch == cell->batch &&
            study->cells[i].size == cell->size)
            return &study->cells[i];
    return NULL;
}

static enum tare_status resolve_cell(struct study *study, size_t index, const char *folder,
                                     struct tare_err *err)
{
    struct study_cell *cell = &study->cells[index];
    const struct study_cell *same;

    if (study_cell_opens_checkpoint(cell)) {
        memcpy(cell->model_path, cell->model, sizeof(cell->model_path));
        return TARE_OK;
    }
    same = find_same(study, index);
    if (same || !is_checkpoint(cell->model)) {
        memcpy(cell->model_path, same ? same->model_path : cell->model, sizeof(cell->model_path));
        return TARE_OK;
    }
    return export_cell(study, index, folder, err);
}

enum tare_status bench_export_models(struct study *study, const char *models, const char *output,
                                     struct tare_err *err)
{
    char folder[FILE_MAX_PATH];
    enum tare_status status = TARE_OK;
    bool any = false;

    for (size_t i = 0; i < study->cell_count; i++)
        any = any || (is_checkpoint(study->cells[i].model) &&
                      !study_cell_opens_checkpoint(&study->cells[i]));
    if (any)
        status = models_folder(models, output, folder, sizeof(folder), err);
    for (size_t i = 0; i < study->cell_count && status == TARE_OK; i++)
        status = resolve_cell(study, i, folder, err);
    return status;
}

int bench_print_ledger(char *output, bool json)
{
    char name[] = "report", flag[] = "--json", *argv[] = {name, output, json ? flag : NULL, NULL};

    return cmd_report(json ? 3 : 2, argv);
}
