#include "quantize/calibrate.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/registry.h"
#include "backend/session.h"
#include "base/file.h"
#include "base/stop.h"
#include "measure/session_graph.h"
#include "onnx/onnx_graph.h"
#include "onnx/onnx_write.h"

#define MAX_WORKERS 2 /* each holds the model and all of its activations */
#define PICTURE_MAX ((size_t)64 << 20)

/* What all workers share. */
struct calibration {
    const struct quant_plan *plan;
    const struct calibrate_options *options;
    struct backend *backend;
    char path[64];          /* of the model with its further outputs */
    size_t output_count;    /* the model's own */
    char **names;           /* of the pictures */
    size_t *order, count;   // (count): which names are run
    struct tally *tallies;  // (plan->observed_count)
    struct lags *lags;      // (plan->value_count)
    pthread_mutex_t *locks; // (plan->observed_count)
    pthread_mutex_t lock;   /* guards what follows */
    size_t next, done;
    struct tare_err err; /* the first error of any worker */
};

struct worker {
    struct calibration *shared;
    pthread_t thread;
    int index, threads;
    struct backend_session *session;
    struct session_graph graph;
    const struct family *family;
    struct family_state *state;
    const struct tare_tensor **tensors; // (plan->observed_count)
};

/* --- the model with more outputs ----------------------------------------------------------------
 */

static bool has_output(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_output; i++)
        if (strcmp(graph->output[i]->name, name) == 0)
            return true;
    return false;
}

static void add_outputs(struct onnx_builder *builder, const struct quant_plan *plan,
                        const struct onnx_shapes *shapes)
{
    for (size_t i = 0; i < plan->observed_count; i++) {
        const struct quant_value *value = &plan->values[plan->observed[i]];
        const struct onnx_shape *shape = onnx_shapes_find(shapes, value->name);

        if (value->maker != SIZE_MAX && !has_output(builder->graph, value->name))
            onnx_add_output(builder, value->name, ONNX_FLOAT, shape->rank, shape->dims, "batch");
    }
}

static enum tare_status write_all(int fd, const uint8_t *bytes, size_t size, struct tare_err *err)
{
    while (size > 0) {
        ssize_t wrote = write(fd, bytes, size);

        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return tare_fail(err, TARE_IO, "cannot keep the model in memory: %s", strerror(errno));
        bytes += wrote;
        size -= (size_t)wrote;
    }
    return TARE_OK;
}

/* A file in memory; *fd is the caller's to close, -1 on error. */
static enum tare_status write_observed(struct onnx_model *model, struct calibration *shared,
                                       const struct onnx_shapes *shapes, int *fd,
                                       struct tare_err *err)
{
    Onnx__GraphProto *graph = model->proto->graph;
    Onnx__ValueInfoProto **outputs = graph->output;
    struct onnx_builder builder;
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum tare_status status;

    *fd = -1;
    shared->output_count = graph->n_output;
    onnx_build_on(&builder, model);
    add_outputs(&builder, shared->plan, shapes);
    status = onnx_builder_status(&builder, err);
    if (status == TARE_OK)
        status = onnx_pack(model, &bytes, &size, err);
    graph->output = outputs;
    graph->n_output = shared->output_count;
    if (status == TARE_OK && (*fd = memfd_create("tare-calibration", MFD_CLOEXEC)) < 0)
        status = tare_fail(err, TARE_IO, "cannot keep the model in memory: %s", strerror(errno));
    if (status == TARE_OK)
        status = write_all(*fd, bytes, size, err);
    free(bytes);
    (void)snprintf(shared->path, sizeof(shared->path), "/proc/self/fd/%d", *fd);
    return status;
}

/* --- one worker ---------------------------------------------------------------------------------
 */

static enum tare_status find_tensors(struct worker *worker, struct tare_err *err)
{
    const struct quant_plan *plan = worker->shared->plan;

    worker->tensors = calloc(plan->observed_count + 1, sizeof(*worker->tensors));
    if (!worker->tensors)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", plan->observed_count);
    for (size_t i = 0; i < plan->observed_count; i++) {
        const struct quant_value *value = &plan->values[plan->observed[i]];
        bool input = value->maker == SIZE_MAX;
        int index = backend_session_find(worker->session, input, value->name);

        if (index >= 0)
            worker->tensors[i] = backend_session_tensor(worker->session, input, (size_t)index);
        if (index < 0 || worker->tensors[i]->rank != 4 || worker->tensors[i]->dtype != TARE_FP32)
            return tare_fail(err, TARE_UNSUPPORTED, "the runtime does not give '%s' as it should",
                             value->name);
    }
    return TARE_OK;
}

