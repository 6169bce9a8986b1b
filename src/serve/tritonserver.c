#include "serve/tritonserver.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_tree.h"
#include "base/printable.h"
#include "base/process.h"
#include "base/stop.h"
#include "base/tree.h"
#include "serve/repository.h"
#include "serve/server_http.h"
#include "serve/server_log.h"
#include "serve/server_models.h"
#include "serve/server_places.h"

#define SECOND_NS    ((int64_t)1000000000)
#define PATIENCE_NS  (300 * SECOND_NS)
#define STOP_NS      (20 * SECOND_NS)
#define ASK_NS       (10 * SECOND_NS)
#define TRIES        5     /* at ports that others may take meanwhile */
#define LOG_BYTES    65536 /* of what it printed, that reasons are looked for in */
#define CONFIG_MAX   ((size_t)1 << 20)
#define SETTING      (FILE_MAX_PATH + 64)
#define SETTINGS_MAX 24

struct tritonserver {
    struct process process;
    struct server_places places;
    struct tritonserver_facts facts;
    char repository[FILE_MAX_PATH];
    char folder[FILE_MAX_PATH]; /* temporary, with the links to the backends */
    int folder_fd;              /* holds it */
    char id[64];                /* its own name, and that of its shared memory */
    bool given[3];              /* whether the caller chose the port: http, grpc, metrics */
    bool rendered;              /* the repository is one of tare's, complete */
};

struct settings {
    char texts[SETTINGS_MAX][SETTING];
    const char *argv[SETTINGS_MAX + 1];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void add(struct settings *settings, const char *format,
                                                      ...)
{
    char *text = settings->texts[settings->count];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, SETTING, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    settings->argv[settings->count++] = text;
}

/* --- starting -----------------------------------------------------------------------------------
 */

/* Whether a model's configuration asks for the Python backend. */
static bool uses_python(const char *folder)
{
    char path[FILE_MAX_PATH], *text = NULL;
    size_t size;
    bool uses;

    if (file_join(path, sizeof(path), folder, "config.pbtxt", NULL) != TARE_OK ||
        file_read(path, CONFIG_MAX, &text, &size, NULL) != TARE_OK)
        return false;
    uses = strstr(text, "\"python\"") != NULL;
    free(text);
    return uses;
}

static bool repository_uses_python(const char *repository)
{
    char **paths = NULL;
    size_t count = 0;
    bool uses = false;

    if (file_list_paths(repository, NULL, "model", &paths, &count, NULL) != TARE_OK)
        return false;
    for (size_t i = 0; i < count && !uses; i++)
        uses = uses_python(paths[i]);
    file_free_names(paths, count);
    return uses;
}

static enum tare_status prepare(struct tritonserver *server,
                                const struct tritonserver_options *options, struct tare_err *err)
{
    enum tare_status status;

    if (!realpath(options->repository, server->repository))
        return tare_fail(err, TARE_ABSENT, "no model repository '%s': %s", options->repository,
                         strerror(errno));
    if (!file_is_dir(server->repository))
        return tare_fail(err, TARE_ABSENT, "'%s' is no folder", options->repository);
    status = server_find(options->binary, &server->places, err);
    if (status == TARE_OK)
        status = tree_temporary_held(server->folder, sizeof(server->folder), "tare-server",
                                     &server->folder_fd, err);
    if (status == TARE_OK)
        status = server_link_backends(&server->places, server->folder,
                                      repository_uses_python(server->repository),
                                      server->facts.note, err);
    server->rendered = repository_is_rendered(server->repository);
    return status;
}

static enum tare_status choose_port(int given, int *port, bool *is_given, struct tare_err *err)
{
    *is_given = given != 0;
    *port = given;
    if (!given)
        return server_free_port(port, err);
    if (given < 1 || given > 65535)
        return tare_fail(err, TARE_INVALID, "port %d, need 1 to 65535", given);
    if (!server_port_is_free(given))
        return tare_fail(err, TARE_FAILED, "port %d of 127.0.0.1 is in use; 0 takes a free one",
                         given);
    return TARE_OK;
}

static enum tare_status choose_ports(struct tritonserver *server,
                                     const struct tritonserver_options *options,
                                     struct tare_err *err)
{
    struct tritonserver_facts *f = &server->facts;
    enum tare_status status =
        choose_port(options->http_port, &f->http_port, &server->given[0], err);

