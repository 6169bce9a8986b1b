#include "measure/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_tree.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/printable.h"
#include "measure/flow.h"
#include "measure/layer.h"

#define OPEN_PATIENCE_NS  ((int64_t)600 * 1000000000) /* a compiler may stand behind open() */
#define EVAL_PATIENCE_NS  ((int64_t)120 * 1000000000) /* between two signs of progress */
#define WATCH_NS          ((int64_t)200 * 1000000)
#define STOP_PATIENCE_NS  ((int64_t)2 * 1000000000)
#define QUIET_WINDOW_NS   ((int64_t)50 * 1000000)
#define QUIET_PATIENCE_NS ((int64_t)2 * 1000000000)
#define SEND_PATIENCE_NS  ((int64_t)10 * 1000000000)
#define QUIET_SHARE       0.01
#define BUSY_SHARE        0.05 /* of the busiest thread's time, to count as working */
#define MAX_THREADS       1024 /* of a worker that are looked at */

/* --- commands and answers
 * ---------------------------------------------------------------------------- */

/* Adds what the worker printed last to a message about its end. */
static enum tare_status fail_with_log(struct crew_member *member, const struct tare_err *inner,
                                      struct tare_err *err)
{
    char tail[400], *line = tail;

    process_log_tail(&member->process, tail, sizeof(tail));
    for (size_t n = strlen(tail); n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '); n--)
        tail[n - 1] = '\0';
    if (strrchr(tail, '\n'))
        line = strrchr(tail, '\n') + 1;
    printable(line); /* anything may have been printed */
    if (*line)
        return tare_fail(err, inner->status, "%s; its last words: %.200s", inner->text, line);
    return tare_fail(err, inner->status, "%s", inner->text);
}

static void wake(struct crew_member *member)
{
    if (member->stopped)
        (void)kill(-member->process.pid, SIGCONT);
    member->stopped = false;
}

static enum tare_status send_line(struct crew_member *member, const char *line,
                                  struct tare_err *err)
{
    return process_send(&member->process, line, clock_now_ns() + SEND_PATIENCE_NS, err);
}

/* Who grows beyond the bound is ended: the others were there before. */
static enum tare_status check_together(const struct crew_member *member, struct tare_err *err)
{
    const struct crew_pictures *p = member->pictures;
    int64_t sum = 0;

    for (size_t i = 0; i < p->member_count; i++)
        if (p->members[i].process.pid)
            sum += p->members[i].held_bytes;
    if (p->together_bytes == 0 || sum <= p->together_bytes)
        return TARE_OK;
    return tare_fail(err, TARE_LIMIT,
                     "the workers hold %lld MiB together, allowed are %lld (resident_limit_mb of "
                     "a study, or 60 %% of the memory that was free at the start)",
                     (long long)(sum >> 20), (long long)(p->together_bytes >> 20));
}

static enum tare_status check_memory(struct crew_member *member, struct tare_err *err)
{
    int64_t limit = member->pictures->limit_bytes, bytes;

    if (!limit && !member->pictures->together_bytes)
        return TARE_OK;
    bytes = process_tree_rss_bytes(member->process.pid);
    member->held_bytes = bytes;
    if (!limit || bytes <= limit)
        return check_together(member, err);
    return tare_fail(err, TARE_LIMIT,
                     "the worker grew to %lld MiB, allowed are %lld (memory_limit_mb of a study)",
                     (long long)(bytes >> 20), (long long)(limit >> 20));
}

/* One line, with a look at the worker's memory and output while waiting. */
static enum tare_status receive_line(struct crew_member *member, int64_t patience_ns, char **line,
                                     struct tare_err *err)
{
    int64_t deadline = clock_now_ns() + patience_ns;

