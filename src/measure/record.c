#include "measure/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "accuracy/coco.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_write.h"
#include "measure/forms.h"
#include "measure/gpu.h"
#include "measure/host.h"
#include "measure/host_gpu.h"
#include "measure/layer.h"

#define ANNOTATIONS_MAX ((size_t)512 << 20)

struct fact_sink {
    struct store *store;
    int64_t run_id;
};

static enum tare_status put_fact(const char *key, const char *value, void *data,
                                 struct tare_err *err)
{
    struct fact_sink *sink = data;

    return store_put_fact(sink->store, sink->run_id, key, value, err);
}

/* --- the run
 * ---------------------------------------------------------------------------------------- */

static void make_uuid(char uuid[37])
{
    uint8_t b[16];

    if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b)) {
        int64_t now[2] = {clock_wall_ns(), clock_now_ns()};

        memcpy(b, now, sizeof(b));
    }
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4, RFC 9562 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    (void)snprintf(uuid, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                   b[13], b[14], b[15]);
}

static enum tare_status put_file(struct store *store, int64_t run_id, const char *role,
                                 const char *path, struct tare_err *err)
{
    char hex[65];
    struct stat info;
    struct store_file file = {.role = role, .path = path, .sha256 = hex};
    enum tare_status status;

    if (file_is_dir(path)) { /* a repository of models */
        status = file_tree_sha256(path, hex, &file.bytes, err);
    } else {
        status = file_sha256(path, hex, err);
        file.bytes = stat(path, &info) == 0 ? (int64_t)info.st_size : 0;
    }
    return status == TARE_OK ? store_add_file(store, run_id, &file, err) : status;
}

static bool is_first_with_model(const struct study *study, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(study->cells[i].model_path, study->cells[index].model_path) == 0)
            return false;
    return study->cells[index].model_path[0] != '\0';
}

static enum tare_status put_files(struct store *store, int64_t run_id, const struct study *study,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    size_t size;
    char *text;

    for (size_t i = 0; i < study->cell_count && status == TARE_OK; i++)
        if (is_first_with_model(study, i) && file_exists(study->cells[i].model_path))
            status = put_file(store, run_id, "model", study->cells[i].model_path, err);
    if (status != TARE_OK || !study->annotations[0])
        return status;
    status = put_file(store, run_id, "annotations", study->annotations, err);
    if (status == TARE_OK)
        status = file_read(study->annotations, ANNOTATIONS_MAX, &text, &size, err);
    if (status == TARE_OK) {
        status = store_put_document(store, run_id, "annotations", text, size, err);
        free(text);
    }
    return status;
}

static bool runtime_seen(const struct study *study, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(study->cells[i].runtime, study->cells[index].runtime) == 0 &&
            !forms_quiet(&study->cells[i]))
            return true;
    return false;
}

/* A quiet form was asked for, and these runtimes have none. */
static enum tare_status put_forms(struct store *store, int64_t run_id, const struct study *study,
                                  struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < study->cell_count && status == TARE_OK; i++) {
        char text[200];
        const struct store_note note = {STORE_NOTE_NOT_MEASURED, "quiet form", text};

        if (!(study->forms & FORMS_QUIET) || forms_quiet(&study->cells[i]) ||
            runtime_seen(study, i))
            continue;
        (void)snprintf(text, sizeof(text), "%s has no setting for it: its cells are as it comes",
                       study->cells[i].runtime);
        status = store_add_note(store, run_id, &note, err);
    }
    return status;
}

static bool has_pipeline(const struct study *study)
{
    for (size_t i = 0; i < study->cell_count; i++) {
        const struct layer *layer = layer_find(study->cells[i].layer);

        if (layer && layer->pipeline)
            return true;
    }
    return false;
}

static bool has_gpu(const struct study *study)
{
    for (size_t i = 0; i < study->cell_count; i++)
        if (gpu_is(study->cells[i].device))
            return true;
    return false;
}

