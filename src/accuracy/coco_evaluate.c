/*
 * coco_evaluate.c - from matches to the twelve figures. Sums are taken in NumPy's order, so that
 * means agree with pycocotools to the last bit.
 */
#include <float.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "accuracy/coco_match.h"

#define RECALL_SETS 6 /* best 1, best 10, and best 100 in each area range */

struct class_size {
    size_t category, entries;
};

struct evaluation {
    const struct coco_dataset *dataset;
    struct coco_grouped grouped;
    struct class_size *order;       // (category_count) largest first, so that threads end together
    struct coco_matcher **matchers; // (threads)
    int threads;
    double *precision; // (COCO_AREAS, COCO_THRESHOLDS, COCO_RECALLS, category_count)
    double *recall;    // (RECALL_SETS, COCO_THRESHOLDS, category_count)
    double *values;    // (COCO_THRESHOLDS, COCO_RECALLS, category_count) scratch memory
    struct coco_result *result;
    bool *selected; // (image_count)
    atomic_bool out_of_memory;
};

const char *coco_figure_key(enum coco_figure figure)
{
    static const char *const keys[COCO_FIGURES] = {
        "ap",  "ap50", "ap75",  "ap_small", "ap_medium", "ap_large",
        "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
    };

    return (unsigned)figure < COCO_FIGURES ? keys[figure] : "";
}

/* NumPy's pairwise summation of a contiguous array (umath loops, blocks of 128, 8 partial sums). */
static double pairwise_sum(const double *values, size_t count)
{
    double partial[8], sum = 0;
    size_t i, half;

    if (count < 8) {
        for (i = 0; i < count; i++)
            sum += values[i];
        return sum;
    }
    if (count > 128) {
        half = count / 2;
        half -= half % 8;
        return pairwise_sum(values, half) + pairwise_sum(values + half, count - half);
    }
    memcpy(partial, values, sizeof(partial));
    for (i = 8; i < count - count % 8; i += 8)
        for (size_t k = 0; k < 8; k++)
            partial[k] += values[i + k];
    sum = ((partial[0] + partial[1]) + (partial[2] + partial[3])) +
          ((partial[4] + partial[5]) + (partial[6] + partial[7]));
    for (; i < count; i++)
        sum += values[i];
    return sum;
}

/* Mean of every stride-th value that is not -1; -1 if there is none. scratch: (count). */
static double mean(const double *values, size_t count, size_t stride, double *scratch)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (values[i * stride] > -1)
            scratch[kept++] = values[i * stride];
    return kept ? pairwise_sum(scratch, kept) / (double)kept : -1;
}

/*
 * Precision at the 101 recall points. ranks: (found), as in coco_tally; curve: (found) scratch
 * memory; out: (COCO_RECALLS) with a stride.
 */
static void fill_precision(const uint32_t *ranks, size_t found, size_t truths, double *curve,
                           double *out, size_t stride)
{
    size_t n = 0;

    for (size_t i = 0; i < found; i++)
        curve[i] = (double)(i + 1) / ((double)ranks[i] + DBL_EPSILON);
    for (size_t i = found; i-- > 1;)
        if (curve[i] > curve[i - 1])
            curve[i - 1] = curve[i];
    for (size_t r = 0; r < COCO_RECALLS; r++) {
        double point = r == COCO_RECALLS - 1 ? 1.0 : (double)r * 0.01;

        while (n < found && (double)(n + 1) / (double)truths < point)
            n++;
        out[r * stride] = n < found ? curve[n] : 0;
    }
}

static void fill_class(struct evaluation *evaluation, size_t category,
                       const struct coco_tally *tally, double *curve)
{
    size_t classes = evaluation->dataset->category_count;

    for (int a = 0; a < COCO_AREAS; a++)
        for (int t = 0; t < COCO_THRESHOLDS && tally->truths[a]; t++) {
            size_t row = (size_t)(a * COCO_THRESHOLDS + t);

            fill_precision(tally->ranks + row * tally->stride, tally->found[a][t], tally->truths[a],
                           curve, evaluation->precision + row * COCO_RECALLS * classes + category,
                           classes);
            evaluation->recall[(row + 2 * COCO_THRESHOLDS) * classes + category] =
                (double)tally->found[a][t] / (double)tally->truths[a];
        }
    for (int m = 0; m < 2; m++)
        for (int t = 0; t < COCO_THRESHOLDS && tally->truths[0]; t++)
            evaluation->recall[(size_t)(m * COCO_THRESHOLDS + t) * classes + category] =
                (double)tally->found_early[m][t] / (double)tally->truths[0];
}

