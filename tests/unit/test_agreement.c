/*
 * Agreement on boxes and outputs made by hand, for which the figures follow from their definitions;
 * tests/python/test_agreement.py compares real models with NumPy and pycocotools.
 */
#include <stdbool.h>

#include "accuracy/agreement.h"
#include "accuracy/agreement_match.h"
#include "check.h"
#include "stats/random.h"
#include "stats/ratio.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct box square(float x, float score, int32_t class_id)
{
    return (struct box){x, 0, x + 100, 100, score, class_id};
}

static void overlap_is_the_known_one(void)
{
    const struct box a = square(0, 1, 0), b = square(50, 1, 0), far = square(500, 1, 0);
    const struct box empty = {10, 10, 10, 10, 1, 0};

    CHECK_NEAR(agreement_iou(&a, &a), 1, 0);
    CHECK_NEAR(agreement_iou(&a, &b), 1.0 / 3, 1e-12);
    CHECK_NEAR(agreement_iou(&a, &far), 0, 0);
    CHECK_NEAR(agreement_iou(&empty, &empty), 0, 0);
}

static void boxes_are_matched_one_to_one(void)
{
    /* the same place twice: the second finds nobody left */
    const struct box reference[] = {square(0, 0.9F, 1), square(1, 0.8F, 1), square(300, 0.7F, 2),
                                    square(600, 0.5F, 3), square(900, 0.2F, 3)};
    const struct box model[] = {square(0, 0.95F, 1), square(300, 0.9F, 4), square(300, 0.3F, 2),
                                square(601, 0.1F, 3)};
    bool taken[COUNT(model)];
    const struct agreement_match match =
        agreement_match_boxes(reference, COUNT(reference), model, COUNT(model), 0.25, 0.9, taken);

    CHECK(match.reference == 4); /* the fifth has too low a score */
    CHECK(match.model == 3);
    CHECK(match.found == 2); /* of another class does not count */
    CHECK(match.faded == 1);
}

static void the_nearest_box_is_chosen(void)
{
    const struct box reference[] = {square(0, 0.9F, 1), square(3, 0.8F, 1)};
    const struct box model[] = {square(3, 0.9F, 1), square(0, 0.8F, 1)};
    bool taken[COUNT(model)];

    CHECK(agreement_match_boxes(reference, 2, model, 2, 0.25, 0.9, taken).found == 2);
    CHECK(agreement_match_boxes(reference, 2, model, 2, 0.25, 0.999, taken).found == 2);
    CHECK(agreement_match_boxes(reference, 2, NULL, 0, 0.25, 0.9, taken).found == 0);
}

static void figures_follow_their_definitions(void)
{
    static const char *const heads[] = {"a", "b"};
    const float r[] = {1, 2, 3, 4}, m[] = {1, 2, 3, 5}, zeros[4] = {0};
    const struct box of_reference[] = {square(0, 0.9F, 1), square(300, 0.9F, 2)};
    const struct box of_model[] = {square(0, 0.9F, 1), square(600, 0.9F, 1)};
    const struct agreement_options options = {0};
    struct agreement *a = NULL;
    struct agreement_result result;

    CHECK_OK(agreement_new(&options, heads, 2, &a, err));
    for (int picture = 0; picture < 3; picture++) {
        CHECK_OK(agreement_next_picture(a, err));
        CHECK_OK(agreement_add_outputs(a, 0, r, m, 4, err));
        CHECK_OK(agreement_add_outputs(a, 1, zeros, zeros, 4, err));
        CHECK_OK(agreement_add_boxes(a, of_reference, 2, of_model, 2, err));
    }
    CHECK_OK(agreement_finish(a, &result, err));
    CHECK(result.pictures == 3 && result.head_count == 2);
    CHECK_TEXT(result.heads[0].name, "a");
    CHECK_NEAR(result.heads[0].sqnr_db.value, 10 * log10(30.0 / 1), 1e-12);
    CHECK_NEAR(result.heads[0].sqnr_db.low, 10 * log10(30.0 / 1), 1e-12); /* all pictures alike */
    CHECK(isinf(result.heads[1].sqnr_db.value) && isnan(result.heads[1].sqnr_db.low));
    CHECK(agreement_worst_head(&result) == &result.heads[0]);
    CHECK(result.reference_boxes == 6 && result.model_boxes == 6 && result.found_boxes == 3);
    CHECK_NEAR(result.found.value, 0.5, 0);
    CHECK_NEAR(result.added.value, 0.5, 0);
    CHECK_NEAR(result.faded.value, 0, 0);
    /* class 1 has a false box as good as the right one in each picture, class 2 is not found:
     * precision is 1, 1/2, 2/3, 1/2, 3/5 ... in some order, class 2's is 0 */
    CHECK(result.ap.value > 0.25 && result.ap.value < 0.5);
    agreement_free(a);
}

