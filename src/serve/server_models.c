#include "serve/server_models.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_tree.h"
#include "base/printable.h"
#include "serve/server_log.h"

#define MODELS_MAX 4096

static int compare_models(const void *a, const void *b)
{
    return strcmp(((const struct tritonserver_model *)a)->name,
                  ((const struct tritonserver_model *)b)->name);
}

static struct tritonserver_model *find_model(struct tritonserver_model *models, size_t count,
                                             const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(models[i].name, name) == 0)
            return &models[i];
    return NULL;
}

static enum tare_status read_entry(const struct json_value *entry,
                                   struct tritonserver_model *models, size_t *count,
                                   struct tare_err *err)
{
    const char *name = json_text(json_get(entry, "name"), NULL);
    struct tritonserver_model read = {.ready = false}, *model;

    if (!name || !*name || strlen(name) >= sizeof(read.name))
        return tare_fail(err, TARE_BADDATA, "the server lists a model without a name");
    (void)snprintf(read.name, sizeof(read.name), "%s", name);
    printable_line(read.name);
    read.ready = strcmp(json_text(json_get(entry, "state"), ""), "READY") == 0;
    if (!read.ready)
        (void)snprintf(read.reason, sizeof(read.reason), "%s",
                       json_text(json_get(entry, "reason"), ""));
    server_log_tidy(read.reason);
    model = find_model(models, *count, read.name);
    if (!model)
        models[(*count)++] = read;
    else if (read.ready)
        *model = read;
    return TARE_OK;
}

enum tare_status server_models_parse(const char *text, size_t size,
                                     struct tritonserver_model **models, size_t *count,
                                     struct tare_err *err)
{
    struct json_tree *tree = NULL;
    const struct json_value *root;
    enum tare_status status = json_parse(text, size, &tree, err);
    size_t entries;

    *models = NULL;
    *count = 0;
    if (status != TARE_OK)
        return status;
    root = json_root(tree);
    entries = json_count(root);
    if (json_type(root) != JSON_ARRAY || entries > MODELS_MAX)
        status = tare_fail(err, entries > MODELS_MAX ? TARE_LIMIT : TARE_BADDATA,
                           "the server's list of models is none, or of over %d", MODELS_MAX);
    if (status == TARE_OK) {
        *models = calloc(entries + 1, sizeof(**models));
        if (!*models)
            status = tare_fail(err, TARE_NOMEM, "out of memory for %zu models", entries);
    }
    for (size_t i = 0; i < entries && status == TARE_OK; i++)
        status = read_entry(json_at(root, i), *models, count, err);
    json_free(tree);
    if (status == TARE_OK && *count > 1)
        qsort(*models, *count, sizeof(**models), compare_models);
    if (status != TARE_OK) {
        free(*models);
        *models = NULL;
        *count = 0;
    }
    return status;
}