    for (;;) {
        int64_t next = clock_now_ns() + WATCH_NS;
        struct tare_err inner = TARE_ERR_INIT;
        enum tare_status status =
            process_receive(&member->process, next < deadline ? next : deadline, line, &inner);

        process_trim_log(&member->process);
        if (status != TARE_TIMEOUT || next >= deadline)
            return status == TARE_OK ? TARE_OK : tare_fail(err, status, "%s", inner.text);
        status = check_memory(member, err);
        if (status != TARE_OK)
            return status;
    }
}

/* One answer line as a tree, which the caller frees. */
static enum tare_status receive(struct crew_member *member, int64_t patience_ns,
                                struct json_tree **answer, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    enum tare_status status;
    char *line;

    *answer = NULL;
    status = receive_line(member, patience_ns, &line, &inner);
    if (status == TARE_LIMIT)
        return tare_fail(err, status, "%s", inner.text);
    if (status == TARE_STOPPED)
        return tare_fail(err, status, "stopped");
    if (status == TARE_TIMEOUT)
        return tare_fail(err, status, "the worker hangs: no answer in %.0f s",
                         (double)patience_ns / 1e9);
    if (status != TARE_OK)
        return fail_with_log(member, &inner, err);
    if (json_parse(line, strlen(line), answer, &inner) == TARE_OK)
        return TARE_OK;
    printable(line);
    return tare_fail(err, TARE_BADDATA, "the worker answered garbage: '%.60s'", line);
}

static enum tare_status check_answer(const struct json_value *answer, struct tare_err *err)
{
    int64_t status = json_int(json_get(answer, "status"), TARE_FAILED);

    if (json_bool(json_get(answer, "ok"), false))
        return TARE_OK;
    if (status >= 0 || status < TARE_STOPPED)
        status = TARE_FAILED;
    return tare_fail(err, (enum tare_status)status, "%s",
                     json_text(json_get(answer, "text"), "the worker failed and does not say why"));
}

enum tare_status crew_ask(struct crew_member *member, const struct buf *command,
                          int64_t patience_ns, struct json_tree **answer, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    enum tare_status status = buf_status(command, "a command", err);

    *answer = NULL;
    if (status != TARE_OK)
        return status;
    wake(member);
    status = send_line(member, buf_text(command), &inner);
    if (status == TARE_TIMEOUT || status == TARE_STOPPED)
        return tare_fail(err, status, "%s", inner.text);
    if (status != TARE_OK)
        return fail_with_log(member, &inner, err);
    status = receive(member, patience_ns, answer, err);
    if (status == TARE_OK)
        status = check_memory(member, err);
    if (status == TARE_OK)
        status = check_answer(json_root(*answer), err);
    return status;
}

/* --- start and stop
 * ------------------------------------------------------------------------------------ */

static enum tare_status make_shared(struct crew_member *member, struct tare_err *err)
{
    size_t size = sizeof(*member->shared);
    void *memory = MAP_FAILED;

    member->shared_fd = memfd_create("tare-samples", MFD_CLOEXEC);
    if (member->shared_fd >= 0 && ftruncate(member->shared_fd, (off_t)size) == 0)
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, member->shared_fd, 0);
    if (memory == MAP_FAILED)
        return tare_fail(err, TARE_IO, "cannot make shared memory for samples: %s",
                         strerror(errno));
    member->shared = memory;
    memset(member->shared, 0, size);
    return TARE_OK;
}

/* What a worker is started for. */
struct job {
    const struct study *study;
    const struct study_cell *cell;
    const struct crew_pictures *pictures;
    bool cold;
};

void crew_put_cell(struct json_writer *w, const char *op, const struct study *study,
                   const struct study_cell *cell)
{
    json_put_text(w, "op", op);
    json_put_text(w, "plugin", study_cell_plugin(cell));
    json_put_text(w, "model", cell->model_path[0] ? cell->model_path : cell->model);
    json_put_text(w, "if_missing", cell->if_missing);
    if (layer_find(cell->layer)) {
        json_put_text(w, "layer", cell->layer);
        json_put_text(w, "repository", cell->repository);
    }
    json_put_text(w, "device", cell->device);
    json_put_text(w, "precision", cell->precision);
    json_put_int(w, "threads", cell->threads);
    json_put_int(w, "batch", cell->batch);
    json_put_int(w, "size", cell->size);
    json_open_object(w, "options");
    if (strcmp(study_cell_plugin(cell), cell->runtime) != 0 && !layer_find(cell->layer))
        json_put_text(w, "runtime", cell->runtime);
    if (study_cell_opens_checkpoint(cell)) {
        char side[16];

        (void)snprintf(side, sizeof(side), "%d", cell->size ? cell->size : 640);
        json_put_text(w, "imgsz", side);
        json_put_text(w, "head", cell->head[0] ? cell->head : "raw");
    }
    for (size_t i = 0; i < cell->option_count && !layer_find(cell->layer); i++)
        json_put_text(w, cell->options[i].name, cell->options[i].value);
    json_close_object(w);
    json_put_number(w, "min_score", study->min_score);
    json_put_number(w, "iou", study->iou);
    json_put_int(w, "seed", study->seed);
    json_put_bool(w, "runs_alone", study->runs_alone);
}