static void evaluate_class(void *context, int worker, size_t index)
{
    struct evaluation *evaluation = context;
    size_t category = evaluation->order[index].category;
    size_t first = evaluation->grouped.first[category];
    struct coco_class_result *class = &evaluation->result->classes[category];
    struct coco_tally tally;
    double *curve;

    if (coco_match_class(evaluation->matchers[worker], category,
                         evaluation->grouped.entries + first,
                         evaluation->grouped.first[category + 1] - first, &tally,
                         &evaluation->result->matches->curves[category]) != TARE_OK) {
        atomic_store(&evaluation->out_of_memory, true);
        return;
    }
    curve = malloc((tally.stride + 1) * sizeof(*curve));
    if (!curve) {
        atomic_store(&evaluation->out_of_memory, true);
        return;
    }
    class->category_id = evaluation->dataset->categories[category].id;
    class->boxes = tally.truths[0];
    class->pictures = tally.pictures;
    fill_class(evaluation, category, &tally, curve);
    free(curve);
}

static void summarize_classes(struct evaluation *evaluation)
{
    size_t classes = evaluation->dataset->category_count;
    size_t row = COCO_RECALLS * classes;

    for (size_t k = 0; k < classes; k++) {
        struct coco_class_result *class = &evaluation->result->classes[k];
        const double *precision = evaluation->precision + k;

        class->ap = mean(precision, COCO_THRESHOLDS * COCO_RECALLS, classes, evaluation->values);
        class->ap50 = mean(precision, COCO_RECALLS, classes, evaluation->values);
        class->ap75 = mean(precision + 5 * row, COCO_RECALLS, classes, evaluation->values);
        class->ar100 = mean(evaluation->recall + (size_t)2 * COCO_THRESHOLDS * classes + k,
                            COCO_THRESHOLDS, classes, evaluation->values);
        evaluation->result->boxes += class->boxes;
    }
}

static void summarize(struct evaluation *evaluation)
{
    size_t row = COCO_RECALLS * evaluation->dataset->category_count;
    size_t area = COCO_THRESHOLDS * row;
    size_t recalls = COCO_THRESHOLDS * evaluation->dataset->category_count;
    double *figures = evaluation->result->figures, *values = evaluation->values;

    summarize_classes(evaluation);
    figures[COCO_AP] = mean(evaluation->precision, area, 1, values);
    figures[COCO_AP50] = mean(evaluation->precision, row, 1, values);
    figures[COCO_AP75] = mean(evaluation->precision + 5 * row, row, 1, values);
    for (size_t a = 1; a < COCO_AREAS; a++)
        figures[COCO_AP_SMALL + a - 1] = mean(evaluation->precision + a * area, area, 1, values);
    for (size_t set = 0; set < RECALL_SETS; set++)
        figures[COCO_AR1 + set] = mean(evaluation->recall + set * recalls, recalls, 1, values);
}

static int by_size(const void *a, const void *b)
{
    const struct class_size *x = a, *y = b;

    return (x->entries < y->entries) - (x->entries > y->entries);
}

/* Fills which pictures take part, and the list of them in matches. */
static enum tare_status select_images(struct evaluation *evaluation,
                                      const struct coco_options *options, struct tare_err *err)
{
    const struct coco_dataset *dataset = evaluation->dataset;
    struct coco_matches *matches = evaluation->result->matches;

    if (!options->image_ids)
        memset(evaluation->selected, true, dataset->image_count);
    for (size_t i = 0; options->image_ids && i < options->image_count; i++) {
        ptrdiff_t image = coco_find_image(dataset, options->image_ids[i]);

        if (image < 0)
            return tare_fail(err, TARE_INVALID, "picture %" PRId64 " is not in the annotations",
                             options->image_ids[i]);
        evaluation->selected[image] = true;
    }
    for (size_t i = 0; i < dataset->image_count; i++)
        if (evaluation->selected[i])
            matches->images[matches->image_count++] = (uint32_t)i;
    evaluation->result->pictures = matches->image_count;
    return TARE_OK;
}

