/*
 * coco_compare.c - the paired bootstrap of an AP difference.
 *
 * Drawing pictures with replacement gives each a weight (how often it was drawn). The matches
 * within a picture do not depend on the others, so a resample only accumulates again: each
 * detection and each annotated box counts as often as its picture. A picture that was drawn twice
 * makes two finds of one score, between which no recall point is told apart.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "accuracy/coco_inner.h"
#include "stats/quantile.h"
#include "stats/random.h"

#define DEFAULT_RESAMPLES 1000
#define MAX_RESAMPLES     100000
#define FIGURES           3 /* AP, AP50, AP75 */
#define ALL_FOUND         ((1u << COCO_THRESHOLDS) - 1)

/* Scratch memory of one thread. */
struct worker {
    uint8_t *weights;  // (dataset_images)
    double *precision; // (most finds of one class at one threshold)
    uint32_t *finds;   // the same
    struct event *events;
};

/* A detection that some threshold counts differently: found, or not counting. */
struct event {
    uint32_t flags;
    uint32_t weight;
    uint32_t plain; /* weight of the plain detections before it */
};

struct comparison {
    const struct coco_matches *sets[2];
    uint64_t seed;
    struct worker *workers;
    double *differences; // (FIGURES, resamples)
    size_t resamples;
};

/* Each resample has a sequence of its own, so that threads do not matter. */
static void draw(const struct comparison *comparison, size_t number, uint8_t *weights)
{
    const struct coco_matches *matches = comparison->sets[0];
    struct random random;

    random_seed(&random, comparison->seed ^ (uint64_t)(number + 1) << 32);
    memset(weights, 0, matches->dataset_images);
    for (size_t i = 0; i < matches->image_count; i++) {
        uint8_t *weight = &weights[matches->images[random_below(&random, matches->image_count)]];

        *weight += *weight < UINT8_MAX; /* 256 draws of one picture do not happen */
    }
}

/* Writes the events of a class under these weights; their number. */
static size_t weigh(const struct coco_curve *curve, const uint8_t *weights, struct event *events)
{
    uint32_t plain = 0;
    size_t count = 0;

    for (size_t i = 0; i < curve->count; i++) {
        uint32_t weight = weights[curve->images[i]], flags = curve->flags[i];

        if (flags == ALL_FOUND << COCO_THRESHOLDS) {
            plain += weight;
        } else {
            events[count] = (struct event){flags, weight, plain};
            count += weight > 0;
        }
    }
    return count;
}

/* Mean precision over the recall points at one threshold. */
static double average(const struct worker *worker, const struct event *events, size_t count,
                      int threshold, double truths)
{
    uint32_t found = 0, counted = 0;
    size_t finds = 0;
    double best = 0, sum = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t flags = events[i].flags >> threshold;

        counted += flags >> COCO_THRESHOLDS & 1 ? events[i].weight : 0;
        if (!(flags & 1))
            continue;
        found += events[i].weight;
        worker->finds[finds] = found;
        worker->precision[finds++] = (double)found / (double)(events[i].plain + counted);
    }
    while (finds-- > 0) {
        double before = finds ? (double)worker->finds[finds - 1] : 0;
        int last = (int)((double)worker->finds[finds] * 100 / truths);
        int first = finds ? (int)(before * 100 / truths) : -1;

        best = worker->precision[finds] > best ? worker->precision[finds] : best;
        sum += best * (last - first);
    }
    return sum / COCO_RECALLS;
}

/* Adds one class's AP at each threshold to sums, if it has boxes; whether it has. */
static bool add_class(const struct worker *worker, const struct coco_curve *curve, double *sums)
{
    uint32_t truths = 0;
    size_t events;

    for (size_t i = 0; i < curve->truth_count; i++)
        truths += worker->weights[curve->truth_images[i]];
    if (truths == 0)
        return false;
    events = weigh(curve, worker->weights, worker->events);
    for (int t = 0; t < COCO_THRESHOLDS; t++)
        sums[t] += average(worker, worker->events, events, t, truths);
    return true;
}

/* AP, AP50 and AP75 of one set under the worker's weights. */
static void accumulate(const struct worker *worker, const struct coco_matches *matches,
                       double figures[FIGURES])
{
    double sums[COCO_THRESHOLDS] = {0}, all = 0;
    size_t classes = 0;

    for (size_t k = 0; k < matches->category_count; k++)
        classes += add_class(worker, &matches->curves[k], sums);
    for (int t = 0; t < COCO_THRESHOLDS; t++)
        all += sums[t];
    classes = classes ? classes : 1;
    figures[0] = all / COCO_THRESHOLDS / (double)classes;
    figures[1] = sums[0] / (double)classes;
    figures[2] = sums[5] / (double)classes;
}

