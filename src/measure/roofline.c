#include "measure/roofline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

struct roofline_row roofline_row_of(const struct roofline_peaks *peaks,
                                    const struct roofline_graph *graph, const char *precision,
                                    int64_t threads, double median_ns)
{
    double compute_ns = 0, traffic_ns, cache, memory, weights;
    struct roofline_row row = {.known = true};
    const struct roofline_cost *cost;

    if (!peaks->known)
        return unknown("the peaks of the machine were not measured");
    if (!graph || !graph->known)
        return unknown(graph ? graph->why : "there is no ONNX file of its graph");
    if (!(median_ns > 0))
        return unknown("it was not measured");
    cost = &graph->cost;
    row.cost = *cost;
    row.type = type_of(precision);
    /* a runtime that converts keeps its weights in what it executes */
    weights = cost->weight_bytes;
    if ((row.type == PEAK_FP16 || row.type == PEAK_BF16) && cost->int8_operations <= 0)
        weights /= 2;
    row.operations = cost->operations + cost->int8_operations;
    row.bytes = weights + cost->edge_bytes;
    cache = roofline_rate(peaks->traffic[PEAK_CACHE], peaks->processors, threads);
    memory = roofline_rate(peaks->traffic[PEAK_READ], peaks->processors, threads);
    row.bound = cache > memory && row.bytes <= (double)peaks->cache_bytes ? ROOFLINE_CACHE
                                                                          : ROOFLINE_MEMORY;
    row.traffic_rate = row.bound == ROOFLINE_CACHE ? cache : memory;
    fill_compute(peaks, threads, &row, &compute_ns);
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
