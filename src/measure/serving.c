#include "measure/serving.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/server_places.h"

#define STOP_PATIENCE_NS ((int64_t)10 * 1000000000)

/*
 * Triton starts the Python backend's process, which finds its libraries by the environment. That is
 * left alone once it is right: Triton's threads may read it while a further session is opened.
 */
static enum tare_status set_libraries(struct tare_err *err)
{
    const char *present = getenv("LD_LIBRARY_PATH");
    struct buf path = BUF_INIT;
    struct server_places places;
    enum tare_status status = server_find(NULL, &places, err);

    if (status != TARE_OK || !places.libraries[0] ||
        (present && strncmp(present, places.libraries, strlen(places.libraries)) == 0))
        return status;
    server_put_libraries(&places, &path);
    status = buf_status(&path, "an environment", err);
    if (status == TARE_OK && setenv("LD_LIBRARY_PATH", buf_text(&path), 1) != 0)
        status = tare_fail(err, TARE_NOMEM, "out of memory for an environment");
    buf_release(&path);
    return status;
}

static enum tare_status begin_inside(struct serving *serving, const char *repository,
                                     struct tare_err *err)
{
    int length = snprintf(serving->backends, sizeof(serving->backends), "%s%s", repository,
                          SERVING_BACKENDS_SUFFIX);

    if (length < 0 || (size_t)length >= sizeof(serving->backends))
        return tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
    return set_libraries(err);
}

static enum tare_status check_model(const struct serving *serving, const char *name,
                                    struct tare_err *err)
{
    struct tritonserver_model *models;
    size_t count;
    enum tare_status status = tritonserver_models(serving->server, &models, &count, err);
    bool ready = false;

    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        if (!models[i].ready)
            status = tare_fail(err, TARE_FAILED, "the server did not load '%s': %.300s",
                               models[i].name, models[i].reason);
        ready = ready || strcmp(models[i].name, name) == 0;
    }
    if (status == TARE_OK && !ready)
        status = tare_fail(err, TARE_FAILED, "the server has no model '%s'", name);
    free(models);
    return status;
}

static enum tare_status begin_server(struct serving *serving, const struct layer *layer,
                                     const char *repository, struct tare_err *err)
{
    const struct tritonserver_options options = {.repository = repository};
    const struct tritonserver_facts *facts;
    enum tare_status status = TARE_OK;

    if (!serving->server)
        status = tritonserver_start(&options, &serving->server, err);
    if (status == TARE_OK)
        status = check_model(serving, layer->served, err);
    if (status != TARE_OK)
        return status;
    facts = tritonserver_facts(serving->server);
    (void)snprintf(serving->url, sizeof(serving->url), "127.0.0.1:%d",
                   strcmp(layer->transport, "grpc") == 0 ? facts->grpc_port : facts->http_port);
    return TARE_OK;
}

enum tare_status serving_begin(struct serving *serving, const struct layer *layer,
                               const char *repository, struct tare_option_value *options,
                               size_t *count, struct tare_err *err)
{
    enum tare_status status = layer->transport ? begin_server(serving, layer, repository, err)
                                               : begin_inside(serving, repository, err);

    *count = 0;
    options[(*count)++] = (struct tare_option_value){"model", layer->served};
    if (!layer->transport) {
        options[(*count)++] = (struct tare_option_value){"backends", serving->backends};
        return status;
    }
    options[(*count)++] = (struct tare_option_value){"url", serving->url};
    options[(*count)++] = (struct tare_option_value){"transport", layer->transport};
    options[(*count)++] = (struct tare_option_value){"memory", layer->memory};
    return status;
}

void serving_end(struct serving *serving)
{
    tritonserver_stop(serving->server, STOP_PATIENCE_NS);
    memset(serving, 0, sizeof(*serving));
}
