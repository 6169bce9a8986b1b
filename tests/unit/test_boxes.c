/*
 * Heads made by hand, whose boxes follow from the formulas in boxes.h; tests/python/test_boxes.py
 * compares whole heads with a NumPy reference.
 */
#include "check.h"
#include "vision/boxes.h"

#include <stdlib.h>

enum {
    SIZE = 64,
    CLASSES = 3,
    CELLS = 8 * 8 + 4 * 4 + 2 * 2
};

/* A raw head in which no cell has anything. */
struct head {
    float *box[BOXES_LEVELS], *cls[BOXES_LEVELS];
    struct boxes_raw raw;
};

static const struct boxes_frame square = {SIZE, SIZE, 1, 0, 0};

static int side_of(int level)
{
    return SIZE / (8 << level);
}

static void head_init(struct head *head)
{
    head->raw.classes = CLASSES;
    head->raw.size = SIZE;
    for (int l = 0; l < BOXES_LEVELS; l++) {
        size_t cells = (size_t)(side_of(l) * side_of(l));

        head->box[l] = calloc(64 * cells, sizeof(float));
        head->cls[l] = calloc(CLASSES * cells, sizeof(float));
        for (size_t i = 0; i < CLASSES * cells; i++)
            head->cls[l][i] = -20;
        head->raw.box[l] = head->box[l];
        head->raw.cls[l] = head->cls[l];
    }
}

static void head_release(struct head *head)
{
    for (int l = 0; l < BOXES_LEVELS; l++) {
        free(head->box[l]);
        free(head->cls[l]);
    }
}

/* Sets a score, and a box whose four sides are whole numbers of cells. */
static void put(struct head *head, int level, int x, int y, int class_id, float logit,
                const int sides[4])
{
    int side = side_of(level), cells = side * side, at = y * side + x;

    head->cls[level][class_id * cells + at] = logit;
    for (int k = 0; k < 4; k++)
        for (int j = 0; j < BOXES_BINS; j++)
            head->box[level][(k * BOXES_BINS + j) * cells + at] = j == sides[k] ? 60.0F : -60.0F;
}

static struct boxes *new_boxes(float min_score, float iou, int32_t max_boxes, bool multi_label)
{
    const struct boxes_options options = {min_score, iou, max_boxes, multi_label};
    struct boxes *boxes = NULL;

    CHECK_OK(boxes_new(&options, &boxes, err));
    return boxes;
}

static void check_box(const struct box *box, double x1, double y1, double x2, double y2,
                      int class_id)
{
    CHECK_NEAR(box->x1, x1, 1e-4);
    CHECK_NEAR(box->y1, y1, 1e-4);
    CHECK_NEAR(box->x2, x2, 1e-4);
    CHECK_NEAR(box->y2, y2, 1e-4);
    CHECK(box->class_id == class_id);
}

static void decodes_every_level(void)
{
    static const int one[4] = {1, 1, 1, 1}, mixed[4] = {0, 1, 1, 0};
    struct boxes *boxes = new_boxes(0.25F, 0.7F, 300, false);
    const struct box *found;
    struct head head;
    size_t count;

    head_init(&head);
    put(&head, 0, 3, 5, 2, 3, one);   /* centre (28, 44), 8 pixels each way */
    put(&head, 1, 1, 2, 0, 2, mixed); /* centre (24, 40), up and right by 16 */
    put(&head, 2, 1, 1, 1, 1, one);   /* centre (48, 48), 32 each way: clipped */
    CHECK_OK(boxes_from_raw(boxes, &head.raw, &square, &found, &count, err));
    CHECK(count == 3);
    if (count == 3) {
        check_box(&found[0], 20, 36, 36, 52, 2);
        check_box(&found[1], 24, 24, 40, 40, 0);
        check_box(&found[2], 16, 16, 64, 64, 1);
        CHECK_NEAR(found[0].score, 1 / (1 + exp(-3)), 1e-7);
    }
    head_release(&head);
    boxes_free(boxes);
}

