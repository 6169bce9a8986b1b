#include "measure/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backend/session.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_tree.h"
#include "base/json_write.h"
#include "cuda/cuda.h"
#include "measure/evaluate.h"
#include "measure/flow.h"
#include "measure/loop.h"
#include "measure/peak_cuda.h"
#include "measure/protocol.h"
#include "measure/session_graph.h"
#include "measure/worker_agree.h"
#include "measure/worker_open.h"

#define COMMAND_MAX ((size_t)1 << 20)  /* bytes of one command */
#define PICTURE_MAX ((size_t)64 << 20) /* bytes of one JPEG file */

struct worker {
    struct protocol_shared *shared;
    FILE *channel;
    struct backend *backend;
    struct backend_session *session;
    struct serving serving; /* of a served layer */
    struct session_graph graph;
    struct loop loop;
    struct file_map maps[PROTOCOL_MAX_PICTURES];
    struct loop_picture pictures[PROTOCOL_MAX_PICTURES];
    struct family_options family_options;
    struct flow flow;                   /* once streams were asked for */
    struct cuda *cuda;                  /* a device that is only held */
    int64_t reached_ns[PROTOCOL_STEPS]; /* CLOCK_MONOTONIC */
};

/* --- answers
 * --------------------------------------------------------------------------------------- */

static enum tare_status send_line(struct worker *worker, const struct buf *line,
                                  struct tare_err *err)
{
    enum tare_status status = buf_status(line, "an answer", err);

    if (status != TARE_OK)
        return status;
    if (fprintf(worker->channel, "%s\n", buf_text(line)) < 0 || fflush(worker->channel) != 0)
        return tare_fail(err, TARE_IO, "cannot answer: %s", strerror(errno));
    return TARE_OK;
}

static enum tare_status answer_failure(struct worker *worker, const struct tare_err *failure,
                                       struct tare_err *err)
{
    struct json_writer writer;
    struct buf line = BUF_INIT;
    enum tare_status status;

    json_start(&writer, &line, false);
    json_open_object(&writer, NULL);
    json_put_bool(&writer, "ok", false);
    json_put_int(&writer, "status", failure->status);
    json_put_text(&writer, "text", failure->text);
    json_close_object(&writer);
    status = send_line(worker, &line, err);
    buf_release(&line);
    return status;
}

/* --- open ------------------------------------------------------------------------------------- */

static enum tare_status load_pictures(struct worker *worker, const struct json_value *paths,
                                      struct tare_err *err)
{
    size_t count = json_count(paths);

    if (count > PROTOCOL_MAX_PICTURES)
        count = PROTOCOL_MAX_PICTURES;
    for (size_t i = 0; i < count; i++) {
        const char *path = json_text(json_at(paths, i), "");
        enum tare_status status = file_map(path, PICTURE_MAX, &worker->maps[i], err);

        if (status != TARE_OK)
            return status;
        worker->pictures[i].jpeg = worker->maps[i].data;
        worker->pictures[i].bytes = worker->maps[i].size;
        (void)snprintf(worker->pictures[i].name, sizeof(worker->pictures[i].name), "%s",
                       file_base_name(path));
    }
    worker->loop.pictures = worker->pictures;
    worker->loop.picture_count = count;
    return TARE_OK;
}

/* Makes the first pictures ready, for visits that time the session's run alone. */
static enum tare_status fill_slots(struct loop *loop, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (int32_t slot = 0; slot < loop->slots && loop->picture_count && status == TARE_OK; slot++) {
        const struct loop_picture *picture = &loop->pictures[(size_t)slot % loop->picture_count];

        status = loop->family->load(loop->state, picture->jpeg, picture->bytes, slot, NULL, err);
    }
    loop->picture_count = 0;
    return status;
}

static enum tare_status open_family(struct worker *worker, const struct json_value *command,
                                    struct tare_err *err)
{
    enum tare_status status = session_graph_describe(worker->session, &worker->graph, err);
    struct loop *loop = &worker->loop;

