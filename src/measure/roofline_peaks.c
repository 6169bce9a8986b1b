/* roofline_peaks.c - all peaks of a machine: measured, written and read. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_tree.h"
#include "measure/roofline.h"

#define WINDOWS   24
#define WINDOW_NS ((int64_t)3 * 1000000)

/* Plain C counts only where there is nothing better. */
static bool is_plain(const struct peak_kernel *kernel)
{
    return strcmp(kernel->name, "plain C") == 0;
}

static void keep_better(struct roofline_peak *peak, const struct peak_rate *rate,
                        const struct peak_kernel *kernel)
{
    if (rate->best <= peak->rate.best)
        return;
    peak->rate = *rate;
    (void)snprintf(peak->by, sizeof(peak->by), "%s", kernel->name);
}

static enum tare_status measure_kernels(bool plain, struct peak_options *options,
                                        struct roofline_peaks *peaks, struct tare_err *err)
{
    const struct peak_kernel *kernel;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; status == TARE_OK && (kernel = peak_kernel(i)); i++) {
        struct roofline_peak *spans = peaks->operations[kernel->type];
        bool known = spans[ROOFLINE_ONE].rate.best > 0;

        if (is_plain(kernel) != plain || (plain && known) || !kernel->present())
            continue;
        for (int span = 0; span < ROOFLINE_SPANS && status == TARE_OK; span++) {
            struct peak_rate rate;

            options->threads = span == ROOFLINE_ONE ? 1 : peaks->processors;
            status = peak_measure(kernel, options, &rate, err);
            if (status == TARE_OK)
                keep_better(&spans[span], &rate, kernel);
        }
    }
    return status;
}

enum tare_status roofline_measure(const struct roofline_options *options,
                                  struct roofline_peaks *peaks, struct tare_err *err)
{
    struct peak_options peak = {
        .windows = options->windows > 0 ? options->windows : WINDOWS,
        .window_ns = options->window_ns > 0 ? options->window_ns : WINDOW_NS,
    };
    int64_t start = clock_now_ns();
    enum tare_status status;

    memset(peaks, 0, sizeof(*peaks));
    peaks->processors = peak_processors();
    peaks->cache_bytes = peak_cache_bytes("");
    peaks->buffer_bytes = peak_buffer_bytes(PEAK_READ);
    status = measure_kernels(false, &peak, peaks, err);
    if (status == TARE_OK)
        status = measure_kernels(true, &peak, peaks, err);
    for (int kind = 0; kind < PEAK_TRAFFICS; kind++)
        for (int span = 0; span < ROOFLINE_SPANS && status == TARE_OK; span++) {
            peak.threads = span == ROOFLINE_ONE ? 1 : peaks->processors;
            status = peak_measure_traffic((enum peak_traffic)kind, &peak,
                                          &peaks->traffic[kind][span].rate, err);
        }
    peaks->took_ns = clock_now_ns() - start;
    peaks->known = status == TARE_OK;
    return status;
}

double roofline_rate(const struct roofline_peak spans[ROOFLINE_SPANS], int processors,
                     int64_t threads)
{
    double one = spans[ROOFLINE_ONE].rate.best, all = spans[ROOFLINE_ALL].rate.best;

    all = all > one ? all : one;
    if (threads <= 0 || threads >= processors)
        return all;
    return fmin(one * (double)threads, all);
}

/* --- as JSON --- */

static void put_spans(struct json_writer *w, const char *what,
                      const struct roofline_peak spans[ROOFLINE_SPANS], int processors)
{
    for (int span = 0; span < ROOFLINE_SPANS; span++) {
        const struct roofline_peak *peak = &spans[span];

        if (peak->rate.best <= 0)
            continue;
        json_open_object(w, NULL);
        json_put_text(w, "what", what);
        json_put_bool(w, "all_threads", span == ROOFLINE_ALL);
        json_put_int(w, "threads", span == ROOFLINE_ALL ? processors : 1);
        json_put_text(w, "by", peak->by);
        json_put_number(w, "best", peak->rate.best);
        json_put_number(w, "median", peak->rate.median);
        json_put_number(w, "worst", peak->rate.worst);
        json_close_object(w);
    }
}