static void resample(void *context, int index, size_t number)
{
    struct comparison *comparison = context;
    struct worker *worker = &comparison->workers[index];
    double figures[2][FIGURES];

    draw(comparison, number, worker->weights);
    for (int set = 0; set < 2; set++)
        accumulate(worker, comparison->sets[set], figures[set]);
    for (size_t f = 0; f < FIGURES; f++)
        comparison->differences[f * comparison->resamples + number] = figures[0][f] - figures[1][f];
}

static struct coco_interval interval_of(double *differences, size_t count, double difference)
{
    struct coco_interval interval = {.difference = difference};
    double sum = 0, squares = 0;

    quantile_sort(differences, count);
    for (size_t i = 0; i < count; i++)
        sum += differences[i];
    for (size_t i = 0; i < count; i++)
        squares += pow(differences[i] - sum / (double)count, 2);
    interval.deviation = count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
    interval.low = quantile_sorted(differences, count, 0.025);
    interval.high = quantile_sorted(differences, count, 0.975);
    interval.resolved = interval.low > 0 || interval.high < 0;
    return interval;
}

static bool same_pictures(const struct coco_matches *a, const struct coco_matches *b)
{
    if (a->dataset_images != b->dataset_images || a->category_count != b->category_count ||
        a->image_count != b->image_count ||
        memcmp(a->images, b->images, a->image_count * sizeof(*a->images)) != 0)
        return false;
    for (size_t k = 0; k < a->category_count; k++)
        if (a->curves[k].truth_count != b->curves[k].truth_count)
            return false;
    return true;
}

static bool allocate(struct comparison *comparison, int threads)
{
    size_t most = 0, images = comparison->sets[0]->dataset_images;

    for (int set = 0; set < 2; set++)
        for (size_t k = 0; k < comparison->sets[set]->category_count; k++)
            if (comparison->sets[set]->curves[k].count > most)
                most = comparison->sets[set]->curves[k].count;
    comparison->differences = malloc(FIGURES * comparison->resamples * sizeof(double));
    comparison->workers = calloc((size_t)threads, sizeof(*comparison->workers));
    if (!comparison->differences || !comparison->workers)
        return false;
    for (int i = 0; i < threads; i++) {
        struct worker *worker = &comparison->workers[i];

        worker->weights = malloc(images + 1);
        worker->precision = malloc((most + 1) * sizeof(*worker->precision));
        worker->finds = malloc((most + 1) * sizeof(*worker->finds));
        worker->events = malloc((most + 1) * sizeof(*worker->events));
        if (!worker->weights || !worker->precision || !worker->finds || !worker->events)
            return false;
    }
    return true;
}

static void release(struct comparison *comparison, int threads)
{
    for (int i = 0; comparison->workers && i < threads; i++) {
        free(comparison->workers[i].weights);
        free(comparison->workers[i].precision);
        free(comparison->workers[i].finds);
        free(comparison->workers[i].events);
    }
    free(comparison->workers);
    free(comparison->differences);
}

enum tare_status coco_compare(const struct coco_result *a, const struct coco_result *b,
                              const struct coco_compare_options *options,
                              struct coco_difference *difference, struct tare_err *err)
{
    static const struct coco_compare_options defaults = {0};
    static const enum coco_figure figures[FIGURES] = {COCO_AP, COCO_AP50, COCO_AP75};
    struct comparison comparison = {.sets = {a->matches, b->matches}};
    struct coco_interval *intervals[FIGURES] = {&difference->ap, &difference->ap50,
                                                &difference->ap75};
    enum tare_status status = TARE_OK;
    int threads;

    *difference = (struct coco_difference){0};
    options = options ? options : &defaults;
    threads = coco_thread_count(options->threads);
    comparison.seed = options->seed;
    comparison.resamples = options->resamples ? (size_t)options->resamples : DEFAULT_RESAMPLES;
    if (options->resamples < 0 || options->resamples > MAX_RESAMPLES)
        return tare_fail(err, TARE_INVALID, "%d resamples: allowed are 1 to %d", options->resamples,
                         MAX_RESAMPLES);
    if (!same_pictures(a->matches, b->matches))
        return tare_fail(err, TARE_INVALID, "the two results are not of the same pictures");
    if (a->matches->image_count == 0)
        return tare_fail(err, TARE_INVALID, "there are no pictures to draw from");
    if (allocate(&comparison, threads))
        coco_run_tasks(threads, comparison.resamples, resample, &comparison);
    else
        status = tare_fail(err, TARE_NOMEM, "out of memory for the resamples");
    for (size_t f = 0; status == TARE_OK && f < FIGURES; f++)
        *intervals[f] =
            interval_of(comparison.differences + f * comparison.resamples, comparison.resamples,
                        a->figures[figures[f]] - b->figures[figures[f]]);
    difference->resamples = (int)comparison.resamples;
    difference->pictures = a->matches->image_count;
    release(&comparison, threads);
    return status;
}
