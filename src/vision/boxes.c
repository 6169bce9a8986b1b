#include "vision/boxes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vision/best.h"

#define SIDES      4
#define SCAN_BLOCK 32 /* cells looked at together; most blocks hold nothing */

#define ALWAYS_INLINE static inline __attribute__((always_inline))

struct corners {
    float x1, y1, x2, y2;
};

/* What is remembered of one cell for the length of one picture. */
struct cell {
    uint32_t decoded; /* == boxes->picture: corners are those of this picture */
    uint32_t seen;    /* == boxes->picture: value and class_id are (single label only) */
    float value;
    int32_t class_id;
    struct corners corners; /* in input pixels */
};

/* A box that NMS let through. */
struct kept {
    struct corners moved; /* by class, see BOXES_CLASS_OFFSET */
    float area;
    int32_t next; /* of the same class, or -1 */
};

/* The first block from here on with a value over the gate, or the rest that is no whole block. */
typedef int32_t (*skip_function)(const float *plane, int32_t from, int32_t cells, float gate);

struct boxes {
    struct boxes_options options;
    skip_function skip;
    struct best best; /* keys: see key_of() */
    uint32_t picture; /* counts calls; never 0 in one */
    struct cell *cells;
    int32_t *seen; // (cell_capacity): the cells with a hit, single label only
    int32_t seen_count, cell_capacity;
    struct kept *kept;  // (max_boxes)
    struct box *found;  // (max_boxes)
    int32_t *last_kept; // (BOXES_MAX_CLASSES): index into kept of the newest, or -1
};

/* One level of a raw head, or a whole full head. */
struct level {
    const float *box; // (4 * BOXES_BINS, cells), or (4, cells)
    const float *cls; // (classes, cells)
    int32_t first;    /* index of its first cell among all */
    int32_t cells;
    int32_t side; /* cells in a row; raw only */
    float stride; /* input pixels a cell; raw only */
};

struct head {
    struct level levels[BOXES_LEVELS];
    int32_t level_count;
    int32_t classes;
    bool raw;
    float gate; /* a value not greater than this can't reach min_score */
};

static skip_function skip_function_here(void);

/* --- making -------------------------------------------------------------------------------------
 */

enum tare_status boxes_new(const struct boxes_options *options, struct boxes **boxes,
                           struct tare_err *err)
{
    struct boxes *b;
    enum tare_status status;

    *boxes = NULL;
    if (!(options->min_score >= 0 && options->min_score <= 1))
        return tare_fail(err, TARE_INVALID, "score threshold %g, need 0..1",
                         (double)options->min_score);
    if (!(options->iou >= 0 && options->iou <= 1))
        return tare_fail(err, TARE_INVALID, "IoU threshold %g, need 0..1", (double)options->iou);
    if (options->max_boxes < 1 || options->max_boxes > BOXES_MAX_CANDIDATES)
        return tare_fail(err, TARE_INVALID, "%d boxes a picture, need 1..%d", options->max_boxes,
                         BOXES_MAX_CANDIDATES);
    b = calloc(1, sizeof(*b));
    if (!b)
        return tare_fail(err, TARE_NOMEM, "out of memory for boxes");
    b->options = *options;
    b->skip = skip_function_here();
    status = best_init(&b->best, BOXES_MAX_CANDIDATES, err);
    b->kept = malloc((size_t)options->max_boxes * sizeof(*b->kept));
    b->found = malloc((size_t)options->max_boxes * sizeof(*b->found));
    b->last_kept = malloc(BOXES_MAX_CLASSES * sizeof(*b->last_kept));
    if (status == TARE_OK && (!b->kept || !b->found || !b->last_kept))
        status = tare_fail(err, TARE_NOMEM, "out of memory for %d boxes", options->max_boxes);
    if (status == TARE_OK)
        *boxes = b;
    else
        boxes_free(b);
    return status;
}

void boxes_free(struct boxes *boxes)
{
    if (!boxes)
        return;
    best_release(&boxes->best);
    free(boxes->cells);
    free(boxes->seen);
    free(boxes->kept);
    free(boxes->found);
    free(boxes->last_kept);
    free(boxes);
}

