/*
 * Any bytes as what a server on this machine says and leaves: its list of models, what it printed,
 * the state of one in the background. Each is read or refused; texts end and are fit to be printed.
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/server_log.h"
#include "serve/server_models.h"
#include "serve/server_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t room)
{
    if (!memchr(text, '\0', room))
        abort();
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            abort();
}

static void read_models(const char *text, size_t size)
{
    struct tritonserver_model *models;
    struct tare_err err = TARE_ERR_INIT;
    size_t count;

    if (server_models_parse(text, size, &models, &count, &err) != err.status ||
        (err.status != TARE_OK && (models || count)))
        abort();
    for (size_t i = 0; i < count; i++) {
        check_text(models[i].name, sizeof(models[i].name));
        check_text(models[i].reason, sizeof(models[i].reason));
        if (!models[i].name[0] || (i > 0 && strcmp(models[i - 1].name, models[i].name) >= 0))
            abort();
    }
    free(models);
}

static void read_state(const char *text, size_t size)
{
    struct server_state state;

    server_state_parse(text, size, &state);
    check_text(state.repository, sizeof(state.repository));
    if (state.pid < 0 || state.pid == 1 || state.http_port < 0 || state.http_port > 65535 ||
        state.grpc_port < 0 || state.grpc_port > 65535 || state.metrics_port < 0 ||
        state.metrics_port > 65535)
        abort();
}

/* Long and short rooms for a reason. */
static void read_log(const char *log)
{
    char reason[64], few[3];

    server_log_model_reason(log, "m", reason, sizeof(reason));
    check_text(reason, sizeof(reason));
    server_log_model_reason(log, "m", few, sizeof(few));
    check_text(few, sizeof(few));
    server_log_last_error(log, reason, sizeof(reason));
    check_text(reason, sizeof(reason));
    (void)server_log_port_taken(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    read_models((const char *)data, size);
    read_state((const char *)data, size);
    read_log(text);
    free(text);
    return 0;
}
