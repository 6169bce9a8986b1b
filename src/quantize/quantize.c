#include "quantize/quantize.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/file.h"
#include "onnx/onnx_cost.h"
#include "onnx/onnx_graph.h"
#include "onnx/onnx_read.h"
#include "onnx/onnx_write.h"
#include "quantize/qdq.h"
#include "quantize/quant_ranges.h"

#define WEIGHT_MOST         127
#define WEIGHT_MOST_REDUCED 64 /* 255 × 64 × 2 is within an int16 */
#define FLOAT_FIRST         3

bool quantize_profile(const char *name, bool saturates, struct quant_profile *profile)
{
    static const struct quant_profile profiles[] = {
        {.name = "cpu", .everywhere = true, .float_last = true, .float_first = FLOAT_FIRST},
        {.name = "openvino"},
        {.name = "tensorrt", .symmetric = true, .float_first = FLOAT_FIRST},
    };

    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++) {
        if (strcmp(profiles[i].name, name) != 0)
            continue;
        *profile = profiles[i];
        if (profile->everywhere && !saturates) {
            profile->float_silu = true;
            profile->float_last = false;
        }
        profile->weight_most = saturates && !profile->symmetric ? WEIGHT_MOST_REDUCED : WEIGHT_MOST;
        return true;
    }
    return false;
}

void quantize_free_profile(struct quant_profile *profile)
{
    profile->float_first = 0;
    profile->float_last = false;
    profile->floats = NULL;
    profile->float_count = 0;
}

bool quantize_saturates_here(void)
{
    struct cpu_info info;

    if (cpu_read(NULL, &info, NULL) != TARE_OK)
        return false;
    return strcmp(info.architecture, "x86_64") == 0 && !(info.features & CPU_VNNI);
}

struct job {
    const struct quantize_options *options;
    struct quantize_report *report;
    struct onnx_model model;
    struct onnx_shapes *shapes;
    struct quant_plan *plan;
    struct tally *tallies; // (plan->observed_count)
    struct lags *lags;     // (plan->value_count)
    struct tare_err *err;
};

/* --- calibration --------------------------------------------------------------------------------
 */

/* A group's range holds those of all its values; it stands with the value that stands for it. */
static void join_groups(struct quant_plan *plan)
{
    for (size_t i = 0; i < plan->value_count; i++) {
        struct quant_value *group = &plan->values[plan->values[i].group];

        if (plan->values[i].seen != SIZE_MAX && plan->values[i].group != i)
            group->range = range_join(group->range, plan->values[i].range);
    }
}

static enum tare_status calibrate(struct job *job)
{
    enum tare_status status;

    job->tallies = calloc(job->plan->observed_count + 1, sizeof(*job->tallies));
    if (!job->tallies)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for %zu tensors",
                         job->plan->observed_count);
    job->lags = calloc(job->plan->value_count + 1, sizeof(*job->lags));
    if (!job->lags)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for %zu tensors",
                         job->plan->value_count);
    status = calibrate_run(&job->model, job->plan, job->shapes, &job->options->calibrate,
                           job->tallies, job->lags, &job->report->pictures, job->err);
    if (status == TARE_OK)
        status = quant_ranges_find(job->plan, &job->options->profile, job->options->method,
                                   job->tallies, job->lags, job->err);
    if (status == TARE_OK)
        job->report->uncertainty = quant_ranges_uncertainty(job->plan, job->tallies);
    return status;
}

/* --- tables -------------------------------------------------------------------------------------
 */

/* A copy of the plan's; NULL for none. */
static const double *keep(const struct job *job, const double *numbers, size_t count)
{
    double *copy = count ? arena_zero(&job->plan->arena, count, sizeof(*copy)) : NULL;

    if (copy)
        memcpy(copy, numbers, count * sizeof(*copy));
    return copy;
}

static enum tare_status take_row(struct job *job, const struct quant_row *row, const char *name)
{
    struct quant_value *value = quant_plan_value(job->plan, row->tensor);
    size_t index, channels;

    if (!value || value->seen == SIZE_MAX)
        return tare_fail(job->err, TARE_BADDATA,
                         "calibration table '%s': the model has no tensor '%.200s' to quantise",
                         name, row->tensor);
    index = (size_t)(value - job->plan->values);
    channels = job->plan->channel_counts[index];
    value->range = row->range;
    value->histogram = row->histogram;
    if (row->mean_count != 0 && row->mean_count != channels)
        return tare_fail(job->err, TARE_BADDATA,
                         "calibration table '%s': tensor '%.200s' has %zu means, need %zu", name,
                         row->tensor, row->mean_count, channels);
    value->means = keep(job, row->means, row->mean_count);
    value->lags = keep(job, row->lags, row->lags ? LAGS_COUNT : 0);
    return arena_status(&job->plan->arena, "the calibration", job->err);
}