static enum tare_status open_worker(struct worker *worker, struct tare_err *err)
{
    const struct family_options settings = {.min_score = 0.25F};
    const struct backend_session_options open = {
        .model_path = worker->shared->path,
        .threads = worker->threads,
        .choose_shape = family_input_shape,
    };
    enum tare_status status =
        backend_session_open(worker->shared->backend, &open, &worker->session, err);

    if (status == TARE_OK)
        status = session_graph_describe(worker->session, &worker->graph, err);
    if (status != TARE_OK)
        return status;
    worker->graph.graph.output_count =
        worker->shared->output_count; /* the model's own come first */
    worker->family = family_find(&worker->graph.graph);
    if (!worker->family->predicts)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the model is of no family that takes pictures: need a YOLOv8 detector");
    status = worker->family->open(&worker->graph.graph, &settings, &worker->state, err);
    return status == TARE_OK ? find_tensors(worker, err) : status;
}

static void close_worker(struct worker *worker)
{
    if (worker->state)
        worker->family->close(worker->state);
    session_graph_release(&worker->graph);
    backend_session_close(worker->session);
    free(worker->tensors);
}

/* One more picture of a tensor, of each slot of the batch. */
static enum tare_status count_tensor(const struct worker *worker, size_t index, size_t picture,
                                     struct tare_err *err)
{
    struct calibration *shared = worker->shared;
    const struct quant_plan *plan = shared->plan;
    const struct tare_tensor *tensor = worker->tensors[index];
    struct tally *tally = &shared->tallies[index];
    enum tare_status status = TARE_OK;
    struct tally_seen seen = {0, 0, true};

    (void)pthread_mutex_lock(&shared->locks[index]);
    if (!tally->counts)
        status = tally_init(tally, (size_t)tensor->shape[1],
                            (size_t)(tensor->shape[2] * tensor->shape[3]), err);
    if (status == TARE_OK) /* each slot holds the same picture */
        status = tally_count(tally, tensor->data, false, &seen, err);
    for (size_t i = 0; status == TARE_OK && seen.finite && i < plan->value_count; i++)
        if (plan->values[i].seen == index && plan->values[i].windows)
            lags_add(&shared->lags[i], tensor->data, (size_t)tensor->shape[1],
                     (size_t)tensor->shape[2], (size_t)tensor->shape[3], plan->values[i].silu,
                     picture);
    (void)pthread_mutex_unlock(&shared->locks[index]);
    if (status == TARE_OK && !seen.finite)
        status = tare_fail(err, TARE_BADDATA,
                           "tensor '%.200s' holds NaN or infinite values on picture '%s': the "
                           "model cannot be calibrated",
                           plan->values[plan->observed[index]].name, shared->names[picture]);
    return status;
}

static enum tare_status load_picture(const struct worker *worker, const char *name,
                                     struct tare_err *err)
{
    struct file_map map = {NULL, 0};
    struct tare_err cause = TARE_ERR_INIT;
    char path[FILE_MAX_PATH];
    enum tare_status status =
        file_join(path, sizeof(path), worker->shared->options->images, name, err);

    if (status == TARE_OK)
        status = file_map(path, PICTURE_MAX, &map, err);
    for (int32_t slot = 0; status == TARE_OK && slot < worker->family->slots(worker->state); slot++)
        if (worker->family->load(worker->state, map.data, map.size, slot, NULL, &cause) != TARE_OK)
            status = tare_fail(err, cause.status, "picture '%s': %s", path, cause.text);
    file_unmap(&map);
    return status;
}

static enum tare_status run_picture(const struct worker *worker, size_t picture,
                                    struct tare_err *err)
{
    size_t tensors = worker->shared->plan->observed_count;
    size_t first = tensors * (size_t)worker->index / MAX_WORKERS; /* so that they seldom meet */
    enum tare_status status = load_picture(worker, worker->shared->names[picture], err);

    if (status == TARE_OK)
        status = backend_session_run(worker->session, NULL, NULL, err);
    for (size_t i = 0; i < tensors && status == TARE_OK; i++)
        status = count_tensor(worker, (first + i) % tensors, picture, err);
    return status;
}

/* The next picture; SIZE_MAX if there is none or somebody failed. */
static size_t take_picture(struct calibration *shared)
{
    size_t index = SIZE_MAX;

    (void)pthread_mutex_lock(&shared->lock);
    if (stop_requested())
        (void)tare_fail(&shared->err, TARE_STOPPED, "stopped");
    if (shared->err.status == TARE_OK && shared->next < shared->count)
        index = shared->order[shared->next++];
    (void)pthread_mutex_unlock(&shared->lock);
    return index;
}

