/*
 * NVIDIA's driver, played by tests/fixtures/cuda_standin.c: what is there, what is done and when,
 * each function's failure, no memory, and nothing left behind.
 */
#include "cuda/cuda.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "check.h"

#define STAND_IN TEST_BUILD "/fixtures/cuda_standin.so"

static void play(const char *settings)
{
    (void)setenv("TARE_CUDA_DRIVER", STAND_IN, 1);
    (void)setenv("STANDIN_CUDA", settings, 1);
}

/* How much is alive in the stand-in. */
static int live(const char *what)
{
    void *library = dlopen(STAND_IN, RTLD_NOW), *symbol;
    int (*count)(const char *what);

    symbol = library ? dlsym(library, "tare_cuda_stand_in") : NULL;
    if (!symbol)
        return -1;
    memcpy(&count, &symbol, sizeof(count));
    return count(what);
}

static struct cuda *opened(const char *settings)
{
    struct cuda *cuda = NULL;

    play(settings);
    CHECK_OK(cuda_open(0, &cuda, err));
    return cuda;
}

static void says_what_is_missing(void)
{
    struct tare_err none = TARE_ERR_INIT, named = TARE_ERR_INIT, empty = TARE_ERR_INIT;
    void *real = dlopen("libcuda.so.1", RTLD_NOW);
    int count;

    (void)unsetenv("TARE_CUDA_DRIVER");
    if (!real) {
        CHECK(cuda_count(&count, &none) == TARE_ABSENT && count == 0);
        CHECK_TEXT(none.text, "there is no libcuda.so.1, NVIDIA's driver");
    }
    (void)setenv("TARE_CUDA_DRIVER", "/nowhere/libcuda.so.1", 1);
    CHECK(cuda_count(&count, &named) == TARE_ABSENT);
    CHECK_TEXT(named.text, "there is no '/nowhere/libcuda.so.1' (TARE_CUDA_DRIVER)");
    play("devices=0");
    CHECK(cuda_count(&count, &empty) == TARE_ABSENT && count == 0);
    CHECK_TEXT(empty.text, "NVIDIA's driver knows of no device");
}

static void refuses_what_is_not_the_driver(void)
{
    struct tare_err other = TARE_ERR_INIT, no_library = TARE_ERR_INIT, old = TARE_ERR_INIT;
    struct cuda *cuda = NULL;
    int count;

    (void)setenv("TARE_CUDA_DRIVER", TEST_BUILD "/fixtures/plugin_older.so", 1);
    CHECK(cuda_count(&count, &other) == TARE_BROKEN);
    CHECK(strstr(other.text, "is not NVIDIA's driver: it has no cuInit") != NULL);
    (void)setenv("TARE_CUDA_DRIVER", __FILE__, 1);
    CHECK(cuda_count(&count, &no_library) == TARE_BROKEN);
    CHECK(strstr(no_library.text, "cannot load NVIDIA's driver: ") == no_library.text);
    play("version=10020");
    CHECK(cuda_open(0, &cuda, &old) == TARE_BROKEN && !cuda);
    CHECK_TEXT(old.text, "NVIDIA's driver offers CUDA 10.2, need 11.4 or newer");
}

