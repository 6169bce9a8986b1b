#include "accuracy/coco_match.h"

#include <stdlib.h>
#include <string.h>

#define LOOKUP_SHIFT 10
#define ALL_FOUND    ((1u << COCO_THRESHOLDS) - 1)

/* A box that a detection overlaps enough for the lowest threshold. */
struct candidate {
    double iou;
    uint32_t truth; /* within the class */
};

struct coco_matcher {
    const struct coco_dataset *dataset;
    const struct coco_detections *detections;
    const bool *selected;
    uint32_t
        *block_of; /* block of detection i << LOOKUP_SHIFT, for coco_detections_get() by rank */
    struct coco_entry *spare;     // (most_entries)
    uint32_t *seen;               // (image_count) detections of this class so far
    uint32_t *from, *to;          // (image_count) the picture's boxes within the class
    uint64_t *taken;              // (most_truths) bit area * COCO_THRESHOLDS + threshold
    uint8_t *ignored;             // (most_truths) bit a: does not count in area range a
    struct candidate *candidates; // (most_truths)
    uint32_t *ranks;              // (COCO_AREAS, COCO_THRESHOLDS, most_truths)

    /* of the class in work */
    const struct coco_truth *truths;
    size_t truth_count, candidate_count;
    struct coco_tally *tally;
    uint32_t plain[COCO_AREAS]; /* counting detections that count at every threshold */
    uint32_t extra[COCO_AREAS][COCO_THRESHOLDS]; /* those that had a candidate */
};

/* What a detection is in one area range: bit t is threshold t. */
struct verdict {
    uint32_t found[COCO_AREAS];
    uint32_t ignored[COCO_AREAS];
};

double coco_threshold(int index)
{
    return index == COCO_THRESHOLDS - 1 ? 0.95 : index * ((0.95 - 0.5) / 9) + 0.5;
}

static bool index_blocks(struct coco_matcher *matcher)
{
    const struct coco_detections *detections = matcher->detections;
    size_t block = 0;

    matcher->block_of = malloc(((detections->count >> LOOKUP_SHIFT) + 1) * sizeof(uint32_t));
    for (size_t i = 0; matcher->block_of && i < detections->count; i += 1 << LOOKUP_SHIFT) {
        while (i >= detections->blocks[block].before + detections->blocks[block].count)
            block++;
        matcher->block_of[i >> LOOKUP_SHIFT] = (uint32_t)block;
    }
    return matcher->block_of != NULL;
}

static const struct coco_detection *detection_at(const struct coco_matcher *matcher, uint32_t index)
{
    const struct coco_block *block =
        &matcher->detections->blocks[matcher->block_of[index >> LOOKUP_SHIFT]];

    while (index >= block->before + block->count)
        block++;
    return &block->items[index - block->before];
}

struct coco_matcher *coco_matcher_new(const struct coco_dataset *dataset,
                                      const struct coco_detections *detections,
                                      const bool *selected, size_t most_truths, size_t most_entries)
{
    struct coco_matcher *matcher = calloc(1, sizeof(*matcher));
    size_t images = dataset->image_count + 1;

    if (!matcher)
        return NULL;
    matcher->dataset = dataset;
    matcher->detections = detections;
    matcher->selected = selected;
    most_truths++;
    matcher->spare = malloc((most_entries + 1) * sizeof(*matcher->spare));
    matcher->seen = malloc(images * sizeof(*matcher->seen));
    matcher->from = malloc(images * sizeof(*matcher->from));
    matcher->to = malloc(images * sizeof(*matcher->to));
    matcher->taken = malloc(most_truths * sizeof(*matcher->taken));
    matcher->ignored = malloc(most_truths * sizeof(*matcher->ignored));
    matcher->candidates = malloc(most_truths * sizeof(*matcher->candidates));
    matcher->ranks = malloc(most_truths * COCO_AREAS * COCO_THRESHOLDS * sizeof(*matcher->ranks));
    if (!matcher->spare || !matcher->seen || !matcher->from || !matcher->to || !matcher->taken ||
        !matcher->ignored || !matcher->candidates || !matcher->ranks || !index_blocks(matcher)) {
        coco_matcher_free(matcher);
        return NULL;
    }
    return matcher;
}

