/* profile_record.c - after the sweeps: one worker a cell whose runtime times its nodes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/stop.h"
#include "measure/limits.h"
#include "measure/profile.h"

#define RUNS_MIN  8
#define RUNS_MAX  64
#define AIMED_NS  ((int64_t)3000000000)
#define TEXT_MAX  ((size_t)32 << 20) /* of the profiles of one run */
#define MAX_CALLS ((int64_t)1 << 30)

static int64_t choose_runs(int64_t run_ns)
{
    int64_t runs = run_ns > 0 ? AIMED_NS / run_ns : RUNS_MAX;

    return runs < RUNS_MIN ? RUNS_MIN : runs > RUNS_MAX ? RUNS_MAX : runs;
}

/* Takes the rows out of an answer; a node that ran several times in a run counts as often. */
static enum tare_status take_rows(const struct json_value *nodes, struct profile_row **rows,
                                  size_t *count, struct tare_err *err)
{
    int64_t runs = INT64_MAX;

    *rows = NULL;
    *count = json_count(nodes);
    if (*count > PROFILE_MAX_ROWS)
        return tare_fail(err, TARE_LIMIT, "a profile has more than %d rows", PROFILE_MAX_ROWS);
    *rows = calloc(*count + 1, sizeof(**rows));
    if (!*rows)
        return tare_fail(err, TARE_NOMEM, "out of memory for a profile");
    for (size_t i = 0; i < *count; i++) {
        int64_t calls = json_int(json_get(json_at(nodes, i), "calls"), 0);

        runs = calls > 0 && calls < runs ? calls : runs;
    }
    for (size_t i = 0; i < *count; i++) {
        const struct json_value *node = json_at(nodes, i);
        int64_t total_ns = json_int(json_get(node, "total_ns"), -1);
        int64_t calls = json_int(json_get(node, "calls"), -1);

        if (total_ns < 0 || calls < 0 || calls > MAX_CALLS)
            return tare_fail(err, TARE_BADDATA, "the worker answered garbage: a node of %lld ns",
                             (long long)total_ns);
        (*rows)[i] = (struct profile_row){json_text(json_get(node, "node"), ""),
                                          json_text(json_get(node, "op"), ""),
                                          runs == INT64_MAX ? 0 : (double)total_ns / (double)runs};
    }
    return *count ? TARE_OK : tare_fail(err, TARE_UNSUPPORTED, "the runtime timed no node");
}

static double mean_ns(const struct protocol_shared *shared, bool pictures, int64_t runs)
{
    const int64_t *samples = shared->samples[pictures ? SERIES_INFER : SERIES_TOTAL];
    double sum = 0;

    for (int64_t i = 0; i < runs; i++)
        sum += (double)samples[i];
    return runs > 0 ? sum / (double)runs : NAN;
}

static enum tare_status put_profile(const struct profile_job *job, size_t i,
                                    const struct crew_member *member, bool pictures,
                                    const struct json_value *answer, struct json_writer *w,
                                    struct tare_err *err)
{
    const char *path = limits_graph_path(job->study, i);
    int64_t runs = json_int(json_get(answer, "runs"), -1);
    struct profile_row *rows = NULL;
    size_t count = 0;
    enum tare_status status = TARE_OK;

    if (runs < 0 || runs > PROTOCOL_MAX_RUNS)
        return tare_fail(err, TARE_BADDATA, "the worker answered garbage: %lld runs",
                         (long long)runs);
    if (!path)
        return tare_fail(err, TARE_ABSENT, "there is no ONNX file of its graph");
    status = take_rows(json_get(answer, "nodes"), &rows, &count, err);
    if (status == TARE_OK) {
        json_put_int(w, "runs", runs);
        json_put_number(w, "profiled_ns", mean_ns(member->shared, pictures, runs));
        json_open_array(w, "lines");
        status = profile_map(path, job->study->cells[i].batch, job->study->cells[i].size, rows,
                             count, w, err);
        json_close_array(w);
    }
    free(rows);
    return status;
}

static enum tare_status profile_cell(const struct profile_job *job, size_t i, struct json_writer *w,
                                     struct tare_err *err)
{
    struct study_cell cell = job->study->cells[i];
    struct json_tree *answer = NULL;
    struct crew_member member;
    struct crew_opened opened;
    enum tare_status status = study_set_option(&cell, "profile", "1", err);

    if (status == TARE_OK)
        status = crew_start(&member, job->study, &cell, job->pictures, &opened, err);
    if (status != TARE_OK)
        return status;
    status = crew_profile(&member, choose_runs(job->run_ns ? job->run_ns[i] : 0), &answer, err);
    if (status == TARE_OK)
        status = put_profile(job, i, &member, opened.pictures > 0, json_root(answer), w, err);
    json_free(answer);
    crew_stop(&member);
    return status;
}

enum tare_status profile_record(const struct profile_job *job, struct store *store, int64_t run_id,
                                struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    struct json_writer w;
    struct buf text;

    buf_init(&text, TEXT_MAX);
    json_start(&w, &text, false);
    json_open_array(&w, NULL);
    for (size_t i = 0; i < job->study->cell_count && status == TARE_OK; i++) {
        struct tare_err failure = TARE_ERR_INIT;

        if (job->cell_ids[i] == 0)
            continue;
        if (job->progress)
            job->progress(job->study->cells[i].name, job->progress_data);
        json_open_object(&w, NULL);
        json_put_int(&w, "cell", job->cell_ids[i]);
        if (profile_cell(job, i, &w, &failure) != TARE_OK) {
            json_put_text(&w, "why", failure.text);
            log_warn("cell '%s' has no profile: %s", job->study->cells[i].name, failure.text);
        }
        json_close_object(&w);
        if (failure.status == TARE_STOPPED || stop_requested())
            status = tare_fail(err, TARE_STOPPED, "stopped");
    }
    json_close_array(&w);
    if (status == TARE_OK)
        status = buf_status(&text, "the profiles of a run", err);
    if (status == TARE_OK)
        status =
            store_put_document(store, run_id, PROFILE_DOCUMENT, buf_text(&text), text.size, err);
    buf_release(&text);
    return status;
}
