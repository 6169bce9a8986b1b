/*
 * The slots of TensorRT's run side, as far as they can be shown without a device: the rows by
 * themselves, and TensorRT for RTX's real library, where it is installed, by what can be set and
 * read back and by what it says of an engine that is none. The other functions of an engine cannot
 * be called without one; trt_run_slots.h says what was compared instead.
 */
#include <stdlib.h>

#include "check.h"
#include "tensorrt/trt_run.h"
#include "tensorrt/trt_run_slots.h"

static void no_two_functions_share_a_slot(void)
{
    for (int flavour = 0; flavour < TRT_FLAVOURS; flavour++)
        for (int i = 0; i < TRT_RUN_CALLS; i++) {
            CHECK(trt_run_rows[i].function && trt_run_rows[i].interface);
            CHECK(trt_run_rows[i].slot[flavour] >= 2); /* 0 and 1: the destructor */
            for (int k = 0; k < i; k++)
                CHECK(strcmp(trt_run_rows[i].interface, trt_run_rows[k].interface) != 0 ||
                      trt_run_rows[i].slot[flavour] != trt_run_rows[k].slot[flavour]);
        }
}

/* The real library's runtime; NULL, and the case is skipped, if it is not here. */
static bool real_runtime(struct trt_logger **logger, struct trt_object *runtime)
{
    struct trt_library library;

    if (trt_library_load_any(NULL, TRT_BIT(TRT_RTX), &library, NULL) != TARE_OK) {
        check_skip("no TensorRT for RTX");
        return false;
    }
    CHECK_OK(trt_logger_new(library.flavour, NULL, NULL, logger, err));
    CHECK_OK(trt_runtime_new(&library, *logger, runtime, err));
    return runtime->object != NULL;
}

static void rtx_gives_back_what_was_set(void)
{
    struct trt_logger *logger = NULL;
    struct trt_object runtime;

    if (!real_runtime(&logger, &runtime))
        return;
    CHECK(trt_runtime_logger(runtime) == trt_logger_object(logger));
    for (int32_t threads = 1; threads <= 7; threads += 3) {
        CHECK(trt_set_max_threads(runtime, threads));
        CHECK(trt_max_threads(runtime) == threads);
    }
    for (uint32_t flags = 0; flags < 4; flags++) {
        trt_set_tempfiles(runtime, flags);
        CHECK(trt_tempfiles(runtime) == flags);
    }
    CHECK(!trt_host_code(runtime));
    trt_set_host_code(runtime, true);
    CHECK(trt_host_code(runtime));
    trt_set_host_code(runtime, false);
    CHECK(!trt_host_code(runtime));
    CHECK(trt_dla_cores(runtime) == 0);
    CHECK(trt_max_threads(runtime) == 7 && trt_tempfiles(runtime) == 3);
    trt_drop(&runtime);
    trt_logger_free(logger);
}

static void rtx_says_what_it_thinks_of_garbage(void)
{
    static const char garbage[4096] = "no engine at all";
    struct trt_logger *logger = NULL;
    struct trt_object runtime, engine;
    char said[400];

    if (!real_runtime(&logger, &runtime))
        return;
    trt_logger_clear(logger);
    engine = trt_deserialize(runtime, garbage, sizeof(garbage));
    CHECK(engine.object == NULL);
    CHECK(trt_logger_errors(logger) > 0);
    CHECK(strlen(trt_logger_said(logger, said, sizeof(said))) > 10);
    trt_drop(&runtime);
    trt_logger_free(logger);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"no_two_functions_share_a_slot", no_two_functions_share_a_slot},
        {"rtx_gives_back_what_was_set", rtx_gives_back_what_was_set},
        {"rtx_says_what_it_thinks_of_garbage", rtx_says_what_it_thinks_of_garbage},
        {0},
    };

    return check_main("tensorrt_run", cases, argc, argv);
}
