#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stop.h"

#define LINE_MAX_BYTES ((size_t)16 << 20)
#define LOG_MAX        ((off_t)1 << 20) /* bytes of output that are kept before they are trimmed */
#define LOG_KEPT       4096

extern char **environ;

/* --- the child's side: only async-signal-safe calls between fork and exec ------------------------
 */

/* Moves a descriptor out of the way of the fixed numbers, then onto its own. */
static bool place_fd(int fd, int target)
{
    if (fd == target)
        return fcntl(fd, F_SETFD, 0) == 0;
    return dup2(fd, target) == target;
}

static void child_exec(const struct process_options *options, char **env, int channel, int log_fd,
                       pid_t parent)
{
    sigset_t none;
    int channel_high = fcntl(channel, F_DUPFD_CLOEXEC, 10);
    int log_high = fcntl(log_fd, F_DUPFD_CLOEXEC, 10);
    int shared_high = options->shared_fd < 0 ? -1 : fcntl(options->shared_fd, F_DUPFD_CLOEXEC, 10);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (options->own_group)
        (void)setpgid(0, 0);
    if (options->cpus) /* where it cannot be, the kernel's own word on its threads says so */
        (void)sched_setaffinity(0, sizeof(*options->cpus), options->cpus);
    (void)prctl(PR_SET_PDEATHSIG, options->death_signal ? options->death_signal : SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(126);
    if (channel_high < 0 || log_high < 0 || null_fd < 0)
        _exit(126);
    if (!place_fd(null_fd, 0) || !place_fd(log_high, 1) || !place_fd(log_high, 2) ||
        !place_fd(channel_high, PROCESS_CHANNEL_FD))
        _exit(126);
    if (shared_high >= 0 && !place_fd(shared_high, PROCESS_SHARED_FD))
        _exit(126);
    environ = env;
    (void)execvp(options->argv[0], (char *const *)(uintptr_t)options->argv);
    _exit(127);
}

/* --- the environment
 * ------------------------------------------------------------------------------ */

static size_t name_length(const char *setting)
{
    const char *equals = strchr(setting, '=');

    return equals ? (size_t)(equals - setting) : strlen(setting);
}

static bool is_overridden(const char *setting, const char *const *changes)
{
    size_t length = name_length(setting);

    for (; changes && *changes; changes++)
        if (name_length(*changes) == length && memcmp(*changes, setting, length) == 0)
            return true;
    return false;
}

/* The strings stay where they are; only the array is the caller's to free. */
static char **merge_env(const char *const *changes)
{
    size_t count = 0, used = 0;
    char **env;

    for (char **e = environ; *e; e++)
        count++;
    for (const char *const *c = changes; c && *c; c++)
        count++;
    env = calloc(count + 1, sizeof(*env));
    if (!env)
        return NULL;
    for (char **e = environ; *e; e++)
        if (!is_overridden(*e, changes))
            env[used++] = *e;
    for (const char *const *c = changes; c && *c; c++)
        if (strchr(*c, '='))
            env[used++] = (char *)(uintptr_t)*c;
    return env;
}

/* --- the parent's side
 * ----------------------------------------------------------------------------- */

enum tare_status process_start(struct process *process, const struct process_options *options,
                               struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    int pair[2] = {-1, -1}, log_fd = -1;
    char **env = merge_env(options->env);
    pid_t parent = getpid(), pid;

    memset(process, 0, sizeof(*process));
    process->channel_fd = process->log_fd = -1;
    buf_init(&process->pending, LINE_MAX_BYTES);
    if (!env)
        return tare_fail(err, TARE_NOMEM, "out of memory for a child's environment");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0 ||
        (log_fd = memfd_create("tare-log", MFD_CLOEXEC)) < 0) {
        status = tare_fail(err, TARE_IO, "cannot open a channel to '%s': %s", options->argv[0],
                           strerror(errno));
        goto done;
    }
    /* Both sides append to the log through one description. */
    (void)fcntl(log_fd, F_SETFL, O_APPEND);
    pid = fork();
    if (pid == 0)
        child_exec(options, env, pair[1], log_fd, parent);
    if (pid < 0) {
        status =
            tare_fail(err, TARE_IO, "cannot start '%s': %s", options->argv[0], strerror(errno));
        goto done;
    }
    process->pid = pid;
    process->channel_fd = pair[0];
    process->log_fd = log_fd;
    pair[0] = log_fd = -1;
done:
    if (pair[0] >= 0)
        (void)close(pair[0]);
    if (pair[1] >= 0)
        (void)close(pair[1]);
    if (log_fd >= 0)
        (void)close(log_fd);
    free(env);
    return status;
}

bool process_ended(struct process *process)
{
    pid_t got;

    if (process->pid == 0 || process->reaped)
        return true;
    do
        got = waitpid(process->pid, &process->wait_status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == process->pid)
        process->reaped = true;
    return process->reaped;
}

