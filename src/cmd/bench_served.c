#include "cmd/bench_served.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/tree.h"
#include "cmd/version.h"
#include "measure/layer.h"
#include "measure/serving.h"
#include "serve/repository.h"
#include "serve/server_places.h"

/* "served-yolov8n-fp32-...": the cell's key as a file's name, which two cells may share. */
static enum tare_status choose_folder(const struct study *study, struct study_cell *cell,
                                      const char *folder, struct tare_err *err)
{
    char name[sizeof(cell->key) + 16];
    enum tare_status status;

    (void)snprintf(name, sizeof(name), "served-%.200s", cell->key);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._", *c))
            *c = '-';
    status = file_join(cell->repository, sizeof(cell->repository), folder, name, err);
    for (const struct study_cell *earlier = study->cells; earlier < cell && status == TARE_OK;
         earlier++)
        if (strcmp(earlier->repository, cell->repository) == 0)
            status = tare_fail(err, TARE_INVALID,
                               "'%s' and '%s' would both be served from '%s'; rename a model",
                               earlier->key, cell->key, cell->repository);
    return status;
}

/* Links beside the repository: Triton's C API takes a folder of backends. */
static enum tare_status link_backends(const struct study_cell *cell, const struct layer *layer,
                                      struct tare_err *err)
{
    struct server_places places;
    char path[FILE_MAX_PATH], note[300];
    bool python = strstr(layer->served, "python") != NULL;
    int length = snprintf(path, sizeof(path), "%s%s", cell->repository, SERVING_BACKENDS_SUFFIX);
    enum tare_status status = TARE_OK;

    if (length < 0 || (size_t)length >= sizeof(path))
        return tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
    status = server_find(NULL, &places, err);
    if (status == TARE_OK)
        status = tree_remove(path, err);
    if (status == TARE_OK)
        status = file_make_dirs(path, err);
    if (status == TARE_OK)
        status = server_link_backends(&places, path, python, note, err);
    if (status == TARE_OK && note[0])
        status = tare_fail(err, TARE_ABSENT, "%s", note);
    return status;
}

static const struct served_option {
    const char *name;
    int64_t min, max;
} served_options[] = {{"max_batch", 1, REPOSITORY_MAX_BATCH},
                      {"queue_delay_us", 0, REPOSITORY_MAX_DELAY_US},
                      {"instances", 1, REPOSITORY_MAX_INSTANCES}};

/* The value of an option; fallback if the cell does not set it. */
static int64_t option_of(const struct study_cell *cell, const char *name, int64_t fallback)
{
    const char *value = study_option_of(cell, name);

    return value ? strtoll(value, NULL, 10) : fallback;
}

static enum tare_status check_option(const struct study_option *option, struct tare_err *err)
{
    for (size_t i = 0; i < sizeof(served_options) / sizeof(served_options[0]); i++) {
        char *end;
        int64_t value = strtoll(option->value, &end, 10);

        if (strcmp(option->name, served_options[i].name) != 0)
            continue;
        if (option->value[0] && !*end && value >= served_options[i].min &&
            value <= served_options[i].max)
            return TARE_OK;
        return tare_fail(err, TARE_INVALID, "option '%s' is '%s', need %lld to %lld", option->name,
                         option->value, (long long)served_options[i].min,
                         (long long)served_options[i].max);
    }
    return tare_fail(err, TARE_INVALID,
                     "a served layer has no option '%s', only max_batch, queue_delay_us and "
                     "instances",
                     option->name);
}

bool bench_serves_batches(const struct study_cell *cell)
{
    return layer_find(cell->layer) && option_of(cell, "max_batch", 1) > 1;
}

enum tare_status bench_serve(struct study *study, struct study_cell *cell, const char *folder,
                             struct tare_err *err)
{
    const struct layer *layer = layer_find(cell->layer);
    const struct repository_options options = {
        .model_path = cell->model_path,
        .version = TARE_VERSION,
        .models = layer ? layer->served : NULL,
        .plugin = cell->runtime,
        .precision = cell->precision,
        .max_batch = option_of(cell, "max_batch", cell->batch),
        .delay_given = true,
        .queue_delay_us = option_of(cell, "queue_delay_us", 0),
        .instances = option_of(cell, "instances", 1),
        .threads = cell->threads,
        .pool_threads = cell->threads,
        .min_score = study->min_score,
        .iou = study->iou,
    };
    enum tare_status status = TARE_OK;

    if (!layer)
        return TARE_OK;
    for (size_t i = 0; i < cell->option_count && status == TARE_OK; i++)
        status = check_option(&cell->options[i], err);
    if (status != TARE_OK)
        return status;
    if (strcmp(cell->device, "cpu") != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "layer '%s' is served on the cpu alone, not on '%s'", cell->layer,
                         cell->device);
    if (cell->if_missing[0] && !file_exists(cell->model_path))
        return TARE_OK; /* its row says what makes the file */
    status = choose_folder(study, cell, folder, err);
    if (status == TARE_OK)
        status = repository_render(&options, cell->repository, NULL, err);
    if (status == TARE_OK && !layer->transport)
        status = link_backends(cell, layer, err);
    return status;
}
