/* The parts of Triton's backend that do without Triton: its pool, its scratch memory, what it reads
 * of a config. The whole is tested inside a real server, by tests/python/test_triton_backend.py. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../triton/triton_pool.h"
#include "../triton/triton_scratch.h"
#include "../triton/triton_settings.h"
#include "check.h"

/* --- pool ---------------------------------------------------------------------------------------
 */

#define LOOP    200
#define CALLERS 3

struct tally {
    struct triton_pool *pool;
    int plain[LOOP]; /* each index is one thread's */
    atomic_int total;
};

static void count_one(void *context, int32_t index)
{
    struct tally *tally = context;

    tally->plain[index]++;
    atomic_fetch_add(&tally->total, 1);
}

static void pool_does_everything_once(void)
{
    static const int32_t counts[] = {0, 1, 2, 3, LOOP};

    for (int32_t threads = 1; threads <= 4; threads++) {
        struct tally tally = {0};

        CHECK_OK(triton_pool_new(threads, &tally.pool, err));
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]) && tally.pool; i++) {
            memset(tally.plain, 0, sizeof(tally.plain));
            atomic_store(&tally.total, 0);
            triton_pool_run(tally.pool, count_one, &tally, counts[i]);
            CHECK(atomic_load(&tally.total) == counts[i]);
            for (int32_t k = 0; k < LOOP; k++)
                CHECK(tally.plain[k] == (k < counts[i]));
        }
        triton_pool_free(tally.pool);
    }
    triton_pool_free(NULL);
}

static void *call(void *context)
{
    struct tally *tally = context;

    for (int i = 0; i < 20; i++)
        triton_pool_run(tally->pool, count_one, tally, LOOP);
    return NULL;
}