void roofline_put(const struct roofline_peaks *peaks, struct json_writer *w)
{
    json_put_int(w, "processors", peaks->processors);
    json_put_int(w, "cache_bytes", peaks->cache_bytes);
    json_put_int(w, "buffer_bytes", peaks->buffer_bytes);
    json_put_int(w, "took_ns", peaks->took_ns);
    json_open_array(w, "rates");
    for (int type = 0; type < PEAK_TYPES; type++)
        put_spans(w, peak_type_name((enum peak_type)type), peaks->operations[type],
                  peaks->processors);
    for (int kind = 0; kind < PEAK_TRAFFICS; kind++)
        put_spans(w, peak_traffic_name((enum peak_traffic)kind), peaks->traffic[kind],
                  peaks->processors);
    json_close_array(w);
    if (peaks->device_count == 0)
        return;
    json_open_array(w, "devices");
    for (int i = 0; i < peaks->device_count; i++) {
        json_open_object(w, NULL);
        peak_cuda_put(&peaks->devices[i], w);
        json_close_object(w);
    }
    json_close_array(w);
}

void roofline_write(const struct roofline_peaks *peaks, struct buf *out)
{
    struct json_writer w;

    json_start(&w, out, false);
    json_open_object(&w, NULL);
    roofline_put(peaks, &w);
    json_close_object(&w);
}

static struct roofline_peak *find_spans(struct roofline_peaks *peaks, const char *what)
{
    for (int type = 0; type < PEAK_TYPES; type++)
        if (strcmp(what, peak_type_name((enum peak_type)type)) == 0)
            return peaks->operations[type];
    for (int kind = 0; kind < PEAK_TRAFFICS; kind++)
        if (strcmp(what, peak_traffic_name((enum peak_traffic)kind)) == 0)
            return peaks->traffic[kind];
    return NULL;
}

/* A rate as a number that can be divided by; anything else in a file counts as not measured. */
static double read_rate(const struct json_value *row, const char *key)
{
    double rate = json_number(json_get(row, key), 0);

    return isfinite(rate) && rate > 0 ? rate : 0;
}

enum tare_status roofline_parse(const char *text, size_t size, struct roofline_peaks *peaks,
                                struct tare_err *err)
{
    struct json_tree *tree = NULL;
    const struct json_value *root, *rates, *devices;
    int64_t processors;
    enum tare_status status = json_parse(text, size, &tree, err);

    memset(peaks, 0, sizeof(*peaks));
    if (status != TARE_OK)
        return status;
    root = json_root(tree);
    rates = json_get(root, "rates");
    processors = json_int(json_get(root, "processors"), 0);
    if (processors < 1 || processors > PEAK_MAX_THREADS || json_type(rates) != JSON_ARRAY) {
        status = tare_fail(err, TARE_BADDATA, "the peaks of a run are damaged");
        goto done;
    }
    peaks->processors = (int)processors;
    peaks->cache_bytes = json_int(json_get(root, "cache_bytes"), 0);
    peaks->buffer_bytes = json_int(json_get(root, "buffer_bytes"), 0);
    peaks->took_ns = json_int(json_get(root, "took_ns"), 0);
    for (size_t i = 0; i < json_count(rates); i++) {
        const struct json_value *row = json_at(rates, i);
        struct roofline_peak *spans = find_spans(peaks, json_text(json_get(row, "what"), ""));
        bool all = json_bool(json_get(row, "all_threads"), false);

        if (!spans)
            continue; /* of a later version */
        spans += all ? ROOFLINE_ALL : ROOFLINE_ONE;
        spans->rate = (struct peak_rate){read_rate(row, "best"), read_rate(row, "median"),
                                         read_rate(row, "worst")};
        (void)snprintf(spans->by, sizeof(spans->by), "%s", json_text(json_get(row, "by"), ""));
    }
    devices = json_get(root, "devices");
    for (size_t i = 0; i < json_count(devices) && i < ROOFLINE_MAX_DEVICES; i++)
        peak_cuda_read(json_at(devices, i), &peaks->devices[peaks->device_count++]);
    peaks->known = true;
done:
    json_free(tree);
    return status;
}

enum tare_status roofline_read(struct store *store, int64_t run_id, struct roofline_peaks *peaks,
                               struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    size_t size = 0;
    char *text = NULL;
    enum tare_status status =
        store_document(store, run_id, ROOFLINE_DOCUMENT, &text, &size, &inner);

    memset(peaks, 0, sizeof(*peaks));
    if (status == TARE_ABSENT)
        return TARE_OK;
    if (status != TARE_OK)
        return tare_fail(err, status, "%s", inner.text);
    status = roofline_parse(text, size, peaks, err);
    free(text);
    return status;
}
