/*
 * A device's peaks, with tests/fixtures/cuda_standin.c in the driver's place and
 * cublaslt_standin.c, which does multiply, in the library's: what is right, what is told when it is
 * not, and nothing left behind.
 */
#include "measure/peak_cuda.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "check.h"
#include "cuda/cublaslt.h"

#define DRIVER  TEST_BUILD "/fixtures/cuda_standin.so"
#define LIBRARY TEST_BUILD "/fixtures/cublaslt_standin.so"

static const struct peak_cuda_options quick = {
    .windows = 3, .window_ns = 3000, .rest_ns = 1, .warm_ns = 1, .size = 64};

static void play(const char *driver, const char *library)
{
    char settings[120];

    (void)snprintf(settings, sizeof(settings), "memory_mb=2,%s", driver); /* little to copy */
    (void)setenv("TARE_CUDA_DRIVER", DRIVER, 1);
    (void)setenv("TARE_CUBLASLT", LIBRARY, 1);
    (void)setenv("STANDIN_CUDA", settings, 1);
    (void)setenv("STANDIN_CUBLASLT", library, 1);
}

static int live(void)
{
    void *library = dlopen(DRIVER, RTLD_NOW), *symbol;
    int (*count)(const char *what);

    symbol = library ? dlsym(library, "tare_cuda_stand_in") : NULL;
    if (!symbol)
        return -1;
    memcpy(&count, &symbol, sizeof(count));
    return count("live");
}

static struct peak_cuda measured(const char *driver, const char *library)
{
    struct peak_cuda peaks;

    play(driver, library);
    CHECK_OK(peak_cuda_measure(0, &quick, &peaks, err));
    CHECK(peaks.known && live() == 0);
    return peaks;
}

static void check_all_known(const struct peak_cuda *peaks)
{
    for (int type = 0; type < PEAK_TYPES; type++) {
        CHECK_TEXT(peaks->operations[type].why, "");
        CHECK(peaks->operations[type].rate.worst > 0);
    }
    for (int copy = 0; copy < PEAK_COPIES; copy++) {
        CHECK_TEXT(peaks->copies[copy].why, "");
        CHECK(peaks->copies[copy].rate.best >= peaks->copies[copy].rate.median);
    }
}

static void measures_all(void)
{
    const struct peak_cuda peaks = measured("sm=90,memory_mb=64", "");
    const double device = 2.0 * (16 << 20), ns = 1000 + (16 << 20) / 16.0;

    check_all_known(&peaks);
    CHECK_TEXT(peaks.name, "Stand-in 0");
    CHECK_TEXT(peaks.architecture, "sm_90");
    CHECK_TEXT(peaks.library, "cuBLASLt 13.2.3");
    CHECK(peaks.stand_in && peaks.driver_version == 13000 && peaks.cache_bytes == 6 << 20);
    CHECK(peaks.copy_bytes == 16 << 20 && peaks.size == 64 && peaks.took_ns > 0);
    /* by the stand-in's clock: 1 us an operation, and 1 ns for 16 bytes that are copied */
    CHECK_NEAR(peaks.operations[PEAK_INT8].rate.best, 2.0 * 64 * 64 * 64 / 1e-6, 1e6);
    CHECK_NEAR(peaks.copies[PEAK_COPY_DEVICE].rate.best, device / (ns * 1e-9), 1e6);
    CHECK_NEAR(peaks.copies[PEAK_COPY_IN].rate.best, device / 2 / (ns * 1e-9), 1e6);
}

static void tells_wrong_answers(void)
{
    for (int type = 0; type < PEAK_TYPES; type++) {
        char library[32], why[100];
        struct peak_cuda peaks;

        if (type == PEAK_TF32) /* the stand-in rounds as it should, whatever is asked of it */
            continue;
        (void)snprintf(library, sizeof(library), "wrong=%s", peak_type_name((enum peak_type)type));
        (void)snprintf(why, sizeof(why), "cuBLASLt 13.2.3 gives wrong answers for %s here",
                       peak_type_name((enum peak_type)type));
        peaks = measured("", library);
        CHECK_TEXT(peaks.operations[type].why, why);
        CHECK(peaks.operations[type].rate.best == 0);
        CHECK(peaks.operations[type == PEAK_FP16 ? PEAK_FP32 : PEAK_FP16].rate.best > 0);
    }
}