void coco_matcher_free(struct coco_matcher *matcher)
{
    if (!matcher)
        return;
    free(matcher->block_of);
    free(matcher->spare);
    free(matcher->seen);
    free(matcher->from);
    free(matcher->to);
    free(matcher->taken);
    free(matcher->ignored);
    free(matcher->candidates);
    free(matcher->ranks);
    free(matcher);
}

static void begin_class(struct coco_matcher *matcher, size_t category, struct coco_tally *tally)
{
    const struct coco_dataset *dataset = matcher->dataset;
    size_t first = dataset->first_truth[category], images = dataset->image_count;
    uint32_t counted_image = UINT32_MAX;

    matcher->truths = dataset->truths + first;
    matcher->truth_count = dataset->first_truth[category + 1] - first;
    matcher->tally = tally;
    *tally = (struct coco_tally){.ranks = matcher->ranks, .stride = matcher->truth_count};
    memset(matcher->plain, 0, sizeof(matcher->plain));
    memset(matcher->extra, 0, sizeof(matcher->extra));
    memset(matcher->seen, 0, images * sizeof(*matcher->seen));
    memset(matcher->from, 0, images * sizeof(*matcher->from));
    memset(matcher->to, 0, images * sizeof(*matcher->to));
    memset(matcher->taken, 0, matcher->truth_count * sizeof(*matcher->taken));
    for (size_t i = 0; i < matcher->truth_count; i++) {
        const struct coco_truth *truth = &matcher->truths[i];

        if (!matcher->selected[truth->image])
            continue;
        if (matcher->to[truth->image] == 0)
            matcher->from[truth->image] = (uint32_t)i;
        matcher->to[truth->image] = (uint32_t)i + 1;
        matcher->ignored[i] = 0;
        for (int a = 0; a < COCO_AREAS; a++) {
            bool ignored = truth->crowd || !coco_area_inside(truth->area, a);

            matcher->ignored[i] |= (uint8_t)(ignored << a);
            tally->truths[a] += !ignored;
        }
        if (!(matcher->ignored[i] & 1) && truth->image != counted_image) {
            counted_image = truth->image;
            tally->pictures++;
        }
    }
}

/* Each operation and its order are those of bbIou() in pycocotools, for the last bit. */
static double overlap(const struct coco_detection *d, const struct coco_truth *t)
{
    double right = d->x + d->width < t->x + t->width ? d->x + d->width : t->x + t->width;
    double width = right - (d->x > t->x ? d->x : t->x);
    double bottom, height, both, either;

    if (width <= 0)
        return 0;
    bottom = d->y + d->height < t->y + t->height ? d->y + d->height : t->y + t->height;
    height = bottom - (d->y > t->y ? d->y : t->y);
    if (height <= 0)
        return 0;
    both = width * height;
    either = d->width * d->height;
    if (!t->crowd)
        either = either + t->width * t->height - both;
    return both / either;
}

static void find_candidates(struct coco_matcher *matcher, const struct coco_detection *detection,
                            uint32_t image)
{
    matcher->candidate_count = 0;
    for (uint32_t i = matcher->from[image]; i < matcher->to[image]; i++) {
        double iou = overlap(detection, &matcher->truths[i]);

        if (iou >= coco_threshold(0))
            matcher->candidates[matcher->candidate_count++] = (struct candidate){iou, i};
    }
}

/* The best free candidate that counts (or not) in an area range; of equals the last; -1: none. */
static ptrdiff_t choose(const struct coco_matcher *matcher, int area, int threshold, bool ignored)
{
    uint64_t bit = (uint64_t)1 << (area * COCO_THRESHOLDS + threshold);
    double best = coco_threshold(threshold);
    ptrdiff_t chosen = -1;

    for (size_t i = 0; i < matcher->candidate_count; i++) {
        const struct candidate *candidate = &matcher->candidates[i];
        uint32_t truth = candidate->truth;

        if ((matcher->ignored[truth] >> area & 1) != ignored || candidate->iou < best)
            continue;
        if (matcher->taken[truth] & bit && !matcher->truths[truth].crowd)
            continue;
        best = candidate->iou;
        chosen = (ptrdiff_t)truth;
    }
    return chosen;
}