static void says_why_the_driver_does_not_start(void)
{
    static const struct {
        const char *settings;
        enum tare_status status;
        const char *text;
    } rows[] = {
        {"fail=cuInit:0:100", TARE_ABSENT, "NVIDIA's driver knows of no device"},
        {"fail=cuInit:0:34", TARE_ABSENT, "is the CUDA toolkit's stub, not NVIDIA's driver"},
        {"fail=cuInit:0:999", TARE_BROKEN, "NVIDIA's driver does not start: CUDA_ERROR_UNKNOWN"},
        {"fail=cuInit:0:12345", TARE_BROKEN, "NVIDIA's driver does not start: its error 12345"},
        {"fail=cuDeviceGetCount:0", TARE_BROKEN, "does not count its devices: CUDA_ERROR_UNKNOWN"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;
        int count = 7;

        play(rows[i].settings);
        CHECK(cuda_count(&count, &err) == rows[i].status && count == 0);
        CHECK(strstr(err.text, rows[i].text) != NULL);
    }
}

static void knows_its_devices(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct cuda_facts facts;
    int count = 0;

    play("devices=2,sm=87,memory_mb=32,version=12060,integrated=1");
    CHECK(cuda_count(&count, NULL) == TARE_OK && count == 2);
    CHECK(cuda_device_facts(1, &facts, NULL) == TARE_OK);
    CHECK(facts.index == 1 && facts.major == 8 && facts.minor == 7 && facts.integrated);
    CHECK(facts.memory_bytes == 32 << 20 && facts.driver_version == 12060 && facts.stand_in);
    CHECK(facts.multiprocessors == 84 && facts.cache_bytes == 6 << 20);
    CHECK_TEXT(facts.name, "Stand-in 1");
    CHECK_TEXT(facts.uuid, "GPU-00010203-0405-0607-0809-0a0b0c0d0e01");
    CHECK_TEXT(facts.pci, "0000:02:00.0");
    CHECK(cuda_device_facts(2, &facts, &err) == TARE_ABSENT);
    CHECK_TEXT(err.text, "no device cuda:2: NVIDIA's driver knows of 2");
    CHECK(cuda_device_facts(-1, &facts, NULL) == TARE_ABSENT);
    CHECK(live("live") == 0);
}

static void reads_a_devices_name(void)
{
    static const char *const wrong[] = {"",        "cpu",       "cuda",
                                        "cuda:",   "cuda:-1",   "cuda: 1",
                                        "cuda:1x", "cuda:1024", "cuda:99999999999999999999"};
    struct tare_err err = TARE_ERR_INIT;
    int device;

    CHECK(cuda_parse_device("cuda:0", &device, NULL) == TARE_OK && device == 0);
    CHECK(cuda_parse_device("cuda:12", &device, NULL) == TARE_OK && device == 12);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK(cuda_parse_device(wrong[i], &device, NULL) == TARE_INVALID);
    (void)cuda_parse_device("cpu", &device, &err);
    CHECK_TEXT(err.text, "device 'cpu' is not a CUDA device, need cuda:0");
}

static void copies_when_waited_for(void)
{
    struct cuda *cuda = opened("");
    void *one = NULL, *two = NULL, *host = NULL, *stream = NULL, *events[2] = {NULL, NULL};
    int64_t ns = 0, available, total;

    CHECK_OK(cuda_alloc(cuda, 4096, &one, err));
    CHECK_OK(cuda_alloc(cuda, 4096, &two, err));
    CHECK_OK(cuda_alloc_pinned(cuda, 4096, &host, err));
    CHECK_OK(cuda_stream_new(cuda, &stream, err));
    CHECK_OK(cuda_event_new(cuda, &events[0], err));
    CHECK_OK(cuda_event_new(cuda, &events[1], err));
    memset(host, 7, 4096);
    CHECK_OK(cuda_event_record(cuda, events[0], stream, err));
    CHECK_OK(cuda_copy_in(cuda, one, host, 4096, stream, err));
    CHECK_OK(cuda_copy_device(cuda, two, one, 4096, stream, err));
    CHECK_OK(cuda_stream_sync(cuda, stream, err));
    memset(host, 0, 4096);
    CHECK_OK(cuda_copy_out(cuda, host, two, 4096, stream, err));
    CHECK_OK(cuda_event_record(cuda, events[1], stream, err));
    CHECK(cuda_event_elapsed(cuda, events[0], events[1], &ns, NULL) == TARE_FAILED && ns == 0);
    CHECK(((char *)host)[4095] == 0);
    CHECK_OK(cuda_stream_sync(cuda, stream, err));
    CHECK(((char *)host)[0] == 7 && ((char *)host)[4095] == 7);
    CHECK_OK(cuda_event_elapsed(cuda, events[0], events[1], &ns, err));
    CHECK(ns == 3 * (1000 + 4096 / 16)); /* three copies, as the stand-in counts them */
    CHECK_OK(cuda_copy_in(cuda, NULL, NULL, 0, stream, err)); /* nothing */
    CHECK_OK(cuda_memory(cuda, &available, &total, err));
    CHECK(total == 64 << 20 && available == total - 8192);
    cuda_event_free(cuda, events[0]);
    cuda_event_free(cuda, events[1]);
    cuda_stream_free(cuda, stream);
    cuda_free_pinned(cuda, host);
    cuda_free(cuda, one);
    cuda_free(cuda, two);
    cuda_close(cuda);
    CHECK(live("live") == 0);
}

static void says_how_much_memory_is_free(void)
{
    struct cuda *cuda = opened("memory_mb=8");
    struct tare_err fault = TARE_ERR_INIT, pinned = TARE_ERR_INIT;
    void *some = NULL, *more = &some;

    CHECK_OK(cuda_alloc(cuda, 6 << 20, &some, err));
    CHECK(cuda_alloc(cuda, 3 << 20, &more, &fault) == TARE_NOMEM && !more);
    CHECK_TEXT(fault.text, "out of memory on cuda:0: asked for 3.0 MiB, 2.0 of 8.0 MiB are free");
    CHECK_OK(cuda_alloc(cuda, 0, &more, err)); /* the device goes on */
    cuda_free(cuda, more);
    cuda_free(cuda, some);
    cuda_free(cuda, NULL);
    cuda_close(cuda);
    cuda = opened("fail=cuMemHostAlloc:1:2");
    CHECK(cuda_alloc_pinned(cuda, 1 << 20, &more, &pinned) == TARE_NOMEM && !more);
    CHECK_TEXT(pinned.text, "out of pinned memory for cuda:0: asked for 1.0 MiB");
    cuda_free_pinned(cuda, NULL);
    cuda_close(cuda);
    CHECK(live("live") == 0);
}

static void repeats_a_graph(void)
{
    struct cuda *cuda = opened("");
    void *device = NULL, *host = NULL, *stream = NULL, *graph = NULL;

    CHECK_OK(cuda_alloc(cuda, 64, &device, err));
    CHECK_OK(cuda_alloc_pinned(cuda, 128, &host, err));
    CHECK_OK(cuda_stream_new(cuda, &stream, err));
    memset(host, 1, 128);
    CHECK_OK(cuda_capture_begin(cuda, stream, err));
    CHECK_OK(cuda_copy_in(cuda, device, host, 64, stream, err));
    CHECK_OK(cuda_copy_out(cuda, (char *)host + 64, device, 64, stream, err));
    CHECK_OK(cuda_capture_end(cuda, stream, &graph, err));
    memset(host, 2, 64);
    CHECK_OK(cuda_stream_sync(cuda, stream, err));
    CHECK(((char *)host)[127] == 1); /* it was noted, not done */
    for (char i = 3; i < 6; i++) {
        memset(host, i, 64);
        CHECK_OK(cuda_graph_launch(cuda, graph, stream, err));
        CHECK_OK(cuda_stream_sync(cuda, stream, err));
        CHECK(((char *)host)[127] == i);
    }
    cuda_graph_free(cuda, graph);
    cuda_graph_free(cuda, NULL);
    cuda_stream_free(cuda, stream);
    cuda_free_pinned(cuda, host);
    cuda_free(cuda, device);
    cuda_close(cuda);
    CHECK(live("live") == 0);
}

static void a_spoilt_capture_ends(void)
{
    struct cuda *cuda = opened("");
    struct tare_err fault = TARE_ERR_INIT;
    void *memory = NULL, *stream = NULL, *graph = &memory;

    CHECK_OK(cuda_stream_new(cuda, &stream, err));
    CHECK_OK(cuda_capture_begin(cuda, stream, err));
    CHECK(cuda_alloc(cuda, 64, &memory, NULL) == TARE_FAILED);
    CHECK(cuda_capture_end(cuda, stream, &graph, &fault) == TARE_FAILED && !graph);
    CHECK_TEXT(fault.text, "cannot end a graph on cuda:0: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED");
    CHECK_OK(cuda_alloc(cuda, 64, &memory, err));
    cuda_free(cuda, memory);
    cuda_stream_free(cuda, stream);
    cuda_close(cuda);
    CHECK(live("live") == 0);
}

struct parts {
    void *device, *host, *stream, *start, *end, *graph;
};

static enum tare_status make_parts(struct cuda *cuda, struct parts *parts, struct tare_err *err)
{
    enum tare_status status = cuda_make_current(cuda, err);

    if (status == TARE_OK)
        status = cuda_alloc(cuda, 64, &parts->device, err);
    if (status == TARE_OK)
        status = cuda_alloc_pinned(cuda, 64, &parts->host, err);
    if (status == TARE_OK)
        status = cuda_stream_new(cuda, &parts->stream, err);
    if (status == TARE_OK)
        status = cuda_event_new(cuda, &parts->start, err);
    return status == TARE_OK ? cuda_event_new(cuda, &parts->end, err) : status;
}

static enum tare_status use_parts(struct cuda *cuda, struct parts *parts, struct tare_err *err)
{
    int64_t ns, available, total;
    enum tare_status status = cuda_memory(cuda, &available, &total, err), ended;

    if (status == TARE_OK)
        status = cuda_capture_begin(cuda, parts->stream, err);
    if (status == TARE_OK) {
        status = cuda_copy_in(cuda, parts->device, parts->host, 64, parts->stream, err);
        ended = cuda_capture_end(cuda, parts->stream, &parts->graph, err);
        status = status == TARE_OK ? ended : status;
    }
    if (status == TARE_OK)
        status = cuda_event_record(cuda, parts->start, parts->stream, err);
    if (status == TARE_OK)
        status = cuda_graph_launch(cuda, parts->graph, parts->stream, err);
    if (status == TARE_OK)
        status = cuda_copy_device(cuda, parts->device, parts->device, 64, parts->stream, err);
    if (status == TARE_OK)
        status = cuda_copy_out(cuda, parts->host, parts->device, 64, parts->stream, err);
    if (status == TARE_OK)
        status = cuda_event_record(cuda, parts->end, parts->stream, err);
    if (status == TARE_OK)
        status = cuda_stream_sync(cuda, parts->stream, err);
    return status == TARE_OK ? cuda_event_elapsed(cuda, parts->start, parts->end, &ns, err)
                             : status;
}

/* Each function once; the first failure. */
static enum tare_status use_everything(struct tare_err *err)
{
    struct parts parts = {0};
    struct cuda *cuda = NULL;
    enum tare_status status = cuda_open(0, &cuda, err);

    if (status != TARE_OK)
        return status;
    status = make_parts(cuda, &parts, err);
    if (status == TARE_OK)
        status = use_parts(cuda, &parts, err);
    cuda_graph_free(cuda, parts.graph);
    cuda_event_free(cuda, parts.end);
    cuda_event_free(cuda, parts.start);
    cuda_stream_free(cuda, parts.stream);
    cuda_free_pinned(cuda, parts.host);
    cuda_free(cuda, parts.device);
    cuda_close(cuda);
    return status;
}

static void every_failure_is_told(void)
{
    static const char *const functions[] = {
        "cuDeviceGet",
        "cuDeviceGetName",
        "cuDeviceGetUuid_v2",
        "cuDeviceGetPCIBusId",
        "cuDeviceTotalMem_v2",
        "cuDeviceGetAttribute",
        "cuDevicePrimaryCtxRetain",
        "cuCtxSetCurrent",
        "cuMemGetInfo_v2",
        "cuMemAlloc_v2",
        "cuMemHostAlloc",
        "cuMemcpyHtoDAsync_v2",
        "cuMemcpyDtoHAsync_v2",
        "cuMemcpyDtoDAsync_v2",
        "cuStreamCreate",
        "cuStreamSynchronize",
        "cuEventCreate",
        "cuEventRecord",
        "cuEventElapsedTime",
        "cuStreamBeginCapture_v2",
        "cuStreamEndCapture",
        "cuGraphInstantiateWithFlags",
        "cuGraphLaunch",
    };
    struct tare_err none = TARE_ERR_INIT;

    play("");
    CHECK(use_everything(&none) == TARE_OK);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        for (int sticky = 0; sticky < 2; sticky++) {
            struct tare_err err = TARE_ERR_INIT;
            enum tare_status status;
            char settings[100];

            (void)snprintf(settings, sizeof(settings), "fail=%s:1:719,sticky=%d", functions[i],
                           sticky);
            play(settings);
            status = use_everything(&err);
            if ((status != TARE_FAILED && status != TARE_BROKEN) ||
                !strstr(err.text, "CUDA_ERROR_LAUNCH_FAILED") || live("live") != 0) {
                (void)fprintf(stderr, "%s: %d '%s', live %d\n", functions[i], status, err.text,
                              live("live"));
                CHECK(false);
            }
        }
}

static void memory_may_run_out_anywhere(void)
{
    static const char *const functions[] = {"cuDevicePrimaryCtxRetain",
                                            "cuMemAlloc_v2",
                                            "cuMemHostAlloc",
                                            "cuStreamCreate",
                                            "cuEventCreate",
                                            "cuGraphInstantiateWithFlags",
                                            "cuGraphLaunch",
                                            "cuStreamEndCapture"};

    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        struct tare_err err = TARE_ERR_INIT;
        char settings[100];

        (void)snprintf(settings, sizeof(settings), "fail=%s:1:2", functions[i]);
        play(settings);
        CHECK(use_everything(&err) == TARE_NOMEM && err.status == TARE_NOMEM);
        CHECK(strstr(err.text, "out of ") == err.text && strstr(err.text, "cuda:0: "));
        CHECK(live("live") == 0);
    }
}