/* Readies the scratch memory for one more picture with so many cells. */
static enum tare_status begin(struct boxes *b, int32_t cells, struct tare_err *err)
{
    if (cells > b->cell_capacity) {
        free(b->cells);
        free(b->seen);
        b->cells = calloc((size_t)cells, sizeof(*b->cells));
        b->seen = malloc((size_t)cells * sizeof(*b->seen));
        b->cell_capacity = b->cells && b->seen ? cells : 0;
        b->picture = 0;
        if (b->cell_capacity == 0)
            return tare_fail(err, TARE_NOMEM, "out of memory for a head of %d cells", cells);
    }
    if (++b->picture == 0) { /* wrapped round: old marks could look new */
        memset(b->cells, 0, (size_t)b->cell_capacity * sizeof(*b->cells));
        b->picture = 1;
    }
    b->seen_count = 0;
    best_clear(&b->best);
    return TARE_OK;
}

/* --- candidates ---------------------------------------------------------------------------------
 */

static float score_of(const struct head *head, float value)
{
    return head->raw ? 1.0F / (1.0F + expf(-value)) : value;
}

/*
 * Sorts by falling score, then by rising place. The bits of positive floats rise with the float;
 * place = cell * classes + class fits 32 bits by BOXES_MAX_ANCHORS and BOXES_MAX_CLASSES.
 */
static uint64_t key_of(float score, uint32_t place)
{
    uint32_t bits;

    memcpy(&bits, &score, sizeof(bits));
    return (uint64_t)~bits << 32 | place;
}

static void add_candidate(struct boxes *b, const struct head *head, int32_t cell, int32_t class_id,
                          float value)
{
    float score = score_of(head, value);

    if (score > b->options.min_score && isfinite(score))
        best_add(&b->best,
                 key_of(score, (uint32_t)cell * (uint32_t)head->classes + (uint32_t)class_id));
}

/* A value over the gate. Classes come in rising order, so of equal values the first class stays. */
static void hit(struct boxes *b, const struct head *head, int32_t cell, int32_t class_id,
                float value)
{
    struct cell *c = &b->cells[cell];

    if (b->options.multi_label) {
        add_candidate(b, head, cell, class_id, value);
        return;
    }
    if (c->seen != b->picture) {
        c->seen = b->picture;
        b->seen[b->seen_count++] = cell;
    } else if (!(value > c->value)) {
        return;
    }
    c->value = value;
    c->class_id = class_id;
}

/* Written so that compilers make vector code of it; NaN is not over anything. */
ALWAYS_INLINE bool any_over(const float *values, float gate)
{
    int any = 0;

    for (int i = 0; i < SCAN_BLOCK; i++)
        any |= values[i] > gate;
    return any != 0;
}

ALWAYS_INLINE int32_t skip_blocks(const float *plane, int32_t from, int32_t cells, float gate)
{
    while (cells - from >= SCAN_BLOCK && !any_over(plane + from, gate))
        from += SCAN_BLOCK;
    return from;
}

static int32_t skip_portable(const float *plane, int32_t from, int32_t cells, float gate)
{
    return skip_blocks(plane, from, cells, gate);
}

#if defined(__x86_64__)
/* Most of the time goes into this, and vectors twice as wide save 40 % of it. */
__attribute__((target("avx2"))) static int32_t skip_avx2(const float *plane, int32_t from,
                                                         int32_t cells, float gate)
{
    return skip_blocks(plane, from, cells, gate);
}
#endif

static skip_function skip_function_here(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        return skip_avx2;
#endif
    return skip_portable;
}

static void scan_plane(struct boxes *b, const struct head *head, const struct level *level,
                       int32_t class_id)
{
    const float *plane = level->cls + (size_t)class_id * (size_t)level->cells;
    int32_t cells = level->cells, at = b->skip(plane, 0, cells, head->gate);

    while (at < cells) {
        int32_t end = cells - at < SCAN_BLOCK ? cells : at + SCAN_BLOCK;

        for (; at < end; at++)
            if (plane[at] > head->gate)
                hit(b, head, level->first + at, class_id, plane[at]);
        at = b->skip(plane, at, cells, head->gate);
    }
}