static enum tare_status take_table(struct job *job, const struct quant_table *table,
                                   const char *name)
{
    struct quant_plan *plan = job->plan;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < table->count && status == TARE_OK; i++)
        status = take_row(job, &table->rows[i], name);
    for (size_t i = 0; i < plan->value_count && status == TARE_OK; i++)
        if (plan->values[i].wanted && plan->values[i].seen != SIZE_MAX &&
            plan->values[i].range.low >= plan->values[i].range.high)
            status = tare_fail(job->err, TARE_BADDATA,
                               "calibration table '%s' has no row for tensor '%.200s'", name,
                               plan->values[i].name);
    return status;
}

static enum tare_status read_table(struct job *job)
{
    struct quant_table table;
    enum tare_status status = quant_table_read(job->options->table, &table, job->err);

    if (status != TARE_OK)
        return status;
    status = take_table(job, &table, job->options->table);
    quant_table_release(&table);
    return status;
}

/* The ranges of all values, from wherever the options say. */
static enum tare_status find_ranges(struct job *job)
{
    if (job->options->calibration)
        return take_table(job, job->options->calibration, "in memory");
    return job->options->table ? read_table(job) : calibrate(job);
}

/* The rows point to what the plan holds. The caller frees them. */
static enum tare_status list_rows(const struct job *job, struct quant_row **rows, size_t *count)
{
    const struct quant_plan *plan = job->plan;

    *count = 0;
    *rows = calloc(plan->value_count + 1, sizeof(**rows));
    if (!*rows)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for the calibration table");
    for (size_t i = 0; i < plan->value_count; i++) {
        const struct quant_value *value = &plan->values[i];

        if (value->seen == SIZE_MAX || value->range.low >= value->range.high)
            continue;
        (*rows)[(*count)++] =
            (struct quant_row){.tensor = value->name,
                               .range = value->range,
                               .histogram = value->histogram,
                               .means = value->means,
                               .mean_count = value->means ? plan->channel_counts[i] : 0,
                               .lags = value->lags};
    }
    return TARE_OK;
}

static enum tare_status save_table(const struct job *job)
{
    struct quant_table table = {.pictures = job->report->pictures};
    enum tare_status status = list_rows(job, &table.rows, &table.count);

    if (status == TARE_OK)
        status = quant_table_write(&table, job->options->save_table, job->err);
    free(table.rows);
    return status;
}

/* --- all of it ----------------------------------------------------------------------------------
 */

static enum tare_status prepare(struct job *job)
{
    struct tare_err cause = TARE_ERR_INIT;
    enum tare_status status = onnx_read(job->options->input, &job->model, job->err);

    if (status == TARE_OK)
        status = onnx_shapes_infer(job->model.proto, 1, &job->shapes, &cause);
    if (status == TARE_OK)
        status = quant_plan_make(job->model.proto, job->shapes, &job->options->profile, &job->plan,
                                 &cause);
    if (cause.status != TARE_OK)
        return tare_fail(job->err, cause.status, "'%s': %s", job->options->input, cause.text);
    return status;
}

static void fill_report(const struct job *job)
{
    struct quantize_report *report = job->report;
    size_t counts[RANGE_METHODS] = {0};

    for (size_t i = 0; i < job->plan->node_count; i++)
        report->convolutions += strcmp(job->plan->graph->node[i]->op_type, "Conv") == 0;
    report->quantised = job->plan->conv_count;
    for (size_t i = 0; i < job->plan->value_count; i++) {
        const struct quant_value *value = &job->plan->values[i];

        report->tensors += value->wanted;
        if (value->seen != SIZE_MAX)
            counts[value->range.method]++;
    }
    for (int method = 0; method < RANGE_AUTO; method++)
        if (counts[method] > counts[report->chosen_most])
            report->chosen_most = (enum range_method)method;
}

/* The model last: when it stands, all stands. What was written before goes again on error. */
static enum tare_status write_files(struct job *job)
{
    const struct quantize_options *options = job->options;
    bool table = false, cache = false;
    struct onnx_builder builder;
    enum tare_status status = qdq_apply(&job->model, job->plan, &options->profile, job->err);

