#include "measure/worker_agree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "measure/agree.h"
#include "measure/protocol.h"
#include "measure/worker_open.h"

static void put_known(struct json_writer *w, const char *name, double value)
{
    if (isfinite(value))
        json_put_number(w, name, value);
}

static void put_figure(struct json_writer *w, const char *name,
                       const struct agreement_figure *figure)
{
    char longer[AGREEMENT_NAME + 64];

    put_known(w, name, figure->value);
    (void)snprintf(longer, sizeof(longer), "%s.low", name);
    put_known(w, longer, figure->low);
    (void)snprintf(longer, sizeof(longer), "%s.high", name);
    put_known(w, longer, figure->high);
}

static void put_figures(struct json_writer *w, const struct agreement_result *r)
{
    char name[AGREEMENT_NAME + 32];

    json_open_object(w, "figures");
    json_put_int(w, "agreement.pictures", (int64_t)r->pictures);
    json_put_int(w, "agreement.reference_boxes", (int64_t)r->reference_boxes);
    put_figure(w, "agreement.found", &r->found);
    put_figure(w, "agreement.faded", &r->faded);
    put_figure(w, "agreement.added", &r->added);
    put_figure(w, "agreement.ap", &r->ap);
    put_figure(w, "agreement.ap50", &r->ap50);
    for (size_t h = 0; h < r->head_count; h++) {
        (void)snprintf(name, sizeof(name), "agreement.sqnr_db.%s", r->heads[h].name);
        put_figure(w, name, &r->heads[h].sqnr_db);
    }
    json_close_object(w);
}

enum tare_status worker_agree(struct backend_session *session, const struct json_value *command,
                              struct json_writer *answer, struct tare_err *err)
{
    const struct json_value *pictures = json_get(command, "pictures");
    struct agreement_result *result = calloc(1, sizeof(*result));
    struct agree_options options = {.count = json_count(pictures)};
    char **paths = calloc(options.count + 1, sizeof(*paths));
    struct backend_session *reference = NULL;
    struct serving serving = {0};
    struct backend *backend = NULL;
    int64_t reached[PROTOCOL_STEPS];
    enum tare_status status = TARE_OK;

    options.paths = paths;
    options.figures.seed = (uint64_t)json_int(json_get(command, "seed"), 1);
    if (!result || !paths)
        status = tare_fail(err, TARE_NOMEM, "out of memory for an agreement");
    for (size_t i = 0; status == TARE_OK && i < options.count; i++) {
        paths[i] = strdup(json_text(json_at(pictures, i), ""));
        if (!paths[i])
            status = tare_fail(err, TARE_NOMEM, "out of memory for an agreement");
    }
    if (status == TARE_OK)
        status = worker_open_session(json_get(command, "reference"), &backend, &reference, &serving,
                                     reached, err);
    if (status == TARE_OK)
        status = agree_pictures(reference, session, &options, result, err);
    if (status == TARE_OK)
        put_figures(answer, result);
    backend_session_close(reference);
    serving_end(&serving);
    backend_free(backend);
    for (size_t i = 0; paths && i < options.count; i++)
        free(paths[i]);
    free(paths);
    free(result);
    return status;
}