static void find_candidates(struct boxes *b, const struct head *head)
{
    for (int32_t l = 0; l < head->level_count; l++)
        for (int32_t c = 0; c < head->classes; c++)
            scan_plane(b, head, &head->levels[l], c);
    for (int32_t i = 0; i < b->seen_count; i++) {
        const struct cell *cell = &b->cells[b->seen[i]];

        add_candidate(b, head, b->seen[i], cell->class_id, cell->value);
    }
    best_sort(&b->best);
}

/* --- corners ------------------------------------------------------------------------------------
 */

/* Expectation of a side over its bins; NaN if a logit is not finite. */
static float side_length(const float *logits, size_t step)
{
    float highest = logits[0], sum = 0, weighted = 0;

    for (size_t j = 1; j < BOXES_BINS; j++)
        highest = fmaxf(highest, logits[j * step]);
    for (size_t j = 0; j < BOXES_BINS; j++) {
        float part = expf(logits[j * step] - highest);

        sum += part;
        weighted += part * (float)j;
    }
    return weighted / sum;
}

static struct corners raw_corners(const struct level *level, int32_t index)
{
    size_t step = (size_t)level->cells;
    float x = (float)(index % level->side) + 0.5F, y = (float)(index / level->side) + 0.5F;
    float sides[SIDES];

    for (size_t k = 0; k < SIDES; k++)
        sides[k] = side_length(level->box + k * BOXES_BINS * step + index, step);
    return (struct corners){(x - sides[0]) * level->stride, (y - sides[1]) * level->stride,
                            (x + sides[2]) * level->stride, (y + sides[3]) * level->stride};
}

static struct corners full_corners(const struct level *level, int32_t index)
{
    size_t step = (size_t)level->cells;
    const float *at = level->box + index;
    float half_width = at[2 * step] / 2, half_height = at[3 * step] / 2;

    return (struct corners){at[0] - half_width, at[step] - half_height, at[0] + half_width,
                            at[step] + half_height};
}

/* Each cell is decoded once, however many classes it has. */
static const struct corners *corners_of(struct boxes *b, const struct head *head, int32_t index)
{
    struct cell *cell = &b->cells[index];
    const struct level *level = &head->levels[head->level_count - 1];

    if (cell->decoded == b->picture)
        return &cell->corners;
    while (level->first > index)
        level--;
    cell->corners = head->raw ? raw_corners(level, index - level->first)
                              : full_corners(level, index - level->first);
    cell->decoded = b->picture;
    return &cell->corners;
}

static bool is_a_box(const struct corners *c)
{
    return isfinite(c->x1) && isfinite(c->y1) && isfinite(c->x2) && isfinite(c->y2) &&
           c->x2 >= c->x1 && c->y2 >= c->y1;
}

/* --- suppression --------------------------------------------------------------------------------
 */

static float overlap(const struct kept *a, const struct kept *b)
{
    float width = fminf(a->moved.x2, b->moved.x2) - fmaxf(a->moved.x1, b->moved.x1);
    float height = fminf(a->moved.y2, b->moved.y2) - fmaxf(a->moved.y1, b->moved.y1);
    float both;

    if (!(width > 0 && height > 0))
        return 0;
    both = width * height;
    return both / (a->area + b->area - both);
}

static float clip(float value, float high)
{
    return fminf(fmaxf(value, 0), high);
}

static struct box to_picture(const struct corners *c, const struct boxes_frame *frame)
{
    float width = (float)frame->width, height = (float)frame->height;

    return (struct box){
        .x1 = clip((c->x1 - frame->left) / frame->scale, width),
        .y1 = clip((c->y1 - frame->top) / frame->scale, height),
        .x2 = clip((c->x2 - frame->left) / frame->scale, width),
        .y2 = clip((c->y2 - frame->top) / frame->scale, height),
    };
}

/* Whether the candidate survives the better boxes of its class. */
static bool survives(const struct boxes *b, const struct kept *candidate, int32_t class_id)
{
    for (int32_t i = b->last_kept[class_id]; i >= 0; i = b->kept[i].next)
        if (overlap(&b->kept[i], candidate) > b->options.iou)
            return false;
    return true;
}

