#include "serve/repository_values.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vision/boxes.h"

#define DEFAULT_BATCH 8

/* What is different from target to target; the configurations say why. */
static const struct target {
    const char *name;
    int64_t queue_delay_us, instances;
    bool plan, dali;
} targets[] = {
    {"cpu", 1000, 1, false, false},
    {"a6000", 500, 2, true, true},
    {"orin", 1000, 1, true, false},
};

static const struct target *find_target(const char *name)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        if (strcmp(targets[i].name, name) == 0)
            return &targets[i];
    return NULL;
}

bool repository_has_plan(const char *target)
{
    return find_target(target)->plan;
}

bool repository_has_dali(const char *target)
{
    return find_target(target)->dali;
}

/* --- options ------------------------------------------------------------------------------------
 */

static enum tare_status check_range(const char *what, int64_t value, int64_t low, int64_t high,
                                    struct tare_err *err)
{
    if (value >= low && value <= high)
        return TARE_OK;
    return tare_fail(err, TARE_INVALID, "%s %lld, need %lld to %lld", what, (long long)value,
                     (long long)low, (long long)high);
}

static bool is_plain_word(const char *text)
{
    size_t length = strlen(text);

    return length > 0 && length < 64 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

/* Triton forms batches of any size up to the largest: a graph with a fixed one can take but 1. */
static enum tare_status settle_batch(const struct raw_head *head, struct repository_options *s,
                                     struct tare_err *err)
{
    if (head->batch > 1)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' takes batches of %lld alone; 'tare export --batch dynamic' makes a "
                         "model that takes any",
                         s->source, (long long)head->batch);
    if (head->batch == 1 && s->max_batch > 1)
        return tare_fail(err, TARE_INVALID,
                         "--max-batch %lld, but '%s' takes one picture at a time; 'tare export "
                         "--batch dynamic' makes a model that takes more",
                         (long long)s->max_batch, s->source);
    if (s->max_batch == 0)
        s->max_batch = head->batch == 1 ? 1 : DEFAULT_BATCH;
    return check_range("--max-batch", s->max_batch, 1, REPOSITORY_MAX_BATCH, err);
}

/* On a target with plans the precision is the plan's, which is built from the file. */
static enum tare_status settle_precision(const struct raw_head *head, const struct target *target,
                                         struct repository_options *s, struct tare_err *err)
{
    bool is_float = strcmp(head->precision, "fp32") == 0, converts;

    if (!s->precision)
        s->precision = target->plan && is_float ? "fp16" : head->precision;
    converts = is_float && strcmp(s->precision, "int8") != 0 &&
               (target->plan || strcmp(s->plugin, "openvino") == 0);
    if (converts || strcmp(s->precision, head->precision) == 0)
        return TARE_OK;
    return tare_fail(err, TARE_INVALID,
                     "--precision %s, but '%s' is %s; 'tare quantize' makes a file of another "
                     "precision",
                     s->precision, s->source, head->precision);
}

static enum tare_status check_rest(const struct repository_options *s, struct tare_err *err)
{
    enum tare_status status =
        check_range("--queue-delay-us", s->queue_delay_us, 0, REPOSITORY_MAX_DELAY_US, err);

    if (status == TARE_OK)
        status = check_range("--instances", s->instances, 1, REPOSITORY_MAX_INSTANCES, err);
    if (status == TARE_OK)
        status = check_range("--threads", s->threads, 0, REPOSITORY_MAX_THREADS, err);
    if (status == TARE_OK)
        status = check_range("--pool-threads", s->pool_threads, 0, REPOSITORY_MAX_THREADS, err);
    if (status == TARE_OK)
        status = check_range("--max-boxes", s->max_boxes, 1, BOXES_MAX_CANDIDATES, err);
    if (status == TARE_OK && !(s->min_score > 0 && s->min_score < 1 && s->iou > 0 && s->iou <= 1))
        status = tare_fail(err, TARE_INVALID, "--min-score %g and --iou %g, need 0 to 1",
                           s->min_score, s->iou);
    if (status == TARE_OK && !is_plain_word(s->plugin))
        status = tare_fail(err, TARE_INVALID, "'%.60s' is not the name of a plugin", s->plugin);
    return status;
}