    if (status != TARE_OK)
        return status;
    loop->session = worker->session;
    loop->family = family_find(&worker->graph.graph);
    worker->family_options = (struct family_options){
        .min_score = (float)json_number(json_get(command, "min_score"), 0.25),
        .iou = (float)json_number(json_get(command, "iou"), 0.7),
        .seed = (uint64_t)json_int(json_get(command, "seed"), 1),
    };
    status = loop->family->open(&worker->graph.graph, &worker->family_options, &loop->state, err);
    if (status != TARE_OK)
        return status;
    loop->slots = loop->family->slots(loop->state);
    if (loop->family->predicts) {
        status = load_pictures(worker, json_get(command, "pictures"), err);
        if (status == TARE_OK && json_bool(json_get(command, "runs_alone"), false))
            status = fill_slots(loop, err);
        return status;
    }
    for (int32_t slot = 0; slot < loop->slots && status == TARE_OK; slot++)
        status = loop->family->load(loop->state, NULL, 0, slot, NULL, err);
    return status;
}

static enum tare_status do_open(struct worker *worker, const struct json_value *command,
                                struct json_writer *answer, struct tare_err *err)
{
    const struct loop_sinks none = {0};
    const struct loop_options once = {.runs = 1, .max_runs = 1};
    const struct tare_open_report *report;
    enum tare_status status = TARE_OK;
    int64_t runs, *reached = worker->reached_ns;

    if (worker->session)
        return tare_fail(err, TARE_INVALID, "a session is open already");
    status = worker_open_session(command, &worker->backend, &worker->session, &worker->serving,
                                 worker->reached_ns, err);
    if (status == TARE_OK)
        status = open_family(worker, command, err);
    reached[STEP_INPUT] = clock_now_ns();
    if (status == TARE_OK)
        status = loop_run(&worker->loop, &once, &none, &runs, err);
    reached[STEP_RESULT] = clock_now_ns();
    if (status != TARE_OK)
        return status;
    report = backend_session_report(worker->session);
    json_put_text(answer, "family", worker->loop.family->name);
    json_put_bool(answer, "predicts", worker->loop.family->predicts);
    json_put_int(answer, "pictures", (int64_t)worker->loop.picture_count);
    json_put_int(answer, "load_ns", report->load_ns);
    json_put_int(answer, "first_run_ns", reached[STEP_RESULT] - reached[STEP_INPUT]);
    json_put_text(answer, "runtime_version", report->runtime_version);
    json_put_text(answer, "provider", report->provider);
    json_put_text(answer, "executed_precision", report->executed_precision);
    json_open_array(answer, "reached_ns");
    for (int step = 0; step < PROTOCOL_STEPS; step++)
        json_put_int(answer, NULL, reached[step]);
    json_close_array(answer);
    return TARE_OK;
}

/* --- visit and warm-up
 * --------------------------------------------------------------------------------- */

static int64_t major_faults(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_majflt : 0;
}

static enum tare_status run_loop(struct worker *worker, const struct loop_options *options,
                                 struct json_writer *answer, struct tare_err *err)
{
    int64_t(*samples)[PROTOCOL_MAX_RUNS] = worker->shared->samples;
    const struct loop_sinks sinks = {
        .total = samples[SERIES_TOTAL],
        .decode = samples[SERIES_DECODE],
        .letterbox = samples[SERIES_LETTERBOX],
        .infer = samples[SERIES_INFER],
        .boxes = samples[SERIES_BOXES],
        .inside = samples[SERIES_INSIDE],
        .lateness = samples[SERIES_LATENESS],
        .copy_in = samples[SERIES_COPY_IN],
        .copy_out = samples[SERIES_COPY_OUT],
    };
    int64_t faults = major_faults(), start = clock_now_ns(), runs = 0;
    enum tare_status status;