static bool allocate(struct evaluation *evaluation)
{
    const struct coco_dataset *dataset = evaluation->dataset;
    struct coco_result *result = evaluation->result;
    size_t classes = dataset->category_count, row = COCO_RECALLS * classes;
    size_t precisions = COCO_AREAS * COCO_THRESHOLDS * row;
    size_t recalls = RECALL_SETS * COCO_THRESHOLDS * classes;

    result->classes = calloc(classes + 1, sizeof(*result->classes));
    result->class_count = classes;
    result->matches = calloc(1, sizeof(*result->matches));
    if (!result->classes || !result->matches)
        return false;
    result->matches->category_count = classes;
    result->matches->dataset_images = dataset->image_count;
    result->matches->curves = calloc(classes + 1, sizeof(*result->matches->curves));
    result->matches->images = malloc((dataset->image_count + 1) * sizeof(uint32_t));
    evaluation->selected = calloc(dataset->image_count + 1, sizeof(bool));
    evaluation->order = malloc((classes + 1) * sizeof(*evaluation->order));
    evaluation->precision = malloc((precisions + 1) * sizeof(double));
    evaluation->recall = malloc((recalls + 1) * sizeof(double));
    evaluation->values = malloc((COCO_THRESHOLDS * row + 1) * sizeof(double));
    evaluation->matchers = calloc((size_t)evaluation->threads, sizeof(struct coco_matcher *));
    if (!result->matches->curves || !result->matches->images || !evaluation->selected ||
        !evaluation->order || !evaluation->precision || !evaluation->recall ||
        !evaluation->values || !evaluation->matchers)
        return false;
    for (size_t i = 0; i < precisions; i++)
        evaluation->precision[i] = -1;
    for (size_t i = 0; i < recalls; i++)
        evaluation->recall[i] = -1;
    return true;
}

static enum tare_status run_classes(struct evaluation *evaluation,
                                    const struct coco_detections *detections)
{
    const struct coco_dataset *dataset = evaluation->dataset;
    size_t most_truths = 0, most_entries = 0;

    for (size_t k = 0; k < dataset->category_count; k++) {
        size_t truths = dataset->first_truth[k + 1] - dataset->first_truth[k];
        size_t entries = evaluation->grouped.first[k + 1] - evaluation->grouped.first[k];

        evaluation->order[k] = (struct class_size){k, entries};
        most_truths = truths > most_truths ? truths : most_truths;
        most_entries = entries > most_entries ? entries : most_entries;
    }
    if (dataset->category_count)
        qsort(evaluation->order, dataset->category_count, sizeof(*evaluation->order), by_size);
    for (int i = 0; i < evaluation->threads; i++) {
        evaluation->matchers[i] =
            coco_matcher_new(dataset, detections, evaluation->selected, most_truths, most_entries);
        if (!evaluation->matchers[i])
            return TARE_NOMEM;
    }
    coco_run_tasks(evaluation->threads, dataset->category_count, evaluate_class, evaluation);
    return atomic_load(&evaluation->out_of_memory) ? TARE_NOMEM : TARE_OK;
}

enum tare_status coco_evaluate(const struct coco_dataset *dataset,
                               const struct coco_detections *detections,
                               const struct coco_options *options, struct coco_result *result,
                               struct tare_err *err)
{
    static const struct coco_options defaults = {0};
    struct evaluation evaluation = {.dataset = dataset, .result = result};
    enum tare_status status = TARE_NOMEM;

    *result = (struct coco_result){0};
    options = options ? options : &defaults;
    evaluation.threads = coco_thread_count(options->threads);
    if (!allocate(&evaluation))
        goto done;
    status = select_images(&evaluation, options, err);
    if (status == TARE_OK)
        status = coco_group(dataset, detections, evaluation.selected, evaluation.threads,
                            &evaluation.grouped, err);
    if (status == TARE_OK)
        status = run_classes(&evaluation, detections);
    if (status != TARE_OK)
        goto done;
    result->detections = evaluation.grouped.entry_count;
    result->left_out = evaluation.grouped.left_out;
    summarize(&evaluation);
done:
    for (int i = 0; evaluation.matchers && i < evaluation.threads; i++)
        coco_matcher_free(evaluation.matchers[i]);
    free(evaluation.matchers);
    coco_group_release(&evaluation.grouped);
    free(evaluation.selected);
    free(evaluation.order);
    free(evaluation.precision);
    free(evaluation.recall);
    free(evaluation.values);
    if (status != TARE_OK)
        coco_result_release(result);
    return status == TARE_NOMEM ? tare_fail(err, status, "out of memory for the evaluation")
                                : status;
}

void coco_matches_free(struct coco_matches *matches)
{
    if (!matches)
        return;
    for (size_t k = 0; matches->curves && k < matches->category_count; k++) {
        free(matches->curves[k].images);
        free(matches->curves[k].flags);
        free(matches->curves[k].truth_images);
    }
    free(matches->curves);
    free(matches->images);
    free(matches);
}

void coco_result_release(struct coco_result *result)
{
    free(result->classes);
    coco_matches_free(result->matches);
    *result = (struct coco_result){0};
}