static void copy_text(char *out, size_t bytes, const struct json_value *value)
{
    (void)snprintf(out, bytes, "%s", json_text(value, ""));
}

/* Stamps must follow each other; begun_ns is this process's own. */
static enum tare_status read_steps(const struct json_value *reached, int64_t begun_ns,
                                   int64_t *step_ns, struct tare_err *err)
{
    int64_t before = begun_ns, now = clock_now_ns();

    for (size_t i = 0; i < PROTOCOL_STEPS; i++) {
        int64_t at = json_int(json_at(reached, i), -1);

        if (at < before || at > now)
            return tare_fail(err, TARE_BADDATA, "the worker answered garbage: step %zu at %lld", i,
                             (long long)at);
        step_ns[i] = at - before;
        before = at;
    }
    return TARE_OK;
}

static void read_opened(const struct json_value *answer, struct crew_opened *opened)
{
    memset(opened, 0, sizeof(*opened));
    copy_text(opened->family, sizeof(opened->family), json_get(answer, "family"));
    copy_text(opened->runtime_version, sizeof(opened->runtime_version),
              json_get(answer, "runtime_version"));
    copy_text(opened->provider, sizeof(opened->provider), json_get(answer, "provider"));
    copy_text(opened->executed_precision, sizeof(opened->executed_precision),
              json_get(answer, "executed_precision"));
    opened->predicts = json_bool(json_get(answer, "predicts"), false);
    opened->pictures = json_int(json_get(answer, "pictures"), 0);
    opened->load_ns = json_int(json_get(answer, "load_ns"), -1);
    if (opened->load_ns < 0) /* the plugin says it */
        opened->load_ns = -1;
    opened->first_run_ns = json_int(json_get(answer, "first_run_ns"), -1);
}

static enum tare_status open_cell(struct crew_member *member, const struct job *job,
                                  int64_t begun_ns, struct crew_opened *opened,
                                  struct tare_err *err)
{
    const struct crew_pictures *pictures = job->pictures;
    size_t kept = pictures->count < PROTOCOL_MAX_PICTURES ? pictures->count : PROTOCOL_MAX_PICTURES;
    int64_t patience = job->study->timeout_ns ? job->study->timeout_ns : OPEN_PATIENCE_NS;
    struct json_tree *answer = NULL;
    struct buf command = BUF_INIT;
    struct json_writer w;
    enum tare_status status;

    json_start(&w, &command, false);
    json_open_object(&w, NULL);
    crew_put_cell(&w, "open", job->study, job->cell);
    json_put_bool(&w, "cold", job->cold);
    json_open_array(&w, "pictures");
    for (size_t i = 0; i < kept; i++)
        json_put_text(&w, NULL, pictures->paths[i]);
    json_close_array(&w);
    json_close_object(&w);
    status = crew_ask(member, &command, patience, &answer, err);
    if (status == TARE_OK) {
        read_opened(json_root(answer), opened);
        status =
            read_steps(json_get(json_root(answer), "reached_ns"), begun_ns, opened->step_ns, err);
    }
    json_free(answer);
    buf_release(&command);
    return status;
}

/* The process and its memory, without any session. */
static enum tare_status start_process(struct crew_member *member,
                                      const struct crew_pictures *pictures, struct tare_err *err)
{
    static const char *const argv[] = {"/proc/self/exe", "worker", NULL};
    struct process_options options = {.argv = argv, .own_group = true};
    enum tare_status status;

    memset(member, 0, sizeof(*member));
    member->shared_fd = member->process.channel_fd = member->process.log_fd = -1;
    status = make_shared(member, err);
    options.shared_fd = member->shared_fd;
    member->cores = pictures->cores;
    member->pictures = pictures;
    if (member->cores && CPU_COUNT(&member->cores->cells) > 0)
        options.cpus = &member->cores->cells;
    return status == TARE_OK ? process_start(&member->process, &options, err) : status;
}

static enum tare_status start(struct crew_member *member, const struct job *job,
                              struct crew_opened *opened, struct tare_err *err)
{
    int64_t begun_ns = clock_now_ns();
    enum tare_status status = start_process(member, job->pictures, err);

