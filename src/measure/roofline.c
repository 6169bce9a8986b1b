#include "measure/roofline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cuda/cuda.h"

const char *roofline_bound_name(enum roofline_bound bound)
{
    static const char *const names[] = {"compute", "memory", "cache"};

    return names[bound];
}

/* The type of a precision's name; FP32 for what has no rate of its own. */
static enum peak_type type_of(const char *precision)
{
    for (int type = 0; type < PEAK_TYPES; type++)
        if (strcmp(precision, peak_type_name((enum peak_type)type)) == 0)
            return (enum peak_type)type;
    return PEAK_FP32;
}

/* The rate of a type; FP32's where the processor has none for it, or a lower one. */
static double best_rate(const struct roofline_peaks *peaks, enum peak_type type, int64_t threads,
                        bool *stands_in)
{
    double own = roofline_rate(peaks->operations[type], peaks->processors, threads);
    double fp32 = roofline_rate(peaks->operations[PEAK_FP32], peaks->processors, threads);

    *stands_in = fp32 > own;
    return *stands_in ? fp32 : own;
}

static void fill_compute(const struct roofline_peaks *peaks, int64_t threads,
                         struct roofline_row *row, double *compute_ns)
{
    enum peak_type plain = row->type == PEAK_INT8 ? PEAK_FP32 : row->type;
    bool int8_stands_in, plain_stands_in;
    double int8_rate = best_rate(peaks, PEAK_INT8, threads, &int8_stands_in);
    double plain_rate = best_rate(peaks, plain, threads, &plain_stands_in);
    double seconds = 0;

    if (row->cost.int8_operations > 0)
        seconds += row->cost.int8_operations / int8_rate;
    if (row->cost.operations > 0)
        seconds += row->cost.operations / plain_rate;
    row->stands_in = row->type == PEAK_INT8 ? int8_stands_in : plain_stands_in;
    row->compute_rate = seconds > 0 ? row->operations / seconds : plain_rate;
    *compute_ns = seconds * 1e9;
}

static struct roofline_row unknown(const char *why)
{
    struct roofline_row row = {.known = false};

    (void)snprintf(row.why, sizeof(row.why), "%s", why);
    return row;
}

/* Weights as they are executed: a runtime that converts keeps them so. */
static double bytes_of(const struct roofline_cost *cost, enum peak_type type)
{
    double weights = cost->weight_bytes;

    if ((type == PEAK_FP16 || type == PEAK_BF16) && cost->int8_operations <= 0)
        weights /= 2;
    return weights + cost->edge_bytes;
}

/* What no peak is needed for; *row stays unknown, with its reason, if something is missing. */
static bool begin(const struct roofline_graph *graph, const char *precision, double median_ns,
                  struct roofline_row *row)
{
    if (!graph || !graph->known) {
        *row = unknown(graph ? graph->why : "there is no ONNX file of its graph");
        return false;
    }
    if (!(median_ns > 0)) {
        *row = unknown("it was not measured");
        return false;
    }
    *row = (struct roofline_row){.known = true, .cost = graph->cost, .type = type_of(precision)};
    row->operations = graph->cost.operations + graph->cost.int8_operations;
    row->bytes = bytes_of(&graph->cost, row->type);
    return true;
}

static struct roofline_row finish(struct roofline_row row, double compute_ns, double median_ns)
{
    double traffic_ns;

    if (!(row.traffic_rate > 0) || !(row.compute_rate > 0) || !(row.bytes > 0))
        return unknown("a peak of the machine is missing");
    traffic_ns = row.bytes / row.traffic_rate * 1e9;
    if (compute_ns >= traffic_ns)
        row.bound = ROOFLINE_COMPUTE;
    row.limit_ns = fmax(compute_ns, traffic_ns);
    row.intensity = row.operations / row.bytes;
    row.attained = row.operations / median_ns * 1e9;
    row.share = row.limit_ns / median_ns;
    return row;
}