    if (!worker->session)
        return tare_fail(err, TARE_INVALID, "no session is open");
    status = loop_run(&worker->loop, options, &sinks, &runs, err);
    if (status != TARE_OK)
        return status;
    json_put_int(answer, "runs", runs);
    json_put_int(answer, "wall_ns", clock_now_ns() - start);
    json_put_int(answer, "major_faults", major_faults() - faults);
    return TARE_OK;
}

static int64_t limited(const struct json_value *command, const char *key, int64_t max)
{
    int64_t value = json_int(json_get(command, key), 0);

    return value < 0 ? 0 : value > max ? max : value;
}

static enum tare_status do_visit(struct worker *worker, const struct json_value *command,
                                 struct json_writer *answer, struct tare_err *err)
{
    const struct loop_options options = {
        .runs = limited(command, "runs", PROTOCOL_MAX_RUNS),
        .max_runs = PROTOCOL_MAX_RUNS,
        .first_picture = limited(command, "first_picture", INT64_MAX / 2),
        .period_ns = limited(command, "period_ns", (int64_t)3600 * 1000000000),
    };

    return run_loop(worker, &options, answer, err);
}

static enum tare_status do_warmup(struct worker *worker, const struct json_value *command,
                                  struct json_writer *answer, struct tare_err *err)
{
    const struct loop_options options = {
        .runs = limited(command, "min_runs", PROTOCOL_MAX_RUNS),
        .min_ns = limited(command, "min_ns", (int64_t)3600 * 1000000000),
        .max_runs = PROTOCOL_MAX_RUNS,
    };

    return run_loop(worker, &options, answer, err);
}

/* --- streams ---------------------------------------------------------------------------------- */

/* Opens sessions until there are `count`, each as the first one was. */
static enum tare_status do_streams(struct worker *worker, const struct json_value *command,
                                   struct json_writer *answer, struct tare_err *err)
{
    int64_t count = limited(command, "count", FLOW_MAX_STREAMS);
    enum tare_status status = TARE_OK;

    if (!worker->session)
        return tare_fail(err, TARE_INVALID, "no session is open");
    if (!worker->flow.streams)
        status = flow_begin(&worker->flow, &worker->loop, PROTOCOL_MAX_RUNS, err);
    while (status == TARE_OK && (int64_t)worker->flow.count < count) {
        struct backend_session *session = NULL;

        status = worker_open_session(command, &worker->backend, &session, &worker->serving,
                                     worker->reached_ns, err);
        if (status == TARE_OK)
            status = flow_add(&worker->flow, session, &worker->family_options, err);
    }
    json_put_int(answer, "streams", (int64_t)worker->flow.count);
    return status;
}

static enum tare_status do_flow(struct worker *worker, const struct json_value *command,
                                struct json_writer *answer, struct tare_err *err)
{
    const struct flow_options options = {
        .lead_ns = limited(command, "lead_ns", (int64_t)3600 * 1000000000),
        .duration_ns = limited(command, "duration_ns", (int64_t)3600 * 1000000000),
        .first_picture = limited(command, "first_picture", INT64_MAX / 2),
        .period_ns = limited(command, "period_ns", (int64_t)3600 * 1000000000),
    };
    int64_t faults = major_faults();
    struct flow_result result;
    enum tare_status status;

    if (!worker->flow.streams)
        return tare_fail(err, TARE_INVALID, "no streams are open");
    status = flow_run(&worker->flow, &options, worker->shared->samples[SERIES_TOTAL], &result, err);
    if (status != TARE_OK)
        return status;
    json_put_int(answer, "runs", result.runs);
    json_put_int(answer, "wall_ns", result.window_ns);
    json_put_int(answer, "major_faults", major_faults() - faults);
    return TARE_OK;
}

/* --- profile: after runs of its own, in a session that was opened for it --- */

static enum tare_status do_profile(struct worker *worker, const struct json_value *command,
                                   struct json_writer *answer, struct tare_err *err)
{
    const struct loop_options options = {.runs = limited(command, "runs", 64),
                                         .max_runs = PROTOCOL_MAX_RUNS};
    const struct tare_profile_row *rows = NULL;
    size_t count = 0;
    enum tare_status status = run_loop(worker, &options, answer, err);

