#include "quantize/quantize.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "onnx/onnx_edit.h"
#include "onnx/onnx_read.h"
#include "onnx/onnx_write.h"
#include "quantize/qdq.h"

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
        profile->weight_most = saturates && !profile->symmetric ? WEIGHT_MOST_REDUCED : WEIGHT_MOST;
        return true;
    }
    return false;
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

/* --- weights that read a channel ----------------------------------------------------------------
 */

/* Adds the energy of a convolution's weights to the channels of the values that they read. */
static enum tare_status add_energy(const struct job *job, const Onnx__NodeProto *node,
                                   double **energy)
{
    const struct quant_plan *plan = job->plan;
    const Onnx__TensorProto *tensor = onnx_find_initializer(plan->graph, node->input[1]);
    size_t count = (size_t)onnx_tensor_count(tensor), inputs = (size_t)tensor->dims[1];
    size_t outputs = (size_t)tensor->dims[0], window = count / outputs / inputs;
    size_t value = (size_t)(quant_plan_value(plan, node->input[0]) - plan->values);
    size_t groups = (size_t)onnx_attribute_int(node, "group", 1);
    float *weights = malloc((count + 1) * sizeof(*weights));

    if (!weights)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for %zu weights", count);
    (void)onnx_tensor_floats(tensor, weights, count);
    for (size_t i = 0; i < count && groups > 0 && groups <= outputs; i++) {
        size_t channel = i / window % inputs;
        const struct quant_channel *source;

        channel += i / window / inputs / (outputs / groups) * inputs;
        if (channel >= plan->channel_counts[value])
            continue;
        source = &plan->sources[value][channel];
        if (energy[source->value])
            energy[source->value][source->channel] += (double)weights[i] * (double)weights[i];
    }
    free(weights);
    return TARE_OK;
}

/* Of each value's channels, the energy of the weights that read it; the caller frees all. */
static enum tare_status weigh_channels(const struct job *job, double **energy)
{
    const struct quant_plan *plan = job->plan;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < plan->value_count; i++)
        if (plan->values[i].seen != SIZE_MAX)
            energy[i] = calloc(plan->channel_counts[i] + 1, sizeof(**energy));
    for (size_t i = 0; i < plan->node_count && status == TARE_OK; i++)
        if (plan->roles[i] == QUANT_CONV)
            status = add_energy(job, plan->graph->node[i], energy);
    return status;
}

static bool any_weight(const double *weights, size_t count)
{
    for (size_t i = 0; weights && i < count; i++)
        if (weights[i] > 0)
            return true;
    return false;
}

/* --- ranges -------------------------------------------------------------------------------------
 */

static struct range find_range(const struct job *job, const struct quant_value *value,
                               const double *weights, struct tally_sum sums[2])
{
    const struct tally *tally = &job->tallies[value->seen];
    const struct tally_extremes *extremes = value->silu ? &tally->silu : &tally->raw;
    struct range_source source = {.sum = &sums[0],
                                  .extremes = extremes,
                                  .pictures = tally->pictures,
                                  .symmetric = job->options->profile.symmetric};
    struct range fixed = {extremes->low < 0 ? extremes->low : 0,
                          extremes->high > 0 ? extremes->high : 0, RANGE_FIXED};

    if (value->maker == SIZE_MAX) /* pictures: all of their values, exactly */
        return fixed;
    tally_fold(tally, value->silu, NULL, &sums[0]);
    if (value->before_silu && job->options->profile.everywhere)
        return range_find_silu(&sums[0], extremes);
    if (value->before_silu) /* nobody reads it in 8 bits */
        return range_find(&source, RANGE_MINMAX);
    if (job->options->method == RANGE_AUTO && any_weight(weights, tally->channels)) {
        tally_fold(tally, value->silu, weights, &sums[1]);
        source.weighed = &sums[1];
    }
    return range_find(&source, job->options->method);
}

/* A copy of the plan's, rounded as a table holds it; NULL for none. */
static const double *keep(const struct job *job, const double *numbers, size_t count)
{
    double *copy = count ? arena_zero(&job->plan->arena, count, sizeof(*copy)) : NULL;

    for (size_t i = 0; copy && i < count; i++)
        copy[i] = (double)(float)numbers[i];
    return copy;
}

static enum tare_status find_statistics(const struct job *job, struct quant_value *value,
                                        const struct lags *lags)
{
    const struct tally *tally = &job->tallies[value->seen];
    double *means = calloc(tally->channels + 1, sizeof(*means)), alike[LAGS_COUNT];

    if (!means)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for means");
    tally_means(tally, value->silu, means);
    value->histogram = tally_hash(tally);
    value->means = keep(job, means, tally->channels);
    if (lags_normalise(lags, alike))
        value->lags = keep(job, alike, LAGS_COUNT);
    free(means);
    return arena_status(&job->plan->arena, "the calibration", job->err);
}

