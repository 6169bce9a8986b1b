/*
 * The COCO evaluator from memory. That its figures are right is tested against pycocotools in
 * tests/python/test_coco.py; here: its interface, its errors, and what a bootstrap must give.
 */
#include "check.h"

#include <stdint.h>
#include <stdlib.h>

#include "accuracy/coco.h"

static const char small[] =
    "{\"images\":[{\"id\":7,\"file_name\":\"b.jpg\",\"width\":640,\"height\":480},"
    "{\"id\":3,\"file_name\":\"a\\u00e9.jpg\"}],"
    "\"categories\":[{\"id\":18,\"name\":\"dog\"},{\"id\":1,\"name\":\"person\"}],"
    "\"annotations\":[{\"id\":1,\"image_id\":7,\"category_id\":18,\"bbox\":[0,0,50,40],"
    "\"area\":2000,\"iscrowd\":0},{\"id\":2,\"image_id\":3,\"category_id\":18,"
    "\"bbox\":[10,10,50,40],\"area\":2000,\"iscrowd\":0},{\"id\":3,\"image_id\":99,"
    "\"category_id\":1,\"bbox\":[0,0,1,1],\"area\":1,\"iscrowd\":0}]}";

static struct coco_dataset *load_small(void)
{
    struct coco_dataset *dataset = NULL;

    CHECK_OK(coco_dataset_parse(small, sizeof(small) - 1, "small", &dataset, err));
    return dataset;
}

static void add(struct coco_detections *detections, int64_t image_id, double x, double score)
{
    struct coco_detection detection = {image_id, 18, x, x, 50, 40, score};

    CHECK_OK(coco_detections_add(detections, &detection, err));
}

static void loads_annotations(void)
{
    struct coco_dataset *dataset = load_small();

    CHECK(coco_image_count(dataset) == 2 && coco_category_count(dataset) == 2);
    CHECK(coco_image(dataset, 0)->id == 3 && coco_image(dataset, 1)->width == 640);
    CHECK_TEXT(coco_image(dataset, 0)->file_name, "a\xC3\xA9.jpg");
    CHECK_TEXT(coco_category(dataset, 1)->name, "dog");
    CHECK(coco_find_image(dataset, 7) == 1 && coco_find_image(dataset, 8) == -1);
    CHECK(coco_find_category(dataset, 18) == 1 && !coco_image(dataset, 2));
    CHECK(coco_annotation_count(dataset) == 2 && coco_annotations_left_out(dataset) == 1);
    coco_dataset_free(dataset);
    coco_dataset_free(NULL);
}

static void refuses_bad_annotations(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[]", "'x' line 1, column 1: expected an object"},
        {"{\"images\":[]}", "'x' has no 'categories'"},
        {"{\"images\":[{\"id\":\"a\"}]}", "'x' line 1, column 18: expected a number"},
        {"{\"images\":[{\"width\":1}]}", "'x' line 1, column 23: picture without 'id'"},
        {"{\"images\":[{\"id\":1},{\"id\":1}],\"categories\":[],\"annotations\":[]}",
         "'x' has two pictures with id 1"},
        {"{\"annotations\":[\n{\"id\":1,\"image_id\":1,\"category_id\":1,\"area\":1}]}",
         "'x' line 2, column 47: annotation without 'bbox'"},
        {"{\"annotations\":[{\"bbox\":[1,2,3,4,5]}]}",
         "'x' line 1, column 34: a bbox has 4 numbers, not more"},
        {"{\"annotations\":[{\"area\":1e999}]}", "'x' line 1, column 30: number out of range"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;
        struct coco_dataset *dataset = NULL;

        CHECK(coco_dataset_parse(cases[i].text, strlen(cases[i].text), "x", &dataset, &err) ==
              TARE_BADDATA);
        CHECK_TEXT(err.text, cases[i].message);
        CHECK(!dataset);
    }
}

static void refuses_bad_detections(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "'x' line 1, column 1: the text ends too early"},
        {"{}", "'x' line 1, column 1: expected an array"},
        {"[1]", "'x' line 1, column 2: expected an object"},
        {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4]}]",
         "'x' line 1, column 49: detection without 'score'"},
        {"[{\"image_id\":1.5}]", "'x' line 1, column 17: an id must be an integer"},
        {"[] []", "'x' line 1, column 4: something follows the end of the document"},
        {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1},\n"
         "{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":x}]",
         "'x' line 2, column 56: expected a number"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;
        struct coco_detections *detections = NULL;

        CHECK(coco_detections_parse(cases[i].text, strlen(cases[i].text), "x", 2, &detections,
                                    &err) == TARE_BADDATA);
        CHECK_TEXT(err.text, cases[i].message);
        CHECK(!detections);
    }
}

static void evaluates_from_memory(void)
{
    struct coco_dataset *dataset = load_small();
    struct coco_detections *detections = NULL;
    struct coco_result result;

    CHECK_OK(coco_detections_new(&detections, err));
    add(detections, 7, 0, 0.9);
    add(detections, 3, 10, 0.8);
    CHECK_OK(coco_evaluate(dataset, detections, NULL, &result, err));
    CHECK(result.figures[COCO_AP] == 1 && result.figures[COCO_AR1] == 1);
    CHECK(result.figures[COCO_AP_SMALL] == -1 && result.figures[COCO_AP_MEDIUM] == 1);
    CHECK(result.classes[0].ap == -1 && result.classes[1].ap == 1);
    CHECK(result.classes[1].boxes == 2 && result.classes[1].pictures == 2);
    CHECK(result.pictures == 2 && result.boxes == 2 && result.detections == 2);
    coco_result_release(&result);
    coco_detections_free(detections);
    coco_dataset_free(dataset);
}

