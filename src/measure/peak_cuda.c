#include "measure/peak_cuda.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cuda/cublaslt.h"
#include "cuda/cuda.h"
#include "measure/peak_cuda_values.h"
#include "measure/peak_inner.h"

#define WINDOWS      24
#define WINDOWS_MAX  256
#define WINDOW_NS    ((int64_t)10 * 1000000)
#define REST_NS      ((int64_t)30 * 1000000)
#define WARM_NS      ((int64_t)50 * 1000000)
#define REPEATS_MAX  32 /* of a product or a copy in one window */
#define SIZE_SMALL   ((int64_t)64)
#define COPY_BYTES   ((int64_t)1 << 30) /* many times any device's cache */
#define PINNED_BYTES ((int64_t)256 << 20)

/* A device at work. */
struct bench {
    struct cuda *cuda;
    struct cublaslt *lt;
    void *stream, *start, *end;
    int windows;
    int64_t window_ns, rest_ns, warm_ns;
    struct peak_cuda *peaks;
};

/* What is timed: enqueues itself once. */
struct task {
    enum tare_status (*enqueue)(struct bench *bench, struct task *task, struct tare_err *err);
    double work; /* operations or bytes */
    struct cublaslt_product *product;
    int way;
    void *to, *from, *other; /* a product: from (a), other (b) */
    size_t bytes;
    enum peak_copy copy;
};

const char *peak_copy_name(enum peak_copy copy)
{
    static const char *const names[] = {"device copy", "host to device", "device to host"};

    return names[copy];
}

/* --- timing --- */

/* The device's time for so many one after the other. */
static enum tare_status time_repeats(struct bench *bench, struct task *task, int repeats,
                                     int64_t *ns, struct tare_err *err)
{
    enum tare_status status = cuda_event_record(bench->cuda, bench->start, bench->stream, err);

    for (int i = 0; i < repeats && status == TARE_OK; i++)
        status = task->enqueue(bench, task, err);
    if (status == TARE_OK)
        status = cuda_event_record(bench->cuda, bench->end, bench->stream, err);
    if (status == TARE_OK)
        status = cuda_stream_sync(bench->cuda, bench->stream, err);
    if (status == TARE_OK)
        status = cuda_event_elapsed(bench->cuda, bench->start, bench->end, ns, err);
    if (status == TARE_OK && *ns <= 0)
        status = tare_fail(err, TARE_FAILED, "the device's clock stands still");
    return status;
}

/* Until clocks are up, and whatever is loaded at first use is there; *repeats fill a window. */
static enum tare_status warm_up(struct bench *bench, struct task *task, int *repeats,
                                struct tare_err *err)
{
    int64_t until = clock_now_ns() + bench->warm_ns, ns = 1;
    enum tare_status status;

    *repeats = 1;
    do {
        status = time_repeats(bench, task, *repeats, &ns, err);
        if (status == TARE_OK && ns < bench->window_ns)
            *repeats = (int)fmin(REPEATS_MAX,
                                 ceil((double)*repeats * (double)bench->window_ns / (double)ns));
    } while (status == TARE_OK && clock_now_ns() < until);
    return status;
}

static enum tare_status measure_task(struct bench *bench, struct task *task, struct peak_rate *rate,
                                     struct tare_err *err)
{
    double seconds[WINDOWS_MAX];
    int repeats;
    int64_t ns;
    enum tare_status status = warm_up(bench, task, &repeats, err);

    for (int i = 0; i < bench->windows && status == TARE_OK; i++) {
        clock_sleep_until(clock_now_ns() + bench->rest_ns);
        status = time_repeats(bench, task, repeats, &ns, err);
        seconds[i] = (double)ns * 1e-9;
    }
    if (status == TARE_OK)
        *rate = peak_rate_of(task->work * repeats, seconds, bench->windows);
    return status;
}

/* --- products --- */

static enum tare_status enqueue_product(struct bench *bench, struct task *task,
                                        struct tare_err *err)
{
    return cublaslt_product_run(task->product, task->way, task->from, task->other, task->to,
                                bench->stream, err);
}

