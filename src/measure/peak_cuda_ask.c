/* peak_cuda_ask.c - a device's peaks as JSON, and measured by a worker that ends with its answer.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/printable.h"
#include "base/process.h"
#include "measure/peak_cuda.h"
#include "measure/protocol.h"

#define SEND_PATIENCE_NS ((int64_t)10 * 1000000000)
#define PATIENCE_NS      ((int64_t)180 * 1000000000)
#define END_PATIENCE_NS  ((int64_t)2 * 1000000000)

/* --- as JSON --- */

static void put_rate(struct json_writer *w, const char *what, const struct peak_cuda_rate *row)
{
    if (row->rate.best <= 0 && !row->why[0])
        return;
    json_open_object(w, NULL);
    json_put_text(w, "what", what);
    if (row->rate.best > 0) {
        json_put_number(w, "best", row->rate.best);
        json_put_number(w, "median", row->rate.median);
        json_put_number(w, "worst", row->rate.worst);
    } else {
        json_put_text(w, "why", row->why);
    }
    json_close_object(w);
}

void peak_cuda_put(const struct peak_cuda *peaks, struct json_writer *w)
{
    json_put_int(w, "index", peaks->index);
    json_put_bool(w, "known", peaks->known);
    json_put_text(w, "why", peaks->why);
    json_put_text(w, "name", peaks->name);
    json_put_text(w, "architecture", peaks->architecture);
    json_put_text(w, "library", peaks->library);
    json_put_int(w, "driver_version", peaks->driver_version);
    json_put_int(w, "memory_bytes", peaks->memory_bytes);
    json_put_int(w, "cache_bytes", peaks->cache_bytes);
    json_put_int(w, "size", peaks->size);
    json_put_int(w, "copy_bytes", peaks->copy_bytes);
    json_put_int(w, "took_ns", peaks->took_ns);
    json_put_bool(w, "stand_in", peaks->stand_in);
    json_open_array(w, "rates");
    for (int type = 0; type < PEAK_TYPES; type++)
        put_rate(w, peak_type_name((enum peak_type)type), &peaks->operations[type]);
    for (int copy = 0; copy < PEAK_COPIES; copy++)
        put_rate(w, peak_copy_name((enum peak_copy)copy), &peaks->copies[copy]);
    json_close_array(w);
}

static void read_text(const struct json_value *value, const char *key, char *text, size_t bytes)
{
    (void)snprintf(text, bytes, "%s", json_text(json_get(value, key), ""));
    printable_line(text);
}

static int64_t read_count(const struct json_value *value, const char *key)
{
    int64_t count = json_int(json_get(value, key), 0);

    return count > 0 ? count : 0;
}

static double read_number(const struct json_value *row, const char *key)
{
    double rate = json_number(json_get(row, key), 0);

    return isfinite(rate) && rate > 0 ? rate : 0;
}

static struct peak_cuda_rate *find_rate(struct peak_cuda *peaks, const char *what)
{
    for (int type = 0; type < PEAK_TYPES; type++)
        if (strcmp(what, peak_type_name((enum peak_type)type)) == 0)
            return &peaks->operations[type];
    for (int copy = 0; copy < PEAK_COPIES; copy++)
        if (strcmp(what, peak_copy_name((enum peak_copy)copy)) == 0)
            return &peaks->copies[copy];
    return NULL;
}

void peak_cuda_read(const struct json_value *value, struct peak_cuda *peaks)
{
    const struct json_value *rates = json_get(value, "rates");
    int64_t index = read_count(value, "index"), driver = read_count(value, "driver_version");

    memset(peaks, 0, sizeof(*peaks));
    peaks->index = index <= INT16_MAX ? (int)index : INT16_MAX;
    peaks->known = json_bool(json_get(value, "known"), false);
    read_text(value, "why", peaks->why, sizeof(peaks->why));
    read_text(value, "name", peaks->name, sizeof(peaks->name));
    read_text(value, "architecture", peaks->architecture, sizeof(peaks->architecture));
    read_text(value, "library", peaks->library, sizeof(peaks->library));
    peaks->driver_version = driver <= INT32_MAX ? (int)driver : 0;
    peaks->memory_bytes = read_count(value, "memory_bytes");
    peaks->cache_bytes = read_count(value, "cache_bytes");
    peaks->size = read_count(value, "size");
    peaks->copy_bytes = read_count(value, "copy_bytes");
    peaks->took_ns = read_count(value, "took_ns");
    peaks->stand_in = json_bool(json_get(value, "stand_in"), false);
    for (size_t i = 0; i < json_count(rates); i++) {
        const struct json_value *row = json_at(rates, i);
        struct peak_cuda_rate *rate = find_rate(peaks, json_text(json_get(row, "what"), ""));

        if (!rate)
            continue; /* of a later version */
        rate->rate = (struct peak_rate){read_number(row, "best"), read_number(row, "median"),
                                        read_number(row, "worst")};
        read_text(row, "why", rate->why, sizeof(rate->why));
    }
}

