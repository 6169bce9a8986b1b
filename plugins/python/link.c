#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define COPY_IN_AT     0
#define COMPUTE_AT     8
#define COPY_OUT_AT    16
#define TEXT_LENGTH_AT 24
#define TEXT_AT        32
#define TEXT_MAX       992
#define GRACE_NS       200000000

void link_find_python(const char *given, char *path, size_t path_bytes)
{
    const char *variable = getenv("TARE_PYTHON");
    char home[FILE_MAX_PATH];

    if (given[0] || (variable && variable[0])) {
        (void)snprintf(path, path_bytes, "%s", given[0] ? given : variable);
        return;
    }
    if (file_home(home, sizeof(home), NULL) == TARE_OK &&
        file_join(path, path_bytes, home, ".deps/venv/bin/python3", NULL) == TARE_OK &&
        file_exists(path))
        return;
    (void)snprintf(path, path_bytes, "python3");
}

/* The last line of the child's log: where Python says what went wrong. */
static void last_words(const struct link *link, char *text, size_t text_bytes)
{
    char tail[2048], *line;
    size_t length;

    process_log_tail(&link->process, tail, sizeof(tail));
    length = strlen(tail);
    while (length > 0 && (tail[length - 1] == '\n' || tail[length - 1] == ' '))
        tail[--length] = '\0';
    line = strrchr(tail, '\n');
    line = line ? line + 1 : tail;
    (void)snprintf(text, text_bytes, "%s%.200s", line[0] ? ": " : "", line);
}

/* Ends the child and keeps the reason. A killed child is better than one out of step. */
static enum tare_status give_up(struct link *link, enum tare_status status, const char *reason,
                                struct tare_err *err)
{
    char words[256];

    last_words(link, words, sizeof(words));
    process_release(&link->process, 0);
    tare_err_clear(&link->broken);
    (void)tare_fail(&link->broken, status, "the python worker %s%s", reason, words);
    return tare_fail(err, status, "%s", link->broken.text);
}

static enum tare_status give_up_gone(struct link *link, struct tare_err *err)
{
    int64_t patience = clock_now_ns() + GRACE_NS;
    char end[128], reason[160];

    while (!process_ended(&link->process) && clock_now_ns() < patience)
        clock_sleep_until(clock_now_ns() + 2000000);
    process_describe_end(&link->process, end, sizeof(end));
    (void)snprintf(reason, sizeof(reason), "is gone (%s)", end);
    return give_up(link, TARE_FAILED, reason, err);
}

static enum tare_status map_memory(struct link *link, int *fd, struct tare_err *err)
{
    void *memory;

    *fd = memfd_create("tare-python", MFD_CLOEXEC);
    if (*fd < 0 || ftruncate(*fd, (off_t)LINK_MEMORY_BYTES) != 0)
        return tare_fail(err, TARE_IO, "cannot make shared memory: %s", strerror(errno));
    memory =
        mmap(NULL, LINK_MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, *fd, 0);
    if (memory == MAP_FAILED)
        return tare_fail(err, TARE_NOMEM, "cannot map shared memory: %s", strerror(errno));
    link->memory = memory;
    link->used_bytes = LINK_HEADER_BYTES;
    return TARE_OK;
}

/* A blocking read with a time limit is one system call a run; poll() and read() would be two. */
static enum tare_status set_timeout(const struct link *link, struct tare_err *err)
{
    struct timeval limit = {.tv_sec = link->timeout_ns / 1000000000,
                            .tv_usec = link->timeout_ns % 1000000000 / 1000};

