#include "serve/server_state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json_tree.h"
#include "base/json_write.h"
#include "base/printable.h"
#include "base/process.h"

#define STATE_MAX  16384 /* bytes of the file */
#define PORT_MAX   65535
#define TAKE_TRIES 10

/* In /tmp anybody can put something in the way: only a folder of this user's own will do. */
static enum tare_status own_folder(char *folder, size_t bytes, struct tare_err *err)
{
    struct stat info;

    (void)snprintf(folder, bytes, "/tmp/tare-%u", (unsigned)getuid());
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return tare_fail(err, TARE_IO, "cannot make '%s': %s", folder, strerror(errno));
    if (lstat(folder, &info) != 0 || !S_ISDIR(info.st_mode) || info.st_uid != getuid() ||
        (info.st_mode & 077) != 0)
        return tare_fail(err, TARE_IO, "'%s' is not a folder of this user alone", folder);
    return TARE_OK;
}

static enum tare_status find_path(char *path, struct tare_err *err)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char folder[64];
    enum tare_status status;

    if (runtime && runtime[0] == '/' && file_is_dir(runtime))
        return file_join(path, FILE_MAX_PATH, runtime, "tare-serve.json", err);
    status = own_folder(folder, sizeof(folder), err);
    return status == TARE_OK ? file_join(path, FILE_MAX_PATH, folder, "serve.json", err) : status;
}

/* -1 in *fd, and TARE_OK, if there is none. */
static enum tare_status open_state(const char *path, int flags, int *fd, struct tare_err *err)
{
    struct stat info;

    *fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (*fd < 0 && errno == ENOENT)
        return TARE_OK;
    /* a second name may be that of a file which is not to be emptied */
    if (*fd >= 0 && fstat(*fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == getuid() &&
        info.st_nlink <= 1)
        return TARE_OK;
    (void)tare_fail(err, TARE_IO, "cannot use '%s': %s", path,
                    *fd < 0 ? strerror(errno) : "it is not a file of this user alone");
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
    return TARE_IO;
}

/* Whether the file that is open is still the one of that name. */
static bool is_current(int fd, const char *path)
{
    struct stat held, named;

    return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

static int in_range(const struct json_value *root, const char *key, int least, int most)
{
    int64_t number = json_int(json_get(root, key), 0);

    return number >= least && number <= most ? (int)number : 0;
}

void server_state_parse(const char *text, size_t size, struct server_state *state)
{
    struct json_tree *tree = NULL;
    const struct json_value *root;
    int64_t start;

    memset(state, 0, sizeof(*state));
    if (json_parse(text, size, &tree, NULL) != TARE_OK)
        return;
    root = json_root(tree);
    state->pid = in_range(root, "pid", 2, INT_MAX);
    start = json_int(json_get(root, "start_ticks"), 0);
    state->start_ticks = start > 0 ? (uint64_t)start : 0;
    state->http_port = in_range(root, "http_port", 1, PORT_MAX);
    state->grpc_port = in_range(root, "grpc_port", 1, PORT_MAX);
    state->metrics_port = in_range(root, "metrics_port", 1, PORT_MAX);
    state->started_s = json_int(json_get(root, "started_s"), 0);
    (void)snprintf(state->repository, sizeof(state->repository), "%s",
                   json_text(json_get(root, "repository"), ""));
    printable_line(state->repository);
    json_free(tree);
}

/*
 * A file that is half written, or of a server that is being started, gives pid 0. So does one that
 * a killed process left and that is locked, but not emptied yet: its pid may be anybody's now.
 */
static void read_open(int fd, struct server_state *state)
{
    char text[STATE_MAX];
    ssize_t count = pread(fd, text, sizeof(text), 0);

    server_state_parse(text, count > 0 ? (size_t)count : 0, state);
    if (state->start_ticks == 0 || process_start_ticks(state->pid) != state->start_ticks)
        state->pid = 0;
}

/* One without a pid may be no server, but somebody who looks whether there is one. */
static enum tare_status fail_running(int fd, bool again, struct tare_err *err)
{
    struct server_state state = {.pid = 0};

    read_open(fd, &state);
    if (state.pid == 0 && again) {
        (void)poll(NULL, 0, 20);
        return TARE_OK;
    }
    if (state.pid == 0)
        return tare_fail(err, TARE_FAILED, "another server is being started");
    return tare_fail(err, TARE_FAILED,
                     "a server runs already, process %d on 127.0.0.1:%d; 'tare serve --stop' ends "
                     "it",
                     (int)state.pid, state.http_port);
}

/* What an earlier server wrote must not be taken for ours. Closes *fd on error. */
static enum tare_status empty(const char *path, int *fd, struct tare_err *err)
{
    enum tare_status status;

    if (ftruncate(*fd, 0) == 0)
        return TARE_OK;
    status = tare_fail(err, TARE_IO, "cannot empty '%s': %s", path, strerror(errno));
    (void)close(*fd);
    *fd = -1;
    return status;
}

enum tare_status server_state_take(int *fd, struct tare_err *err)
{
    char path[FILE_MAX_PATH];
    enum tare_status status = find_path(path, err);

    *fd = -1;
    for (int i = 0; i < TAKE_TRIES && status == TARE_OK; i++) {
        status = open_state(path, O_CREAT, fd, err);
        if (status != TARE_OK)
            break;
        if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) != 0)
            status = fail_running(*fd, i + 1 < TAKE_TRIES, err);
        else if (*fd >= 0 && is_current(*fd, path))
            return empty(path, fd, err);
        if (*fd >= 0) /* or one that ended meanwhile removed its file */
            (void)close(*fd);
        *fd = -1;
    }
    return status == TARE_OK ? tare_fail(err, TARE_IO, "cannot lock '%s'", path) : status;
}

enum tare_status server_state_write(int fd, const struct server_state *state, struct tare_err *err)
{
    struct json_writer json;
    struct buf text;
    enum tare_status status;

    buf_init(&text, STATE_MAX);
    json_start(&json, &text, true);
    json_open_object(&json, NULL);
    json_put_int(&json, "pid", state->pid);
    json_put_int(&json, "start_ticks", (int64_t)process_start_ticks(state->pid));
    json_put_int(&json, "http_port", state->http_port);
    json_put_int(&json, "grpc_port", state->grpc_port);
    json_put_int(&json, "metrics_port", state->metrics_port);
    json_put_text(&json, "repository", state->repository);
    json_put_int(&json, "started_s", state->started_s);
    json_close_object(&json);
    buf_append_char(&text, '\n');
    status = buf_status(&text, "the server's state", err);
    if (status == TARE_OK && pwrite(fd, text.data, text.size, 0) != (ssize_t)text.size)
        status = tare_fail(err, TARE_IO, "cannot write the server's state: %s", strerror(errno));
    buf_release(&text);
    return status;
}

void server_state_release(int fd)
{
    char path[FILE_MAX_PATH];

    if (fd < 0)
        return;
    if (find_path(path, NULL) == TARE_OK && is_current(fd, path))
        (void)unlink(path);
    (void)close(fd);
}

enum tare_status server_state_read(struct server_state *state, bool *running, struct tare_err *err)
{
    char path[FILE_MAX_PATH];
    enum tare_status status = find_path(path, err);
    int fd = -1;

    memset(state, 0, sizeof(*state));
    *running = false;
    if (status == TARE_OK)
        status = open_state(path, 0, &fd, err);
    if (status != TARE_OK || fd < 0)
        return status;
    *running = flock(fd, LOCK_SH | LOCK_NB) != 0;
    if (*running)
        read_open(fd, state);
    (void)close(fd);
    return TARE_OK;
}