    if (status == TARE_OK)
        status = open_cell(member, job, begun_ns, opened, err);
    if (status != TARE_OK)
        crew_stop(member);
    return status;
}

enum tare_status crew_start_bare(struct crew_member *member, const struct crew_pictures *pictures,
                                 const char *device, struct tare_err *err)
{
    struct json_tree *answer = NULL;
    struct buf command = BUF_INIT;
    struct json_writer w;
    enum tare_status status = start_process(member, pictures, err);

    json_start(&w, &command, false);
    json_open_object(&w, NULL);
    json_put_text(&w, "op", "hold");
    json_put_text(&w, "device", device);
    json_close_object(&w);
    if (status == TARE_OK)
        status = crew_ask(member, &command, OPEN_PATIENCE_NS, &answer, err);
    json_free(answer);
    buf_release(&command);
    if (status != TARE_OK)
        crew_stop(member);
    return status;
}

enum tare_status crew_start(struct crew_member *member, const struct study *study,
                            const struct study_cell *cell, const struct crew_pictures *pictures,
                            struct crew_opened *opened, struct tare_err *err)
{
    const struct job job = {study, cell, pictures, false};

    return start(member, &job, opened, err);
}

enum tare_status crew_start_cold(struct crew_member *member, const struct study *study,
                                 const struct study_cell *cell,
                                 const struct crew_pictures *pictures, struct crew_opened *opened,
                                 struct tare_err *err)
{
    const struct job job = {study, cell, pictures, true};

    return start(member, &job, opened, err);
}

void crew_dismiss(struct crew_member *member)
{
    if (member->process.pid == 0 || member->dismissed)
        return;
    wake(member);
    (void)send_line(member, "{\"op\": \"quit\"}", NULL);
    member->dismissed = true;
}

void crew_stop(struct crew_member *member)
{
    pid_t group = member->process.pid;

    if (!member->shared && group == 0)
        return;
    if (group) {
        crew_dismiss(member);
        process_release(&member->process, STOP_PATIENCE_NS);
        (void)kill(-group, SIGKILL); /* whatever it had started itself */
    }
    if (member->shared)
        (void)munmap(member->shared, sizeof(*member->shared));
    if (member->shared_fd >= 0)
        (void)close(member->shared_fd);
    memset(member, 0, sizeof(*member));
    member->shared_fd = member->process.channel_fd = member->process.log_fd = -1;
}

/* --- runs ------------------------------------------------------------------------------------ */

struct thread_list {
    struct process_thread threads[MAX_THREADS];
    size_t count;
};

static void list_threads(const struct crew_member *member, struct thread_list *list)
{
    list->count = process_tree_threads(member->process.pid, list->threads, MAX_THREADS);
}

/* A runtime may pin its threads itself, and to processors that are not the cells'. */
static bool may_leave(const struct crew_member *member, pid_t tid)
{
    cpu_set_t set, both;

    if (!member->cores || CPU_COUNT(&member->cores->cells) == 0 ||
        sched_getaffinity(tid, sizeof(set), &set) != 0)
        return false;
    CPU_AND(&both, &set, &member->cores->cells);
    return !CPU_EQUAL(&both, &set);
}

/* Both readings lie outside the timed runs. A thread that has ended since the first is not seen. */
static void count_threads(const struct crew_member *member, const struct thread_list *before,
                          struct crew_visit *visit)
{
    struct thread_list after;
    int64_t most = 0;

    list_threads(member, &after);
    for (size_t i = 0; i < after.count; i++) {
        for (size_t k = 0; k < before->count; k++)
            if (before->threads[k].tid == after.threads[i].tid)
                after.threads[i].cpu_ns -= before->threads[k].cpu_ns;
        most = after.threads[i].cpu_ns > most ? after.threads[i].cpu_ns : most;
    }
    visit->busy_threads = most > 0 ? 0 : -1;
    for (size_t i = 0; i < after.count && most > 0; i++)
        if ((double)after.threads[i].cpu_ns >= BUSY_SHARE * (double)most) {
            visit->busy_threads++;
            visit->outside_threads += may_leave(member, after.threads[i].tid);
        }
}

static enum tare_status ask_runs(struct crew_member *member, struct buf *command,
                                 int64_t patience_ns, struct crew_visit *visit,
                                 struct tare_err *err)
{
    int64_t cpu_before = crew_cpu_ns(member);
    struct thread_list before;
    struct json_tree *answer = NULL;
    const struct json_value *root;
    enum tare_status status;