/* Equal logits everywhere: the expectation of 0..15 is 7.5. */
static void takes_the_expectation(void)
{
    struct boxes *boxes = new_boxes(0.25F, 0.7F, 300, false);
    const struct boxes_frame wide = {1000, 1000, 0.5F, -100, -100};
    const struct box *found;
    struct head head;
    size_t count;

    head_init(&head);
    head.cls[0][3 * 8 + 4] = 5;
    CHECK_OK(boxes_from_raw(boxes, &head.raw, &wide, &found, &count, err));
    CHECK(count == 1);
    if (count == 1) /* centre (36, 28), 60 each way, then (v + 100) / 0.5 */
        check_box(&found[0], 152, 136, 392, 376, 0);
    head_release(&head);
    boxes_free(boxes);
}

static void suppresses_within_a_class_only(void)
{
    static const int big[4] = {2, 2, 2, 2};
    struct boxes *boxes = new_boxes(0.25F, 0.3F, 300, true);
    const struct box *found;
    struct head head;
    size_t count;

    head_init(&head);
    put(&head, 0, 3, 3, 1, 2, big);
    put(&head, 0, 4, 3, 1, 3, big); /* overlaps the first by 3/5 */
    put(&head, 0, 3, 4, 2, 1, big); /* another class */
    CHECK_OK(boxes_from_raw(boxes, &head.raw, &square, &found, &count, err));
    CHECK(count == 2);
    if (count == 2) {
        check_box(&found[0], 20, 12, 52, 44, 1);
        check_box(&found[1], 12, 20, 44, 52, 2);
    }
    boxes_free(boxes);
    boxes = new_boxes(0.25F, 0.6F, 300, true); /* exactly 0.6 is not greater than 0.6 */
    CHECK_OK(boxes_from_raw(boxes, &head.raw, &square, &found, &count, err));
    CHECK(count == 3);
    head_release(&head);
    boxes_free(boxes);
}

static void gives_one_or_several_labels(void)
{
    static const int one[4] = {1, 1, 1, 1};
    const struct box *found;
    struct head head;
    size_t count;

    head_init(&head);
    put(&head, 1, 1, 1, 0, 1, one);
    put(&head, 1, 1, 1, 1, 3, one);
    put(&head, 1, 1, 1, 2, 2, one);
    for (int multi = 0; multi < 2; multi++) {
        struct boxes *boxes = new_boxes(0.25F, 0.7F, 300, multi != 0);

        CHECK_OK(boxes_from_raw(boxes, &head.raw, &square, &found, &count, err));
        CHECK(count == (multi ? 3 : 1));
        CHECK(count > 0 && found[0].class_id == 1);
        CHECK(count < 3 || (found[1].class_id == 2 && found[2].class_id == 0));
        boxes_free(boxes);
    }
    head_release(&head);
}

/* The threshold itself is not over the threshold; the best max_boxes stay, best first. */
static void keeps_the_best(void)
{
    struct boxes *boxes = new_boxes(0.5F, 1, 5, true);
    const struct box *found;
    struct head head;
    size_t count;

    head_init(&head);
    for (int i = 0; i < 64; i++)
        head.cls[0][i] = (float)(i * 37 % 64) / 8 - 4; /* 32 of them are 0 or less */
    CHECK_OK(boxes_from_raw(boxes, &head.raw, &square, &found, &count, err));
    CHECK(count == 5);
    for (size_t i = 0; i < count; i++)
        CHECK_NEAR(found[i].score, 1 / (1 + exp(-(double)(63 - (int)i) / 8 + 4)), 1e-6);
    boxes_free(boxes);
    boxes = new_boxes(0.5F, 1, 300, true);
    CHECK_OK(boxes_from_raw(boxes, &head.raw, &square, &found, &count, err));
    CHECK(count == 31);
    head_release(&head);
    boxes_free(boxes);
}