    if (status == TARE_OK)
        status = choose_port(options->grpc_port, &f->grpc_port, &server->given[1], err);
    if (status == TARE_OK)
        status = choose_port(options->metrics_port, &f->metrics_port, &server->given[2], err);
    if (status == TARE_OK && (f->http_port == f->grpc_port || f->http_port == f->metrics_port ||
                              f->grpc_port == f->metrics_port))
        status = tare_fail(err, TARE_INVALID, "ports %d, %d and %d, need three different ones",
                           f->http_port, f->grpc_port, f->metrics_port);
    return status;
}

static void add_settings(const struct tritonserver *server, struct settings *settings)
{
    const struct tritonserver_facts *f = &server->facts;

    add(settings, "%s", server->places.binary);
    add(settings, "--id=%s", server->id);
    add(settings, "--model-repository=%s", server->repository);
    add(settings, "--backend-directory=%s", server->folder);
    add(settings, "--http-address=127.0.0.1");
    add(settings, "--grpc-address=127.0.0.1");
    add(settings, "--metrics-address=127.0.0.1");
    add(settings, "--http-port=%d", f->http_port);
    add(settings, "--grpc-port=%d", f->grpc_port);
    add(settings, "--metrics-port=%d", f->metrics_port);
    /* A model that fails must not take the others with it. */
    add(settings, "--exit-on-error=false");
    add(settings, "--strict-readiness=false");
    add(settings, "--model-control-mode=explicit");
    add(settings, "--load-model=*");
    add(settings, "--exit-timeout-secs=10");
    add(settings, "--backend-config=python,shm-region-prefix-name=%s_", server->id);
    if (server->rendered) /* complete as it is; completing it starts each Python model once more */
        add(settings, "--disable-auto-complete-config");
    settings->argv[settings->count] = NULL;
}

static enum tare_status start_process(struct tritonserver *server, struct tare_err *err)
{
    struct buf libraries = BUF_INIT;
    const char *env[] = {NULL, NULL};
    struct settings *settings = calloc(1, sizeof(*settings));
    struct process_options options = {.shared_fd = -1, .own_group = true, .death_signal = SIGTERM};
    enum tare_status status;

    buf_append_text(&libraries, "LD_LIBRARY_PATH=");
    server_put_libraries(&server->places, &libraries);
    status = settings ? buf_status(&libraries, "the server's environment", err)
                      : tare_fail(err, TARE_NOMEM, "out of memory for a server");
    if (status == TARE_OK) {
        add_settings(server, settings);
        env[0] = buf_text(&libraries);
        options.argv = settings->argv;
        options.env = server->places.libraries[0] ? env : NULL;
        status = process_start(&server->process, &options, err);
        server->facts.pid = server->process.pid;
    }
    buf_release(&libraries);
    free(settings);
    return status;
}

/* --- ending -------------------------------------------------------------------------------------
 */

/* What a Python backend that was killed leaves behind. */
static void remove_shared_memory(const struct tritonserver *server)
{
    char **names = NULL, path[FILE_MAX_PATH];
    size_t count = 0;

    if (file_list("/dev/shm", NULL, &names, &count, NULL) != TARE_OK)
        return;
    for (size_t i = 0; i < count; i++)
        if (strncmp(names[i], server->id, strlen(server->id)) == 0 &&
            file_join(path, sizeof(path), "/dev/shm", names[i], NULL) == TARE_OK)
            (void)unlink(path);
    file_free_names(names, count);
}

static void end_process(struct tritonserver *server, int64_t patience_ns)
{
    struct process *process = &server->process;
    int64_t deadline_ns = clock_now_ns() + patience_ns;
    pid_t group = process->pid;

    if (group == 0)
        return;
    if (!process_ended(process))
        (void)kill(group, SIGTERM);
    while (!process_ended(process) && clock_now_ns() < deadline_ns)
        (void)poll(NULL, 0, 10);
    /* Its Python processes are of its group, and end with it unless it was killed. */
    (void)kill(-group, SIGKILL);
    process_release(process, 0);
}

static void free_server(struct tritonserver *server)
{
    if (server->folder[0])
        (void)tree_remove(server->folder, NULL);
    if (server->folder_fd >= 0)
        (void)close(server->folder_fd);
    free(server);
}

void tritonserver_stop(struct tritonserver *server, int64_t patience_ns)
{
    if (!server)
        return;
    end_process(server, patience_ns ? patience_ns : STOP_NS);
    remove_shared_memory(server);
    free_server(server);
}

/* The last that it printed; the caller frees it. NULL if memory ran out. */
static char *read_log(const struct tritonserver *server)
{
    char *log = malloc(LOG_BYTES);

    if (log)
        process_log_tail(&server->process, log, LOG_BYTES);
    return log;
}

static enum tare_status fail_died(const struct tritonserver *server, bool *port_taken,
                                  struct tare_err *err)
{
    char end[128], reason[300] = "", *log = read_log(server);

