/*
 * cmd_serve.c - tare serve: a model repository rendered and served by tritonserver on this machine,
 * in the foreground until it is told to stop, or in the background.
 */
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/tree.h"
#include "cmd/command.h"
#include "cmd/repo_args.h"
#include "cmd/serve_detached.h"
#include "cmd/serve_print.h"

#define LOOK_MS 200

struct args {
    struct repo_args repo;
    const char *output, *repository, *server;
    int64_t http_port, grpc_port, metrics_port, patience_s;
    bool detach, stop, status, json;
};

static const struct option_info own_rows[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "keep the rendered repository there",
     .fallback = "a temporary folder",
     .offset = offsetof(struct args, output)},
    {.name = "repository",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "serve this repository as it is, render none",
     .offset = offsetof(struct args, repository)},
    {.name = "http-port",
     .kind = OPTION_INT,
     .value = "N",
     .help = "0: a free one",
     .fallback = "8000",
     .max = 65535,
     .offset = offsetof(struct args, http_port)},
    {.name = "grpc-port",
     .kind = OPTION_INT,
     .value = "N",
     .help = "0: a free one",
     .fallback = "8001",
     .max = 65535,
     .offset = offsetof(struct args, grpc_port)},
    {.name = "metrics-port",
     .kind = OPTION_INT,
     .value = "N",
     .help = "0: a free one",
     .fallback = "8002",
     .max = 65535,
     .offset = offsetof(struct args, metrics_port)},
    {.name = "server",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "the tritonserver program",
     .fallback = "TRITONSERVER, .deps, PATH, /opt/tritonserver",
     .offset = offsetof(struct args, server)},
    {.name = "patience",
     .kind = OPTION_INT,
     .value = "SECONDS",
     .help = "how long models may take to load",
     .fallback = "300",
     .min = 1,
     .max = 86400,
     .offset = offsetof(struct args, patience_s)},
    {.name = "detach",
     .letter = 'd',
     .kind = OPTION_FLAG,
     .help = "go into the background once the server is ready",
     .offset = offsetof(struct args, detach)},
    {.name = "stop",
     .kind = OPTION_FLAG,
     .help = "end the server in the background",
     .offset = offsetof(struct args, stop)},
    {.name = "status",
     .kind = OPTION_FLAG,
     .help = "say what the server in the background has loaded; exit status 1 if there is none",
     .offset = offsetof(struct args, status)},
    {.name = "json",
     .kind = OPTION_FLAG,
     .help = "print one line of JSON once it is ready",
     .offset = offsetof(struct args, json)},
};

#define OWN_ROWS (sizeof(own_rows) / sizeof(own_rows[0]))

static const struct options_usage usage = {
    .command = "serve",
    .operands = "[MODEL.onnx|MODEL.pt]",
    .summary = "serve a model with tritonserver on this machine",
    .details =
        "Renders a repository as 'tare repo' does, starts tritonserver over it, on 127.0.0.1\n"
        "alone, says what was loaded, and why the rest was not. Ctrl-C ends it. What was\n"
        "started with --detach runs on: one for each user, ended with --stop.",
};

/* What is to be served: the repository, and the temporary folder around it, if there is one. */
struct place {
    char repository[FILE_MAX_PATH];
    char temporary[FILE_MAX_PATH]; /* "": none */
    int temporary_fd;              /* holds it; -1: none */
};

static enum tare_status render(const struct args *args, const char *model, struct place *place,
                               struct tare_err *err)
{
    const char *given = args->repository ? args->repository : args->output;
    enum tare_status status = TARE_OK;

    if (given && strlen(given) >= sizeof(place->repository))
        status = tare_fail(err, TARE_LIMIT, "a folder's path of %zu bytes", strlen(given));
    else if (given)
        memcpy(place->repository, given, strlen(given) + 1);
    else
        status = tree_temporary_held(place->temporary, sizeof(place->temporary), "tare-serve",
                                     &place->temporary_fd, err);
    if (status == TARE_OK && !given)
        status = file_join(place->repository, sizeof(place->repository), place->temporary,
                           "repository", err);
    if (status == TARE_OK && !args->repository)
        status = repo_args_render(&args->repo, model, false, place->repository, NULL, err);
    return status;
}