static void leaves_out_what_the_device_lacks(void)
{
    const struct peak_cuda old = measured("sm=75", ""), poor = measured("", "lacks=int8");
    const struct peak_cuda one = measured("", "fail=cublasLtMatmul:1:15");
    const struct peak_cuda none = measured("", "fail=cublasLtMatmul:0:15");

    CHECK_TEXT(old.operations[PEAK_TF32].why, "sm_75 has no tf32");
    CHECK_TEXT(old.operations[PEAK_BF16].why, "sm_75 has no bf16");
    CHECK(old.operations[PEAK_FP16].rate.best > 0);
    CHECK_TEXT(poor.operations[PEAK_INT8].why, "cuBLASLt 13.2.3 multiplies no int8 on this device");
    CHECK(poor.operations[PEAK_BF16].rate.best > 0);
    CHECK(one.operations[PEAK_FP32].rate.best > 0); /* by the other way */
    CHECK_TEXT(none.operations[PEAK_FP32].why,
               "cuBLASLt cannot multiply: CUBLAS_STATUS_NOT_SUPPORTED");
}

static void copies_need_no_library(void)
{
    struct peak_cuda peaks;

    play("", "");
    (void)setenv("TARE_CUBLASLT", "/nowhere/libcublasLt.so.13", 1);
    CHECK_OK(peak_cuda_measure(0, &quick, &peaks, err));
    CHECK(peaks.copies[PEAK_COPY_OUT].rate.best > 0 && !peaks.library[0]);
    CHECK_TEXT(peaks.operations[PEAK_FP32].why,
               "no cuBLASLt at '/nowhere/libcublasLt.so.13' (TARE_CUBLASLT)");
    (void)setenv("TARE_CUBLASLT", DRIVER, 1);
    CHECK_OK(peak_cuda_measure(0, &quick, &peaks, err));
    CHECK(strstr(peaks.operations[PEAK_FP32].why, "is not cuBLASLt: it has no cublasLtCreate"));
    (void)setenv("TARE_CUBLASLT", __FILE__, 1);
    CHECK_OK(peak_cuda_measure(0, &quick, &peaks, err));
    CHECK(strstr(peaks.operations[PEAK_FP32].why, "cannot load cuBLASLt: "));
    CHECK(live() == 0);
}

static void each_failure_of_the_library_is_told(void)
{
    static const char *const functions[] = {
        "cublasLtCreate",
        "cublasLtMatmulDescCreate",
        "cublasLtMatmulDescSetAttribute",
        "cublasLtMatrixLayoutCreate",
        "cublasLtMatmulPreferenceCreate",
        "cublasLtMatmulPreferenceSetAttribute",
        "cublasLtMatmulAlgoGetHeuristic",
        "cublasLtMatmul",
    };

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        char library[80];
        struct peak_cuda peaks;

        (void)snprintf(library, sizeof(library), "fail=%s:1:14", functions[i]);
        peaks = measured("", library);
        CHECK(strstr(peaks.operations[PEAK_FP32].why, "CUBLAS_STATUS_INTERNAL_ERROR"));
        if (i > 0)
            CHECK(peaks.operations[PEAK_FP16].rate.best > 0); /* the next goes on */
    }
}

static void each_failure_of_the_driver_is_told(void)
{
    static const char *const functions[] = {
        "cuMemGetInfo_v2",      "cuStreamCreate",       "cuEventCreate",
        "cuMemAlloc_v2",        "cuMemHostAlloc",       "cuMemcpyHtoDAsync_v2",
        "cuMemcpyDtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuStreamSynchronize",
        "cuEventRecord",        "cuEventElapsedTime",   "cuLaunchHostFunc",
    };

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        for (int at = 1; at < 30; at += 4) {
            char driver[80];
            struct peak_cuda peaks;
            struct tare_err err = TARE_ERR_INIT;
            enum tare_status status;
            bool said = false;

            (void)snprintf(driver, sizeof(driver), "fail=%s:%d:719,sticky=1", functions[i], at);
            play(driver, "");
            status = peak_cuda_measure(0, &quick, &peaks, &err);
            for (int type = 0; type < PEAK_TYPES; type++)
                said = said || peaks.operations[type].why[0];
            said = said || status != TARE_OK || peaks.copies[PEAK_COPY_IN].rate.best > 0;
            if (!said || live() != 0 || (status != TARE_OK) == peaks.known) {
                (void)fprintf(stderr, "%s: live %d\n", driver, live());
                CHECK(false);
            }
        }
}

static void goes_on_without_memory(void)
{
    struct peak_cuda_options large = quick;
    struct peak_cuda peaks = measured("fail=cuMemHostAlloc:1:2", "");

    CHECK_TEXT(peaks.copies[PEAK_COPY_DEVICE].why,
               "out of pinned memory for cuda:0: asked for 0.5 MiB");
    CHECK(peaks.operations[PEAK_FP32].rate.best > 0);
    play("memory_mb=1", "");
    large.size = 512;
    CHECK_OK(peak_cuda_measure(0, &large, &peaks, err));
    CHECK_TEXT(peaks.operations[PEAK_FP32].why,
               "out of memory on cuda:0: asked for 1.0 MiB, 0.0 of 1.0 MiB are free");
    CHECK(peaks.copies[PEAK_COPY_DEVICE].rate.best > 0 && live() == 0);
}