/* What this version can't weigh stands in every report, rather than being left out. */
static enum tare_status put_notes(struct store *store, int64_t run_id, const struct study *study,
                                  struct tare_err *err)
{
    static const struct store_note energy = {
        STORE_NOTE_NOT_MEASURED, "energy",
        "no power sensor is read on this machine, so there are no joules"};
    static const struct store_note not_asked = {
        STORE_NOTE_NOT_MEASURED, "energy",
        "not asked for: --energy gives joules of an inference on the GPU"};
    static const struct store_note accuracy = {
        STORE_NOTE_NOT_MEASURED, "accuracy",
        "the study names no annotations; --images and --annotations add it"};
    static const struct store_note pipeline = {STORE_NOTE_NOT_MEASURED, "AP of pipelines",
                                               "fused and ensembles give boxes over the served "
                                               "least score alone; their graph's AP is that "
                                               "of the other cells"};
    enum tare_status status = TARE_OK;

    if (!study->energy)
        status = store_add_note(store, run_id, has_gpu(study) ? &not_asked : &energy, err);
    if (status == TARE_OK && !study->annotations[0])
        status = store_add_note(store, run_id, &accuracy, err);
    if (status == TARE_OK && study->annotations[0] && has_pipeline(study))
        status = store_add_note(store, run_id, &pipeline, err);
    return status == TARE_OK ? put_forms(store, run_id, study, err) : status;
}

enum tare_status record_run(struct store *store, const struct study *study,
                            const struct sweeps_options *options, int64_t *run_id,
                            struct tare_err *err)
{
    char uuid[37];
    struct store_run run = {
        .uuid = uuid,
        .started_wall_ns = clock_wall_ns(),
        .version = options->version,
        .command = options->command,
        .study = options->study_text,
        .seed = study->seed,
        .state = STORE_RUN_RUNNING,
    };
    struct fact_sink sink = {store, 0};
    enum tare_status status;

    make_uuid(uuid);
    status = store_add_run(store, &run, run_id, err);
    sink.run_id = *run_id;
    if (status == TARE_OK)
        status = host_facts("", put_fact, &sink, err);
    if (status == TARE_OK)
        status = host_gpu_facts(study, put_fact, &sink, err);
    if (status == TARE_OK)
        status = store_put_fact(store, *run_id, "study.name", study->name, err);
    if (status == TARE_OK)
        status = put_files(store, *run_id, study, err);
    if (status == TARE_OK)
        status = put_notes(store, *run_id, study, err);
    return status;
}

/* --- cells
 * -------------------------------------------------------------------------------------------- */

static void put_options(const struct study_cell *cell, struct buf *out)
{
    struct json_writer w;

    json_start(&w, out, false);
    json_open_object(&w, NULL);
    for (size_t i = 0; i < cell->option_count; i++)
        json_put_text(&w, cell->options[i].name, cell->options[i].value);
    json_close_object(&w);
}

void record_put_word(struct buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./=:,+@%";

    if (out->size)
        buf_append_char(out, ' ');
    if (*word && strspn(word, plain) == strlen(word)) {
        buf_append_text(out, word);
        return;
    }
    buf_append_char(out, '\'');
    for (; *word; word++)
        if (*word == '\'')
            buf_append_text(out, "'\\''");
        else
            buf_append_char(out, *word);
    buf_append_char(out, '\'');
}

static void put_pair(struct buf *out, const char *option, const char *value)
{
    record_put_word(out, option);
    record_put_word(out, value);
}

static void put_int_pair(struct buf *out, const char *option, int64_t value)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    put_pair(out, option, text);
}

/* The command line that makes one row again. */
static void put_command(const struct study *study, const struct study_cell *cell, struct buf *out)
{
    record_put_word(out, "tare");
    put_pair(out, "bench", cell->model);
    put_pair(out, "--runtime", cell->runtime);
    put_pair(out, "--layer", cell->layer);
    put_pair(out, "--precision", cell->precision);
    put_pair(out, "--device", cell->device);
    put_int_pair(out, "--batch", cell->batch);
    put_int_pair(out, "--threads", cell->threads);
    if (cell->head[0])
        put_pair(out, "--head", cell->head);
    if (cell->size)
        put_int_pair(out, "--imgsz", cell->size);
    for (size_t i = 0; i < cell->option_count; i++) {
        char text[300];

        (void)snprintf(text, sizeof(text), "%s=%s", cell->options[i].name, cell->options[i].value);
        put_pair(out, "--option", text);
    }
    if (study->throughput)
        put_pair(out, "--mode", "throughput");
    if (study->images[0])
        put_pair(out, "--images", study->images);
    if (study->annotations[0])
        put_pair(out, "--annotations", study->annotations);
}

