#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/printable.h"
#include "inproc_session.h"
#include "inproc_threads.h"

#define SETTLE_NS   10000000
#define PATIENCE_NS 1000000000 /* other sessions of the process may keep it busy */
#define LOG_MAX     ((size_t)1 << 20)
#define RELOADS_MAX 8 /* tries to load a model whose backend misses libraries */

const struct tare_option_info inproc_options[] = {
    {"model", "which model of the repository", TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"version", "version of the model (default: the newest)", TARE_OPTION_INT, "0", 0, INT64_MAX,
     NULL},
    {"server", "path of libtritonserver.so (default: found)", TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"backends", "folder of Triton's backends (default: triton/ beside plugins/)", TARE_OPTION_TEXT,
     "", 0, 0, NULL},
    {"log", "file that the server logs to (default: it does not)", TARE_OPTION_TEXT, "", 0, 0,
     NULL},
    {"verbose", "how much it logs beyond the ordinary", TARE_OPTION_INT, "0", 0, 9, NULL},
    {"autocomplete", "let a backend complete a model's configuration", TARE_OPTION_BOOL, "0", 0, 1,
     NULL},
    {"spin_us", "look for the answer so long before sleeping", TARE_OPTION_INT, "0", 0, 1000000,
     NULL},
    {"exit_timeout_s", "how long closing waits for the model to end", TARE_OPTION_INT, "10", 0,
     3600, NULL},
    {0},
};

/* The folder of this build's backends: beside the one that this plugin lies in. */
static bool find_backends(char *folder, size_t bytes)
{
    char self[FILE_MAX_PATH];
    char *slash;

    if (file_self(self, sizeof(self), NULL) != TARE_OK)
        return false;
    slash = strrchr(self, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return file_join(folder, bytes, self, "../triton", NULL) == TARE_OK && file_is_dir(folder);
}

/* What goes wrong with a setting is told once, for all of them. */
struct settings {
    const struct inproc_api *api;
    struct inproc_options *options;
    enum tare_status status;
    struct tare_err *err;
};

static void set(struct settings *s, inproc_result result)
{
    enum tare_status status = inproc_check(s->api, result, "cannot set up the server", s->err);

    if (s->status == TARE_OK)
        s->status = status;
}

static void set_log(struct settings *s, const char *path, int level)
{
    const struct inproc_api *api = s->api;
    bool on = path[0] || level > 0;

    if (path[0])
        set(s, api->set_log_file(s->options, path));
    set(s, api->set_log_info(s->options, on));
    set(s, api->set_log_warn(s->options, on));
    set(s, api->set_log_error(s->options, on));
    set(s, api->set_log_verbose(s->options, level));
}

static void set_all(struct settings *s, const struct tare_open_options *options)
{
    const struct inproc_api *api = s->api;
    const struct tare_option_info *table = inproc_options;
    const char *backends = tare_option_text(options, table, "backends");
    char found[FILE_MAX_PATH];

    set(s, api->set_repository(s->options, options->model_path));
    set(s, api->set_control(s->options, INPROC_CONTROL_EXPLICIT));
    set(s, api->set_strict_config(s->options, !tare_option_int(options, table, "autocomplete")));
    set(s, api->set_strict_readiness(s->options, true));
    set(s, api->set_exit_on_error(s->options, false));
    set(s, api->set_exit_timeout(s->options,
                                 (unsigned)tare_option_int(options, table, "exit_timeout_s")));
    set(s, api->set_load_retries(s->options, 0)); /* left alone it is any number */
    set(s, api->set_metrics(s->options, false));
    set_log(s, tare_option_text(options, table, "log"),
            (int)tare_option_int(options, table, "verbose"));
    if (backends[0])
        set(s, api->set_backends(s->options, backends));
    else if (find_backends(found, sizeof(found)))
        set(s, api->set_backends(s->options, found));
}

static enum tare_status start(struct tare_session *session, const struct tare_open_options *options,
                              struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    struct settings s = {api, NULL, TARE_OK, err};

    session->logs = tare_option_text(options, inproc_options, "log")[0] ||
                    tare_option_int(options, inproc_options, "verbose") > 0;
    set(&s, api->options_new(&s.options));
    if (s.status == TARE_OK)
        set_all(&s, options);
    if (s.status == TARE_OK)
        s.status = inproc_check(api, api->server_new(&session->server, s.options),
                                "cannot start the server", err);
    if (s.options)
        inproc_drop(api, api->options_delete(s.options));
    return s.status;
}

/*
 * What matters of "load failed for model 'x': version 1 is at UNAVAILABLE state: Internal: why" and
 * of an ensemble's "ensemble 'x' depends on 'y' which has no loaded version. Model 'y' loading
 * failed with error: version 1 is at UNAVAILABLE state: Internal: why"; part gets "model 'y': ".
 */
static const char *cause(const char *text, char *part, size_t part_bytes)
{
    static const char state[] = "UNAVAILABLE state: ", failed[] = "load failed for model ",
                      needs[] = " depends on ";
    const char *at = strstr(text, needs);

    part[0] = '\0';
    if (at)
        (void)snprintf(part, part_bytes, "model %.*s: ", (int)strcspn(at + strlen(needs), " "),
                       at + strlen(needs));
    at = strstr(text, state);
    if (at)
        return at + strlen(state);
    part[0] = '\0';
    at = strstr(text, failed);
    at = at ? strstr(at, ": ") : NULL;
    return at ? at + 2 : text;
}

/* The part of a log that says why a model's folder cannot be read: 'Poll failed for model directory
 * 'x': why" at the end of a line. False if it has none. */
static bool find_poll_failure(const char *log, char *text, size_t bytes)
{
    static const char poll[] = "Poll failed for model directory '";
    const char *at = strstr(log, poll);
    int length;

    at = at ? strstr(at + strlen(poll), "': ") : NULL;
    if (!at)
        return false;
    at += strlen("': ");
    length = (int)strcspn(at, "\n");
    while (length > 0 && at[length - 1] == '"')
        length--;
    (void)snprintf(text, bytes, "%.*s", length, at);
    printable_line(text);
    return true;
}

/*
 * Why a model's folder cannot be read the server says in its log only, so it is asked once more,
 * with a log. The log is the whole process's: setting up a server that is never started changes it.
 */
static bool ask_poll_failure(const struct tare_session *session, char *text, size_t bytes)
{
    const struct inproc_api *api = &session->api;
    struct inproc_options *log = NULL;
    int fd = memfd_create("tare-triton-log", MFD_CLOEXEC);
    char path[64], *said = NULL;
    size_t size = 0;
    bool found = false;

    inproc_drop(api, api->options_new(&log));
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fd >= 0 && log) {
        inproc_drop(api, api->set_log_file(log, path));
        inproc_drop(api, api->set_log_error(log, true));
        inproc_drop(api, api->model_load(session->server, session->model));
        inproc_drop(api, api->set_log_error(log, false));
        inproc_drop(api, api->set_log_file(log, ""));
        found = file_read(path, LOG_MAX, &said, &size, NULL) == TARE_OK &&
                find_poll_failure(said, text, bytes);
    }
    free(said);
    if (log)
        inproc_drop(api, api->options_delete(log));
    if (fd >= 0)
        (void)close(fd);
    return found;
}

