#include "quantize/sensitivity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/registry.h"
#include "base/file.h"
#include "base/stop.h"
#include "measure/agree.h"
#include "models/family.h"

static const char *const picture_suffixes[] = {".jpg", ".jpeg", NULL};

struct job {
    const struct sensitivity_options *options;
    struct sensitivity *result;
    struct quantize_layers layers;
    char **paths;                       // (path_count) of all pictures
    char *chosen[SENSITIVITY_PICTURES]; /* of paths */
    size_t path_count, chosen_count;
    struct backend *backend;
    struct backend_session *session; /* of the FP32 model */
    struct agree_reference *reference;
    struct tare_err *err;
};

static enum tare_status open_session(const struct job *job, const char *path, const char *precision,
                                     struct backend_session **session)
{
    const struct backend_session_options open = {
        .model_path = path,
        .precision = precision,
        .threads = job->options->threads,
        .choose_shape = family_input_shape,
    };

    return backend_session_open(job->backend, &open, session, job->err);
}

static enum tare_status choose_pictures(struct job *job)
{
    enum tare_status status =
        file_list_paths(job->options->quantize->calibrate.images, picture_suffixes,
                        "picture (.jpg or .jpeg)", &job->paths, &job->path_count, job->err);

    if (status != TARE_OK)
        return status;
    job->chosen_count =
        job->path_count < SENSITIVITY_PICTURES ? job->path_count : SENSITIVITY_PICTURES;
    for (size_t i = 0; i < job->chosen_count; i++)
        job->chosen[i] = job->paths[i * job->path_count / job->chosen_count];
    job->result->pictures = job->chosen_count;
    return TARE_OK;
}

static enum tare_status run_reference(struct job *job)
{
    const struct agree_options pictures = {.paths = job->chosen, .count = job->chosen_count};
    enum tare_status status =
        backend_acquire(job->options->runtime, &job->backend, NULL, 0, job->err);

    if (status == TARE_OK)
        status = open_session(job, job->options->quantize->input, "fp32", &job->session);
    if (status == TARE_OK)
        status = agree_reference_new(job->session, &pictures, &job->reference, job->err);
    return status;
}

/* Writes the model with only that convolution in 8 bits. */
static enum tare_status make_one(const struct job *job, size_t index)
{
    const struct quantize_layers *layers = &job->layers;
    struct quantize_options options = *job->options->quantize;
    struct quantize_report report;
    const char **floats = calloc(layers->count + 1, sizeof(*floats));
    size_t count = 0;
    enum tare_status status;

    if (!floats)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for %zu names", layers->count);
    for (size_t i = 0; i < layers->count; i++)
        if (i != index)
            floats[count++] = layers->rows[i].name;
    quantize_free_profile(&options.profile);
    options.profile.floats = floats;
    options.profile.float_count = count;
    options.calibration = job->options->calibration;
    options.output = job->options->scratch;
    options.save_table = options.save_cache = NULL;
    status = quantize_model(&options, &report, job->err);
    free(floats);
    return status;
}

/* How far the model that was written agrees. */
static enum tare_status compare(const struct job *job, struct sensitivity_row *row)
{
    struct agreement_result *result = calloc(1, sizeof(*result));
    struct backend_session *session = NULL;
    const struct agreement_head *worst;
    enum tare_status status = TARE_OK;

    if (!result)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for an agreement");
    status = open_session(job, job->options->scratch, "int8", &session);
    if (status == TARE_OK)
        status = agree_with(job->reference, session, result, job->err);
    backend_session_close(session);
    if (status == TARE_OK) {
        row->found = result->found;
        row->sqnr_db = INFINITY;
        worst = agreement_worst_head(result);
        if (worst) {
            row->sqnr_db = worst->sqnr_db.value;
            (void)snprintf(row->worst_head, sizeof(row->worst_head), "%s", worst->name);
        }
        for (size_t h = 0; h < result->head_count; h++)
            row->noise += pow(10, -result->heads[h].sqnr_db.value / 10);
    }
    free(result);
    return status;
}

static enum tare_status measure_rows(struct job *job)
{
    struct sensitivity *result = job->result;
    int64_t all = 0;
    enum tare_status status = TARE_OK;

    arena_init(&result->arena, 0);
    result->rows = arena_zero(&result->arena, job->layers.count + 1, sizeof(*result->rows));
    if (!result->rows)
        return arena_status(&result->arena, "the sensitivity", job->err);
    for (size_t i = 0; i < job->layers.count; i++)
        all += job->layers.rows[i].flops;
    for (size_t i = 0; i < job->layers.count && status == TARE_OK; i++) {
        const struct quantize_layer *layer = &job->layers.rows[i];
        struct sensitivity_row *row = &result->rows[i];

        row->name = arena_text(&result->arena, layer->name, strlen(layer->name));
        row->share = all > 0 ? (double)layer->flops / (double)all : 0;
        status = arena_status(&result->arena, "the sensitivity", job->err);
        if (status == TARE_OK && stop_requested())
            status = tare_fail(job->err, TARE_STOPPED, "stopped");
        if (status == TARE_OK)
            status = make_one(job, i);
        if (status == TARE_OK)
            status = compare(job, row);
        result->count += status == TARE_OK;
        if (job->options->progress)
            job->options->progress((double)(i + 1) / (double)job->layers.count,
                                   job->options->progress_data);
    }
    return status;
}

enum tare_status sensitivity_measure(const struct sensitivity_options *options,
                                     struct sensitivity *sensitivity, struct tare_err *err)
{
    struct job job = {.options = options, .result = sensitivity, .err = err};
    struct quantize_options layers = *options->quantize;
    enum tare_status status;

    memset(sensitivity, 0, sizeof(*sensitivity));
    quantize_free_profile(&layers.profile);
    status = quantize_list_layers(&layers, &job.layers, err);
    if (status == TARE_OK)
        status = choose_pictures(&job);
    if (status == TARE_OK)
        status = run_reference(&job);
    if (status == TARE_OK)
        status = measure_rows(&job);
    (void)unlink(options->scratch);
    agree_reference_free(job.reference);
    backend_session_close(job.session);
    backend_free(job.backend);
    file_free_names(job.paths, job.path_count);
    quantize_release_layers(&job.layers);
    if (status != TARE_OK)
        sensitivity_release(sensitivity);
    return status;
}

void sensitivity_release(struct sensitivity *sensitivity)
{
    arena_release(&sensitivity->arena);
    memset(sensitivity, 0, sizeof(*sensitivity));
}

/* --- order --------------------------------------------------------------------------------------
 */

struct ranked {
    double noise; /* for each operation */
    size_t index;
};

static int by_noise(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->noise != y->noise)
        return x->noise > y->noise ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

enum tare_status sensitivity_order(const struct sensitivity *sensitivity, size_t *order,
                                   struct tare_err *err)
{
    struct ranked *ranked = calloc(sensitivity->count + 1, sizeof(*ranked));

    if (!ranked)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu convolutions", sensitivity->count);
    for (size_t i = 0; i < sensitivity->count; i++) {
        const struct sensitivity_row *row = &sensitivity->rows[i];

        ranked[i].index = i;
        ranked[i].noise = row->share > 0 ? row->noise / row->share : row->noise * 1e12;
    }
    qsort(ranked, sensitivity->count, sizeof(*ranked), by_noise);
    for (size_t i = 0; i < sensitivity->count; i++)
        order[i] = ranked[i].index;
    free(ranked);
    return TARE_OK;
}