    if (status == TARE_OK)
        status = backend_session_profile(worker->session, &rows, &count, err);
    if (status != TARE_OK)
        return status;
    json_open_array(answer, "nodes");
    for (size_t i = 0; i < count; i++) {
        json_open_object(answer, NULL);
        json_put_text(answer, "node", rows[i].node);
        json_put_text(answer, "op", rows[i].op_type);
        json_put_int(answer, "total_ns", rows[i].total_ns);
        json_put_int(answer, "calls", rows[i].calls);
        json_close_object(answer);
    }
    json_close_array(answer);
    return TARE_OK;
}

/* --- hold: a device without a model --- */

static enum tare_status do_hold(struct worker *worker, const struct json_value *command,
                                struct json_writer *answer, struct tare_err *err)
{
    const char *device = json_text(json_get(command, "device"), "");
    int index = 0;
    enum tare_status status =
        strchr(device, ':') ? cuda_parse_device(device, &index, err) : TARE_OK;

    if (status == TARE_OK && worker->cuda)
        status = tare_fail(err, TARE_INVALID, "a device is held already");
    if (status == TARE_OK)
        status = cuda_open(index, &worker->cuda, err);
    if (status == TARE_OK)
        json_put_text(answer, "device", cuda_facts_of(worker->cuda)->name);
    return status;
}

/* --- eval ------------------------------------------------------------------------------------ */

static void send_progress(double share, void *data)
{
    struct worker *worker = data;

    (void)fprintf(worker->channel, "{\"progress\": %.4f}\n", share);
    (void)fflush(worker->channel);
}

static enum tare_status do_eval(struct worker *worker, const struct json_value *command,
                                struct json_writer *answer, struct tare_err *err)
{
    const struct evaluate_options options = {
        .images = json_text(json_get(command, "images"), ""),
        .progress = send_progress,
        .progress_data = worker,
    };
    struct coco_dataset *dataset = NULL;
    struct coco_detections *detections = NULL;
    enum tare_status status;

    if (!worker->session)
        return tare_fail(err, TARE_INVALID, "no session is open");
    status = coco_dataset_load(json_text(json_get(command, "annotations"), ""), &dataset, err);
    if (status == TARE_OK)
        status = coco_detections_new(&detections, err);
    if (status == TARE_OK)
        status = evaluate_pictures(worker->session, dataset, &options, detections, err);
    if (status == TARE_OK)
        status =
            coco_detections_save(detections, json_text(json_get(command, "detections"), ""), err);
    if (status == TARE_OK)
        json_put_int(answer, "pictures", (int64_t)coco_image_count(dataset));
    coco_detections_free(detections);
    coco_dataset_free(dataset);
    return status;
}

static enum tare_status do_agree(struct worker *worker, const struct json_value *command,
                                 struct json_writer *answer, struct tare_err *err)
{
    if (!worker->session)
        return tare_fail(err, TARE_INVALID, "no session is open");
    return worker_agree(worker->session, command, answer, err);
}

/* --- peaks: of a device, by a worker that opens no session --- */

static enum tare_status do_peaks(struct worker *worker, const struct json_value *command,
                                 struct json_writer *answer, struct tare_err *err)
{
    const struct peak_cuda_options options = {
        .windows = (int)limited(command, "windows", 1000),
        .window_ns = limited(command, "window_ns", (int64_t)1000000000),
        .rest_ns = limited(command, "rest_ns", (int64_t)1000000000),
        .warm_ns = limited(command, "warm_ns", (int64_t)1000000000),
        .size = limited(command, "size", 1 << 16),
    };
    struct peak_cuda peaks;
    enum tare_status status;

    if (worker->session)
        return tare_fail(err, TARE_INVALID, "a session is open already");
    status = peak_cuda_measure((int)limited(command, "device", INT16_MAX), &options, &peaks, err);
    if (status == TARE_OK)
        peak_cuda_put(&peaks, answer);
    return status;
}

