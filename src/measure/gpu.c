#include "measure/gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cuda/cuda.h"

#define LOOK_NS ((int64_t)500 * 1000000)

bool gpu_is(const char *device)
{
    return strncmp(device, "cuda", 4) == 0;
}

/* CUDA's numbers are not NVML's: the board is named by what both know. Without CUDA's driver there
 * is no such name, and only a board that is alone is the one. */
static void open_board(struct gpu *gpu)
{
    struct nvml_which which = {.index = -1};
    struct cuda_facts facts;
    int index = 0;

    if (strchr(gpu->device, ':'))
        (void)cuda_parse_device(gpu->device, &index, &gpu->why);
    if (gpu->why.status != TARE_OK)
        return;
    if (cuda_device_facts(index, &facts, NULL) == TARE_OK) {
        which.uuid = facts.uuid;
        which.pci = facts.pci;
    }
    if (nvml_open(&which, &gpu->nvml, &gpu->why) != TARE_OK)
        return;
    nvml_facts(gpu->nvml, &gpu->facts);
    nvml_state_source(gpu->nvml, &gpu->state);
}

struct gpu *gpu_find(struct gpus *gpus, const char *device)
{
    struct gpu *gpu;

    if (!gpu_is(device))
        return NULL;
    for (size_t i = 0; i < gpus->count; i++)
        if (strcmp(gpus->items[i].device, device) == 0)
            return &gpus->items[i];
    if (gpus->count == GPU_MAX)
        return NULL;
    gpu = &gpus->items[gpus->count++];
    memset(gpu, 0, sizeof(*gpu));
    (void)snprintf(gpu->device, sizeof(gpu->device), "%s", device);
    open_board(gpu);
    if (!gpu->nvml)
        log_warn("'%s' cannot be asked for clocks, heat or energy: %s", device, gpu->why.text);
    return gpu;
}

void gpu_release(struct gpus *gpus)
{
    for (size_t i = 0; i < gpus->count; i++)
        nvml_close(gpus->items[i].nvml);
    gpus->count = 0;
}

enum tare_status gpu_record(const struct gpu *gpu, struct store *store, int64_t run_id,
                            struct tare_err *err)
{
    char limit[32] = "", parted[8] = "", key[64];
    const struct {
        const char *name, *value;
    } facts[] = {
        {"why", gpu->nvml ? "" : gpu->why.text},
        {"board", gpu->nvml ? gpu->facts.name : ""},
        {"uuid", gpu->nvml ? gpu->facts.uuid : ""},
        {"driver", gpu->nvml ? gpu->facts.driver : ""},
        {"power_limit_mw", limit},
        {"parted", parted},
        {"stand_in", gpu->nvml && gpu->facts.stand_in ? "yes" : ""},
    };
    enum tare_status status = TARE_OK;

    if (gpu->nvml && gpu->facts.power_limit_mw >= 0)
        (void)snprintf(limit, sizeof(limit), "%lld", (long long)gpu->facts.power_limit_mw);
    if (gpu->nvml && gpu->facts.parted >= 0)
        (void)snprintf(parted, sizeof(parted), "%s", gpu->facts.parted ? "yes" : "no");
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]) && status == TARE_OK; i++) {
        (void)snprintf(key, sizeof(key), "gpu.%s.%s", gpu->device, facts[i].name);
        if (facts[i].value[0])
            status = store_put_fact(store, run_id, key, facts[i].value, err);
    }
    return status;
}

/* --- looks --- */

void gpu_watch_release(struct gpu_watch *watch)
{
    struct power_trace trace;

    power_sampler_stop(watch->sampler, &trace);
    power_trace_release(&trace);
    free(watch->values);
    *watch = (struct gpu_watch){0};
}

void gpu_watch_begin(struct gpu_watch *watch, const struct gpu *gpu)
{
    gpu_watch_release(watch);
    if (gpu && gpu->nvml) {
        const struct power_sampler_options options = {.source = &gpu->state,
                                                      .state_step_ns = LOOK_NS};

        watch->begun_ns = clock_now_ns();
        (void)power_sampler_start(&options, &watch->sampler, NULL);
    }
}

static int64_t thousandth(int64_t value)
{
    return value < 0 ? -1 : value / 1000;
}

void gpu_watch_take(struct gpu_watch *watch, const struct power_trace *trace, int64_t begun_ns,
                    struct store_visit *visit)
{
    static const char *const names[GPU_SERIES] = {
        STORE_SERIES_GPU_AT,          STORE_SERIES_GPU_CLOCK, STORE_SERIES_GPU_MEMORY_CLOCK,
        STORE_SERIES_GPU_TEMPERATURE, STORE_SERIES_GPU_POWER, STORE_SERIES_GPU_REASONS};
    size_t looks = trace->state_count;
    int64_t *column[GPU_SERIES];

    free(watch->values);
    watch->values = looks ? calloc(GPU_SERIES * looks, sizeof(*watch->values)) : NULL;
    visit->more_count = 0;
    if (!watch->values)
        return;
    for (size_t k = 0; k < GPU_SERIES; k++)
        column[k] = watch->values + k * looks;
    for (size_t i = 0; i < looks; i++) {
        const struct power_state *state = &trace->states[i];

        column[0][i] = state->at_ns - begun_ns;
        column[1][i] = thousandth(state->sm_clock_hz);
        column[2][i] = thousandth(state->memory_clock_hz);
        column[3][i] = state->temperature_mc;
        column[4][i] = state->power_mw;
        column[5][i] = state->reasons;
    }
    for (size_t k = 0; k < GPU_SERIES; k++) {
        bool known = false;

        for (size_t i = 0; i < looks; i++)
            known = known || column[k][i] >= 0;
        if (known)
            watch->series[visit->more_count++] = (struct store_series){names[k], column[k], looks};
    }
    visit->more = watch->series;
}

void gpu_watch_end(struct gpu_watch *watch, struct store_visit *visit)
{
    struct power_trace trace;

    power_sampler_stop(watch->sampler, &trace);
    watch->sampler = NULL;
    gpu_watch_take(watch, &trace, watch->begun_ns, visit);
    power_trace_release(&trace);
}