    onnx_build_on(&builder, &job->model);
    onnx_set_producer(&builder, "tare", options->producer_version);
    if (options->recipe)
        onnx_add_metadata(&builder, QUANTIZE_RECIPE, options->recipe);
    if (status == TARE_OK)
        status = onnx_builder_status(&builder, job->err);
    if (status == TARE_OK && options->save_cache) {
        status =
            quant_cache_write(job->plan, options->cache_version, options->save_cache, job->err);
        cache = status == TARE_OK;
    }
    if (status == TARE_OK && options->save_table) {
        status = save_table(job);
        table = status == TARE_OK;
    }
    if (status == TARE_OK)
        status = onnx_write(&job->model, options->output, &job->report->bytes, job->err);
    if (status != TARE_OK && cache)
        (void)unlink(options->save_cache);
    if (status != TARE_OK && table)
        (void)unlink(options->save_table);
    return status;
}

static void release(struct job *job)
{
    for (size_t i = 0; job->tallies && i < job->plan->observed_count; i++)
        tally_release(&job->tallies[i]);
    free(job->tallies);
    free(job->lags);
    quant_plan_free(job->plan);
    onnx_shapes_free(job->shapes);
    onnx_model_release(&job->model);
}

enum tare_status quantize_model(const struct quantize_options *options,
                                struct quantize_report *report, struct tare_err *err)
{
    struct job job = {.options = options, .report = report, .err = err};
    enum tare_status status;

    memset(report, 0, sizeof(*report));
    status = prepare(&job);
    if (status == TARE_OK)
        status = find_ranges(&job);
    if (status == TARE_OK) {
        fill_report(&job);
        join_groups(job.plan);
        status = write_files(&job);
    }
    release(&job);
    return status;
}

enum tare_status quantize_calibrate(const struct quantize_options *options,
                                    struct quant_table *table, struct quantize_report *report,
                                    struct tare_err *err)
{
    struct job job = {.options = options, .report = report, .err = err};
    struct quant_row *rows = NULL;
    size_t count = 0;
    enum tare_status status;

    memset(report, 0, sizeof(*report));
    memset(table, 0, sizeof(*table));
    status = prepare(&job);
    if (status == TARE_OK)
        status = find_ranges(&job);
    if (status == TARE_OK)
        status = list_rows(&job, &rows, &count);
    if (status == TARE_OK) {
        fill_report(&job);
        status = quant_table_copy(rows, count, report->pictures, table, err);
    }
    free(rows);
    release(&job);
    return status;
}

/* --- layers -------------------------------------------------------------------------------------
 */

static bool has_own_name(const Onnx__GraphProto *graph, size_t index)
{
    const char *name = graph->node[index]->name;

    for (size_t i = 0; i < graph->n_node; i++)
        if (i != index && strcmp(graph->node[i]->name, name) == 0)
            return false;
    return name[0] != '\0';
}

static enum tare_status list_layers(const struct job *job, struct quantize_layers *layers)
{
    const struct quant_plan *plan = job->plan;

    layers->rows = arena_zero(&layers->arena, plan->conv_count + 1, sizeof(*layers->rows));
    for (size_t i = 0; i < plan->node_count && layers->rows; i++) {
        const Onnx__NodeProto *node = plan->graph->node[i];
        const char *name = has_own_name(plan->graph, i) ? node->name : node->output[0];

        if (plan->roles[i] != QUANT_CONV)
            continue;
        layers->rows[layers->count++] =
            (struct quantize_layer){arena_text(&layers->arena, name, strlen(name)),
                                    onnx_cost_node(job->shapes, node).flops};
    }
    return arena_status(&layers->arena, "the layers", job->err);
}

enum tare_status quantize_list_layers(const struct quantize_options *options,
                                      struct quantize_layers *layers, struct tare_err *err)
{
    struct quantize_report report = {0};
    struct job job = {.options = options, .report = &report, .err = err};
    enum tare_status status = prepare(&job);

    memset(layers, 0, sizeof(*layers));
    arena_init(&layers->arena, 0);
    if (status == TARE_OK)
        status = list_layers(&job, layers);
    release(&job);
    if (status != TARE_OK)
        quantize_release_layers(layers);
    return status;
}

void quantize_release_layers(struct quantize_layers *layers)
{
    arena_release(&layers->arena);
    memset(layers, 0, sizeof(*layers));
}

bool quantize_is_current(const char *path, const char *recipe)
{
    struct onnx_model model;
    const char *made_by;
    bool current;

    if (!file_exists(path))
        return false;
    if (onnx_read(path, &model, NULL) != TARE_OK)
        return true;
    made_by = onnx_metadata(model.proto, QUANTIZE_RECIPE);
    current = !made_by || strcmp(made_by, recipe) == 0;
    onnx_model_release(&model);
    return current;
}