static void no_memory_for_a_context(void)
{
    struct tare_err err = TARE_ERR_INIT;
    struct cuda *cuda = NULL;

    play("fail=cuDevicePrimaryCtxRetain:1:2");
    CHECK(cuda_open(0, &cuda, &err) == TARE_NOMEM && !cuda);
    CHECK(err.status == TARE_NOMEM);
    CHECK_TEXT(err.text, "out of memory on cuda:0: cannot make a context");
    cuda_close(NULL);
}

static void *on_another_thread(void *data)
{
    struct cuda *cuda = data;
    void *memory = NULL;
    struct tare_err fault = TARE_ERR_INIT;

    CHECK(cuda_alloc(cuda, 64, &memory, &fault) == TARE_FAILED);
    CHECK_TEXT(fault.text, "cannot allocate memory on cuda:0: CUDA_ERROR_INVALID_CONTEXT");
    CHECK_OK(cuda_make_current(cuda, err));
    CHECK_OK(cuda_alloc(cuda, 64, &memory, err));
    cuda_free(cuda, memory);
    return NULL;
}

static void a_context_is_a_threads(void)
{
    struct cuda *cuda = opened(""), *again = opened("");
    pthread_t thread;
    void *memory = NULL;

    CHECK(pthread_create(&thread, NULL, on_another_thread, cuda) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    cuda_close(again); /* leaves the other one's context current */
    CHECK_OK(cuda_alloc(cuda, 64, &memory, err));
    cuda_free(cuda, memory);
    CHECK(cuda_facts_of(cuda)->index == 0);
    cuda_close(cuda);
    CHECK(live("live") == 0);
}

static void believes_no_odd_answer(void)
{
    struct cuda_facts facts;
    int count = 0;

    play("devices=2000000000,sm=86");
    CHECK_OK(cuda_count(&count, err));
    CHECK(count >= 1 && count <= 1024);
    play("devices=1,sm=2000000000");
    CHECK(cuda_device_facts(0, &facts, NULL) == TARE_BROKEN);
    play("devices=1,sm=0");
    CHECK(cuda_device_facts(0, &facts, NULL) == TARE_BROKEN);
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"believes_no_odd_answer", believes_no_odd_answer},
        {"says_what_is_missing", says_what_is_missing},
        {"refuses_what_is_not_the_driver", refuses_what_is_not_the_driver},
        {"says_why_the_driver_does_not_start", says_why_the_driver_does_not_start},
        {"knows_its_devices", knows_its_devices},
        {"reads_a_devices_name", reads_a_devices_name},
        {"copies_when_waited_for", copies_when_waited_for},
        {"says_how_much_memory_is_free", says_how_much_memory_is_free},
        {"repeats_a_graph", repeats_a_graph},
        {"a_spoilt_capture_ends", a_spoilt_capture_ends},
        {"every_failure_is_told", every_failure_is_told},
        {"memory_may_run_out_anywhere", memory_may_run_out_anywhere},
        {"no_memory_for_a_context", no_memory_for_a_context},
        {"a_context_is_a_threads", a_context_is_a_threads},
        {0},
    };

    return check_main("cuda", cases, argc, argv);
}