static void tell(struct calibration *shared, const struct tare_err *err)
{
    (void)pthread_mutex_lock(&shared->lock);
    if (err->status != TARE_OK)
        (void)tare_fail(&shared->err, err->status, "%s", err->text);
    else if (shared->options->progress)
        shared->options->progress((double)++shared->done / (double)shared->count,
                                  shared->options->progress_data);
    (void)pthread_mutex_unlock(&shared->lock);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct tare_err err = TARE_ERR_INIT;
    size_t index;

    if (open_worker(worker, &err) != TARE_OK)
        tell(worker->shared, &err);
    while (err.status == TARE_OK && (index = take_picture(worker->shared)) != SIZE_MAX) {
        (void)run_picture(worker, index, &err);
        tell(worker->shared, &err);
    }
    close_worker(worker);
    return NULL;
}

/* --- all of them --------------------------------------------------------------------------------
 */

static void run_workers(struct calibration *shared)
{
    struct worker workers[MAX_WORKERS];
    int cores = shared->options->threads, count, started = 1;
    cpu_set_t set;

    if (cores <= 0)
        cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    count = cores < MAX_WORKERS ? cores : MAX_WORKERS;
    if ((size_t)count > shared->count)
        count = (int)shared->count;
    for (int i = 0; i < count; i++)
        workers[i] = (struct worker){
            .shared = shared, .index = i, .threads = cores / count > 0 ? cores / count : 1};
    for (; started < count; started++)
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break;
    (void)work(&workers[0]);
    for (int i = 1; i < started; i++)
        (void)pthread_join(workers[i].thread, NULL);
}

static enum tare_status choose_pictures(struct calibration *shared, size_t *found,
                                        struct tare_err *err)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", NULL};
    const char *images = shared->options->images;
    size_t limit = shared->options->limit;
    enum tare_status status = file_list(images, suffixes, &shared->names, found, err);

    if (status != TARE_OK)
        return status;
    if (*found == 0)
        return tare_fail(err, TARE_ABSENT, "no pictures in '%s': need .jpg or .jpeg files", images);
    if (*found > CALIBRATE_MAX_PICTURES)
        return tare_fail(err, TARE_LIMIT, "%zu pictures in '%s', at most %zu", *found, images,
                         CALIBRATE_MAX_PICTURES);
    shared->count = limit && limit < *found ? limit : *found;
    shared->order = calloc(shared->count, sizeof(*shared->order));
    if (!shared->order)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu pictures", shared->count);
    for (size_t i = 0; i < shared->count; i++)
        shared->order[i] = i * *found / shared->count;
    return TARE_OK;
}

enum tare_status calibrate_run(struct onnx_model *model, const struct quant_plan *plan,
                               const struct onnx_shapes *shapes,
                               const struct calibrate_options *options, struct tally *tallies,
                               struct lags *lags, size_t *pictures, struct tare_err *err)
{
    struct calibration shared = {
        .plan = plan, .options = options, .tallies = tallies, .lags = lags, .err = TARE_ERR_INIT};
    size_t found = 0;
    int fd = -1;
    enum tare_status status = choose_pictures(&shared, &found, err);

    shared.locks = calloc(plan->observed_count + 1, sizeof(*shared.locks));
    if (status == TARE_OK && !shared.locks)
        status = tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors", plan->observed_count);
    for (size_t i = 0; shared.locks && i < plan->observed_count; i++)
        (void)pthread_mutex_init(&shared.locks[i], NULL);
    (void)pthread_mutex_init(&shared.lock, NULL);
    if (status == TARE_OK)
        status = write_observed(model, &shared, shapes, &fd, err);
    if (status == TARE_OK)
        status = backend_acquire("onnxruntime", &shared.backend, NULL, 0, err);
    if (status == TARE_OK) {
        run_workers(&shared);
        status = shared.err.status;
        if (status != TARE_OK)
            (void)tare_fail(err, status, "%s", shared.err.text);
    }
    *pictures = shared.count;
    for (size_t i = 0; shared.locks && i < plan->observed_count; i++)
        (void)pthread_mutex_destroy(&shared.locks[i]);
    (void)pthread_mutex_destroy(&shared.lock);
    if (fd >= 0)
        (void)close(fd);
    backend_free(shared.backend);
    file_free_names(shared.names, found);
    free(shared.order);
    free(shared.locks);
    return status;
}