static enum tare_status load(struct tare_session *session, struct tare_err *err)
{
    const struct inproc_api *api = &session->api;
    struct tare_err reason = TARE_ERR_INIT;
    enum tare_status status = TARE_OK;
    char part[200], poll[400];
    const char *why;

    for (int i = 0; i < RELOADS_MAX; i++) {
        tare_err_clear(&reason);
        status = inproc_check(api, api->model_load(session->server, session->model), "", &reason);
        if (status == TARE_OK || !inproc_load_named(api, reason.text))
            break;
    }
    if (status == TARE_OK)
        return TARE_OK;
    why = cause(reason.text + strlen(": "), part, sizeof(part));
    if (!session->logs && strstr(why, "failed to poll") &&
        ask_poll_failure(session, poll, sizeof(poll)))
        why = poll;
    return tare_fail(err, status == TARE_ABSENT ? status : TARE_FAILED,
                     "cannot load model '%.100s': %s%s", session->model, part, why);
}

enum tare_status inproc_serve(struct tare_session *session, const struct tare_open_options *options,
                              struct tare_err *err)
{
    enum tare_status status = start(session, options, err);

    return status == TARE_OK ? load(session, err) : status;
}

static void unload(struct tare_session *session)
{
    const struct inproc_api *api = &session->api;
    struct inproc_threads before;

    inproc_threads_settle(SETTLE_NS, PATIENCE_NS);
    inproc_threads_list(&before);
    inproc_drop(api, api->model_unload(session->server, session->model));
    inproc_threads_await(&before, PATIENCE_NS);
    inproc_threads_release(&before);
}

void inproc_end_server(struct tare_session *session)
{
    const struct inproc_api *api = &session->api;

    if (!session->server)
        return;
    unload(session);
    inproc_drop(api, api->server_stop(session->server));
    inproc_drop(api, api->server_delete(session->server));
    session->server = NULL;
}
