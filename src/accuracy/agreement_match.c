#include "accuracy/agreement_match.h"

#include <math.h>
#include <string.h>

double agreement_iou(const struct box *a, const struct box *b)
{
    double width = fmin((double)a->x2, (double)b->x2) - fmax((double)a->x1, (double)b->x1);
    double height = fmin((double)a->y2, (double)b->y2) - fmax((double)a->y1, (double)b->y1);
    double shared = width > 0 && height > 0 ? width * height : 0;
    double of_a = ((double)a->x2 - (double)a->x1) * ((double)a->y2 - (double)a->y1);
    double of_b = ((double)b->x2 - (double)b->x1) * ((double)b->y2 - (double)b->y1);
    double whole = of_a + of_b - shared;

    return whole > 0 ? shared / whole : 0;
}

static size_t count_over(const struct box *boxes, size_t count, double min_score)
{
    size_t over = 0;

    while (over < count && (double)boxes[over].score >= min_score)
        over++;
    return over;
}

/* Takes the best free box of model[first..end); false if none fits. */
static bool choose(const struct box *wanted, const struct box *model, size_t first, size_t end,
                   double min_iou, bool *taken)
{
    size_t best = end;
    double most = 0;

    for (size_t i = first; i < end; i++) {
        double iou;

        if (taken[i] || model[i].class_id != wanted->class_id)
            continue;
        iou = agreement_iou(wanted, &model[i]);
        if (iou >= min_iou && (best == end || iou > most)) {
            best = i;
            most = iou;
        }
    }
    if (best == end)
        return false;
    taken[best] = true;
    return true;
}

struct agreement_match agreement_match_boxes(const struct box *reference, size_t reference_count,
                                             const struct box *model, size_t model_count,
                                             double min_score, double min_iou, bool *taken)
{
    struct agreement_match match = {0};

    match.reference = count_over(reference, reference_count, min_score);
    match.model = count_over(model, model_count, min_score);
    if (model_count > 0)
        memset(taken, 0, model_count * sizeof(*taken));
    for (size_t i = 0; i < match.reference; i++)
        if (choose(&reference[i], model, 0, match.model, min_iou, taken))
            match.found++;
        else if (choose(&reference[i], model, match.model, model_count, min_iou, taken))
            match.faded++;
    return match;
}
