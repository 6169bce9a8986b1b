#include "accuracy/coco_sort.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NO_CATEGORY  UINT32_MAX
#define MAX_RANGES   16
#define IMAGE_DIGITS 3 /* bytes of coco_entry.image */
#define KEY_DIGITS   8
#define FEW          48 /* insertion beats counting below this */

static const double area_low[COCO_AREAS] = {0, 0, 32 * 32, 96 * 96};
static const double area_high[COCO_AREAS] = {1e10, 32 * 32, 96 * 96, 1e10};

bool coco_area_inside(double area, int range)
{
    return !(area < area_low[range] || area > area_high[range]);
}

/* A run of blocks that one thread deals with, so that the order of the set is kept. */
struct range {
    size_t first_block, end_block;
    size_t *counts; // (category_count) then where the next of each class goes
    size_t left_out;
    const struct coco_detection *stray; /* of a picture that is not in the dataset */
};

struct grouping {
    const struct coco_dataset *dataset;
    const struct coco_detections *detections;
    const bool *selected;
    uint32_t *images, *categories; // (detections) their indices
    struct coco_entry *entries;
    struct range ranges[MAX_RANGES];
    size_t range_count;
};

static void resolve_range(void *context, int worker, size_t index)
{
    struct grouping *grouping = context;
    struct range *range = &grouping->ranges[index];
    const struct coco_dataset *dataset = grouping->dataset;
    int64_t last_id = 0;
    ptrdiff_t image = -1;

    (void)worker;
    for (size_t b = range->first_block; b < range->end_block; b++) {
        const struct coco_block *block = &grouping->detections->blocks[b];

        for (size_t i = 0; i < block->count; i++) {
            const struct coco_detection *detection = &block->items[i];
            ptrdiff_t category = coco_map_find(&dataset->category_map, detection->category_id);

            if (image < 0 || detection->image_id != last_id)
                image = coco_map_find(&dataset->image_map, detection->image_id);
            last_id = detection->image_id;
            grouping->categories[block->before + i] = NO_CATEGORY;
            if (image < 0) {
                range->stray = range->stray ? range->stray : detection;
                continue;
            }
            if (!grouping->selected[image])
                continue;
            if (category < 0) {
                range->left_out++;
                continue;
            }
            grouping->images[block->before + i] = (uint32_t)image;
            grouping->categories[block->before + i] = (uint32_t)category;
            range->counts[category]++;
        }
    }
}

static uint64_t descending_key(double score)
{
    uint64_t bits;

    score += 0.0; /* -0 and 0 are equal scores */
    memcpy(&bits, &score, sizeof(bits));
    return bits >> 63 ? bits : ~(bits | (uint64_t)1 << 63);
}

static void fill_range(void *context, int worker, size_t index)
{
    struct grouping *grouping = context;
    struct range *range = &grouping->ranges[index];

    (void)worker;
    for (size_t b = range->first_block; b < range->end_block; b++) {
        const struct coco_block *block = &grouping->detections->blocks[b];

        for (size_t i = 0; i < block->count; i++) {
            const struct coco_detection *detection = &block->items[i];
            size_t at = block->before + i;
            double area = detection->width * detection->height;
            struct coco_entry *entry;

            if (grouping->categories[at] == NO_CATEGORY)
                continue;
            entry = &grouping->entries[range->counts[grouping->categories[at]]++];
            entry->key = descending_key(detection->score);
            entry->detection = (uint32_t)at;
            entry->image = grouping->images[at] & 0xFFFFFF;
            entry->inside = 0;
            for (int a = 0; a < COCO_AREAS; a++)
                entry->inside |= (unsigned)coco_area_inside(area, a) << a & 0xF;
        }
    }
}

/* Turns each range's counts into where its entries go. */
static void place_ranges(struct grouping *grouping, struct coco_grouped *grouped)
{
    size_t sum = 0;

    for (size_t k = 0; k < grouping->dataset->category_count; k++) {
        grouped->first[k] = sum;
        for (size_t r = 0; r < grouping->range_count; r++) {
            size_t count = grouping->ranges[r].counts[k];

            grouping->ranges[r].counts[k] = sum;
            sum += count;
        }
    }
    grouped->first[grouping->dataset->category_count] = sum;
    grouped->entry_count = sum;
}

static enum tare_status find_stray(const struct grouping *grouping, struct tare_err *err)
{
    for (size_t r = 0; r < grouping->range_count; r++)
        if (grouping->ranges[r].stray)
            return tare_fail(err, TARE_BADDATA,
                             "a detection is of picture %" PRId64
                             ", which the annotations do not list",
                             grouping->ranges[r].stray->image_id);
    return TARE_OK;
}