/* --- by a worker --- */

static void write_command(int device, const struct peak_cuda_options *options, struct buf *line)
{
    struct json_writer w;

    json_start(&w, line, false);
    json_open_object(&w, NULL);
    json_put_text(&w, "op", "peaks");
    json_put_int(&w, "device", device);
    json_put_int(&w, "windows", options->windows);
    json_put_int(&w, "window_ns", options->window_ns);
    json_put_int(&w, "rest_ns", options->rest_ns);
    json_put_int(&w, "warm_ns", options->warm_ns);
    json_put_int(&w, "size", options->size);
    json_close_object(&w);
}

static enum tare_status read_answer(char *line, struct peak_cuda *peaks, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    struct json_tree *tree = NULL;
    const struct json_value *root;
    int64_t failed;
    enum tare_status status = json_parse(line, strlen(line), &tree, &inner);

    if (status != TARE_OK) {
        printable(line);
        return tare_fail(err, TARE_BADDATA, "the worker answered garbage: '%.60s'", line);
    }
    root = json_root(tree);
    failed = json_int(json_get(root, "status"), TARE_FAILED);
    if (json_bool(json_get(root, "ok"), false))
        peak_cuda_read(root, peaks);
    else
        status = tare_fail(
            err, failed < 0 && failed >= TARE_STOPPED ? (enum tare_status)failed : TARE_FAILED,
            "%s", json_text(json_get(root, "text"), "the worker does not say why"));
    json_free(tree);
    return status;
}

static enum tare_status ask(struct process *process, const struct buf *line,
                            struct peak_cuda *peaks, struct tare_err *err)
{
    char *answer = NULL;
    enum tare_status status = buf_status(line, "a command", err);

    if (status == TARE_OK)
        status = process_send(process, buf_text(line), clock_now_ns() + SEND_PATIENCE_NS, err);
    if (status == TARE_OK)
        status = process_receive(process, clock_now_ns() + PATIENCE_NS, &answer, err);
    return status == TARE_OK ? read_answer(answer, peaks, err) : status;
}

/* A worker expects memory for samples, of which it writes none here. */
static int make_shared(void)
{
    int fd = memfd_create("tare-peaks", MFD_CLOEXEC);

    if (fd >= 0 && ftruncate(fd, (off_t)sizeof(struct protocol_shared)) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

enum tare_status peak_cuda_ask(int device, const struct peak_cuda_options *options,
                               struct peak_cuda *peaks, struct tare_err *err)
{
    /* a user's wish for other arithmetic than what is asked for must not reach the library */
    static const char *const env[] = {"NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION",
                                      "CUBLAS_EMULATION_STRATEGY", NULL};
    const char *argv[] = {options->program ? options->program : "/proc/self/exe", "worker", NULL};
    struct process_options how = {
        .argv = argv, .env = env, .own_group = true, .shared_fd = make_shared()};
    struct process process = {.channel_fd = -1, .log_fd = -1};
    struct tare_err failure = TARE_ERR_INIT;
    struct buf line = BUF_INIT;
    enum tare_status status = TARE_OK;

    memset(peaks, 0, sizeof(*peaks));
    if (how.shared_fd < 0)
        status = tare_fail(&failure, TARE_IO, "cannot make shared memory: %s", strerror(errno));
    write_command(device, options, &line);
    if (status == TARE_OK)
        status = process_start(&process, &how, &failure);
    if (status == TARE_OK)
        status = ask(&process, &line, peaks, &failure);
    process_release(&process, END_PATIENCE_NS);
    if (how.shared_fd >= 0)
        (void)close(how.shared_fd);
    buf_release(&line);
    if (status == TARE_OK)
        return TARE_OK;
    peaks->index = device;
    (void)snprintf(peaks->why, sizeof(peaks->why), "%.290s", failure.text);
    return tare_fail(err, status, "%s", failure.text);
}