void process_describe_end(const struct process *process, char *text, size_t text_bytes)
{
    int status = process->wait_status;

    if (!process->reaped)
        (void)snprintf(text, text_bytes, "still running");
    else if (WIFSIGNALED(status))
        (void)snprintf(text, text_bytes, "killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 127)
        (void)snprintf(text, text_bytes, "exit status 127 (not found)");
    else
        (void)snprintf(text, text_bytes, "exit status %d", WEXITSTATUS(status));
}

/* A peer that closed its channel is about to end; how it ends is the better message. */
static enum tare_status fail_gone(struct process *process, struct tare_err *err)
{
    int64_t patience = clock_now_ns() + 500000000;
    char end[128];

    while (!process_ended(process) && clock_now_ns() < patience)
        (void)poll(NULL, 0, 5);
    process_describe_end(process, end, sizeof(end));
    return tare_fail(err, TARE_FAILED, "the process is gone: %s", end);
}

/* Waits until the channel can be read (POLLIN) or written (POLLOUT). */
static enum tare_status wait_channel(const struct process *process, short event,
                                     int64_t deadline_ns, struct tare_err *err)
{
    for (;;) {
        struct pollfd poller = {process->channel_fd, event, 0};
        int64_t left = deadline_ns ? deadline_ns - clock_now_ns() : INT64_MAX;
        int wait_ms = left > 200000000 ? 200 : left > 0 ? (int)(left / 1000000) + 1 : 0;
        int ready;

        if (stop_requested())
            return tare_fail(err, TARE_STOPPED, "stopped");
        ready = poll(&poller, 1, wait_ms);
        if (ready > 0)
            return TARE_OK;
        if (ready < 0 && errno != EINTR)
            return tare_fail(err, TARE_IO, "cannot wait for a process: %s", strerror(errno));
        if (ready == 0 && left <= 0)
            return tare_fail(err, TARE_TIMEOUT,
                             event == POLLIN ? "the process did not answer in time"
                                             : "the process does not read what it is told");
    }
}

enum tare_status process_send(struct process *process, const char *line, int64_t deadline_ns,
                              struct tare_err *err)
{
    size_t size = strlen(line), sent = 0;

    if (process->channel_fd < 0)
        return tare_fail(err, TARE_FAILED, "the process is gone");
    while (sent <= size) {
        const char *from = sent < size ? line + sent : "\n";
        ssize_t count = send(process->channel_fd, from, sent < size ? size - sent : 1,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
        enum tare_status status = TARE_OK;

        if (count >= 0)
            sent += (size_t)count;
        else if (errno == EAGAIN)
            status = wait_channel(process, POLLOUT, deadline_ns, err);
        else if (errno != EINTR)
            return fail_gone(process, err);
        if (status != TARE_OK)
            return status;
    }
    return TARE_OK;
}

/* pending holds: the last line handed out, its NUL, then what came after it. */
static char *take_line(struct process *process, size_t *consumed)
{
    char *end =
        process->pending.size ? memchr(process->pending.data, '\n', process->pending.size) : NULL;

    if (!end)
        return NULL;
    *end = '\0';
    *consumed = (size_t)(end - process->pending.data) + 1;
    return process->pending.data;
}

static void drop_line(struct process *process)
{
    struct buf *pending = &process->pending;
    char *end = pending->size ? memchr(pending->data, '\0', pending->size) : NULL;

    if (!end)
        return;
    pending->size -= (size_t)(end - pending->data) + 1;
    memmove(pending->data, end + 1, pending->size);
    pending->data[pending->size] = '\0';
}

enum tare_status process_receive(struct process *process, int64_t deadline_ns, char **line,
                                 struct tare_err *err)
{
    size_t consumed;

    *line = NULL;
    if (process->channel_fd < 0)
        return tare_fail(err, TARE_FAILED, "the process is gone");
    drop_line(process);
    for (;;) {
        enum tare_status status;
        ssize_t count;
        char *room;

        *line = take_line(process, &consumed);
        if (*line)
            return TARE_OK;
        status = wait_channel(process, POLLIN, deadline_ns, err);
        if (status != TARE_OK)
            return status;
        room = buf_reserve(&process->pending, 4096);
        if (!room)
            return buf_status(&process->pending, "a line from a process", err);
        count = recv(process->channel_fd, room, 4096, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return fail_gone(process, err);
        for (ssize_t i = 0; i < count; i++)
            if (room[i] == '\0') /* never part of a line; kept out so that lines end in one NUL */
                room[i] = ' ';
        buf_commit(&process->pending, (size_t)count);
    }
}

void process_log_tail(const struct process *process, char *text, size_t text_bytes)
{
    off_t size = process->log_fd < 0 ? 0 : lseek(process->log_fd, 0, SEEK_END);
    off_t start = size > (off_t)text_bytes - 1 ? size - ((off_t)text_bytes - 1) : 0;
    ssize_t count = 0;

    if (text_bytes == 0)
        return;
    if (size > 0)
        count = pread(process->log_fd, text, (size_t)(size - start), start);
    text[count > 0 ? count : 0] = '\0';
}

void process_trim_log(const struct process *process)
{
    char tail[LOG_KEPT];
    off_t size = process->log_fd < 0 ? 0 : lseek(process->log_fd, 0, SEEK_END);
    ssize_t count;

    if (size <= LOG_MAX)
        return;
    count = pread(process->log_fd, tail, sizeof(tail), size - LOG_KEPT);
    if (count > 0 && ftruncate(process->log_fd, 0) == 0)
        (void)!write(process->log_fd, tail, (size_t)count);
}

static bool wait_end(struct process *process, int64_t patience_ns)
{
    int64_t deadline = clock_now_ns() + patience_ns;

    while (!process_ended(process)) {
        if (clock_now_ns() >= deadline)
            return false;
        (void)poll(NULL, 0, 2);
    }
    return true;
}

void process_release(struct process *process, int64_t grace_ns)
{
    if (process->pid != 0) {
        if (process->channel_fd >= 0)
            (void)close(process->channel_fd);
        if (!wait_end(process, grace_ns)) {
            (void)kill(process->pid, SIGCONT);
            (void)kill(process->pid, SIGTERM);
            if (!wait_end(process, 200000000)) {
                (void)kill(process->pid, SIGKILL);
                (void)wait_end(process, 5000000000);
            }
        }
        if (process->log_fd >= 0)
            (void)close(process->log_fd);
    }
    buf_release(&process->pending);
    memset(process, 0, sizeof(*process));
    process->channel_fd = process->log_fd = -1;
}