static enum tare_status show(const struct args *args, const struct tritonserver *server,
                             const char *repository, struct serve_tie *tie, struct tare_err *err)
{
    const struct tritonserver_facts *facts = tritonserver_facts(server);
    struct tritonserver_model *models = NULL;
    struct serve_view view = {
        .state = {.pid = args->detach ? getpid() : facts->pid,
                  .http_port = facts->http_port,
                  .grpc_port = facts->grpc_port,
                  .metrics_port = facts->metrics_port,
                  .started_s = clock_wall_ns() / 1000000000},
        .version = facts->version,
        .hint = args->detach ? "'tare serve --stop' ends it" : "Ctrl-C ends it",
    };
    enum tare_status status = tritonserver_models(server, &models, &view.model_count, err);

    view.models = models;
    /* Who asks from another folder needs all of it. */
    if (!realpath(repository, view.state.repository))
        (void)snprintf(view.state.repository, sizeof(view.state.repository), "%s", repository);
    if (status == TARE_OK && args->detach)
        status = server_state_write(tie->state_fd, &view.state, err);
    if (status == TARE_OK)
        status = serve_print(&view, args->json, err);
    free(models);
    return status;
}

/* Until somebody asks to stop; TARE_FAILED if the server dies before. */
static enum tare_status look_after(struct tritonserver *server, struct tare_err *err)
{
    while (!stop_requested()) {
        if (tritonserver_died(server, err))
            return TARE_FAILED;
        (void)poll(NULL, 0, LOOK_MS);
    }
    return TARE_OK;
}

static enum tare_status serve(const struct args *args, const char *model, struct serve_tie *tie,
                              struct tare_err *err)
{
    struct place place = {"", "", -1};
    const struct tritonserver_options options = {
        .repository = place.repository, /* once it is rendered */
        .binary = args->server,
        .http_port = (int)args->http_port,
        .grpc_port = (int)args->grpc_port,
        .metrics_port = (int)args->metrics_port,
        .patience_ns = args->patience_s * 1000000000,
    };
    struct tritonserver *server = NULL;
    enum tare_status status = render(args, model, &place, err);

    if (status == TARE_OK)
        status = tritonserver_start(&options, &server, err);
    if (status == TARE_OK)
        status = show(args, server, place.repository, tie, err);
    if (status == TARE_OK) {
        serve_settle(tie, EXIT_OK);
        status = look_after(server, err);
    }
    tritonserver_stop(server, 0);
    if (place.temporary[0])
        (void)tree_remove(place.temporary, NULL);
    if (place.temporary_fd >= 0)
        (void)close(place.temporary_fd);
    return status == TARE_STOPPED ? TARE_OK : status; /* before it was ready: as asked */
}

static int check_args(const struct args *args, const struct options_result *result)
{
    if (result->operand_count > 1)
        return command_usage("serve", "need one model, got %zu", result->operand_count);
    if (args->repository && (args->output || result->operand_count > 0))
        return command_usage("serve", "--repository is served as it is: no model and no -o");
    if ((args->stop || args->status) &&
        (args->detach || args->stop == args->status || result->operand_count > 0))
        return command_usage("serve", "--stop and --status stand alone");
    return EXIT_OK;
}

int cmd_serve(int argc, char **argv)
{
    struct option_info table[REPO_ARGS_ROWS + OWN_ROWS + 1] = {0};
    struct args args = {.repo = REPO_ARGS_INIT,
                        .http_port = 8000,
                        .grpc_port = 8001,
                        .metrics_port = 8002,
                        .patience_s = 300};
    struct serve_tie tie = {-1, -1};
    struct options_result result = {0};
    struct tare_err err = TARE_ERR_INIT;
    enum tare_status status = TARE_OK;
    bool waits = false;
    int exit_code;

    repo_args_rows(table, offsetof(struct args, repo));
    memcpy(table + REPO_ARGS_ROWS, own_rows, sizeof(own_rows));
    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    exit_code = check_args(&args, &result);
    if (exit_code != EXIT_OK)
        return exit_code;
    if (args.stop || args.status)
        return args.stop ? serve_stop() : serve_status(args.json);
    stop_on_hangup();
    if (args.detach)
        status = serve_detach(&tie, &waits, &exit_code, &err);
    if (waits)
        return exit_code;
    if (status == TARE_OK)
        status = serve(&args, result.operand_count ? result.operands[0] : NULL, &tie, &err);
    exit_code = status == TARE_OK ? EXIT_OK : command_fail("serve", &err);
    server_state_release(tie.state_fd);
    exit_code = command_finish("serve", exit_code);
    serve_settle(&tie, exit_code == EXIT_OK ? EXIT_FAILED : exit_code); /* it was stopped before */
    return exit_code;
}