/* --- serving
 * --------------------------------------------------------------------------------------------- */

struct worker_command {
    const char *op;
    enum tare_status (*run)(struct worker *worker, const struct json_value *command,
                            struct json_writer *answer, struct tare_err *err);
};

static const struct worker_command commands[] = {
    {"open", do_open},   {"visit", do_visit},     {"warmup", do_warmup}, {"eval", do_eval},
    {"agree", do_agree}, {"streams", do_streams}, {"flow", do_flow},     {"profile", do_profile},
    {"hold", do_hold},   {"peaks", do_peaks},
};

static enum tare_status run_command(struct worker *worker, const struct json_value *command,
                                    struct json_writer *answer, struct tare_err *err)
{
    const char *op = json_text(json_get(command, "op"), "");

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].op, op) == 0)
            return commands[i].run(worker, command, answer, err);
    return tare_fail(err, TARE_INVALID, "no command is called '%.40s'", op);
}

static enum tare_status serve_line(struct worker *worker, const char *text, size_t size, bool *quit,
                                   struct tare_err *err)
{
    struct tare_err failure = TARE_ERR_INIT;
    struct json_tree *tree = NULL;
    struct json_writer answer;
    struct buf line = BUF_INIT;
    enum tare_status status = json_parse(text, size, &tree, &failure);

    json_start(&answer, &line, false);
    json_open_object(&answer, NULL);
    json_put_bool(&answer, "ok", true);
    if (status == TARE_OK && strcmp(json_text(json_get(json_root(tree), "op"), ""), "quit") == 0)
        *quit = true;
    else if (status == TARE_OK)
        status = run_command(worker, json_root(tree), &answer, &failure);
    json_close_object(&answer);
    if (status != TARE_OK)
        status = answer_failure(worker, &failure, err);
    else if (!*quit)
        status = send_line(worker, &line, err);
    json_free(tree);
    buf_release(&line);
    return status;
}

static void release(struct worker *worker)
{
    cuda_close(worker->cuda);
    flow_release(&worker->flow);
    if (worker->loop.family)
        worker->loop.family->close(worker->loop.state);
    session_graph_release(&worker->graph);
    backend_session_close(worker->session);
    serving_end(&worker->serving);
    backend_free(worker->backend);
    for (size_t i = 0; i < PROTOCOL_MAX_PICTURES; i++)
        file_unmap(&worker->maps[i]);
    if (worker->channel)
        (void)fclose(worker->channel);
    (void)munmap(worker->shared, sizeof(*worker->shared));
}

enum tare_status worker_serve(int channel_fd, int shared_fd, struct tare_err *err)
{
    struct worker worker = {0};
    enum tare_status status = TARE_OK;
    size_t capacity = 0;
    char *text = NULL;
    bool quit = false;
    FILE *commands_in = fdopen(dup(channel_fd), "r");

    worker.shared =
        mmap(NULL, sizeof(*worker.shared), PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
    worker.channel = fdopen(channel_fd, "w");
    if (!commands_in || !worker.channel || worker.shared == MAP_FAILED)
        return tare_fail(err, TARE_IO, "cannot open the channel or the shared memory: %s",
                         strerror(errno));
    memset(worker.shared, 0, sizeof(*worker.shared)); /* no page of it may fault in a visit */
    worker.reached_ns[STEP_SERVING] = clock_now_ns();
    while (status == TARE_OK && !quit) {
        ssize_t size = getline(&text, &capacity, commands_in);

        if (size < 0)
            break;
        if ((size_t)size > COMMAND_MAX)
            status = tare_fail(err, TARE_LIMIT, "a command has more than %zu bytes", COMMAND_MAX);
        else
            status = serve_line(&worker, text, (size_t)size, &quit, err);
    }
    free(text);
    (void)fclose(commands_in);
    release(&worker);
    return status;
}
