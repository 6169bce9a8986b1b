#include "accuracy/agreement.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accuracy/agreement_match.h"
#include "accuracy/coco.h"
#include "base/buf.h"
#include "base/json_write.h"
#include "stats/ratio.h"

#define DEFAULT_SCORE 0.25
#define DEFAULT_IOU   0.9
#define TRUTHS_MAX    ((size_t)4 << 30) /* bytes of the reference's boxes as text */

enum {
    COUNT_REFERENCE,
    COUNT_MODEL,
    COUNT_FOUND,
    COUNT_FADED,
    COUNT_ADDED,
    COUNTS
};

struct agreement {
    struct agreement_options options;
    char names[AGREEMENT_MAX_HEADS][AGREEMENT_NAME];
    size_t head_count;
    size_t pictures, room;
    double *signal[AGREEMENT_MAX_HEADS]; // (room): sum of r^2
    double *noise[AGREEMENT_MAX_HEADS];  // (room): sum of (r - m)^2
    double largest[AGREEMENT_MAX_HEADS]; /* |r - m| */
    double *counts[COUNTS];              // (room) boxes
    bool *taken;                         // (taken_room)
    size_t taken_room;
    struct buf truths; /* "annotations" of the reference's boxes, as JSON */
    int64_t truth_count;
    int32_t most_class; /* of the reference's boxes */
    struct coco_detections *detections;
};

enum tare_status agreement_new(const struct agreement_options *options, const char *const *heads,
                               size_t head_count, struct agreement **agreement,
                               struct tare_err *err)
{
    struct agreement *a;
    enum tare_status status;

    *agreement = NULL;
    if (head_count > AGREEMENT_MAX_HEADS)
        return tare_fail(err, TARE_INVALID, "%zu outputs to compare, at most %d are allowed",
                         head_count, AGREEMENT_MAX_HEADS);
    a = calloc(1, sizeof(*a));
    if (!a)
        return tare_fail(err, TARE_NOMEM, "out of memory for an agreement");
    a->options = *options;
    if (a->options.min_score == 0)
        a->options.min_score = DEFAULT_SCORE;
    if (a->options.min_iou == 0)
        a->options.min_iou = DEFAULT_IOU;
    a->head_count = head_count;
    for (size_t h = 0; h < head_count; h++)
        (void)snprintf(a->names[h], sizeof(a->names[h]), "%s", heads[h]);
    buf_init(&a->truths, TRUTHS_MAX);
    status = coco_detections_new(&a->detections, err);
    if (status == TARE_OK)
        *agreement = a;
    else
        agreement_free(a);
    return status;
}

void agreement_free(struct agreement *agreement)
{
    if (!agreement)
        return;
    for (size_t h = 0; h < agreement->head_count; h++) {
        free(agreement->signal[h]);
        free(agreement->noise[h]);
    }
    for (size_t c = 0; c < COUNTS; c++)
        free(agreement->counts[c]);
    free(agreement->taken);
    buf_release(&agreement->truths);
    coco_detections_free(agreement->detections);
    free(agreement);
}

/* --- one picture after the other ------------------------------------------------------------- */

static bool grow(double **items, size_t room)
{
    double *more = realloc(*items, room * sizeof(*more));

    if (!more)
        return false;
    *items = more;
    return true;
}

static enum tare_status make_room(struct agreement *a, struct tare_err *err)
{
    size_t room = a->room ? 2 * a->room : 64;
    bool good = true;

    for (size_t h = 0; h < a->head_count && good; h++)
        good = grow(&a->signal[h], room) && grow(&a->noise[h], room);
    for (size_t c = 0; c < COUNTS && good; c++)
        good = grow(&a->counts[c], room);
    if (!good)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu pictures", room);
    a->room = room;
    return TARE_OK;
}

enum tare_status agreement_next_picture(struct agreement *agreement, struct tare_err *err)
{
    struct agreement *a = agreement;
    enum tare_status status = TARE_OK;

    if (a->pictures == AGREEMENT_MAX_PICTURES)
        return tare_fail(err, TARE_LIMIT, "more than %zu pictures", AGREEMENT_MAX_PICTURES);
    if (a->pictures == a->room)
        status = make_room(a, err);
    if (status != TARE_OK)
        return status;
    for (size_t h = 0; h < a->head_count; h++)
        a->signal[h][a->pictures] = a->noise[h][a->pictures] = 0;
    for (size_t c = 0; c < COUNTS; c++)
        a->counts[c][a->pictures] = 0;
    a->pictures++;
    return TARE_OK;
}

enum tare_status agreement_add_outputs(struct agreement *agreement, size_t head,
                                       const float *reference, const float *model, size_t count,
                                       struct tare_err *err)
{
    size_t picture = agreement->pictures - 1;
    double signal = 0, noise = 0, largest = 0;