enum tare_status record_cell(struct store *store, int64_t run_id, const struct study *study,
                             const struct study_cell *cell, int64_t *id, struct tare_err *err)
{
    struct buf options = BUF_INIT, command = BUF_INIT;
    struct store_cell row = {
        .key = cell->key,
        .name = strcmp(cell->name, cell->key) == 0 ? "" : cell->name,
        .model = file_base_name(cell->model),
        .precision = cell->precision,
        .runtime = cell->runtime,
        .device = cell->device,
        .batch = cell->batch,
        .threads = cell->threads,
        .layer = cell->layer,
        .head = strcmp(cell->head, "raw") == 0    ? STORE_HEAD_RAW
                : strcmp(cell->head, "full") == 0 ? STORE_HEAD_FULL
                                                  : STORE_HEAD_NONE,
        .state = STORE_CELL_SKIPPED,
        .reason = RECORD_NOT_STARTED,
    };
    enum tare_status status;

    put_options(cell, &options);
    put_command(study, cell, &command);
    row.options = buf_text(&options);
    row.command = buf_text(&command);
    status = buf_status(&options, "a cell's options", err);
    if (status == TARE_OK)
        status = buf_status(&command, "a cell's command", err);
    if (status == TARE_OK)
        status = store_add_cell(store, run_id, &row, id, err);
    buf_release(&options);
    buf_release(&command);
    return status;
}

enum tare_status record_lines(struct store *store, int64_t run_id, const struct study *study,
                              const int64_t *cell_ids, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < study->line_count && status == TARE_OK; i++) {
        const struct study_line *line = &study->lines[i];
        const struct store_line row = {
            .ordinal = (int64_t)i,
            .kind = line->gain ? STORE_LINE_GAIN : STORE_LINE_TAX,
            .name = line->name,
            .cell_id = cell_ids[line->cell],
            .baseline_id = cell_ids[line->baseline],
        };

        status = store_add_line(store, run_id, &row, NULL, err);
    }
    return status;
}

enum tare_status record_state(struct store *store, int64_t cell_id, enum store_cell_state state,
                              const char *reason, const struct crew_opened *opened,
                              struct tare_err *err)
{
    const struct store_cell row = {
        .state = state,
        .reason = reason,
        .executed_precision = opened ? opened->executed_precision : "",
        .runtime_version = opened ? opened->runtime_version : "",
        .provider = opened ? opened->provider : "",
        .family = opened ? opened->family : "",
    };

    return store_set_cell_state(store, cell_id, &row, err);
}

/* --- visits
 * --------------------------------------------------------------------------------------------- */

static bool any_known(const int64_t *samples, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (samples[i] >= 0)
            return true;
    return false;
}

struct series_name {
    const char *name;
    enum protocol_series series;
};

static const struct series_name picture_series[] = {
    {STORE_SERIES_DECODE, SERIES_DECODE},
    {STORE_SERIES_LETTERBOX, SERIES_LETTERBOX},
    {STORE_SERIES_INFER, SERIES_INFER},
    {STORE_SERIES_BOXES, SERIES_BOXES},
    {NULL, SERIES_COUNT},
};

/* On a device the session's own clock is the device's, and says more than "inside". */
static const struct series_name device_series[] = {
    {STORE_SERIES_COPY_IN, SERIES_COPY_IN},
    {STORE_SERIES_COMPUTE, SERIES_INSIDE},
    {STORE_SERIES_COPY_OUT, SERIES_COPY_OUT},
    {NULL, SERIES_COUNT},
};

static const struct series_name host_series[] = {
    {STORE_SERIES_INSIDE, SERIES_INSIDE},
    {NULL, SERIES_COUNT},
};

