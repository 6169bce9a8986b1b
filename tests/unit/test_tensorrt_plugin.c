/*
 * The plugin tensorrt over tests/fixtures/trt_standin.c and cuda_standin.c, in each flavour: what
 * it calls in which order, what it makes of every refusal, and that it leaves nothing behind.
 * Stand-ins made from our own tables do not show that the tables are right; test_tensorrt_run.c has
 * what does.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/registry.h"
#include "backend/session.h"
#include "base/file.h"
#include "check.h"
#include "tensorrt/trt_sidecar.h"

#define DRIVER TEST_BUILD "/fixtures/cuda_standin.so"

static const struct flavour {
    const char *library, *name;
    int version;
} flavours[] = {
    {TEST_BUILD "/fixtures/trt-8.6/libnvinfer.so.8", "TensorRT 8.6.1", 8601},
    {TEST_BUILD "/fixtures/trt-10/libnvinfer.so.10", "TensorRT 10.16.1", 101601},
    {TEST_BUILD "/fixtures/trt-11/libnvinfer.so.11", "TensorRT 11.1.0", 110100},
    {TEST_BUILD "/fixtures/trt-rtx/libtensorrt_rtx.so.1", "TensorRT for RTX 1.7.1", 10701},
};
#define FLAVOURS (sizeof(flavours) / sizeof(flavours[0]))
#define TEN      (&flavours[1])

static char folder[64], engine_path[128], log_path[128];
static struct backend *backend;

/* --- what the stand-ins are told, and tell --- */

static void play(const char *cuda, const char *trt)
{
    (void)setenv("TARE_CUDA_DRIVER", DRIVER, 1);
    (void)setenv("STANDIN_CUDA", cuda, 1);
    (void)setenv("STANDIN_TRT", trt, 1);
    (void)setenv("STANDIN_TRT_LOG", log_path, 1);
    (void)unlink(log_path);
}

/* How much of the device the plugin holds. */
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