    memset(visit, 0, sizeof(*visit));
    list_threads(member, &before);
    status = crew_ask(member, command, patience_ns, &answer, err);
    root = json_root(answer);
    if (status == TARE_OK) {
        int64_t cpu_after = crew_cpu_ns(member);

        visit->runs = json_int(json_get(root, "runs"), -1);
        visit->wall_ns = json_int(json_get(root, "wall_ns"), -1);
        visit->major_faults = json_int(json_get(root, "major_faults"), 0);
        /* a thread that ended takes its time out of the sum: then it is not known */
        visit->cpu_ns = cpu_before < 0 || cpu_after < cpu_before ? -1 : cpu_after - cpu_before;
        count_threads(member, &before, visit);
        if (visit->runs < 0 || visit->runs > PROTOCOL_MAX_RUNS || visit->wall_ns < 0)
            status = tare_fail(err, TARE_BADDATA, "the worker answered garbage: %lld runs",
                               (long long)visit->runs);
    }
    json_free(answer);
    return status;
}

enum tare_status crew_warm_up(struct crew_member *member, int64_t min_runs, int64_t min_ns,
                              int64_t timeout_ns, struct crew_visit *visit, struct tare_err *err)
{
    struct buf command = BUF_INIT;
    enum tare_status status;

    buf_printf(&command, "{\"op\": \"warmup\", \"min_runs\": %lld, \"min_ns\": %lld}",
               (long long)min_runs, (long long)min_ns);
    status = ask_runs(member, &command, timeout_ns ? timeout_ns : OPEN_PATIENCE_NS, visit, err);
    buf_release(&command);
    return status;
}

enum tare_status crew_visit(struct crew_member *member, int64_t runs, int64_t first_picture,
                            int64_t period_ns, int64_t patience_ns, struct crew_visit *visit,
                            struct tare_err *err)
{
    struct buf command = BUF_INIT;
    enum tare_status status;

    buf_printf(&command,
               "{\"op\": \"visit\", \"runs\": %lld, \"first_picture\": %lld, \"period_ns\": %lld}",
               (long long)runs, (long long)first_picture, (long long)period_ns);
    status = ask_runs(member, &command, patience_ns, visit, err);
    if (status == TARE_OK && visit->runs != runs)
        status = tare_fail(err, TARE_BADDATA, "the worker made %lld runs instead of %lld",
                           (long long)visit->runs, (long long)runs);
    buf_release(&command);
    return status;
}

enum tare_status crew_streams(struct crew_member *member, const struct study *study,
                              const struct study_cell *cell, int32_t streams, struct tare_err *err)
{
    struct json_tree *answer = NULL;
    struct buf command = BUF_INIT;
    struct json_writer w;
    enum tare_status status;

    json_start(&w, &command, false);
    json_open_object(&w, NULL);
    crew_put_cell(&w, "streams", study, cell);
    json_put_int(&w, "count", streams);
    json_close_object(&w);
    status = crew_ask(member, &command, study->timeout_ns ? study->timeout_ns : OPEN_PATIENCE_NS,
                      &answer, err);
    json_free(answer);
    buf_release(&command);
    return status;
}

enum tare_status crew_flow(struct crew_member *member, const struct flow_options *options,
                           int64_t patience_ns, struct crew_visit *visit, struct tare_err *err)
{
    struct buf command = BUF_INIT;
    enum tare_status status;

    buf_printf(&command,
               "{\"op\": \"flow\", \"lead_ns\": %lld, \"duration_ns\": %lld, "
               "\"first_picture\": %lld, \"period_ns\": %lld}",
               (long long)options->lead_ns, (long long)options->duration_ns,
               (long long)options->first_picture, (long long)options->period_ns);
    status = ask_runs(member, &command, patience_ns, visit, err);
    visit->cpu_ns = -1; /* it holds the lead-in and the end too */
    if (status == TARE_OK && (visit->runs < 1 || visit->wall_ns < 1))
        status = tare_fail(err, TARE_BADDATA, "the worker made %lld runs in %lld ns",
                           (long long)visit->runs, (long long)visit->wall_ns);
    buf_release(&command);
    return status;
}