static void evaluates_some_pictures(void)
{
    static const int64_t only[] = {3};
    static const int64_t unknown[] = {4};
    struct coco_options options = {.image_ids = only, .image_count = 1};
    struct coco_dataset *dataset = load_small();
    struct coco_detections *detections = NULL;
    struct coco_result result;
    struct tare_err why = TARE_ERR_INIT;

    CHECK_OK(coco_detections_new(&detections, err));
    add(detections, 7, 0, 0.9);
    CHECK_OK(coco_evaluate(dataset, detections, &options, &result, err));
    CHECK(result.pictures == 1 && result.boxes == 1 && result.detections == 0);
    CHECK(result.figures[COCO_AP] == 0);
    coco_result_release(&result);
    options.image_ids = unknown;
    CHECK(coco_evaluate(dataset, detections, &options, &result, &why) == TARE_INVALID);
    CHECK_TEXT(why.text, "picture 4 is not in the annotations");
    coco_result_release(&result);
    coco_detections_free(detections);
    coco_dataset_free(dataset);
}

static void names_stray_detections(void)
{
    struct coco_dataset *dataset = load_small();
    struct coco_detections *detections = NULL;
    struct coco_detection bad = {7, 18, NAN, 0, 1, 1, 0.5};
    struct coco_result result;
    struct tare_err why = TARE_ERR_INIT;

    CHECK_OK(coco_detections_new(&detections, err));
    CHECK(coco_detections_add(detections, &bad, NULL) == TARE_INVALID);
    add(detections, 8, 0, 0.9);
    CHECK(coco_evaluate(dataset, detections, NULL, &result, &why) == TARE_BADDATA);
    CHECK_TEXT(why.text, "a detection is of picture 8, which the annotations do not list");
    coco_detections_free(detections);
    coco_dataset_free(dataset);
}

static void saves_what_it_loads(void)
{
    char path[] = "/tmp/test_coco_XXXXXX";
    struct coco_detections *detections = NULL, *again = NULL;
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    CHECK_OK(coco_detections_new(&detections, err));
    for (int i = 0; i < 1000; i++)
        add(detections, i, (double)i / 3.0, 1.0 / (i + 1));
    CHECK_OK(coco_detections_save(detections, path, err));
    CHECK_OK(coco_detections_load(path, 2, &again, err));
    CHECK(coco_detections_count(again) == 1000);
    for (size_t i = 0; again && i < 1000; i++)
        CHECK(memcmp(coco_detections_get(again, i), coco_detections_get(detections, i),
                     sizeof(struct coco_detection)) == 0);
    CHECK(!coco_detections_get(again, 1000));
    CHECK(remove(path) == 0);
    CHECK(coco_detections_save(detections, "/dev/full", NULL) == TARE_IO);
    coco_detections_free(detections);
    coco_detections_free(again);
}

static void compares_a_set_with_itself(void)
{
    struct coco_dataset *dataset = load_small();
    struct coco_detections *detections = NULL, *none = NULL;
    struct coco_compare_options options = {.resamples = 200, .seed = 5, .threads = 1};
    struct coco_result a, b;
    struct coco_difference one, two;

    CHECK_OK(coco_detections_new(&detections, err));
    CHECK_OK(coco_detections_new(&none, err));
    add(detections, 7, 0, 0.9);
    CHECK_OK(coco_evaluate(dataset, detections, NULL, &a, err));
    CHECK_OK(coco_compare(&a, &a, &options, &one, err));
    CHECK(one.ap.difference == 0 && one.ap.low == 0 && one.ap.high == 0 && !one.ap.resolved);
    CHECK_OK(coco_evaluate(dataset, none, NULL, &b, err));
    CHECK_OK(coco_compare(&a, &b, &options, &one, err));
    options.threads = 2;
    CHECK_OK(coco_compare(&a, &b, &options, &two, err));
    CHECK(memcmp(&one.ap.low, &two.ap.low, sizeof(double)) == 0 && one.ap.high == two.ap.high);
    CHECK(one.ap.difference == a.figures[COCO_AP]);
    /* of two pictures drawn, 0, 1 or 2 are the one whose box is found: AP 0, 51/101 or 1 */
    CHECK(one.ap.low == 0 && one.ap.high == 1);
    coco_result_release(&a);
    coco_result_release(&b);
    coco_detections_free(detections);
    coco_detections_free(none);
    coco_dataset_free(dataset);
}

static void compares_only_like_with_like(void)
{
    static const int64_t only[] = {3};
    struct coco_options options = {.image_ids = only, .image_count = 1};
    struct coco_dataset *dataset = load_small();
    struct coco_detections *detections = NULL;
    struct coco_result a, b;
    struct coco_difference difference;

    CHECK_OK(coco_detections_new(&detections, err));
    CHECK_OK(coco_evaluate(dataset, detections, NULL, &a, err));
    CHECK_OK(coco_evaluate(dataset, detections, &options, &b, err));
    CHECK(coco_compare(&a, &b, NULL, &difference, NULL) == TARE_INVALID);
    coco_result_release(&a);
    coco_result_release(&b);
    coco_detections_free(detections);
    coco_dataset_free(dataset);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"loads_annotations", loads_annotations},
        {"refuses_bad_annotations", refuses_bad_annotations},
        {"refuses_bad_detections", refuses_bad_detections},
        {"evaluates_from_memory", evaluates_from_memory},
        {"evaluates_some_pictures", evaluates_some_pictures},
        {"names_stray_detections", names_stray_detections},
        {"saves_what_it_loads", saves_what_it_loads},
        {"compares_a_set_with_itself", compares_a_set_with_itself},
        {"compares_only_like_with_like", compares_only_like_with_like},
        {0},
    };

    return check_main("coco", cases, argc, argv);
}
