/*
 * gpu.h - the GPUs of a study's cells: which board each is, and what it does during a visit (rule
 * 7): clocks, heat, and why it is not faster. Private to this room.
 *
 * A visit's looks become its series "gpu_...": one at each of its edges and one every 500 ms
 * between, by a thread of the harness. What the board does not tell is left out.
 *
 * Threads: these belong to the thread of the study; the looks are made by one of their own.
 */
#ifndef TARE_MEASURE_GPU_H
#define TARE_MEASURE_GPU_H

#include "power/nvml.h"
#include "store/store.h"

#define GPU_MAX    8 /* devices of a study */
#define GPU_SERIES 6

struct gpu {
    char device[24];           /* as cells name it */
    struct nvml *nvml;         /* NULL: it cannot be asked, see why */
    struct power_source state; /* clocks and heat; valid if nvml is */
    struct nvml_facts facts;
    struct tare_err why;
};

struct gpus {
    struct gpu items[GPU_MAX];
    size_t count;
};

/* Whether a cell's device is one: "cuda", "cuda:1". */
bool gpu_is(const char *device);

/* The device of that name, which is opened at its first use; NULL for one that is no GPU, or if
 * there are more than GPU_MAX. */
struct gpu *gpu_find(struct gpus *gpus, const char *device);
void gpu_release(struct gpus *gpus);

/* Stores what is known of a device, or why nothing is, as facts "gpu.<device>.<what>". */
enum tare_status gpu_record(const struct gpu *gpu, struct store *store, int64_t run_id,
                            struct tare_err *err);

/* Looks at a device while a visit runs. */
struct gpu_watch {
    struct power_sampler *sampler;
    int64_t begun_ns;
    int64_t *values; // (GPU_SERIES, looks)
    struct store_series series[GPU_SERIES];
};

/* gpu may be NULL. A watch that cannot be begun sees nothing. */
void gpu_watch_begin(struct gpu_watch *watch, const struct gpu *gpu);

/* Ends the looks; visit->more is then theirs, until the next begin or the release. */
void gpu_watch_end(struct gpu_watch *watch, struct store_visit *visit);
void gpu_watch_release(struct gpu_watch *watch);

/* Makes series of looks that somebody else has made. */
void gpu_watch_take(struct gpu_watch *watch, const struct power_trace *trace, int64_t begun_ns,
                    struct store_visit *visit);

#endif