    if (agreement->pictures == 0 || head >= agreement->head_count)
        return tare_fail(err, TARE_INVALID, "output %zu of picture %zu", head, agreement->pictures);
    for (size_t i = 0; i < count; i++) {
        double r = (double)reference[i], off = r - (double)model[i];

        signal += r * r;
        noise += off * off;
        largest = fabs(off) > largest ? fabs(off) : largest;
    }
    if (!isfinite(signal) || !isfinite(noise))
        return tare_fail(err, TARE_BADDATA, "output '%s' has a value that is not finite",
                         agreement->names[head]);
    agreement->signal[head][picture] += signal;
    agreement->noise[head][picture] += noise;
    agreement->largest[head] = fmax(agreement->largest[head], largest);
    return TARE_OK;
}

static enum tare_status add_truth(struct agreement *a, const struct box *box, struct tare_err *err)
{
    double width = (double)box->x2 - (double)box->x1, height = (double)box->y2 - (double)box->y1;
    struct json_writer w;

    if (a->truth_count)
        buf_append_char(&a->truths, ',');
    json_start(&w, &a->truths, false);
    json_open_object(&w, NULL);
    json_put_int(&w, "id", ++a->truth_count); /* COCO's code takes 0 for none */
    json_put_int(&w, "image_id", (int64_t)a->pictures);
    json_put_int(&w, "category_id", box->class_id);
    json_open_array(&w, "bbox");
    json_put_number(&w, NULL, (double)box->x1);
    json_put_number(&w, NULL, (double)box->y1);
    json_put_number(&w, NULL, width);
    json_put_number(&w, NULL, height);
    json_close_array(&w);
    json_put_number(&w, "area", width * height);
    json_put_int(&w, "iscrowd", 0);
    json_close_object(&w);
    if (box->class_id > a->most_class)
        a->most_class = box->class_id;
    return buf_status(&a->truths, "the reference's boxes", err);
}

static enum tare_status add_detection(struct agreement *a, const struct box *box,
                                      struct tare_err *err)
{
    const struct coco_detection detection = {
        .image_id = (int64_t)a->pictures,
        .category_id = box->class_id,
        .x = (double)box->x1,
        .y = (double)box->y1,
        .width = (double)box->x2 - (double)box->x1,
        .height = (double)box->y2 - (double)box->y1,
        .score = (double)box->score,
    };

    return coco_detections_add(a->detections, &detection, err);
}

enum tare_status agreement_add_boxes(struct agreement *agreement, const struct box *reference,
                                     size_t reference_count, const struct box *model,
                                     size_t model_count, struct tare_err *err)
{
    struct agreement *a = agreement;
    size_t at = a->pictures - 1;
    struct agreement_match match;
    enum tare_status status = TARE_OK;

    if (a->pictures == 0)
        return tare_fail(err, TARE_INVALID, "boxes before the first picture");
    if (model_count > a->taken_room) {
        free(a->taken);
        a->taken = calloc(model_count, sizeof(*a->taken));
        a->taken_room = a->taken ? model_count : 0;
        if (!a->taken)
            return tare_fail(err, TARE_NOMEM, "out of memory for %zu boxes", model_count);
    }
    match = agreement_match_boxes(reference, reference_count, model, model_count,
                                  a->options.min_score, a->options.min_iou, a->taken);
    a->counts[COUNT_REFERENCE][at] = (double)match.reference;
    a->counts[COUNT_MODEL][at] = (double)match.model;
    a->counts[COUNT_FOUND][at] = (double)match.found;
    a->counts[COUNT_FADED][at] = (double)match.faded;
    a->counts[COUNT_ADDED][at] = (double)(match.model - match.found);
    for (size_t i = 0; i < match.reference && status == TARE_OK; i++)
        status = add_truth(a, &reference[i], err);
    for (size_t i = 0; i < model_count && status == TARE_OK; i++)
        status = add_detection(a, &model[i], err);
    return status;
}

/* --- the figures ----------------------------------------------------------------------------- */

static const struct agreement_figure not_known = {NAN, NAN, NAN};

static double decibels(double noise_to_signal)
{
    return -10 * log10(noise_to_signal);
}

static enum tare_status measure_head(const struct agreement *a, size_t head,
                                     const struct ratio_options *options,
                                     struct agreement_head *result, struct tare_err *err)
{
    struct ratio_estimate noise;
    enum tare_status status =
        ratio_of_sums(a->noise[head], a->signal[head], a->pictures, options, &noise, err);

    if (status != TARE_OK)
        return status;
    memcpy(result->name, a->names[head], sizeof(result->name));
    result->sqnr_db = (struct agreement_figure){decibels(noise.value), NAN, NAN};
    result->largest = a->largest[head];
    if (noise.value > 0) {
        result->sqnr_db.low = decibels(noise.high);
        result->sqnr_db.high = decibels(noise.low);
    } else if (isnan(noise.value)) { /* nothing but zeros, in both */
        result->sqnr_db.value = INFINITY;
    }
    return TARE_OK;
}

static enum tare_status measure_share(const struct agreement *a, int of, int in,
                                      const struct ratio_options *options,
                                      struct agreement_figure *figure, struct tare_err *err)
{
    struct ratio_estimate share;
    enum tare_status status =
        ratio_of_sums(a->counts[of], a->counts[in], a->pictures, options, &share, err);