struct roofline_row roofline_row_of(const struct roofline_peaks *peaks,
                                    const struct roofline_graph *graph, const char *precision,
                                    int64_t threads, double median_ns)
{
    double compute_ns = 0, cache, memory;
    struct roofline_row row;

    if (!peaks->known)
        return unknown("the peaks of the machine were not measured");
    if (!begin(graph, precision, median_ns, &row))
        return row;
    cache = roofline_rate(peaks->traffic[PEAK_CACHE], peaks->processors, threads);
    memory = roofline_rate(peaks->traffic[PEAK_READ], peaks->processors, threads);
    row.bound = cache > memory && row.bytes <= (double)peaks->cache_bytes ? ROOFLINE_CACHE
                                                                          : ROOFLINE_MEMORY;
    row.traffic_rate = row.bound == ROOFLINE_CACHE ? cache : memory;
    fill_compute(peaks, threads, &row, &compute_ns);
    return finish(row, compute_ns, median_ns);
}

/* --- on a device --- */

const struct peak_cuda *roofline_device(const struct roofline_peaks *peaks, const char *device)
{
    int index;

    if (cuda_parse_device(device, &index, NULL) != TARE_OK)
        return NULL;
    for (int i = 0; i < peaks->device_count; i++)
        if (peaks->devices[i].index == index)
            return &peaks->devices[i];
    return NULL;
}

/* The rate of a type; FP32's where the device has none for it. */
static double device_rate(const struct peak_cuda *device, enum peak_type type, bool *stands_in)
{
    double own = device->operations[type].rate.best;

    *stands_in = !(own > 0);
    return own > 0 ? own : device->operations[PEAK_FP32].rate.best;
}

/* In which precision a runtime executes the nodes that were not quantised is its own choice: the
 * fastest that it may. */
static double plain_rate(const struct peak_cuda *device, enum peak_type type, bool *stands_in)
{
    static const enum peak_type choices[] = {PEAK_FP32, PEAK_TF32, PEAK_FP16};
    double rate = 0;

    *stands_in = false;
    if (type != PEAK_INT8)
        return device_rate(device, type, stands_in);
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
        rate = fmax(rate, device->operations[choices[i]].rate.best);
    return rate;
}

struct roofline_row roofline_row_on(const struct roofline_peaks *peaks, const char *device,
                                    const struct roofline_graph *graph, const char *precision,
                                    int64_t threads, double median_ns)
{
    const struct peak_cuda *own = roofline_device(peaks, device);
    bool int8_stands_in, plain_stands_in;
    double int8_rate, other_rate, seconds = 0;
    struct roofline_row row;
    char why[sizeof(row.why)];

    if (strcmp(device, "cpu") == 0)
        return roofline_row_of(peaks, graph, precision, threads, median_ns);
    if (!own || !own->known) {
        (void)snprintf(why, sizeof(why), "the peaks of %.40s were not measured%s%.80s", device,
                       own && own->why[0] ? ": " : "", own ? own->why : "");
        return unknown(why);
    }
    if (!begin(graph, precision, median_ns, &row))
        return row;
    int8_rate = device_rate(own, PEAK_INT8, &int8_stands_in);
    other_rate = plain_rate(own, row.type, &plain_stands_in);
    if (row.type != PEAK_INT8) /* the runtime has undone the quantisation */
        int8_rate = other_rate;
    if (row.cost.int8_operations > 0)
        seconds += row.cost.int8_operations / int8_rate;
    if (row.cost.operations > 0)
        seconds += row.cost.operations / other_rate;
    row.stands_in = row.type == PEAK_INT8 ? int8_stands_in : plain_stands_in;
    row.compute_rate = seconds > 0 ? row.operations / seconds : other_rate;
    row.traffic_rate = own->copies[PEAK_COPY_DEVICE].rate.best;
    row.bound = ROOFLINE_MEMORY;
    row.fits_cache = row.bytes <= (double)own->cache_bytes;
    return finish(row, seconds * 1e9, median_ns);
}