static void pool_serves_several_at_once(void)
{
    static struct tally tallies[CALLERS];
    pthread_t threads[CALLERS];
    struct triton_pool *pool = NULL;

    CHECK_OK(triton_pool_new(3, &pool, err));
    if (!pool)
        return;
    for (int i = 0; i < CALLERS; i++) {
        tallies[i].pool = pool;
        CHECK(pthread_create(&threads[i], NULL, call, &tallies[i]) == 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(atomic_load(&tallies[i].total) == 20 * LOOP);
        CHECK(tallies[i].plain[0] == 20 && tallies[i].plain[LOOP - 1] == 20);
    }
    triton_pool_free(pool);
}

/* --- scratch ------------------------------------------------------------------------------------
 */

static void scratch_is_kept_for_the_next_time(void)
{
    struct triton_scratch scratch = {0};
    char *first, *second;

    for (int round = 0; round < 3; round++) {
        first = triton_scratch_get(&scratch, 1000, NULL);
        second = triton_scratch_get(&scratch, 5 << 20, NULL);
        CHECK(first && second && (uintptr_t)first % 64 == 0 && (uintptr_t)second % 64 == 0);
        if (!first || !second)
            break;
        memset(first, 1, 1000);
        memset(second, 2, 5 << 20);
        CHECK(first[999] == 1 && second[0] == 2);
        if (round > 0) /* one block holds both by now */
            CHECK(second - first >= 1000 && second - first < 2000);
        triton_scratch_reset(&scratch);
    }
    CHECK(triton_scratch_get(&scratch, 0, NULL) != NULL);
    triton_scratch_free(&scratch);
}

static void scratch_refuses_the_impossible(void)
{
    struct triton_scratch scratch = {0};
    struct tare_err err = TARE_ERR_INIT;

    CHECK(!triton_scratch_get(&scratch, SIZE_MAX, &err) && err.status == TARE_LIMIT);
    CHECK(!triton_scratch_get(&scratch, TRITON_SCRATCH_MAX + 1, NULL));
    CHECK(triton_scratch_get(&scratch, 1, NULL) != NULL);
    triton_scratch_free(&scratch);
}

/* --- settings -----------------------------------------------------------------------------------
 */

static enum tare_status read_text(struct triton_settings *settings, const char *json,
                                  struct tare_err *err)
{
    return triton_settings_read(settings, json, strlen(json), err);
}

static void settings_have_defaults(void)
{
    struct triton_settings settings;

    CHECK_OK(read_text(&settings, "{\"max_batch_size\": 4}", err));
    CHECK(settings.role == TRITON_ROLE_MODEL && settings.max_batch == 4 && settings.size == 640);
    CHECK_TEXT(settings.plugin, "onnxruntime");
    CHECK_TEXT(settings.model_file, "model.onnx");
    CHECK_TEXT(settings.precision, "fp32");
    CHECK(settings.threads == 0 && settings.pool_threads >= 1 && settings.option_count == 0);
    CHECK(settings.boxes.min_score == 0.25F && settings.boxes.iou == 0.7F);
    CHECK(settings.boxes.max_boxes == 300 && !settings.boxes.multi_label);
    triton_settings_release(&settings);
    triton_settings_release(&settings);
}

static void settings_are_read(void)
{
    static const char json[] =
        "{\"max_batch_size\": 8, \"input\": [{\"name\": \"jpeg\", \"data_type\": \"TYPE_STRING\","
        " \"dims\": [1], \"reshape\": {\"shape\": []}}], \"output\": [{\"name\": \"boxes\","
        " \"data_type\": \"TYPE_FP32\", \"dims\": [300, -1]}], \"parameters\": {"
        "\"role\": {\"string_value\": \"pipeline\"}, \"min_score\": {\"string_value\": \"0.001\"},"
        " \"multi_label\": {\"string_value\": \"true\"}, \"pool_threads\": {\"string_value\":"
        " \"3\"}, \"option.spinning\": {\"string_value\": \"off\"}}}";
    struct triton_settings settings;

    CHECK_OK(read_text(&settings, json, err));
    CHECK(settings.role == TRITON_ROLE_PIPELINE && settings.pool_threads == 3);
    CHECK(settings.boxes.min_score == 0.001F && settings.boxes.multi_label);
    CHECK(settings.option_count == 1);
    CHECK_TEXT(settings.options[0].name, "spinning");
    CHECK_TEXT(settings.options[0].value, "off");
    CHECK(settings.inputs.count == 1 && settings.inputs.infos[0].dtype == TARE_BYTES);
    CHECK(settings.inputs.infos[0].rank == 0); /* as the backend meets it */
    CHECK(settings.outputs.count == 1 && settings.outputs.infos[0].rank == 2);
    CHECK(settings.outputs.infos[0].shape[0] == 300 && settings.outputs.infos[0].shape[1] == -1);
    triton_settings_release(&settings);
}

static void settings_that_are_wrong_are_named(void)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{\"max_batch_size\": -1}", "max_batch_size is -1, need 1 to 1024"},
        {"{\"parameters\": {\"role\": {}}}", "parameter 'role' has no string_value"},
        {"{\"parameters\": {\"max_boxes\": {\"string_value\": \"0\"}}}",
         "parameter 'max_boxes' is '0', need 1 to 30000"},
        {"{\"parameters\": {\"iou\": {\"string_value\": \"nan\"}}}",
         "parameter 'iou' is 'nan', need 0 to 1"},
        {"{\"parameters\": {\"threads\": {\"string_value\": \"1x\"}}}",
         "parameter 'threads' is '1x', need 0 to 1024"},
        {"{\"parameters\": {\"plugin\": {\"string_value\": \"/tmp/x.so\"}}}",
         "parameter 'plugin' is '/tmp/x.so', need the name of a plugin"},
        {"{\"parameters\": {\"option.library\": {\"string_value\": \"/tmp/x.so\"}}}",
         "parameter 'option.library' is '/tmp/x.so', need a value without '/'"},
        {"{\"parameters\": {\"model_file\": {\"string_value\": \"../../x\"}}}",
         "parameter 'model_file' is '../../x', need the name of a file in the version's folder"},
        {"{\"input\": [{\"name\": \"x\", \"data_type\": \"TYPE_CAR\", \"dims\": [1]}]}",
         "tensor 'x' has the data type 'TYPE_CAR'"},
        {"{\"input\": [{\"name\": \"x\", \"data_type\": \"TYPE_FP32\", \"dims\": [-7]}]}",
         "dimension 0 of tensor 'x' is no size"},
        {"{\"output\": [{\"name\": \"x\", \"data_type\": \"TYPE_FP32\","
         " \"dims\": [1,1,1,1,1,1,1,1]}]}",
         "tensor 'x' has 8 dimensions, need at most 7"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;
        struct triton_settings settings;

        CHECK(read_text(&settings, cases[i].json, &err) == TARE_INVALID);
        CHECK_TEXT(err.text, cases[i].text);
        triton_settings_release(&settings);
    }
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"pool_does_everything_once", pool_does_everything_once},
        {"pool_serves_several_at_once", pool_serves_several_at_once},
        {"scratch_is_kept_for_the_next_time", scratch_is_kept_for_the_next_time},
        {"scratch_refuses_the_impossible", scratch_refuses_the_impossible},
        {"settings_have_defaults", settings_have_defaults},
        {"settings_are_read", settings_are_read},
        {"settings_that_are_wrong_are_named", settings_that_are_wrong_are_named},
        {0},
    };

    return check_main("triton_parts", cases, argc, argv);
}