static void says_why_there_are_none(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct peak_cuda peaks;

    play("devices=0", "");
    CHECK(peak_cuda_measure(0, &quick, &peaks, &err) == TARE_ABSENT && !peaks.known);
    CHECK_TEXT(peaks.why, "NVIDIA's driver knows of no device");
    CHECK_TEXT(err.text, peaks.why);
}

static void a_worker_measures(void)
{
    struct peak_cuda_options options = quick;
    struct tare_err none = TARE_ERR_INIT, no_program = TARE_ERR_INIT, no_worker = TARE_ERR_INIT;
    struct peak_cuda peaks;

    options.program = TEST_BIN "/tare";
    play("", "");
    CHECK_OK(peak_cuda_ask(0, &options, &peaks, err));
    CHECK(peaks.known && peaks.stand_in);
    check_all_known(&peaks);
    CHECK(peak_cuda_ask(3, &options, &peaks, &none) == TARE_ABSENT && !peaks.known);
    CHECK_TEXT(peaks.why, "no device cuda:3: NVIDIA's driver knows of 1");
    options.program = "/nowhere/tare";
    CHECK(peak_cuda_ask(0, &options, &peaks, &no_program) != TARE_OK && peaks.why[0]);
    options.program = "true";
    CHECK(peak_cuda_ask(0, &options, &peaks, &no_worker) != TARE_OK && peaks.why[0]);
}

static void survives_json(void)
{
    const struct peak_cuda peaks = measured("sm=75", "lacks=int8");
    struct json_tree *tree = NULL;
    struct buf text = BUF_INIT;
    struct peak_cuda again;
    struct json_writer w;

    json_start(&w, &text, false);
    json_open_object(&w, NULL);
    peak_cuda_put(&peaks, &w);
    json_close_object(&w);
    CHECK_OK(json_parse(text.data, text.size, &tree, err));
    peak_cuda_read(json_root(tree), &again);
    CHECK(memcmp(&again.operations[PEAK_FP16].rate, &peaks.operations[PEAK_FP16].rate,
                 sizeof(struct peak_rate)) == 0);
    CHECK_TEXT(again.operations[PEAK_INT8].why, peaks.operations[PEAK_INT8].why);
    CHECK_TEXT(again.library, peaks.library);
    CHECK(again.known && again.stand_in && again.size == 64 && again.took_ns == peaks.took_ns);
    json_free(tree);
    buf_release(&text);
}

static void trusts_no_json(void)
{
    static const char text[] =
        "{\"known\": true, \"index\": -4, \"driver_version\": 1e30, \"size\": -1, \"name\": 7,"
        "\"why\": \"a\\u001b[2Jb\", \"rates\": [3, {\"what\": \"fp32\", \"best\": -2},"
        "{\"what\": \"odd\", \"best\": 1}, {\"what\": \"int8\", \"best\": \"x\"}]}";
    struct json_tree *tree = NULL;
    struct peak_cuda peaks;

    CHECK_OK(json_parse(text, sizeof(text) - 1, &tree, err));
    peak_cuda_read(json_root(tree), &peaks);
    CHECK(peaks.index == 0 && peaks.driver_version >= 0 && peaks.size == 0);
    CHECK_TEXT(peaks.why, "a?[2Jb");
    for (int type = 0; type < PEAK_TYPES; type++)
        CHECK(peaks.operations[type].rate.best == 0);
    peak_cuda_read(NULL, &peaks);
    CHECK(!peaks.known);
    json_free(tree);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"measures_all", measures_all},
        {"tells_wrong_answers", tells_wrong_answers},
        {"leaves_out_what_the_device_lacks", leaves_out_what_the_device_lacks},
        {"copies_need_no_library", copies_need_no_library},
        {"each_failure_of_the_library_is_told", each_failure_of_the_library_is_told},
        {"each_failure_of_the_driver_is_told", each_failure_of_the_driver_is_told},
        {"goes_on_without_memory", goes_on_without_memory},
        {"says_why_there_are_none", says_why_there_are_none},
        {"a_worker_measures", a_worker_measures},
        {"survives_json", survives_json},
        {"trusts_no_json", trusts_no_json},
        {0},
    };

    return check_main("peak_cuda", cases, argc, argv);
}
