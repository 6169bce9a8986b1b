#include "cmd/serve_detached.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"
#include "cmd/command.h"
#include "cmd/serve_print.h"
#include "serve/server_state.h"
#include "serve/tritonserver.h"

#define STOP_NS ((int64_t)40 * 1000000000) /* more than the server itself is given */
#define KILL_NS ((int64_t)5 * 1000000000)

/* --- going into the background ------------------------------------------------------------------
 */

/* Ctrl-C at the terminal reaches the waiting process only: it is passed on. */
static int wait_for_report(int fd, pid_t child)
{
    unsigned char code;
    bool told = false;

    for (;;) {
        struct pollfd poller = {fd, POLLIN, 0};
        ssize_t count;

        if (stop_requested() && !told)
            told = kill(child, SIGTERM) == 0;
        if (poll(&poller, 1, 200) <= 0)
            continue;
        count = read(fd, &code, 1);
        if (count < 0 && errno == EINTR)
            continue;
        return count == 1 ? code : EXIT_FAILED;
    }
}

enum tare_status serve_detach(struct serve_tie *tie, bool *waits, int *exit_code,
                              struct tare_err *err)
{
    enum tare_status status = server_state_take(&tie->state_fd, err);
    int ends[2] = {-1, -1};
    pid_t child;

    tie->report_fd = -1;
    if (status != TARE_OK)
        return status;
    (void)fflush(stdout);
    if (pipe2(ends, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        status = tare_fail(err, TARE_IO, "cannot go into the background: %s", strerror(errno));
        for (int i = 0; i < 2 && ends[i] >= 0; i++)
            (void)close(ends[i]);
        return status;
    }
    *waits = child != 0;
    (void)close(ends[child != 0]);
    if (child == 0) {
        (void)setsid();
        tie->report_fd = ends[1];
        return TARE_OK;
    }
    (void)close(tie->state_fd); /* the child's copy holds the lock */
    tie->state_fd = -1;
    *exit_code = wait_for_report(ends[0], child);
    (void)close(ends[0]);
    if (*exit_code != EXIT_OK)
        (void)waitpid(child, NULL, 0);
    return TARE_OK;
}

void serve_settle(struct serve_tie *tie, int exit_code)
{
    const unsigned char code = (unsigned char)exit_code;
    int null_fd;

    if (tie->report_fd < 0)
        return;
    (void)fflush(stdout);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2 && null_fd >= 0; fd++)
        (void)dup2(null_fd, fd);
    if (null_fd > 2)
        (void)close(null_fd);
    while (write(tie->report_fd, &code, 1) < 0 && errno == EINTR)
        continue;
    (void)close(tie->report_fd);
    tie->report_fd = -1;
}

/* --- from outside -------------------------------------------------------------------------------
 */

static int print_nothing(bool json)
{
    (void)puts(json ? "{\"running\": false}" : "no server is running");
    return command_finish("serve", EXIT_FAILED);
}

static int print_starting(bool json)
{
    (void)puts(json ? "{\"running\": true, \"pid\": null}" : "a server is being started");
    return command_finish("serve", EXIT_OK);
}

int serve_status(bool json)
{
    struct serve_view view = {.version = "", .hint = "'tare serve --stop' ends it"};
    struct tritonserver_model *models = NULL;
    struct tare_err err = TARE_ERR_INIT;
    bool running;
    enum tare_status status = server_state_read(&view.state, &running, &err);

    if (status == TARE_OK && !running)
        return print_nothing(json);
    if (status == TARE_OK && view.state.pid == 0)
        return print_starting(json);
    if (status == TARE_OK)
        status = tritonserver_ask_models(view.state.http_port, &models, &view.model_count, &err);
    view.models = models;
    if (status == TARE_OK)
        status = serve_print(&view, json, &err);
    free(models);
    return status == TARE_OK ? command_finish("serve", EXIT_OK) : command_fail("serve", &err);
}

/* The process may have gone a moment ago, and its number be another's. */
static void kill_server(pid_t pid)
{
    struct server_state state;
    bool running;

    if (server_state_read(&state, &running, NULL) == TARE_OK && running && state.pid == pid)
        (void)kill(pid, SIGKILL); /* the kernel then tells its server to stop */
}

/* Waits until the process that was found has given up its lock; false if it does not in time. */
static bool wait_gone(pid_t pid, int64_t patience_ns)
{
    int64_t deadline_ns = clock_now_ns() + patience_ns;
    struct server_state state;
    bool running;

    do {
        if (server_state_read(&state, &running, NULL) != TARE_OK || !running ||
            (state.pid != 0 && state.pid != pid))
            return true;
        (void)poll(NULL, 0, 20);
    } while (clock_now_ns() < deadline_ns);
    return false;
}

/* The lock is given up a moment before the process ends. Closes the descriptor of the process. */
static void wait_ended(int process_fd, int64_t patience_ns)
{
    struct pollfd poller = {process_fd, POLLIN, 0};

    if (process_fd < 0)
        return;
    (void)poll(&poller, 1, (int)(patience_ns / 1000000));
    (void)close(process_fd);
}

int serve_stop(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct server_state state;
    bool running;
    int process_fd = -1;
    enum tare_status status = server_state_read(&state, &running, &err);

    if (status == TARE_OK && !running) {
        (void)puts("no server is running");
        return command_finish("serve", EXIT_OK);
    }
    if (status == TARE_OK && state.pid == 0)
        status = tare_fail(&err, TARE_FAILED, "the server is being started: wait until it is");
    if (status == TARE_OK)
        process_fd = (int)syscall(SYS_pidfd_open, state.pid, 0);
    if (status == TARE_OK && kill(state.pid, SIGTERM) != 0)
        status = tare_fail(&err, TARE_FAILED, "cannot end process %d: %s", (int)state.pid,
                           strerror(errno));
    if (status == TARE_OK && !wait_gone(state.pid, STOP_NS)) {
        kill_server(state.pid);
        if (!wait_gone(state.pid, KILL_NS))
            status = tare_fail(&err, TARE_TIMEOUT, "process %d does not end", (int)state.pid);
    }
    wait_ended(process_fd, status == TARE_OK ? KILL_NS : 0);
    if (status != TARE_OK)
        return command_fail("serve", &err);
    (void)printf("stopped process %d\n", (int)state.pid);
    return command_finish("serve", EXIT_OK);
}