static void nothing_to_compare_is_no_figure(void)
{
    const struct agreement_options options = {0};
    struct agreement *a = NULL;
    struct agreement_result result;

    CHECK_OK(agreement_new(&options, NULL, 0, &a, err));
    CHECK_OK(agreement_next_picture(a, err));
    CHECK_OK(agreement_add_boxes(a, NULL, 0, NULL, 0, err));
    CHECK_OK(agreement_finish(a, &result, err));
    CHECK(isnan(result.found.value) && isnan(result.ap.value) && isnan(result.added.value));
    CHECK(!agreement_worst_head(&result));
    agreement_free(a);
    CHECK(agreement_new(&options, NULL, AGREEMENT_MAX_HEADS + 1, &a, NULL) == TARE_INVALID && !a);
}

static void what_is_not_finite_is_refused(void)
{
    static const char *const heads[] = {"box8"};
    const float good[] = {1, 2}, bad[] = {1, NAN};
    const struct agreement_options options = {0};
    struct tare_err failure = TARE_ERR_INIT;
    struct agreement *a = NULL;

    CHECK_OK(agreement_new(&options, heads, 1, &a, err));
    CHECK(agreement_add_outputs(a, 0, good, good, 2, NULL) == TARE_INVALID); /* no picture yet */
    CHECK_OK(agreement_next_picture(a, err));
    CHECK(agreement_add_outputs(a, 0, good, bad, 2, &failure) == TARE_BADDATA);
    CHECK_TEXT(failure.text, "output 'box8' has a value that is not finite");
    agreement_free(a);
}

/* By the delta method the standard error of mean(x) / mean(y) is known for independent ones. */
static void interval_of_a_ratio_matches_its_normal_theory(void)
{
    enum {
        PICTURES = 400
    };
    double over[PICTURES], under[PICTURES], error;
    const struct ratio_options options = {.seed = 7, .replicates = 4000};
    struct ratio_estimate share;
    struct random random;

    random_seed(&random, 5);
    for (int i = 0; i < PICTURES; i++) {
        under[i] = 10;
        over[i] = 5 + random_normal(&random);
    }
    CHECK_OK(ratio_of_sums(over, under, PICTURES, &options, &share, err));
    error = 0.1 / sqrt(PICTURES);
    CHECK_NEAR(share.value, 0.5, 4 * error);
    CHECK_NEAR(share.high - share.low, 2 * 1.96 * error, 0.15 * 2 * 1.96 * error);
    CHECK_OK(ratio_of_sums(over, under, 1, &options, &share, err));
    CHECK(isnan(share.low) && isnan(share.high));
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"overlap_is_the_known_one", overlap_is_the_known_one},
        {"boxes_are_matched_one_to_one", boxes_are_matched_one_to_one},
        {"the_nearest_box_is_chosen", the_nearest_box_is_chosen},
        {"figures_follow_their_definitions", figures_follow_their_definitions},
        {"nothing_to_compare_is_no_figure", nothing_to_compare_is_no_figure},
        {"what_is_not_finite_is_refused", what_is_not_finite_is_refused},
        {"interval_of_a_ratio_matches_its_normal_theory",
         interval_of_a_ratio_matches_its_normal_theory},
        {NULL, NULL},
    };

    return check_main("agreement", cases, argc, argv);
}