static enum tare_status check_product(struct bench *bench, struct task *task,
                                      const struct peak_values *values, struct tare_err *err)
{
    enum tare_status status = task->enqueue(bench, task, err);

    for (int i = 0; i < PEAK_VALUES_CHECKED && status == TARE_OK; i++)
        status = cuda_copy_out(bench->cuda, values->answers + i * PEAK_VALUES_ANSWER_BYTES,
                               (char *)task->to + values->places[i] * values->out_bytes,
                               values->out_bytes, bench->stream, err);
    if (status == TARE_OK)
        status = cuda_stream_sync(bench->cuda, bench->stream, err);
    if (status == TARE_OK && !peak_values_right(values))
        status = tare_fail(err, TARE_BROKEN, "%s gives wrong answers for %s here",
                           bench->peaks->library, peak_type_name(values->type));
    return status;
}

/* The way that takes least. One that gives wrong answers is an error; one that turns out not to be
 * open here is passed over while there is another. */
static enum tare_status choose_way(struct bench *bench, struct task *task,
                                   const struct peak_values *values, struct tare_err *err)
{
    struct tare_err closed = TARE_ERR_INIT;
    int64_t least = INT64_MAX, ns = 0;
    int best = -1;

    for (task->way = 0; task->way < cublaslt_product_ways(task->product); task->way++) {
        struct tare_err failure = TARE_ERR_INIT;
        enum tare_status status = check_product(bench, task, values, &failure);

        if (status == TARE_OK)
            status = time_repeats(bench, task, 2, &ns, &failure);
        if (status != TARE_OK && status != TARE_UNSUPPORTED)
            return tare_fail(err, status, "%s", failure.text);
        if (status != TARE_OK)
            (void)tare_fail(&closed, status, "%s", failure.text);
        else if (ns < least) {
            least = ns;
            best = task->way;
        }
    }
    task->way = best;
    return best >= 0 ? TARE_OK : tare_fail(err, TARE_UNSUPPORTED, "%s", closed.text);
}

static enum tare_status fill(struct bench *bench, void *matrix, const void *block,
                             const struct peak_values *values, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (int64_t row = 0; row < values->size && status == TARE_OK; row += values->block_rows)
        status = cuda_copy_in(bench->cuda, (char *)matrix + (size_t)row * values->row_bytes, block,
                              (size_t)values->block_rows * values->row_bytes, bench->stream, err);
    return status == TARE_OK ? cuda_stream_sync(bench->cuda, bench->stream, err) : status;
}

static enum tare_status measure_product(struct bench *bench, enum peak_type type,
                                        enum cublaslt_type lt_type, struct peak_rate *rate,
                                        struct tare_err *err)
{
    const size_t values_count = (size_t)(bench->peaks->size * bench->peaks->size);
    const size_t in_bytes = values_count * cublaslt_in_bytes(lt_type);
    struct task task = {.enqueue = enqueue_product,
                        .work = 2.0 * (double)values_count * (double)bench->peaks->size};
    struct peak_values values = {0};
    enum tare_status status =
        cublaslt_product_new(bench->lt, lt_type, bench->peaks->size, &task.product, err);

    if (status == TARE_OK)
        status =
            peak_values_make(type, bench->peaks->size, cublaslt_out_bytes(lt_type), &values, err);
    if (status == TARE_OK)
        status = cuda_alloc(bench->cuda, in_bytes, &task.from, err);
    if (status == TARE_OK)
        status = cuda_alloc(bench->cuda, in_bytes, &task.other, err);
    if (status == TARE_OK)
        status = cuda_alloc(bench->cuda, values_count * cublaslt_out_bytes(lt_type), &task.to, err);
    if (status == TARE_OK)
        status = fill(bench, task.from, values.a, &values, err);
    if (status == TARE_OK)
        status = fill(bench, task.other, values.b, &values, err);
    if (status == TARE_OK)
        status = choose_way(bench, &task, &values, err);
    if (status == TARE_OK)
        status = measure_task(bench, &task, rate, err);
    cuda_free(bench->cuda, task.to);
    cuda_free(bench->cuda, task.other);
    cuda_free(bench->cuda, task.from);
    peak_values_release(&values);
    cublaslt_product_free(task.product);
    return status;
}

static void measure_products(struct bench *bench, const struct cuda_facts *facts)
{
    static const struct {
        enum peak_type type;
        enum cublaslt_type lt_type;
        int sm; /* the first that has it */
    } rows[] = {
        {PEAK_FP32, CUBLASLT_FP32, 0},  {PEAK_TF32, CUBLASLT_TF32, 80},
        {PEAK_FP16, CUBLASLT_FP16, 53}, {PEAK_BF16, CUBLASLT_BF16, 80},
        {PEAK_INT8, CUBLASLT_INT8, 61},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct peak_cuda_rate *row = &bench->peaks->operations[rows[i].type];
        struct tare_err err = TARE_ERR_INIT;

        if (facts->major * 10 + facts->minor < rows[i].sm)
            (void)snprintf(row->why, sizeof(row->why), "%s has no %s", bench->peaks->architecture,
                           peak_type_name(rows[i].type));
        else if (measure_product(bench, rows[i].type, rows[i].lt_type, &row->rate, &err) != TARE_OK)
            (void)snprintf(row->why, sizeof(row->why), "%.190s", err.text);
    }
}