/* Answers "progress" until the last one. */
static enum tare_status receive_eval(struct crew_member *member,
                                     void (*progress)(double share, void *data), void *data,
                                     int64_t *pictures, struct tare_err *err)
{
    for (;;) {
        struct json_tree *answer;
        enum tare_status status = receive(member, EVAL_PATIENCE_NS, &answer, err);
        const struct json_value *share = json_get(json_root(answer), "progress");
        bool last = status != TARE_OK || !share;

        if (!last && progress)
            progress(json_number(share, 0), data);
        if (last && status == TARE_OK)
            status = check_answer(json_root(answer), err);
        if (last)
            *pictures = json_int(json_get(json_root(answer), "pictures"), 0);
        json_free(answer);
        if (last)
            return status;
    }
}

enum tare_status crew_profile(struct crew_member *member, int64_t runs, struct json_tree **answer,
                              struct tare_err *err)
{
    struct buf command = BUF_INIT;
    enum tare_status status;

    buf_printf(&command, "{\"op\": \"profile\", \"runs\": %lld}", (long long)runs);
    status = crew_ask(member, &command, OPEN_PATIENCE_NS, answer, err);
    buf_release(&command);
    return status;
}

enum tare_status crew_eval(struct crew_member *member, const struct study *study,
                           const char *detections, void (*progress)(double share, void *data),
                           void *data, int64_t *pictures, struct tare_err *err)
{
    struct buf command = BUF_INIT;
    struct json_writer w;
    enum tare_status status;

    json_start(&w, &command, false);
    json_open_object(&w, NULL);
    json_put_text(&w, "op", "eval");
    json_put_text(&w, "images", study->images);
    json_put_text(&w, "annotations", study->annotations);
    json_put_text(&w, "detections", detections);
    json_close_object(&w);
    status = buf_status(&command, "a command", err);
    if (status == TARE_OK)
        wake(member);
    if (status == TARE_OK)
        status = send_line(member, buf_text(&command), err);
    if (status == TARE_OK)
        status = receive_eval(member, progress, data, pictures, err);
    buf_release(&command);
    return status;
}

/* --- quiet ----------------------------------------------------------------------------------- */

int64_t crew_cpu_ns(const struct crew_member *member)
{
    return member->process.pid ? process_tree_cpu_ns(member->process.pid) : -1;
}

int64_t crew_peak_rss_bytes(const struct crew_member *member)
{
    return member->process.pid ? process_tree_peak_rss_bytes(member->process.pid) : -1;
}

void crew_watch_now(const struct crew_member *members, size_t count, struct crew_watch *watch)
{
    for (size_t i = 0; i < count; i++)
        watch->cpu_ns[i] = members[i].stopped ? -1 : crew_cpu_ns(&members[i]);
    watch->at_ns = clock_now_ns();
}

/*
 * Which members used more than their share since the clocks of watch, which are read anew. Over
 * more than a window the share is still that of one window: who used less in all of the time used
 * less in its last 50 ms.
 */
static bool find_busy(const struct crew_member *members, size_t count,
                      const struct crew_member *except, struct crew_watch *watch, bool *busy)
{
    int64_t left = watch->at_ns + QUIET_WINDOW_NS - clock_now_ns();
    struct crew_watch before = *watch;
    bool any = false;

    if (left > 0)
        (void)poll(NULL, 0, (int)((left + 999999) / 1000000));
    crew_watch_now(members, count, watch);
    for (size_t i = 0; i < count; i++) {
        int64_t was = before.cpu_ns[i], now = watch->cpu_ns[i];

        busy[i] =
            &members[i] != except && now >= 0 &&
            (was < 0 || now < was || (double)(now - was) > QUIET_SHARE * (double)QUIET_WINDOW_NS);
        any = any || busy[i];
    }
    return any;
}

int64_t crew_hush(struct crew_member *members, size_t count, const struct crew_member *except,
                  struct crew_watch *watch)
{
    int64_t start = clock_now_ns();
    bool busy[STUDY_MAX_CELLS];

    if (count < 2)
        return 0;
    if (watch->at_ns == 0)
        crew_watch_now(members, count, watch);
    while (find_busy(members, count, except, watch, busy)) {
        if (clock_now_ns() - start < QUIET_PATIENCE_NS)
            continue;
        for (size_t i = 0; i < count; i++)
            if (busy[i] && kill(-members[i].process.pid, SIGSTOP) == 0)
                members[i].stopped = true;
        log_debug("a worker did not go quiet within %.0f s and was stopped",
                  (double)QUIET_PATIENCE_NS / 1e9);
        break;
    }
    return clock_now_ns() - start;
}