static void judge(struct coco_matcher *matcher, unsigned inside, struct verdict *verdict)
{
    *verdict = (struct verdict){0};
    for (int a = 0; a < COCO_AREAS; a++)
        for (int t = 0; t < COCO_THRESHOLDS; t++) {
            ptrdiff_t truth = choose(matcher, a, t, false);
            bool ignored = false, found = false;

            if (truth < 0) {
                truth = choose(matcher, a, t, true);
                ignored = truth >= 0;
            }
            if (truth >= 0) {
                matcher->taken[truth] |= (uint64_t)1 << (a * COCO_THRESHOLDS + t);
                found = !matcher->truths[truth].unfindable;
            }
            ignored = ignored || (!found && !(inside >> a & 1));
            verdict->ignored[a] |= (uint32_t)ignored << t;
            verdict->found[a] |= (uint32_t)(found && !ignored) << t;
        }
}

/* seen: how many better detections of this class the picture has. */
static void count_verdict(struct coco_matcher *matcher, const struct verdict *verdict,
                          uint32_t seen)
{
    struct coco_tally *tally = matcher->tally;

    for (int a = 0; a < COCO_AREAS; a++)
        for (int t = 0; t < COCO_THRESHOLDS; t++) {
            size_t row = (size_t)(a * COCO_THRESHOLDS + t) * tally->stride;

            if (verdict->ignored[a] >> t & 1)
                continue;
            matcher->extra[a][t]++;
            if (verdict->found[a] >> t & 1)
                matcher->ranks[row + tally->found[a][t]++] =
                    matcher->plain[a] + matcher->extra[a][t];
        }
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        tally->found_early[0][t] += seen < 1 && verdict->found[0] >> t & 1;
        tally->found_early[1][t] += seen < 10 && verdict->found[0] >> t & 1;
    }
}

/* What comes after the last find changes no precision, so the curve ends there. */
static void trim(struct coco_curve *curve)
{
    while (curve->count && !(curve->flags[curve->count - 1] & ALL_FOUND))
        curve->count--;
}

static enum tare_status start_curve(const struct coco_matcher *matcher, size_t count,
                                    struct coco_curve *curve)
{
    *curve = (struct coco_curve){0};
    curve->images = malloc((count + 1) * sizeof(*curve->images));
    curve->flags = malloc((count + 1) * sizeof(*curve->flags));
    curve->truth_images = malloc((matcher->tally->truths[0] + 1) * sizeof(*curve->truth_images));
    if (!curve->images || !curve->flags || !curve->truth_images)
        return TARE_NOMEM;
    for (size_t i = 0; i < matcher->truth_count; i++)
        if (matcher->selected[matcher->truths[i].image] && !(matcher->ignored[i] & 1))
            curve->truth_images[curve->truth_count++] = matcher->truths[i].image;
    return TARE_OK;
}

enum tare_status coco_match_class(struct coco_matcher *matcher, size_t category,
                                  struct coco_entry *entries, size_t count,
                                  struct coco_tally *tally, struct coco_curve *curve)
{
    begin_class(matcher, category, tally);
    if (start_curve(matcher, count, curve) != TARE_OK)
        return TARE_NOMEM;
    coco_sort_class(entries, matcher->spare, count);
    for (size_t i = 0; i < count; i++) {
        const struct coco_entry *entry = &entries[i];
        uint32_t image = entry->image, seen = matcher->seen[image]++;
        uint32_t counts = entry->inside & 1 ? ALL_FOUND : 0, found = 0;

        if (seen >= COCO_MAX_PER_IMAGE)
            continue;
        matcher->candidate_count = 0;
        if (matcher->to[image])
            find_candidates(matcher, detection_at(matcher, entry->detection), image);
        if (matcher->candidate_count) {
            struct verdict verdict;

            judge(matcher, entry->inside, &verdict);
            count_verdict(matcher, &verdict, seen);
            found = verdict.found[0];
            counts = ~verdict.ignored[0] & ALL_FOUND;
        } else {
            for (int a = 0; a < COCO_AREAS; a++)
                matcher->plain[a] += entry->inside >> a & 1;
        }
        if (!counts)
            continue;
        curve->images[curve->count] = image;
        curve->flags[curve->count++] = found | counts << COCO_THRESHOLDS;
    }
    trim(curve);
    return TARE_OK;
}