enum tare_status repository_settle(const struct repository_options *options,
                                   const struct raw_head *head, struct repository_options *settled,
                                   struct tare_err *err)
{
    const struct target *target;
    enum tare_status status;

    *settled = *options;
    settled->target = options->target ? options->target : "cpu";
    target = find_target(settled->target);
    if (!target)
        return tare_fail(err, TARE_INVALID, "no target '%.60s', need one of %s", settled->target,
                         REPOSITORY_TARGETS);
    settled->source = options->source ? options->source : options->model_path;
    settled->version = options->version ? options->version : "";
    settled->plugin = options->plugin ? options->plugin : "onnxruntime";
    if (!options->delay_given)
        settled->queue_delay_us = target->queue_delay_us;
    settled->instances = options->instances ? options->instances : target->instances;
    settled->min_score = options->min_score != 0 ? options->min_score : 0.25;
    settled->iou = options->iou != 0 ? options->iou : 0.7;
    settled->max_boxes = options->max_boxes ? options->max_boxes : 300;
    status = check_rest(settled, err);
    if (status == TARE_OK)
        status = settle_batch(head, settled, err);
    return status == TARE_OK ? settle_precision(head, target, settled, err) : status;
}

/* --- values -------------------------------------------------------------------------------------
 */

void repository_set_value(struct repository_values *values, const char *name, const char *format,
                          ...)
{
    char *text = values->texts[values->count];
    va_list args;

    assert(values->count < REPOSITORY_VALUES_MAX);
    va_start(args, format);
    if (vsnprintf(text, REPOSITORY_VALUE_TEXT, format, args) < 0)
        text[0] = '\0';
    va_end(args);
    values->values[values->count++] = (struct template_value){name, text};
    values->values[values->count] = (struct template_value){NULL, NULL};
}

static void set_int(struct repository_values *values, const char *name, int64_t value)
{
    repository_set_value(values, name, "%lld", (long long)value);
}

static void set_head(struct repository_values *values, const struct raw_head *head)
{
    repository_set_value(values, "INPUT", "%s", head->input);
    repository_set_value(values, "FILE_PRECISION", "%s", head->precision);
    set_int(values, "SIZE", head->size);
    set_int(values, "CLASSES", head->classes);
    set_int(values, "SIDE8", head->sides[0]);
    set_int(values, "SIDE16", head->sides[1]);
    set_int(values, "SIDE32", head->sides[2]);
}

static void set_batching(struct repository_values *values, const struct repository_options *s)
{
    set_int(values, "MAX_BATCH", s->max_batch);
    set_int(values, "BATCHING", s->max_batch > 1);
    repository_set_value(values, "PREFERRED", "%s",
                         s->max_batch >= 8   ? "4, 8"
                         : s->max_batch >= 4 ? "4"
                                             : "");
    set_int(values, "QUEUE_DELAY_US", s->queue_delay_us);
    set_int(values, "INSTANCES", s->instances);
}

void repository_set_values(const struct repository_options *settled, const struct raw_head *head,
                           struct repository_values *values)
{
    values->count = 0;
    repository_set_value(values, "TARGET", "%s", settled->target);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        set_int(values, targets[i].name, strcmp(targets[i].name, settled->target) == 0);
    set_head(values, head);
    set_batching(values, settled);
    repository_set_value(values, "PLUGIN", "%s", settled->plugin);
    repository_set_value(values, "PRECISION", "%s", settled->precision);
    set_int(values, "THREADS", settled->threads);
    set_int(values, "POOL_THREADS", settled->pool_threads);
    repository_set_value(values, "MIN_SCORE", "%.9g", settled->min_score);
    repository_set_value(values, "IOU", "%.9g", settled->iou);
    set_int(values, "MAX_BOXES", settled->max_boxes);
    repository_set_value(values, "MULTI_LABEL", "%s", settled->multi_label ? "true" : "false");
}