    *port_taken = log && server_log_port_taken(log);
    if (log)
        server_log_last_error(log, reason, sizeof(reason));
    free(log);
    process_describe_end(&server->process, end, sizeof(end));
    return tare_fail(err, TARE_FAILED, "tritonserver died: %s%s%s", end, reason[0] ? ": " : "",
                     reason);
}

bool tritonserver_died(struct tritonserver *server, struct tare_err *err)
{
    bool port_taken;

    process_trim_log(&server->process);
    if (!process_ended(&server->process))
        return false;
    (void)fail_died(server, &port_taken, err);
    return true;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

/* Whether the one that answers is ours: another may have taken the port meanwhile. */
static bool is_own(struct tritonserver *server, const struct buf *body)
{
    struct json_tree *tree = NULL;
    bool own = false;

    if (json_parse(buf_text(body), body->size, &tree, NULL) == TARE_OK) {
        own = strcmp(json_text(json_get(json_root(tree), "name"), ""), server->id) == 0;
        (void)snprintf(server->facts.version, sizeof(server->facts.version), "%s",
                       json_text(json_get(json_root(tree), "version"), ""));
        printable_line(server->facts.version);
    }
    json_free(tree);
    return own;
}

static bool answers(int port, const char *path, struct buf *body)
{
    int code;

    return server_http(port, "GET", path, clock_now_ns() + ASK_NS, &code, body, NULL) == TARE_OK &&
           code == 200;
}

/* The metrics come up last. */
static bool is_ready(struct tritonserver *server, struct buf *body)
{
    const struct tritonserver_facts *f = &server->facts;

    return answers(f->http_port, "/v2", body) && is_own(server, body) &&
           answers(f->http_port, "/v2/health/ready", body) &&
           answers(f->metrics_port, "/metrics", body);
}

static enum tare_status wait_ready(struct tritonserver *server, int64_t deadline_ns,
                                   bool *port_taken, struct tare_err *err)
{
    struct buf body = BUF_INIT;
    enum tare_status status = TARE_OK;

    *port_taken = false;
    while (status == TARE_OK) {
        if (stop_requested())
            status = tare_fail(err, TARE_STOPPED, "stopped");
        else if (process_ended(&server->process))
            status = fail_died(server, port_taken, err);
        else if (is_ready(server, &body))
            break;
        else if (clock_now_ns() > deadline_ns)
            status = tare_fail(err, TARE_TIMEOUT, "tritonserver was not ready in time");
        else
            (void)poll(NULL, 0, 20);
    }
    buf_release(&body);
    return status;
}

enum tare_status tritonserver_start(const struct tritonserver_options *options,
                                    struct tritonserver **server, struct tare_err *err)
{
    int64_t patience_ns = options->patience_ns ? options->patience_ns : PATIENCE_NS;
    struct tritonserver *s = calloc(1, sizeof(*s));
    enum tare_status status;
    bool again = true;

    *server = NULL;
    if (!s)
        return tare_fail(err, TARE_NOMEM, "out of memory for a server");
    s->folder_fd = -1;
    (void)snprintf(s->id, sizeof(s->id), "tare_%d_%llx", (int)getpid(),
                   (unsigned long long)clock_now_ns());
    status = prepare(s, options, err);
    for (int i = 0; i < TRIES && again && status == TARE_OK; i++) {
        struct tare_err cause = TARE_ERR_INIT;

        status = choose_ports(s, options, err);
        if (status == TARE_OK)
            status = start_process(s, err);
        if (status != TARE_OK)
            break;
        status = wait_ready(s, clock_now_ns() + patience_ns, &again, &cause);
        again = again && !(s->given[0] && s->given[1] && s->given[2]) && i + 1 < TRIES;
        if (status != TARE_OK) {
            end_process(s, status == TARE_STOPPED ? STOP_NS : SECOND_NS);
            status = again ? TARE_OK : tare_fail(err, status, "%s", cause.text);
        }
    }
    if (status == TARE_OK)
        *server = s;
    else
        tritonserver_stop(s, 0);
    return status;
}

/* --- asking -------------------------------------------------------------------------------------
 */

const struct tritonserver_facts *tritonserver_facts(const struct tritonserver *server)
{
    return &server->facts;
}

enum tare_status tritonserver_ask_models(int http_port, struct tritonserver_model **models,
                                         size_t *count, struct tare_err *err)
{
    struct buf body = BUF_INIT;
    int code = 0;
    enum tare_status status = server_http(http_port, "POST", "/v2/repository/index",
                                          clock_now_ns() + ASK_NS, &code, &body, err);

    *models = NULL;
    *count = 0;
    if (status == TARE_OK && code != 200)
        status = tare_fail(err, TARE_FAILED, "the server answers with status %d", code);
    if (status == TARE_OK)
        status = server_models_parse(buf_text(&body), body.size, models, count, err);
    buf_release(&body);
    return status;
}

/* The index says nothing of a configuration that cannot be read, and of a Python model not why. */
static void add_reason(const struct tritonserver *server, const char *log,
                       struct tritonserver_model *model)
{
    if (!model->reason[0] && log)
        server_log_model_reason(log, model->name, model->reason, sizeof(model->reason));
    if (!model->reason[0])
        (void)snprintf(model->reason, sizeof(model->reason), "the server does not say why");
    else if (server->facts.note[0] && strstr(model->reason, "Stub"))
        (void)snprintf(model->reason, sizeof(model->reason), "%s", server->facts.note);
}

enum tare_status tritonserver_models(const struct tritonserver *server,
                                     struct tritonserver_model **models, size_t *count,
                                     struct tare_err *err)
{
    enum tare_status status = tritonserver_ask_models(server->facts.http_port, models, count, err);
    char *log = status == TARE_OK ? read_log(server) : NULL;

    for (size_t i = 0; i < *count; i++)
        if (!(*models)[i].ready)
            add_reason(server, log, &(*models)[i]);
    free(log);
    return status;
}