    if (setsockopt(link->process.channel_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
        return tare_fail(err, TARE_IO, "cannot limit the wait for the python worker: %s",
                         strerror(errno));
    return TARE_OK;
}

enum tare_status link_start(struct link *link, const char *python, int64_t timeout_ns, bool probe,
                            struct tare_err *err)
{
    char home[FILE_MAX_PATH], script[FILE_MAX_PATH];
    const char *argv[] = {python, script, probe ? "--probe" : NULL, NULL};
    /* In the caller's process group: who stops a worker stops what it started. */
    struct process_options options = {.argv = argv, .shared_fd = -1};
    enum tare_status status;
    int fd = -1;

    memset(link, 0, sizeof(*link));
    link->timeout_ns = timeout_ns;
    status = file_home(home, sizeof(home), err);
    if (status == TARE_OK)
        status = file_join(script, sizeof(script), home, "python/tare_worker.py", err);
    if (status == TARE_OK && !file_exists(script))
        status = tare_fail(err, TARE_ABSENT, "no '%s'", script);
    if (status == TARE_OK && !probe)
        status = map_memory(link, &fd, err);
    options.shared_fd = fd;
    if (status == TARE_OK)
        status = process_start(&link->process, &options, err);
    if (fd >= 0)
        (void)close(fd); /* the mapping keeps it, and the child has its own */
    if (status == TARE_OK)
        status = set_timeout(link, err);
    if (status != TARE_OK)
        link_release(link);
    return status;
}

void link_release(struct link *link)
{
    process_release(&link->process, GRACE_NS);
    if (link->memory)
        (void)munmap(link->memory, LINK_MEMORY_BYTES);
    memset(link, 0, sizeof(*link));
}

void *link_allocate(struct link *link, size_t size_bytes)
{
    size_t rounded = (size_bytes + 4095) / 4096 * 4096;
    uint8_t *memory = link->memory + link->used_bytes;

    if (rounded < size_bytes || rounded > LINK_MEMORY_BYTES - link->used_bytes)
        return NULL;
    link->used_bytes += rounded;
    memset(memory, 0, size_bytes); /* touched now, so that no run meets a page fault */
    return memory;
}

static enum tare_status status_of(const char *name)
{
    static const struct {
        const char *name;
        enum tare_status status;
    } rows[] = {
        {"absent", TARE_ABSENT},   {"baddata", TARE_BADDATA}, {"unsupported", TARE_UNSUPPORTED},
        {"invalid", TARE_INVALID}, {"limit", TARE_LIMIT},     {"nomem", TARE_NOMEM}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].status;
    return TARE_FAILED;
}

enum tare_status link_call(struct link *link, const char *request, struct json_tree **answer,
                           struct tare_err *err)
{
    struct tare_err reason = TARE_ERR_INIT;
    enum tare_status status = TARE_OK;
    const char *error;
    char *line;

    *answer = NULL;
    if (link->broken.status != TARE_OK)
        return tare_fail(err, link->broken.status, "%s", link->broken.text);
    if (request)
        status = process_send(&link->process, request, clock_now_ns() + link->timeout_ns, &reason);
    if (status == TARE_OK)
        status = process_receive(&link->process, clock_now_ns() + link->timeout_ns, &line, &reason);
    if (status == TARE_TIMEOUT)
        return give_up(link, TARE_TIMEOUT, "did not answer in time", err);
    if (status != TARE_OK)
        return give_up_gone(link, err);
    if (json_parse(line, strlen(line), answer, &reason) != TARE_OK)
        return give_up(link, TARE_BROKEN, "sent no JSON", err);
    error = json_text(json_get(json_root(*answer), "error"), NULL);
    if (!error)
        return TARE_OK;
    status = tare_fail(err, status_of(json_text(json_get(json_root(*answer), "status"), "")), "%s",
                       error);
    json_free(*answer);
    *answer = NULL;
    return status;
}

static int64_t header_int(const struct link *link, size_t at)
{
    int64_t number;

    memcpy(&number, link->memory + at, sizeof(number));
    return number;
}

static enum tare_status run_failed(const struct link *link, enum tare_status status,
                                   struct tare_err *err)
{
    int64_t length = header_int(link, TEXT_LENGTH_AT);
    char text[TEXT_MAX + 1];

    if (length < 0 || length > TEXT_MAX)
        length = 0;
    memcpy(text, link->memory + TEXT_AT, (size_t)length);
    text[length] = '\0';
    return tare_fail(err, status, "cannot run: %s", text);
}

enum tare_status link_run(struct link *link, struct tare_timing *timing, struct tare_err *err)
{
    char byte = 'r';
    ssize_t count;

    if (link->broken.status != TARE_OK)
        return tare_fail(err, link->broken.status, "%s", link->broken.text);
    if (send(link->process.channel_fd, &byte, 1, MSG_NOSIGNAL) != 1)
        return give_up_gone(link, err);
    do
        count = recv(link->process.channel_fd, &byte, 1, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return give_up(link, TARE_TIMEOUT, "did not finish a run in time", err);
    if (count != 1)
        return give_up_gone(link, err);
    if (byte == '!' || byte == '~')
        return run_failed(link, byte == '~' ? TARE_NOMEM : TARE_FAILED, err);
    if (byte != '.')
        return give_up(link, TARE_BROKEN, "answered a run with garbage", err);
    if (timing)
        *timing = (struct tare_timing){-1, header_int(link, COPY_IN_AT),
                                       header_int(link, COMPUTE_AT), header_int(link, COPY_OUT_AT)};
    return TARE_OK;
}