static enum tare_status find_ranges(struct job *job)
{
    struct quant_plan *plan = job->plan;
    struct tally_sum *sums = malloc(2 * sizeof(*sums));
    double **energy = calloc(plan->value_count + 1, sizeof(*energy));
    enum tare_status status = TARE_OK;

    if (!sums || !energy)
        status = tare_fail(job->err, TARE_NOMEM, "out of memory for ranges");
    if (status == TARE_OK && job->options->method == RANGE_AUTO)
        status = weigh_channels(job, energy);
    for (size_t i = 0; i < plan->value_count && status == TARE_OK; i++) {
        struct quant_value *value = &plan->values[i];

        if (value->seen == SIZE_MAX)
            continue;
        value->range = find_range(job, value, energy[i], sums);
        status = find_statistics(job, value, &job->lags[i]);
    }
    for (size_t i = 0; energy && i < plan->value_count; i++)
        free(energy[i]);
    free(energy);
    free(sums);
    return status;
}

static int by_number(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median_uncertainty(const struct job *job)
{
    size_t count = job->plan->observed_count;
    double *all = calloc(count + 1, sizeof(*all)), median = 0;

    for (size_t i = 0; all && i < count; i++)
        all[i] = tally_uncertainty(&job->tallies[i].raw, job->tallies[i].pictures);
    if (all) {
        qsort(all, count, sizeof(*all), by_number);
        median = all[count / 2];
    }
    free(all);
    return median;
}

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
        status = find_ranges(job);
    if (status == TARE_OK)
        job->report->uncertainty = median_uncertainty(job);
    return status;
}

/* --- tables -------------------------------------------------------------------------------------
 */

static enum tare_status take_row(struct job *job, const struct quant_row *row)
{
    struct quant_value *value = quant_plan_value(job->plan, row->tensor);
    size_t index, channels;

    if (!value || value->seen == SIZE_MAX)
        return tare_fail(job->err, TARE_BADDATA,
                         "calibration table '%s': the model has no tensor '%.200s' to quantise",
                         job->options->table, row->tensor);
    index = (size_t)(value - job->plan->values);
    channels = job->plan->channel_counts[index];
    value->range = row->range;
    value->histogram = row->histogram;
    if (row->mean_count != 0 && row->mean_count != channels)
        return tare_fail(job->err, TARE_BADDATA,
                         "calibration table '%s': tensor '%.200s' has %zu means, need %zu",
                         job->options->table, row->tensor, row->mean_count, channels);
    value->means = keep(job, row->means, row->mean_count);
    value->lags = keep(job, row->lags, row->lags ? LAGS_COUNT : 0);
    return arena_status(&job->plan->arena, "the calibration", job->err);
}

static enum tare_status use_table(struct job *job)
{
    struct quant_plan *plan = job->plan;
    struct quant_table table;
    enum tare_status status = quant_table_read(job->options->table, &table, job->err);

    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < table.count && status == TARE_OK; i++)
        status = take_row(job, &table.rows[i]);
    for (size_t i = 0; i < plan->value_count && status == TARE_OK; i++)
        if (plan->values[i].wanted && plan->values[i].seen != SIZE_MAX &&
            plan->values[i].range.low >= plan->values[i].range.high)
            status = tare_fail(job->err, TARE_BADDATA,
                               "calibration table '%s' has no row for tensor '%.200s'",
                               job->options->table, plan->values[i].name);
    quant_table_release(&table);
    return status;
}

static enum tare_status save_table(const struct job *job)
{
    const struct quant_plan *plan = job->plan;
    struct quant_table table = {.pictures = job->report->pictures};
    enum tare_status status = TARE_OK;

    table.rows = calloc(plan->value_count + 1, sizeof(*table.rows));
    if (!table.rows)
        return tare_fail(job->err, TARE_NOMEM, "out of memory for the calibration table");
    for (size_t i = 0; i < plan->value_count; i++) {
        if (plan->values[i].seen == SIZE_MAX ||
            plan->values[i].range.low >= plan->values[i].range.high)
            continue;
        table.rows[table.count++] =
            (struct quant_row){.tensor = plan->values[i].name,
                               .range = plan->values[i].range,
                               .histogram = plan->values[i].histogram,
                               .means = plan->values[i].means,
                               .mean_count = plan->values[i].means ? plan->channel_counts[i] : 0,
                               .lags = plan->values[i].lags};
    }
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
        status = options->table ? use_table(&job) : calibrate(&job);
    if (status == TARE_OK) {
        fill_report(&job);
        join_groups(job.plan);
        status = write_files(&job);
    }
    release(&job);
    return status;
}