    if (status == TARE_OK)
        *figure = (struct agreement_figure){share.value, share.low, share.high};
    return status;
}

static enum tare_status make_dataset(const struct agreement *a, struct coco_dataset **dataset,
                                     struct tare_err *err)
{
    enum tare_status status;
    struct buf text;

    buf_init(&text, TRUTHS_MAX);
    buf_append_text(&text, "{\"images\":[");
    for (size_t i = 1; i <= a->pictures; i++)
        buf_printf(&text, "%s{\"id\":%zu}", i > 1 ? "," : "", i);
    buf_append_text(&text, "],\"categories\":[");
    for (int32_t c = 0; c <= a->most_class; c++)
        buf_printf(&text, "%s{\"id\":%d}", c > 0 ? "," : "", c);
    buf_append_text(&text, "],\"annotations\":[");
    buf_append(&text, a->truths.data, a->truths.size);
    buf_append_text(&text, "]}");
    status = buf_status(&text, "the reference's boxes", err);
    if (status == TARE_OK)
        status =
            coco_dataset_parse(buf_text(&text), text.size, "the reference's boxes", dataset, err);
    buf_release(&text);
    return status;
}

static struct agreement_figure figure_of(const struct coco_interval *interval)
{
    return (struct agreement_figure){interval->difference, interval->low, interval->high};
}

/* The interval of an AP is that of its difference to the AP of a model that sees nothing, which is
 * 0 in every resample. */
static enum tare_status measure_ap(const struct agreement *a, struct agreement_result *result,
                                   struct tare_err *err)
{
    const struct coco_options options = {0};
    const struct coco_compare_options compare = {.resamples = a->options.resamples,
                                                 .seed = a->options.seed};
    struct coco_result scored = {0}, blind = {0};
    struct coco_detections *none = NULL;
    struct coco_dataset *dataset = NULL;
    struct coco_difference difference;
    enum tare_status status = make_dataset(a, &dataset, err);

    if (status == TARE_OK)
        status = coco_detections_new(&none, err);
    if (status == TARE_OK)
        status = coco_evaluate(dataset, a->detections, &options, &scored, err);
    if (status == TARE_OK)
        status = coco_evaluate(dataset, none, &options, &blind, err);
    if (status == TARE_OK)
        status = coco_compare(&scored, &blind, &compare, &difference, err);
    if (status == TARE_OK) {
        result->ap = figure_of(&difference.ap);
        result->ap50 = figure_of(&difference.ap50);
        if (result->pictures < 2)
            result->ap.low = result->ap.high = result->ap50.low = result->ap50.high = NAN;
    }
    coco_result_release(&scored);
    coco_result_release(&blind);
    coco_detections_free(none);
    coco_dataset_free(dataset);
    return status;
}

static size_t total(const struct agreement *a, int what)
{
    double sum = 0;

    for (size_t i = 0; i < a->pictures; i++)
        sum += a->counts[what][i];
    return (size_t)sum;
}

enum tare_status agreement_finish(const struct agreement *agreement,
                                  struct agreement_result *result, struct tare_err *err)
{
    const struct agreement *a = agreement;
    const struct ratio_options options = {.seed = a->options.seed,
                                          .replicates = (size_t)a->options.resamples};
    enum tare_status status = TARE_OK;

    memset(result, 0, sizeof(*result));
    result->pictures = a->pictures;
    result->head_count = a->head_count;
    result->min_score = a->options.min_score;
    result->min_iou = a->options.min_iou;
    result->reference_boxes = total(a, COUNT_REFERENCE);
    result->model_boxes = total(a, COUNT_MODEL);
    result->found_boxes = total(a, COUNT_FOUND);
    result->faded_boxes = total(a, COUNT_FADED);
    result->added_boxes = total(a, COUNT_ADDED);
    result->ap = result->ap50 = not_known;
    for (size_t h = 0; h < a->head_count && status == TARE_OK; h++)
        status = measure_head(a, h, &options, &result->heads[h], err);
    if (status == TARE_OK)
        status = measure_share(a, COUNT_FOUND, COUNT_REFERENCE, &options, &result->found, err);
    if (status == TARE_OK)
        status = measure_share(a, COUNT_FADED, COUNT_REFERENCE, &options, &result->faded, err);
    if (status == TARE_OK)
        status = measure_share(a, COUNT_ADDED, COUNT_MODEL, &options, &result->added, err);
    if (status == TARE_OK && result->reference_boxes)
        status = measure_ap(a, result, err);
    return status;
}

const struct agreement_head *agreement_worst_head(const struct agreement_result *result)
{
    const struct agreement_head *worst = result->head_count ? &result->heads[0] : NULL;

    for (size_t h = 1; h < result->head_count; h++)
        if (result->heads[h].sqnr_db.value < worst->sqnr_db.value)
            worst = &result->heads[h];
    return worst;
}
