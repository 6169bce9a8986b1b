#include "backend/look.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/registry.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/printable.h"
#include "base/process.h"
#include "base/stop.h"

/* A look goes through the pipe in one piece. */
_Static_assert(sizeof(struct backend_look) <= 4096, "a pipe takes PIPE_BUF bytes at once");

static void look_here(const char *path, struct backend_look *look)
{
    struct tare_err err = TARE_ERR_INIT;
    struct backend *backend = NULL;
    char note[256] = "";

    look->status = backend_load(path, &backend, &err);
    if (look->status == TARE_OK) {
        uint32_t capabilities = backend_slots(backend)->capabilities;

        look->runs_models = !(capabilities & TARE_CAP_NO_MODEL);
        look->converts = (capabilities & TARE_CAP_CONVERTS) != 0;
        look->status = backend_probe(backend, note, sizeof(note), &err);
    }
    if (look->status != TARE_OK && look->status != TARE_ABSENT)
        look->status = TARE_BROKEN;
    (void)snprintf(look->text, sizeof(look->text), "%s", look->status == TARE_OK ? note : err.text);
    backend_free(backend);
}

/* The child: what the plugin prints goes nowhere, and its crash leaves no core file. */
_Noreturn static void look_and_tell(const char *path, int fd, pid_t parent)
{
    const struct rlimit no_core = {0, 0};
    struct backend_look look = {0};
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || null_fd < 0 || dup2(null_fd, 1) != 1 || dup2(null_fd, 2) != 2)
        _exit(126);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    look_here(path, &look);
    _exit(write(fd, &look, sizeof(look)) == (ssize_t)sizeof(look) ? 0 : 126);
}

/* TARE_OK once there is something to read or the child is gone. */
static enum tare_status wait_told(int fd, int64_t deadline_ns)
{
    struct pollfd poller = {fd, POLLIN, 0};

    for (;;) {
        int64_t left = deadline_ns - clock_now_ns();

        if (stop_requested())
            return TARE_STOPPED;
        if (poll(&poller, 1, left > 100000000 ? 100 : left > 0 ? 1 : 0) > 0)
            return TARE_OK;
        if (left <= 0)
            return TARE_TIMEOUT;
    }
}

static void reap(struct process *child)
{
    while (waitpid(child->pid, &child->wait_status, 0) < 0 && errno == EINTR)
        continue;
    child->reaped = true;
}

static enum tare_status hear(struct process *child, int fd, const char *path, int64_t patience_ns,
                             struct backend_look *look, struct tare_err *err)
{
    enum tare_status status = wait_told(fd, clock_now_ns() + patience_ns);
    ssize_t count = status == TARE_OK ? read(fd, look, sizeof(*look)) : 0;
    char end[128];

    if (count != (ssize_t)sizeof(*look)) {
        memset(look, 0, sizeof(*look));
        look->status = TARE_BROKEN;
    }
    if (status != TARE_OK)
        (void)kill(child->pid, SIGKILL);
    reap(child);
    if (status == TARE_STOPPED)
        return tare_fail(err, TARE_STOPPED, "stopped");
    process_describe_end(child, end, sizeof(end));
    if (status == TARE_TIMEOUT)
        (void)snprintf(look->text, sizeof(look->text),
                       "cannot load or probe '%.300s': no answer in %.0f s", path,
                       (double)patience_ns / 1e9);
    else if (count != (ssize_t)sizeof(*look))
        (void)snprintf(look->text, sizeof(look->text), "cannot load or probe '%.300s': %s", path,
                       end);
    look->text[sizeof(look->text) - 1] = '\0';
    printable_line(look->text);
    return TARE_OK;
}

enum tare_status backend_look_at(const char *name, int64_t patience_ns, struct backend_look *look,
                                 struct tare_err *err)
{
    struct process child = {.channel_fd = -1, .log_fd = -1};
    struct tare_err failure = TARE_ERR_INIT;
    pid_t parent = getpid();
    char path[FILE_MAX_PATH];
    enum tare_status status;
    int ends[2];

    memset(look, 0, sizeof(*look));
    status = backend_find(name, path, sizeof(path), &failure);
    if (status != TARE_OK) {
        look->status = status == TARE_ABSENT ? TARE_ABSENT : TARE_BROKEN;
        (void)snprintf(look->text, sizeof(look->text), "%s", failure.text);
        return TARE_OK;
    }
    if (pipe2(ends, O_CLOEXEC) != 0)
        return tare_fail(err, TARE_IO, "cannot look at '%s': %s", name, strerror(errno));
    child.pid = fork();
    if (child.pid == 0)
        look_and_tell(path, ends[1], parent);
    (void)close(ends[1]);
    status = child.pid > 0
                 ? hear(&child, ends[0], path, patience_ns, look, err)
                 : tare_fail(err, TARE_IO, "cannot look at '%s': %s", name, strerror(errno));
    (void)close(ends[0]);
    return status;
}