/* --- copies --- */

static enum tare_status enqueue_copy(struct bench *bench, struct task *task, struct tare_err *err)
{
    if (task->copy == PEAK_COPY_IN)
        return cuda_copy_in(bench->cuda, task->to, task->from, task->bytes, bench->stream, err);
    if (task->copy == PEAK_COPY_OUT)
        return cuda_copy_out(bench->cuda, task->to, task->from, task->bytes, bench->stream, err);
    return cuda_copy_device(bench->cuda, task->to, task->from, task->bytes, bench->stream, err);
}

struct copies {
    void *one, *two; /* of the device */
    void *host;
    size_t device_bytes, host_bytes;
};

/* There, across and back: whether all of it arrives. */
static enum tare_status check_copies(struct bench *bench, const struct copies *copies,
                                     struct tare_err *err)
{
    uint32_t *host = copies->host;
    size_t count = copies->host_bytes / sizeof(*host);
    enum tare_status status;

    for (size_t i = 0; i < count; i++)
        host[i] = (uint32_t)i * 2654435761U;
    status = cuda_copy_in(bench->cuda, copies->one, host, copies->host_bytes, bench->stream, err);
    if (status == TARE_OK)
        status = cuda_copy_device(bench->cuda, copies->two, copies->one, copies->device_bytes,
                                  bench->stream, err);
    if (status == TARE_OK)
        status = cuda_stream_sync(bench->cuda, bench->stream, err);
    if (status != TARE_OK)
        return status;
    memset(host, 0, copies->host_bytes);
    status = cuda_copy_out(bench->cuda, host, copies->two, copies->host_bytes, bench->stream, err);
    if (status == TARE_OK)
        status = cuda_stream_sync(bench->cuda, bench->stream, err);
    for (size_t i = 0; i < count && status == TARE_OK; i++)
        if (host[i] != (uint32_t)i * 2654435761U)
            status = tare_fail(err, TARE_BROKEN, "copies do not arrive whole");
    return status;
}

static enum tare_status make_copies(struct bench *bench, struct copies *copies,
                                    struct tare_err *err)
{
    int64_t available, total;
    enum tare_status status = cuda_memory(bench->cuda, &available, &total, err);

    if (status != TARE_OK)
        return status;
    copies->device_bytes = (size_t)(available / 4 < COPY_BYTES ? available / 4 : COPY_BYTES);
    copies->device_bytes -= copies->device_bytes % 4096;
    copies->host_bytes =
        copies->device_bytes < (size_t)PINNED_BYTES ? copies->device_bytes : (size_t)PINNED_BYTES;
    bench->peaks->copy_bytes = (int64_t)copies->device_bytes;
    status = cuda_alloc(bench->cuda, copies->device_bytes, &copies->one, err);
    if (status == TARE_OK)
        status = cuda_alloc(bench->cuda, copies->device_bytes, &copies->two, err);
    if (status == TARE_OK)
        status = cuda_alloc_pinned(bench->cuda, copies->host_bytes, &copies->host, err);
    return status == TARE_OK ? check_copies(bench, copies, err) : status;
}

static void measure_copies(struct bench *bench)
{
    struct copies copies = {0};
    struct tare_err failure = TARE_ERR_INIT;
    enum tare_status status = make_copies(bench, &copies, &failure);
    struct task tasks[PEAK_COPIES] = {
        [PEAK_COPY_DEVICE] = {.to = copies.two,
                              .from = copies.one,
                              .bytes = copies.device_bytes,
                              .work = 2 * (double)copies.device_bytes},
        [PEAK_COPY_IN] = {.to = copies.one,
                          .from = copies.host,
                          .bytes = copies.host_bytes,
                          .work = (double)copies.host_bytes},
        [PEAK_COPY_OUT] = {.to = copies.host,
                           .from = copies.one,
                           .bytes = copies.host_bytes,
                           .work = (double)copies.host_bytes},
    };

    for (int copy = 0; copy < PEAK_COPIES; copy++) {
        struct peak_cuda_rate *row = &bench->peaks->copies[copy];
        struct tare_err err = failure;

        tasks[copy].enqueue = enqueue_copy;
        tasks[copy].copy = (enum peak_copy)copy;
        if (status != TARE_OK || measure_task(bench, &tasks[copy], &row->rate, &err) != TARE_OK)
            (void)snprintf(row->why, sizeof(row->why), "%.190s", err.text);
    }
    cuda_free_pinned(bench->cuda, copies.host);
    cuda_free(bench->cuda, copies.two);
    cuda_free(bench->cuda, copies.one);
}

