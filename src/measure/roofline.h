/*
 * roofline.h - how near a cell is to what its machine allows: the time that its graph's operations
 * and bytes need at the rates that were measured on this machine (measure/peak.h), against the
 * median that it took. Plain data for reports; nothing here prints.
 *
 *     limit  = the longer of  operations / highest rate of operations in the executed precision
 *              and            bytes / highest rate of bytes
 *     share  = limit / median: 1 is a cell that nothing could make faster but other arithmetic
 *
 * after S. Williams, A. Waterman, D. Patterson: Roofline, Communications of the ACM 52 (4), 2009.
 *
 * Operations are those of the graph as the model's file has it (onnx/onnx_cost.h), a multiplication
 * and an addition counting as two; an algorithm that needs fewer (Winograd's) may pass the limit.
 * Bytes of a cell are compulsory traffic: weights, inputs and outputs of the whole graph, each
 * once; what passes between its nodes is taken to stay in caches. Where all of that fits into the
 * last cache, it is held against the cache's rate, because then it need not come from memory again.
 *
 * A cell on a CUDA device is held against that device's peaks (measure/peak_cuda.h) in the
 * precision that was executed, FP32 and TF32 apart, quantised nodes too where a runtime executes
 * them in another one than INT8; its bytes against the rate of copies within the
 * device. The rate of a device's L2 cache is not known: where all bytes would fit into it, as a
 * small model's do, the limit by bytes may be passed, and the row says so (fits_cache).
 *
 * Threads: no shared state; roofline_measure() should be all that runs.
 */
#ifndef TARE_MEASURE_ROOFLINE_H
#define TARE_MEASURE_ROOFLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "measure/peak.h"
#include "measure/peak_cuda.h"
#include "store/store.h"
#include "tare/status.h"

/* The name of the document in a result file that holds the peaks of its run, as JSON. */
#define ROOFLINE_DOCUMENT "peaks"
#define ROOFLINE_GRAPHS   "graphs" /* and of the one with what the cells' graphs ask */

#define ROOFLINE_MAX_DEVICES 8

/* On how many threads a peak was measured. */
enum roofline_span {
    ROOFLINE_ONE,
    ROOFLINE_ALL, /* one on each processor */
    ROOFLINE_SPANS
};

struct roofline_peak {
    struct peak_rate rate; /* operations or bytes a second; best 0: not measured */
    char by[32];           /* the instruction set that reached it: "AVX2 FMA"; "" for traffic */
};

struct roofline_peaks {
    bool known;
    int processors;
    int64_t cache_bytes;  /* of the last-level cache; 0: the machine does not say */
    int64_t buffer_bytes; /* that memory was measured with */
    int64_t took_ns;
    struct roofline_peak operations[PEAK_TYPES][ROOFLINE_SPANS];
    struct roofline_peak traffic[PEAK_TRAFFICS][ROOFLINE_SPANS];
    struct peak_cuda devices[ROOFLINE_MAX_DEVICES]; // (device_count), in no order
    int device_count;
};

/* What one inference (of a whole batch) asks of a machine. */
struct roofline_cost {
    double operations;      /* in floating point */
    double int8_operations; /* of quantised nodes */
    double weight_bytes;    /* as they stand in the file */
    double edge_bytes;      /* inputs and outputs of the graph */
};

enum roofline_bound {
    ROOFLINE_COMPUTE,
    ROOFLINE_MEMORY,
    ROOFLINE_CACHE,
};

/* One cell against its limit. */
struct roofline_row {
    bool known;
    char why[160]; /* why not */
    struct roofline_cost cost;
    double operations;   /* both kinds */
    double bytes;        /* compulsory */
    double intensity;    /* operations a byte */
    double attained;     /* operations a second */
    double compute_rate; /* the roof: operations a second, of this mix of precisions */
    double traffic_rate; /* the slope: bytes a second */
    double limit_ns;
    double share; /* limit_ns over the median of one run of the session */
    enum roofline_bound bound;
    enum peak_type type; /* that the roof is of */
    bool stands_in;      /* the processor has no instructions for the precision: FP32's rate */
    bool fits_cache;     /* of a device: its bytes may stay in L2, whose rate is not known */
};

/* --- peaks --- */

struct roofline_options {
    int windows;       /* of a peak; 0: 24 */
    int64_t window_ns; /* about; 0: 3 ms */
};

/* Measures all peaks of this machine's processor; about a second by default. TARE_BROKEN if some
 * instruction gives wrong answers. */
enum tare_status roofline_measure(const struct roofline_options *options,
                                  struct roofline_peaks *peaks, struct tare_err *err);

/* As JSON, and back; TARE_BADDATA if it is not that. */
void roofline_write(const struct roofline_peaks *peaks, struct buf *out);
void roofline_put(const struct roofline_peaks *peaks, struct json_writer *w); /* members alone */
enum tare_status roofline_parse(const char *text, size_t size, struct roofline_peaks *peaks,
                                struct tare_err *err);

/* The peaks of a stored run; known is false if it has none. */
enum tare_status roofline_read(struct store *store, int64_t run_id, struct roofline_peaks *peaks,
                               struct tare_err *err);

/* The highest rate on so many threads (0: as many as there are processors): measured for one and
 * for all, between them as many times one's as there are threads, but at most that of all. 0: not
 * known. */
double roofline_rate(const struct roofline_peak spans[ROOFLINE_SPANS], int processors,
                     int64_t threads);

/* --- what a graph asks --- */

/*
 * The cost of an ONNX file's graph, for that batch and, where height and width are open, pictures
 * of that size (0: 640). TARE_UNSUPPORTED, naming the first operator, if something's cost is not
 * known; otherwise as onnx_read().
 */
enum tare_status roofline_cost_of(const char *path, int64_t batch, int64_t size,
                                  struct roofline_cost *cost, struct tare_err *err);

/* What the graphs of a run's cells ask. */
struct roofline_graph {
    int64_t cell_id;
    bool known;
    char why[160]; /* why not */
    struct roofline_cost cost;
};

struct roofline_graphs {
    struct roofline_graph *items; // (count)
    size_t count;
};

/* As JSON, and from a stored run: none if it holds none. On success roofline_release_graphs(). */
void roofline_write_graphs(const struct roofline_graphs *graphs, struct buf *out);
enum tare_status roofline_read_graphs(struct store *store, int64_t run_id,
                                      struct roofline_graphs *graphs, struct tare_err *err);
void roofline_release_graphs(struct roofline_graphs *graphs);

/* The graph of a cell; NULL if none is stored. */
const struct roofline_graph *roofline_find_graph(const struct roofline_graphs *graphs,
                                                 int64_t cell_id);

/* --- a cell --- */

/*
 * A cell of that precision ("fp32"; as executed) and so many threads, whose session took median_ns.
 * graph NULL: nothing is known of it.
 */
struct roofline_row roofline_row_of(const struct roofline_peaks *peaks,
                                    const struct roofline_graph *graph, const char *precision,
                                    int64_t threads, double median_ns);

/* The same of a cell on that device: "cpu", or "cuda:0", to which threads do not matter. */
struct roofline_row roofline_row_on(const struct roofline_peaks *peaks, const char *device,
                                    const struct roofline_graph *graph, const char *precision,
                                    int64_t threads, double median_ns);

/* The peaks of "cuda:0"; NULL if there was no word of it. */
const struct peak_cuda *roofline_device(const struct roofline_peaks *peaks, const char *device);

/* "compute", "memory", "cache". */
const char *roofline_bound_name(enum roofline_bound bound);

#endif