/* What was called of TensorRT since play(), calls joined by "; ". */
static const char *calls(void)
{
    static char text[8192];
    FILE *file = fopen(log_path, "r");
    size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

    if (file)
        (void)fclose(file);
    text[size] = '\0';
    for (char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        *at = ';';
    return text;
}

static int count_calls(const char *call)
{
    int count = 0;

    for (const char *at = calls(); (at = strstr(at, call)) != NULL; at++)
        count++;
    return count;
}

/* Each word that makes an object stands in the line of its end too. */
static bool all_deleted(void)
{
    return count_calls("runtime") == 2 * count_calls("delete runtime") &&
           count_calls("context") == 2 * count_calls("delete context");
}

static void write_text(const char *path, const char *text)
{
    CHECK_OK(file_write(path, text, strlen(text), err));
}

/* An engine of that version for sm_86: y = 3 x, four numbers a row, batches of 1 to 8. */
static void write_engine(int version, const char *more)
{
    char text[4096];

    (void)snprintf(text, sizeof(text),
                   "stand-in engine\nversion %d\nsm 86\nfactor 3\nmemory 1048576\ninput x 0 -1 4\n"
                   "output y 0 -1 4\nprofile 1 4 8\n%send\n",
                   version, more);
    write_text(engine_path, text);
}

/* --- sessions --- */

struct opening {
    const struct flavour *flavour;
    const char *precision, *device;
    int batch;
    const char *option, *value;
};

static enum tare_status try_open(const struct opening *opening, struct backend_session **session,
                                 struct tare_err *err)
{
    const struct tare_option_value options[] = {
        {"library", opening->flavour ? opening->flavour->library : ""},
        {opening->option, opening->value}};
    struct backend_session_options all = {
        .model_path = engine_path,
        .device = opening->device ? opening->device : "cuda:0",
        .precision = opening->precision ? opening->precision : "fp32",
        .batch = opening->batch,
        .options = options,
        .option_count = opening->option ? 2 : 1,
    };

    return backend_session_open(backend, &all, session, err);
}

static struct backend_session *opened(const struct opening *opening)
{
    struct backend_session *session = NULL;

    CHECK_OK(try_open(opening, &session, err));
    return session;
}

/* Opening fails so, and holds nothing. */
static void refuses(const struct opening *opening, enum tare_status status, const char *text)
{
    struct tare_err err = TARE_ERR_INIT;
    struct backend_session *session = NULL;

    CHECK(try_open(opening, &session, &err) == status);
    CHECK(!session);
    if (!strstr(err.text, text))
        CHECK_TEXT(err.text, text);
    CHECK(!strchr(err.text, '\n'));
    CHECK(live() == 0);
    CHECK(all_deleted());
    backend_session_close(session);
}

static void fill(struct backend_session *session, float first, int count)
{
    float *x = backend_session_tensor(session, true, 0)->data;

    for (int i = 0; i < count; i++)
        x[i] = first + (float)i;
}

static bool is_tripled(struct backend_session *session, float first, int count)
{
    const float *y = backend_session_tensor(session, false, 0)->data;

    for (int i = 0; i < count; i++)
        if (y[i] != 3 * (first + (float)i))
            return false;
    return true;
}

static void runs(struct backend_session *session, float first, int count)
{
    fill(session, first, count);
    CHECK_OK(backend_session_run(session, NULL, NULL, err));
    CHECK(is_tripled(session, first, count));
}

/* --- cases --- */

static void runs_in_every_flavour(void)
{
    for (size_t i = 0; i < FLAVOURS; i++) {
        struct backend_session *session;
        char expected[700];

        play("sm=86", "");
        write_engine(flavours[i].version, "");
        session = opened(&(struct opening){.flavour = &flavours[i], .batch = 2});
        if (!session)
            return;
        CHECK_TEXT(backend_session_report(session)->runtime_version, flavours[i].name);
        CHECK_TEXT(backend_session_report(session)->provider, "stand-in TensorRT on sm_86");
        CHECK_TEXT(backend_session_report(session)->executed_precision, "");
        CHECK(backend_session_tensor(session, true, 0)->memory == TARE_MEM_PINNED);
        runs(session, 1, 8);
        runs(session, 5, 8);
        backend_session_close(session);
        (void)snprintf(expected, sizeof(expected),
                       "runtime %d;deserialize;context;shape x;address x;address y;enqueue;compute;"
                       "enqueue;compute;delete context;delete engine;delete runtime;",
                       flavours[i].version);
        CHECK_TEXT(calls(), expected);
        CHECK(live() == 0);
    }
}

static void enqueues_copies_too(void)
{
    struct backend_session *session;
    const float *y;

    play("sm=86", "");
    write_engine(TEN->version, "factor 1\n");
    session =
        opened(&(struct opening){.flavour = TEN, .batch = 2, .option = "cuda_graph", .value = "1"});
    if (!session)
        return;
    y = backend_session_tensor(session, false, 0)->data;
    for (int run = 0; run < 5; run++) {
        fill(session, (float)run, 8);
        CHECK_OK(backend_session_run(session, NULL, NULL, err));
        CHECK(y[0] == (float)run && y[7] == (float)run + 7);
    }
    backend_session_close(session);
    CHECK(live() == 0);
}

static void tells_times_of_the_device(void)
{
    struct tare_timing timing = {0, 0, 0, 0};
    struct backend_session *session;

    play("sm=86", "");
    write_engine(TEN->version, "");
    session = opened(&(struct opening){.flavour = TEN, .batch = 4});
    if (!session)
        return;
    CHECK_OK(backend_session_run(session, NULL, &timing, err));
    CHECK(timing.queue_ns == -1);
    CHECK(timing.copy_in_ns > 0 && timing.compute_ns > 0 && timing.copy_out_ns > 0);
    backend_session_close(session);
}

static void takes_any_batch_of_a_profile(void)
{
    struct backend_session *session;

    play("sm=86", "");
    write_engine(TEN->version, "profile 16 16 32\n");
    for (int batch = 1; batch <= 32; batch += batch == 8 ? 8 : 1) {
        session = opened(&(struct opening){.flavour = TEN, .batch = batch});
        if (!session)
            return;
        runs(session, (float)batch, 4 * batch);
        backend_session_close(session);
    }
    CHECK(count_calls("profile 1;") > 0);
    refuses(&(struct opening){.flavour = TEN, .batch = 12}, TARE_UNSUPPORTED,
            "the engine takes batches of 16 to 32, need one built for 12");
    CHECK(live() == 0);
}

static void is_bound_anew(void)
{
    struct tare_err small = TARE_ERR_INIT, large = TARE_ERR_INIT, type = TARE_ERR_INIT;
    struct backend_session *session;
    struct tare_tensor input, output;

    play("sm=86", "");
    write_engine(TEN->version, "");
    session = opened(&(struct opening){.flavour = TEN, .batch = 8});
    if (!session)
        return;
    input = *backend_session_tensor(session, true, 0);
    output = *backend_session_tensor(session, false, 0);
    input.shape[0] = output.shape[0] = 3;
    CHECK_OK(backend_session_bind(session, &input, &output, err));
    runs(session, 7, 12);
    output.capacity_bytes = 40;
    CHECK(backend_session_bind(session, &input, &output, &small) == TARE_INVALID);
    output.capacity_bytes = 48;
    input.shape[0] = 1;
    input.shape[1] = 5;
    CHECK(backend_session_bind(session, &input, &output, &type) == TARE_INVALID);
    CHECK_TEXT(type.text, "'x' is bound with 5 as dimension 1, need 4");
    CHECK(backend_session_run(session, NULL, NULL, &large) == TARE_INVALID);
    CHECK_TEXT(large.text, "nothing is bound");
    backend_session_close(session);
    CHECK(live() == 0);
}

static void refuses_a_batch_beyond_the_profile(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct backend_session *session;
    struct tare_tensor input, output;
    float x[36] = {0}, y[36] = {0};

    play("sm=86", "");
    write_engine(TEN->version, "");
    session = opened(&(struct opening){.flavour = TEN, .batch = 1});
    if (!session)
        return;
    input = *backend_session_tensor(session, true, 0);
    output = *backend_session_tensor(session, false, 0);
    input.shape[0] = output.shape[0] = 9;
    input.data = x;
    output.data = y;
    input.memory = output.memory = TARE_MEM_HOST;
    input.capacity_bytes = output.capacity_bytes = sizeof(x);
    CHECK(backend_session_bind(session, &input, &output, &err) == TARE_INVALID);
    CHECK(strstr(err.text, "no optimisation profile of the engine takes the shapes bound") != NULL);
    backend_session_close(session);
    CHECK(live() == 0);
}

static void replays_a_cuda_graph(void)
{
    for (size_t i = 0; i < FLAVOURS; i++) {
        struct backend_session *session;

        play("sm=86", "");
        write_engine(flavours[i].version, "");
        session = opened(&(struct opening){
            .flavour = &flavours[i], .batch = 2, .option = "cuda_graph", .value = "1"});
        if (!session)
            return;
        for (int run = 0; run < 6; run++)
            runs(session, (float)run, 8);
        CHECK(count_calls("enqueue;") == 3); /* two plain ones, and the capture */
        CHECK(count_calls("compute;") == 6);
        CHECK_OK(backend_session_bind(session, backend_session_tensor(session, true, 0),
                                      backend_session_tensor(session, false, 0), err));
        for (int run = 0; run < 4; run++)
            runs(session, (float)run, 8);
        CHECK(count_calls("enqueue;") == 6);
        backend_session_close(session);
        CHECK(live() == 0);
    }
}

static void says_that_a_graph_cannot_be_captured(void)
{
    struct tare_err err = TARE_ERR_INIT, late = TARE_ERR_INIT;
    struct backend_session *session;

    play("sm=86,fail=cuStreamEndCapture:1:901", "");
    write_engine(TEN->version, "");
    session =
        opened(&(struct opening){.flavour = TEN, .batch = 2, .option = "cuda_graph", .value = "1"});
    if (!session)
        return;
    runs(session, 1, 8);
    runs(session, 2, 8);
    CHECK(backend_session_run(session, NULL, NULL, &err) == TARE_FAILED);
    CHECK(strstr(err.text, "cannot capture a CUDA graph: ") == err.text);
    CHECK(strstr(err.text, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED") != NULL);
    (void)setenv("STANDIN_TRT", "fail=enqueue", 1);
    CHECK(backend_session_run(session, NULL, NULL, &late) != TARE_OK);
    backend_session_close(session);
    CHECK(live() == 0);
}

static void times_layers(void)
{
    for (size_t i = 0; i < FLAVOURS; i++) {
        const struct tare_profile_row *rows = NULL;
        struct backend_session *session;
        size_t count = 0;

        play("sm=86", "");
        write_engine(flavours[i].version, "");
        session = opened(&(struct opening){
            .flavour = &flavours[i], .batch = 1, .option = "profile", .value = "1"});
        if (!session)
            return;
        for (int run = 0; run < 3; run++)
            runs(session, 1, 4);
        CHECK_OK(backend_session_profile(session, &rows, &count, err));
        CHECK(count == 2);
        if (count == 2) {
            CHECK_TEXT(rows[0].node, "large");
            CHECK_TEXT(rows[1].node, "small");
            CHECK(rows[0].total_ns == 4500000 && rows[0].calls == 3);
            CHECK(rows[1].total_ns == 1500000 && rows[1].calls == 6);
        }
        CHECK(count_calls("emits profile 0") == 1);
        backend_session_close(session);
        CHECK(live() == 0);
    }
}

static void refuses_files_that_are_no_engines(void)
{
    const struct opening opening = {.flavour = TEN, .batch = 1};

    play("sm=86", "");
    write_text(engine_path, "");
    refuses(&opening, TARE_BADDATA, "the file is empty");
    write_text(engine_path, "\177ELF and no engine at all");
    refuses(&opening, TARE_BADDATA,
            "with TensorRT 10.16.1: not a serialized engine: magic tag does not match");
    write_text(engine_path, "stand-in engine\nversion 101601\nsm 86\nfactor 3\ninput x 0 -");
    refuses(&opening, TARE_BADDATA, "serialized engine ends too early, at byte 57");
    (void)unlink(engine_path);
    refuses(&opening, TARE_ABSENT, "no such file");
}

static void refuses_engines_for_others(void)
{
    const struct opening opening = {.flavour = TEN, .batch = 1};

    play("sm=87", "");
    write_engine(TEN->version, "");
    refuses(&opening, TARE_BADDATA, "engine of compute 86, expecting 87");
    play("sm=86", "");
    write_engine(8601, "");
    refuses(&opening, TARE_BADDATA, "engine of version 8601, expecting 101601");
    play("sm=90", "");
    write_engine(10701, "");
    refuses(&(struct opening){.flavour = &flavours[3], .batch = 1}, TARE_UNSUPPORTED,
            "TensorRT for RTX 1.7.1 does not run on cuda:0, Stand-in 0 (sm_90): need sm_75 to "
            "sm_89 or sm_12x");
    refuses(&(struct opening){.flavour = TEN, .device = "cpu"}, TARE_UNSUPPORTED,
            "TensorRT cannot use device 'cpu', need cuda:0");
    refuses(&(struct opening){.flavour = TEN, .device = "cuda:1"}, TARE_ABSENT, "cuda:1");
    refuses(&(struct opening){.flavour = TEN, .precision = "fp64"}, TARE_UNSUPPORTED, "fp64");
}

static void says_what_tensorrt_says(void)
{
    const struct opening opening = {.flavour = TEN, .batch = 1};

    write_engine(TEN->version, "");
    play("sm=86", "fail=runtime");
    refuses(&opening, TARE_FAILED, "cannot start TensorRT 10.16.1: the runtime does not start");
    play("sm=86", "fail=deserialize");
    refuses(&opening, TARE_BADDATA, "deserialization failed for a reason of its own");
    play("sm=86", "fail=shape");
    refuses(&opening, TARE_INVALID, "cannot set the shape of 'x'");
    play("sm=86", "fail=address");
    refuses(&opening, TARE_INVALID, "cannot bind 'x': no such address");
    play("sm=86", "fail=profile");
    write_engine(TEN->version, "profile 16 16 16\n");
    refuses(&(struct opening){.flavour = TEN, .batch = 16}, TARE_FAILED,
            "cannot choose an optimisation profile");
}

static void a_failed_run_is_followed_by_a_good_one(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct backend_session *session;

    play("sm=86", "");
    write_engine(TEN->version, "");
    session = opened(&(struct opening){.flavour = TEN, .batch = 1});
    if (!session)
        return;
    (void)setenv("STANDIN_TRT", "fail=enqueue", 1);
    CHECK(backend_session_run(session, NULL, NULL, &err) == TARE_FAILED);
    CHECK_TEXT(err.text, "cannot run: a kernel was not launched");
    (void)setenv("STANDIN_TRT", "", 1);
    runs(session, 3, 4);
    backend_session_close(session);
    CHECK(live() == 0);
}

static void says_how_much_memory_is_missing(void)
{
    const struct opening opening = {.flavour = TEN, .batch = 1};

    write_engine(TEN->version, "memory 8388608\n");
    play("sm=86,memory_mb=4", "");
    refuses(
        &opening, TARE_NOMEM,
        "out of memory on cuda:0: cannot make a context, which takes 8.0 MiB of the device: Error "
        "Code 2: OutOfMemory (no further information), 4.0 of 4.0 MiB are free");
    play("sm=86", "fail=memory");
    refuses(&opening, TARE_NOMEM, "could not be allocated, 64.0 of 64.0 MiB are free");
    write_engine(TEN->version, "memory 900000\nprofile 9 9 100000\n");
    play("sm=86,memory_mb=1", "");
    refuses(&(struct opening){.flavour = TEN, .batch = 100000}, TARE_NOMEM,
            "no room for tensor 'x'");
}

/* Each call of the driver that opening and a run make, failing in turn. */
static void releases_everything_after_any_failure(void)
{
    static const char *const functions[] = {
        "cuMemAlloc_v2",        "cuMemHostAlloc",       "cuStreamCreate", "cuEventCreate",
        "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuEventRecord",  "cuStreamSynchronize",
        "cuLaunchHostFunc",     "cuCtxSetCurrent",      "cuGraphLaunch",  "cuStreamBeginCapture_v2",
        "cuEventElapsedTime",   "cuMemGetInfo_v2"};

    write_engine(TEN->version, "");
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        enum tare_status status = TARE_FAILED;

        for (int at = 1; at < 40 && status != TARE_OK; at++) {
            struct opening opening = {
                .flavour = TEN, .batch = 2, .option = "cuda_graph", .value = "1"};
            struct tare_err err = TARE_ERR_INIT;
            struct backend_session *session = NULL;
            struct tare_timing timing;
            char settings[128];

            (void)snprintf(settings, sizeof(settings), "sm=86,fail=%s:%d", functions[i], at);
            play(settings, "");
            status = try_open(&opening, &session, &err);
            for (int run = 0; run < 4 && status == TARE_OK; run++)
                status = backend_session_run(session, NULL, &timing, &err);
            CHECK(status == TARE_OK || err.text[0]);
            backend_session_close(session);
            CHECK(live() == 0);
            CHECK(all_deleted());
        }
        CHECK(status == TARE_OK);
    }
}

/* Notes beside the engine, as 'tare plan' does. */
static void write_note(const char *architecture, const char *library, const char *precision,
                       int32_t dla_core)
{
    struct trt_sidecar note = {.dla_core = dla_core,
                               .level = -1,
                               .dla_layers = dla_core < 0 ? 0 : 5,
                               .gpu_layers = dla_core < 0 ? 0 : 2};
    struct file_map map = {0};

    (void)snprintf(note.architecture, sizeof(note.architecture), "%s", architecture);
    (void)snprintf(note.library, sizeof(note.library), "%s", library);
    (void)snprintf(note.precision, sizeof(note.precision), "%s", precision);
    CHECK_OK(file_sha256(engine_path, note.engine_sha256, err));
    memcpy(note.model_sha256, note.engine_sha256, sizeof(note.model_sha256));
    CHECK_OK(file_map(engine_path, 1 << 20, &map, err));
    note.engine_bytes = (int64_t)map.size;
    file_unmap(&map);
    CHECK_OK(trt_sidecar_write(engine_path, &note, err));
}

static void reads_what_is_noted_beside_an_engine(void)
{
    const struct opening opening = {.flavour = TEN, .batch = 1, .precision = "fp16"};
    struct backend_session *session;
    char path[160];

    (void)snprintf(path, sizeof(path), "%s.json", engine_path);
    write_engine(TEN->version, "");
    play("sm=86", "dla=2");
    write_note("sm_86", "TensorRT 10.16.1", "fp16", 1);
    session = opened(&opening);
    if (session) {
        CHECK_TEXT(backend_session_report(session)->executed_precision, "fp16");
        CHECK_TEXT(backend_session_report(session)->provider,
                   "stand-in TensorRT on sm_86, as built, DLA core 1, 2 of 7 on GPU");
        CHECK(strstr(calls(), "dla 1;deserialize") != NULL);
    }
    backend_session_close(session);
    write_note("sm_86", "TensorRT 10.16.1", "fp16", -1);
    session = opened(&opening);
    if (session)
        CHECK_TEXT(backend_session_report(session)->provider,
                   "stand-in TensorRT on sm_86, as built");
    backend_session_close(session);
    (void)unlink(path);
}

static void names_tf32(void)
{
    const struct opening opening = {.flavour = TEN, .batch = 1};
    static const char *const devices[][3] = {{"sm=86", "sm_86", "tf32"},
                                             {"sm=75", "sm_75", "fp32"}};
    char path[160];

    (void)snprintf(path, sizeof(path), "%s.json", engine_path);
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        struct backend_session *session;

        write_engine(TEN->version, i ? "sm 75\n" : "");
        play(devices[i][0], "");
        write_note(devices[i][1], "TensorRT 10.16.1", "fp32", -1);
        session = opened(&opening);
        if (session)
            CHECK_TEXT(backend_session_report(session)->executed_precision, devices[i][2]);
        backend_session_close(session);
    }
    (void)unlink(path);
}

static void refuses_what_is_noted_of_another(void)
{
    const struct opening opening = {.flavour = TEN, .batch = 1, .precision = "fp16"};
    char path[160];

    (void)snprintf(path, sizeof(path), "%s.json", engine_path);
    write_engine(TEN->version, "");
    write_note("sm_86", "TensorRT 10.16.1", "fp16", -1);
    play("sm=86", "");
    refuses(&(struct opening){.flavour = TEN, .batch = 1}, TARE_UNSUPPORTED,
            "was built as fp16, not as fp32");
    play("sm=87", "");
    refuses(&opening, TARE_UNSUPPORTED, "was built for sm_86, cuda:0 is sm_87");
    write_note("sm_87", "TensorRT 8.6.1", "fp16", -1);
    refuses(&opening, TARE_UNSUPPORTED, "was built by TensorRT 8.6.1, here is TensorRT 10.16.1");
    (void)setenv("TARE_TENSORRT", TEN->library, 1);
    refuses(&(struct opening){.batch = 1, .precision = "fp16"}, TARE_UNSUPPORTED,
            "was built by TensorRT 8.6.1, here is TensorRT 10.16.1");
    (void)unsetenv("TARE_TENSORRT");
    write_note("sm_87", "TensorRT 10.16.1", "fp16", -1);
    write_engine(TEN->version, "factor 4\n");
    refuses(&opening, TARE_BADDATA, "was cut or changed");
    write_text(path, "{\"library\": ");
    refuses(&opening, TARE_BADDATA, "is damaged");
    CHECK_TEXT(calls(), ""); /* nothing was asked of TensorRT */
    (void)unlink(path);
}

/* One layer in the inspector's words. */
#define LAYER(type, format)                                                                        \
    "{\"Name\": \"n\", \"LayerType\": \"" type "\", \"Inputs\": [{\"Name\": \"i\", "               \
    "\"Format/Datatype\": \"" format "\"}], \"Outputs\": []}"

static void executes(const char *layers, const char *option, const char *precision,
                     const char *provider)
{
    struct backend_session *session;
    char more[2048];

    (void)snprintf(more, sizeof(more), "%slayers {\"Layers\": [%s]}\n", option ? "dla 2\n" : "",
                   layers);
    write_engine(TEN->version, more);
    play("sm=86", "dla=2");
    session = opened(&(struct opening){
        .flavour = TEN, .batch = 1, .option = option, .value = option ? "1" : NULL});
    if (!session)
        return;
    CHECK_TEXT(backend_session_report(session)->executed_precision, precision);
    CHECK_TEXT(backend_session_report(session)->provider, provider);
    CHECK(count_calls("delete inspector") == 1);
    backend_session_close(session);
    CHECK(live() == 0);
}

static void reads_back_what_is_executed(void)
{
    static const char provider[] = "stand-in TensorRT on sm_86";

    executes(LAYER("CaskConvolution", "Channel major FP16 format where channel % 8 == 0"), NULL,
             "fp16", provider);
    executes(LAYER("gemm", "Float") "," LAYER("Reformat", "Half") "," LAYER("Reformat", "Half"),
             NULL, "fp32", provider);
    executes(
        LAYER("CaskGemmConvolution", "Thirty-two wide channel vectorized row major Int8 format"),
        NULL, "int8", provider);
    executes(LAYER("kgen", "BFloat16"), NULL, "bf16", provider);
    executes("\"conv 1\", \"conv 2\"", NULL, "", provider);
    executes("17, null, {}, {\"Inputs\": {}}", NULL, "", provider);
    executes("{{", NULL, "", provider);
}

static void counts_what_the_dla_does_not_run(void)
{
    executes(LAYER("DLA", "Row major linear FP16 format") "," LAYER("PoolingV2", "Half") "," LAYER(
                 "DLA", "Half"),
             "dla", "fp16", "stand-in TensorRT on sm_86, DLA core 1, 1 of 3 on GPU");
    CHECK(strstr(calls(), "dla 1;deserialize") != NULL);
    play("sm=86", "dla=1");
    refuses(&(struct opening){.flavour = TEN, .batch = 1, .option = "dla", .value = "1"},
            TARE_UNSUPPORTED, "no DLA core 1: cuda:0 has 1");
}

static void refuses_tensors_that_it_cannot_bind(void)
{
    const struct opening opening = {.flavour = TEN, .batch = 1};

    play("sm=86", "");
    write_engine(TEN->version, "host x\n");
    refuses(&opening, TARE_UNSUPPORTED, "tensor 'x' gives a shape and lies on the host");
    write_engine(TEN->version, "vector y\n");
    refuses(&opening, TARE_UNSUPPORTED, "tensor 'y' is not laid out row after row");
    write_engine(TEN->version, "output z 9 1\n");
    refuses(&opening, TARE_UNSUPPORTED, "tensor 'z' is of TensorRT's type 9 (INT4)");
    write_engine(TEN->version, "output z 0 1 -1\n");
    refuses(&opening, TARE_UNSUPPORTED, "the shape of output 'z' depends on the input's values");
    write_engine(TEN->version,
                 "output z1234567890123456789012345678901234567890123456789012345678901234567890123"
                 "4567890123456789012345678901234567890123456789012345678901234567890 0 1\n");
    refuses(&opening, TARE_UNSUPPORTED, "need at most 127");
    write_text(engine_path, "stand-in engine\nversion 101601\nsm 86\nend\n");
    refuses(&opening, TARE_LIMIT, "the engine has 0 inputs and outputs");
}

static void probe_says_which_is_missing(void)
{
    struct tare_err library = TARE_ERR_INIT, device = TARE_ERR_INIT, wrong = TARE_ERR_INIT;
    const struct tare_backend *slots = backend_slots(backend);
    char note[200] = "";

    (void)setenv("TARE_TENSORRT", "/nowhere/libnvinfer.so", 1);
    CHECK(slots->probe(note, sizeof(note), &library) == TARE_ABSENT);
    CHECK_TEXT(library.text, "no TensorRT at '/nowhere/libnvinfer.so' (TARE_TENSORRT)");
    (void)setenv("TARE_TENSORRT", TEN->library, 1);
    play("devices=0", "");
    CHECK(slots->probe(note, sizeof(note), &device) == TARE_ABSENT);
    CHECK_TEXT(device.text, "no CUDA device: NVIDIA's driver knows of no device");
    (void)setenv("TARE_TENSORRT", flavours[3].library, 1);
    play("sm=90", "");
    CHECK(slots->probe(note, sizeof(note), &wrong) == TARE_ABSENT);
    CHECK(strstr(wrong.text, "TensorRT for RTX 1.7.1 does not run on cuda:0") == wrong.text);
    play("sm=86", "");
    CHECK_OK(slots->probe(note, sizeof(note), err));
    CHECK_TEXT(note, "TensorRT for RTX 1.7.1, Stand-in 0 (sm_86), a stand-in");
    (void)unsetenv("TARE_TENSORRT");
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"runs_in_every_flavour", runs_in_every_flavour},
        {"enqueues_copies_too", enqueues_copies_too},
        {"tells_times_of_the_device", tells_times_of_the_device},
        {"takes_any_batch_of_a_profile", takes_any_batch_of_a_profile},
        {"is_bound_anew", is_bound_anew},
        {"refuses_a_batch_beyond_the_profile", refuses_a_batch_beyond_the_profile},
        {"replays_a_cuda_graph", replays_a_cuda_graph},
        {"says_that_a_graph_cannot_be_captured", says_that_a_graph_cannot_be_captured},
        {"times_layers", times_layers},
        {"refuses_files_that_are_no_engines", refuses_files_that_are_no_engines},
        {"refuses_engines_for_others", refuses_engines_for_others},
        {"says_what_tensorrt_says", says_what_tensorrt_says},
        {"a_failed_run_is_followed_by_a_good_one", a_failed_run_is_followed_by_a_good_one},
        {"says_how_much_memory_is_missing", says_how_much_memory_is_missing},
        {"releases_everything_after_any_failure", releases_everything_after_any_failure},
        {"reads_what_is_noted_beside_an_engine", reads_what_is_noted_beside_an_engine},
        {"names_tf32", names_tf32},
        {"refuses_what_is_noted_of_another", refuses_what_is_noted_of_another},
        {"reads_back_what_is_executed", reads_back_what_is_executed},
        {"counts_what_the_dla_does_not_run", counts_what_the_dla_does_not_run},
        {"refuses_tensors_that_it_cannot_bind", refuses_tensors_that_it_cannot_bind},
        {"probe_says_which_is_missing", probe_says_which_is_missing},
        {0},
    };
    struct tare_err err = TARE_ERR_INIT;
    int failed;

    (void)snprintf(folder, sizeof(folder), "/tmp/tare-tensorrt-XXXXXX");
    if (!mkdtemp(folder) ||
        backend_load(TEST_BIN "/plugins/tensorrt.so", &backend, &err) != TARE_OK) {
        (void)printf("FAIL tensorrt_plugin::load: %s\n", err.text);
        return 1;
    }
    (void)snprintf(engine_path, sizeof(engine_path), "%s/model.plan", folder);
    (void)snprintf(log_path, sizeof(log_path), "%s/calls", folder);
    failed = check_main("tensorrt_plugin", cases, argc, argv);
    (void)unlink(engine_path);
    (void)unlink(log_path);
    (void)rmdir(folder);
    backend_free(backend);
    return failed;
}