static enum tare_status run_grouping(struct grouping *grouping, struct coco_grouped *grouped,
                                     int threads, struct tare_err *err)
{
    enum tare_status status;

    coco_run_tasks(threads, grouping->range_count, resolve_range, grouping);
    status = find_stray(grouping, err);
    if (status != TARE_OK)
        return status;
    for (size_t r = 0; r < grouping->range_count; r++)
        grouped->left_out += grouping->ranges[r].left_out;
    place_ranges(grouping, grouped);
    grouped->entries = malloc((grouped->entry_count + 1) * sizeof(*grouped->entries));
    if (!grouped->entries)
        return TARE_NOMEM;
    grouping->entries = grouped->entries;
    coco_run_tasks(threads, grouping->range_count, fill_range, grouping);
    return TARE_OK;
}

enum tare_status coco_group(const struct coco_dataset *dataset,
                            const struct coco_detections *detections, const bool *selected,
                            int threads, struct coco_grouped *grouped, struct tare_err *err)
{
    struct grouping grouping = {.dataset = dataset, .detections = detections, .selected = selected};
    size_t ranges = (size_t)coco_thread_count(threads), blocks = detections->block_count;
    size_t classes = dataset->category_count;
    enum tare_status status = TARE_NOMEM;
    size_t *counts = calloc(ranges * (classes + 1), sizeof(*counts));

    *grouped = (struct coco_grouped){0};
    grouping.range_count = ranges;
    for (size_t r = 0; counts && r < ranges; r++)
        grouping.ranges[r] = (struct range){.first_block = r * blocks / ranges,
                                            .end_block = (r + 1) * blocks / ranges,
                                            .counts = counts + r * (classes + 1)};
    grouping.images = malloc((detections->count + 1) * sizeof(*grouping.images));
    grouping.categories = malloc((detections->count + 1) * sizeof(*grouping.categories));
    grouped->first = calloc(classes + 1, sizeof(*grouped->first));
    if (counts && grouping.images && grouping.categories && grouped->first)
        status = run_grouping(&grouping, grouped, threads, err);
    if (status == TARE_NOMEM)
        (void)tare_fail(err, status, "out of memory for %zu detections", detections->count);
    if (status != TARE_OK)
        coco_group_release(grouped);
    free(counts);
    free(grouping.images);
    free(grouping.categories);
    return status;
}

void coco_group_release(struct coco_grouped *grouped)
{
    free(grouped->entries);
    free(grouped->first);
    *grouped = (struct coco_grouped){0};
}

static bool is_before(const struct coco_entry *a, const struct coco_entry *b)
{
    return a->key != b->key ? a->key < b->key : a->image < b->image;
}

static void insertion_sort(struct coco_entry *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct coco_entry entry = entries[i];
        size_t k = i;

        for (; k > 0 && is_before(&entry, &entries[k - 1]); k--)
            entries[k] = entries[k - 1];
        entries[k] = entry;
    }
}

static unsigned digit_of(const struct coco_entry *entry, int digit)
{
    if (digit < IMAGE_DIGITS)
        return (unsigned)entry->image >> 8 * digit & 0xFF;
    return (unsigned)(entry->key >> 8 * (digit - IMAGE_DIGITS)) & 0xFF;
}

/* One stable pass; false if all entries share the digit, so that there was nothing to do. */
static bool counting_pass(const struct coco_entry *from, struct coco_entry *to, size_t count,
                          int digit)
{
    size_t next[256] = {0}, sum = 0;

    for (size_t i = 0; i < count; i++)
        next[digit_of(&from[i], digit)]++;
    if (next[digit_of(&from[0], digit)] == count)
        return false;
    for (size_t d = 0; d < 256; d++) {
        size_t here = next[d];

        next[d] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[next[digit_of(&from[i], digit)]++] = from[i];
    return true;
}

void coco_sort_class(struct coco_entry *entries, struct coco_entry *spare, size_t count)
{
    struct coco_entry *from = entries, *to = spare;
    bool by_image = true; /* as most files are already */

    if (count < FEW) {
        insertion_sort(entries, count);
        return;
    }
    for (size_t i = 1; i < count && by_image; i++)
        by_image = entries[i - 1].image <= entries[i].image;
    for (int digit = by_image ? IMAGE_DIGITS : 0; digit < IMAGE_DIGITS + KEY_DIGITS; digit++)
        if (counting_pass(from, to, count, digit)) {
            struct coco_entry *swap = from;

            from = to;
            to = swap;
        }
    if (from != entries)
        memcpy(entries, from, count * sizeof(*entries));
}
