#include "cmd/serve_print.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/json_write.h"

static size_t ready_count(const struct serve_view *view)
{
    size_t count = 0;

    for (size_t i = 0; i < view->model_count; i++)
        count += view->models[i].ready;
    return count;
}

static void print_text(const struct serve_view *view)
{
    const struct server_state *state = &view->state;

    (void)printf("http      http://127.0.0.1:%d\n", state->http_port);
    (void)printf("grpc      127.0.0.1:%d\n", state->grpc_port);
    (void)printf("metrics   http://127.0.0.1:%d/metrics\n", state->metrics_port);
    (void)printf("models    %s\n", state->repository);
    for (size_t i = 0; i < view->model_count; i++) {
        const struct tritonserver_model *model = &view->models[i];

        (void)printf("  %-24s %s%s\n", model->name,
                     model->ready ? "READY" : "not loaded: ", model->ready ? "" : model->reason);
    }
    (void)printf("ready: %zu of %zu models%s%s, process %d; %s\n", ready_count(view),
                 view->model_count, view->version[0] ? ", tritonserver " : "", view->version,
                 (int)state->pid, view->hint);
}

static void put_address(struct json_writer *json, const char *key, int port)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "127.0.0.1:%d", port);
    json_put_text(json, key, text);
}

static enum tare_status print_json(const struct serve_view *view, struct tare_err *err)
{
    struct buf buf = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &buf, false);
    json_open_object(&json, NULL);
    json_put_bool(&json, "running", true);
    json_put_int(&json, "pid", view->state.pid);
    put_address(&json, "http", view->state.http_port);
    put_address(&json, "grpc", view->state.grpc_port);
    put_address(&json, "metrics", view->state.metrics_port);
    json_put_text(&json, "repository", view->state.repository);
    json_put_text(&json, "tritonserver", view->version[0] ? view->version : NULL);
    json_open_array(&json, "models");
    for (size_t i = 0; i < view->model_count; i++) {
        json_open_object(&json, NULL);
        json_put_text(&json, "name", view->models[i].name);
        json_put_bool(&json, "ready", view->models[i].ready);
        json_put_text(&json, "reason", view->models[i].reason[0] ? view->models[i].reason : NULL);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_close_object(&json);
    status = buf_status(&buf, "the server's state", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&buf));
    buf_release(&buf);
    return status;
}

enum tare_status serve_print(const struct serve_view *view, bool json, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    if (json)
        status = print_json(view, err);
    else
        print_text(view);
    (void)fflush(stdout); /* an error is seen by command_finish() */
    return status;
}