static void full_head_gives_the_same(void)
{
    /* 4 + 2 rows of 3 anchors: centre x, centre y, width, height, two scores */
    static const float data[6][3] = {{100, 104, 300}, {50, 50, 20},    {40, 40, 10},
                                     {20, 20, 10},    {.9F, .8F, .1F}, {.2F, .1F, .6F}};
    const struct boxes_full full = {&data[0][0], 2, 3};
    const struct boxes_frame frame = {400, 100, 2, 10, 20};
    struct boxes *boxes = new_boxes(0.25F, 0.7F, 300, true);
    const struct box *found;
    size_t count;

    CHECK_OK(boxes_from_full(boxes, &full, &frame, &found, &count, err));
    CHECK(count == 2); /* the first two overlap by 36/44 */
    if (count == 2) {
        check_box(&found[0], 35, 10, 55, 20, 0);
        check_box(&found[1], 142.5, 0, 147.5, 2.5, 1);
        CHECK(found[0].score == .9F && found[1].score == .6F);
    }
    boxes_free(boxes);
}

/* No value makes it crash, hang or give a box that is not one. */
static void survives_any_value(void)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38F, -3e38F, 0, 1e-40F};
    const size_t odds = sizeof(odd) / sizeof(odd[0]);
    float *data = malloc((4 + CLASSES) * CELLS * sizeof(float));
    const struct boxes_full full = {data, CLASSES, CELLS};
    struct head head;

    head_init(&head);
    for (size_t round = 0; round < odds * odds * 2; round++) {
        struct boxes *boxes = new_boxes(0, 0.7F, 300, round % 2 == 0);
        const struct box *found;
        size_t count;

        for (size_t i = 0; i < (4 + CLASSES) * CELLS; i++)
            data[i] = odd[(i * i + round) % odds];
        for (size_t i = 0; i < 64 * 64; i++)
            head.box[0][i] = odd[(i * 3 + round) % odds];
        for (size_t i = 0; i < CLASSES * 64; i++)
            head.cls[0][i] = odd[(i * 5 + round / odds) % odds];
        CHECK_OK(boxes_from_full(boxes, &full, &square, &found, &count, err));
        for (size_t i = 0; i < count; i++)
            CHECK(isfinite(found[i].score) && found[i].x2 <= SIZE && found[i].x1 >= 0);
        CHECK_OK(boxes_from_raw(boxes, &head.raw, &square, &found, &count, err));
        for (size_t i = 0; i < count; i++)
            CHECK(isfinite(found[i].score) && found[i].y2 <= SIZE && found[i].y1 >= 0);
        boxes_free(boxes);
    }
    head_release(&head);
    free(data);
}

static void refuses_nonsense(void)
{
    const struct boxes_options bad[] = {{-1, 0.7F, 300, true}, {NAN, 0.7F, 300, true},
                                        {0.5F, 2, 300, true},  {0.5F, NAN, 300, true},
                                        {0.5F, 0.7F, 0, true}, {0.5F, 0.7F, 30001, true}};
    struct boxes *boxes;
    const struct box *found;
    size_t count;
    struct boxes_raw raw = {.classes = 80, .size = 100};
    struct boxes_full full = {NULL, 80, BOXES_MAX_ANCHORS + 1};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(boxes_new(&bad[i], &boxes, NULL) == TARE_INVALID && !boxes);
    boxes = new_boxes(0.5F, 0.7F, 300, true);
    CHECK(boxes_from_raw(boxes, &raw, &square, &found, &count, NULL) == TARE_INVALID);
    raw.size = BOXES_MAX_SIZE + 32;
    CHECK(boxes_from_raw(boxes, &raw, &square, &found, &count, NULL) == TARE_INVALID);
    raw.size = 64;
    raw.classes = 0;
    CHECK(boxes_from_raw(boxes, &raw, &square, &found, &count, NULL) == TARE_INVALID);
    CHECK(boxes_from_full(boxes, &full, &square, &found, &count, NULL) == TARE_INVALID);
    boxes_free(boxes);
    boxes_free(NULL);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"decodes_every_level", decodes_every_level},
        {"takes_the_expectation", takes_the_expectation},
        {"suppresses_within_a_class_only", suppresses_within_a_class_only},
        {"gives_one_or_several_labels", gives_one_or_several_labels},
        {"keeps_the_best", keeps_the_best},
        {"full_head_gives_the_same", full_head_gives_the_same},
        {"survives_any_value", survives_any_value},
        {"refuses_nonsense", refuses_nonsense},
        {0},
    };

    return check_main("boxes", cases, argc, argv);
}