/* Candidates come best first, so that the first max_boxes survivors are the result. */
static int32_t suppress(struct boxes *b, const struct head *head, const struct boxes_frame *frame)
{
    int32_t count = 0;

    memset(b->last_kept, 0xff, (size_t)head->classes * sizeof(*b->last_kept));
    for (size_t i = 0; i < b->best.count && count < b->options.max_boxes; i++) {
        uint32_t place = (uint32_t)b->best.keys[i], bits = ~(uint32_t)(b->best.keys[i] >> 32);
        int32_t class_id = (int32_t)(place % (uint32_t)head->classes);
        const struct corners *c = corners_of(b, head, (int32_t)(place / (uint32_t)head->classes));
        float move = (float)class_id * BOXES_CLASS_OFFSET;
        struct kept *kept = &b->kept[count];

        if (!is_a_box(c))
            continue;
        kept->moved = (struct corners){c->x1 + move, c->y1 + move, c->x2 + move, c->y2 + move};
        kept->area = (kept->moved.x2 - kept->moved.x1) * (kept->moved.y2 - kept->moved.y1);
        if (!survives(b, kept, class_id))
            continue;
        kept->next = b->last_kept[class_id];
        b->last_kept[class_id] = count;
        b->found[count] = to_picture(c, frame);
        memcpy(&b->found[count].score, &bits, sizeof(bits));
        b->found[count].class_id = class_id;
        count++;
    }
    return count;
}

/* --- public -------------------------------------------------------------------------------------
 */

static enum tare_status find(struct boxes *b, const struct head *head, int32_t cells,
                             const struct boxes_frame *frame, const struct box **found,
                             size_t *count, struct tare_err *err)
{
    enum tare_status status;

    *found = b->found;
    *count = 0;
    if (head->classes < 1 || head->classes > BOXES_MAX_CLASSES)
        return tare_fail(err, TARE_INVALID, "head of %d classes, need 1..%d", head->classes,
                         BOXES_MAX_CLASSES);
    if (!(frame->scale > 0))
        return tare_fail(err, TARE_INVALID, "picture scale %g, need more than 0",
                         (double)frame->scale);
    status = begin(b, cells, err);
    if (status != TARE_OK)
        return status;
    find_candidates(b, head);
    *count = (size_t)suppress(b, head, frame);
    return TARE_OK;
}

enum tare_status boxes_from_raw(struct boxes *boxes, const struct boxes_raw *raw,
                                const struct boxes_frame *frame, const struct box **found,
                                size_t *count, struct tare_err *err)
{
    double score = (double)boxes->options.min_score;
    struct head head = {.level_count = BOXES_LEVELS, .classes = raw->classes, .raw = true};
    int32_t cells = 0;

    *count = 0;
    if (raw->size < 32 || raw->size > BOXES_MAX_SIZE || raw->size % 32 != 0)
        return tare_fail(err, TARE_INVALID, "input size %d, need a multiple of 32 up to %d",
                         raw->size, BOXES_MAX_SIZE);
    for (int32_t l = 0; l < BOXES_LEVELS; l++) {
        int32_t stride = 8 << l, side = raw->size / stride;

        head.levels[l] =
            (struct level){raw->box[l], raw->cls[l], cells, side * side, side, (float)stride};
        cells += side * side;
    }
    /* A little low, so that rounding loses nothing: the score itself is compared later. */
    head.gate = (float)(log(score / (1 - score)) - 1e-3);
    return find(boxes, &head, cells, frame, found, count, err);
}

enum tare_status boxes_from_full(struct boxes *boxes, const struct boxes_full *full,
                                 const struct boxes_frame *frame, const struct box **found,
                                 size_t *count, struct tare_err *err)
{
    struct head head = {.level_count = 1, .classes = full->classes, .raw = false};

    *count = 0;
    if (full->anchors < 1 || full->anchors > BOXES_MAX_ANCHORS)
        return tare_fail(err, TARE_INVALID, "head of %d anchors, need 1..%d", full->anchors,
                         BOXES_MAX_ANCHORS);
    head.levels[0] = (struct level){.box = full->data,
                                    .cls = full->data + SIDES * (size_t)full->anchors,
                                    .cells = full->anchors};
    head.gate = boxes->options.min_score;
    return find(boxes, &head, full->anchors, frame, found, count, err);
}