/* Adds the series of a table that hold anything at all. */
static size_t add_known(const struct series_name *table, const struct protocol_shared *shared,
                        const struct record_visit_options *options, struct store_series *series)
{
    size_t count = 0;

    for (; table->name; table++) {
        const int64_t *samples = shared->samples[table->series];

        if (any_known(samples, options->runs))
            series[count++] = (struct store_series){table->name, samples + options->after,
                                                    (size_t)(options->runs - options->after)};
    }
    return count;
}

enum tare_status record_visit(struct store *store, const struct store_visit *visit,
                              const struct protocol_shared *shared,
                              const struct record_visit_options *options, struct tare_err *err)
{
    const int64_t *total = shared->samples[SERIES_TOTAL];
    int64_t after = options->after;
    size_t steady = (size_t)(options->runs - after), count = 0;
    struct store_series series[SERIES_COUNT + 1];

    series[count++] = (struct store_series){STORE_SERIES_TOTAL, total + after, steady};
    if (after)
        series[count++] = (struct store_series){STORE_SERIES_AFTER_SWITCH, total, (size_t)after};
    if (options->pictures)
        count += add_known(picture_series, shared, options, series + count);
    count +=
        add_known(options->device ? device_series : host_series, shared, options, series + count);
    if (options->paced)
        series[count++] = (struct store_series){STORE_SERIES_LATENESS,
                                                shared->samples[SERIES_LATENESS] + after, steady};
    return store_add_visit(store, visit, series, count, NULL, err);
}

/* --- accuracy
 * ------------------------------------------------------------------------------------------- */

static void put_classes(const struct coco_dataset *dataset, const struct coco_result *result,
                        struct buf *out)
{
    struct json_writer w;

    json_start(&w, out, false);
    json_open_object(&w, NULL);
    for (size_t i = 0; i < result->class_count; i++) {
        ptrdiff_t index = coco_find_category(dataset, result->classes[i].category_id);
        const struct coco_category *category =
            index < 0 ? NULL : coco_category(dataset, (size_t)index);

        if (category && result->classes[i].ap >= 0)
            json_put_number(&w, category->name, result->classes[i].ap);
    }
    json_close_object(&w);
}

static enum tare_status put_accuracy(struct store *store, int64_t cell_id,
                                     const struct coco_dataset *dataset,
                                     const struct coco_result *result, const char *detections,
                                     int64_t pictures, struct tare_err *err)
{
    struct store_accuracy row = {.cell_id = cell_id, .pictures = pictures};
    struct buf classes = BUF_INIT;
    enum tare_status status;
    char *text = NULL;
    size_t size = 0;

    _Static_assert(COCO_FIGURES == STORE_COCO_FIGURES, "the store keeps all of COCO's figures");
    for (int i = 0; i < COCO_FIGURES; i++)
        row.coco[i] = result->figures[i];
    put_classes(dataset, result, &classes);
    row.by_class = buf_text(&classes);
    status = buf_status(&classes, "figures by class", err);
    if (status == TARE_OK)
        status = file_read(detections, STORE_MAX_DOCUMENT, &text, &size, err);
    if (status == TARE_OK)
        status = store_put_accuracy(store, &row, text, size, err);
    free(text);
    buf_release(&classes);
    return status;
}

enum tare_status record_accuracy(struct store *store, int64_t cell_id, const struct study *study,
                                 const char *detections, int64_t pictures, struct tare_err *err)
{
    struct coco_dataset *dataset = NULL;
    struct coco_detections *found = NULL;
    const struct coco_options options = {0};
    struct coco_result result = {0};
    enum tare_status status = coco_dataset_load(study->annotations, &dataset, err);

    if (status == TARE_OK)
        status = coco_detections_load(detections, 0, &found, err);
    if (status == TARE_OK)
        status = coco_evaluate(dataset, found, &options, &result, err);
    if (status == TARE_OK)
        status = put_accuracy(store, cell_id, dataset, &result, detections, pictures, err);
    coco_result_release(&result);
    coco_detections_free(found);
    coco_dataset_free(dataset);
    return status;
}