/* --- a device --- */

/* Large enough that a product takes milliseconds; in an eighth of the memory that is free. */
static int64_t choose_size(const struct cuda_facts *facts, int64_t available)
{
    int64_t size = facts->multiprocessors >= 64 ? 8192 : facts->multiprocessors >= 16 ? 4096 : 2048;

    while (size > SIZE_SMALL && 3 * 4 * size * size > available / 8)
        size /= 2;
    return size;
}

static void describe(const struct cuda_facts *facts, struct peak_cuda *peaks)
{
    peaks->index = facts->index;
    (void)snprintf(peaks->name, sizeof(peaks->name), "%s", facts->name);
    (void)snprintf(peaks->architecture, sizeof(peaks->architecture), "sm_%d%d", facts->major,
                   facts->minor);
    peaks->driver_version = facts->driver_version;
    peaks->memory_bytes = facts->memory_bytes;
    peaks->cache_bytes = facts->cache_bytes;
    peaks->stand_in = facts->stand_in;
}

static enum tare_status prepare(int device, const struct peak_cuda_options *options,
                                struct bench *bench, struct tare_err *err)
{
    int64_t available, total;
    enum tare_status status = cuda_open(device, &bench->cuda, err);

    if (status != TARE_OK)
        return status;
    describe(cuda_facts_of(bench->cuda), bench->peaks);
    bench->windows = options->windows > 0 ? options->windows : WINDOWS;
    bench->windows = bench->windows < WINDOWS_MAX ? bench->windows : WINDOWS_MAX;
    bench->window_ns = options->window_ns > 0 ? options->window_ns : WINDOW_NS;
    bench->rest_ns = options->rest_ns > 0 ? options->rest_ns : REST_NS;
    bench->warm_ns = options->warm_ns > 0 ? options->warm_ns : WARM_NS;
    status = cuda_memory(bench->cuda, &available, &total, err);
    if (status == TARE_OK)
        status = cuda_stream_new(bench->cuda, &bench->stream, err);
    if (status == TARE_OK)
        status = cuda_event_new(bench->cuda, &bench->start, err);
    if (status == TARE_OK)
        status = cuda_event_new(bench->cuda, &bench->end, err);
    bench->peaks->size =
        options->size > 0 ? options->size : choose_size(cuda_facts_of(bench->cuda), available);
    return status;
}

enum tare_status peak_cuda_measure(int device, const struct peak_cuda_options *options,
                                   struct peak_cuda *peaks, struct tare_err *err)
{
    struct bench bench = {.peaks = peaks};
    struct tare_err failure = TARE_ERR_INIT, no_library = TARE_ERR_INIT;
    int64_t begun_ns = clock_now_ns();
    enum tare_status status;

    memset(peaks, 0, sizeof(*peaks));
    peaks->index = device;
    status = prepare(device, options, &bench, &failure);
    if (status != TARE_OK) {
        (void)snprintf(peaks->why, sizeof(peaks->why), "%.290s", failure.text);
        (void)tare_fail(err, status, "%s", failure.text);
        goto done;
    }
    measure_copies(&bench);
    if (cublaslt_open(bench.cuda, &bench.lt, &no_library) == TARE_OK) {
        (void)snprintf(peaks->library, sizeof(peaks->library), "%s", cublaslt_version(bench.lt));
        measure_products(&bench, cuda_facts_of(bench.cuda));
    }
    for (int type = 0; !bench.lt && type < PEAK_TYPES; type++)
        (void)snprintf(peaks->operations[type].why, sizeof(peaks->operations[type].why), "%.190s",
                       no_library.text);
    peaks->took_ns = clock_now_ns() - begun_ns;
    peaks->known = true;
done:
    cublaslt_close(bench.lt);
    if (bench.cuda) {
        cuda_event_free(bench.cuda, bench.end);
        cuda_event_free(bench.cuda, bench.start);
        cuda_stream_free(bench.cuda, bench.stream);
    }
    cuda_close(bench.cuda);
    return status;
}
