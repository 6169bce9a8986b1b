#include "power/nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/library.h"
#include "base/printable.h"

#define LIBRARY   "libnvidia-ml.so.1"
#define PROCESSES 256

/* NVML's results (its documentation, "Device Queries" and "nvmlReturn_t"). */
enum {
    NVML_OK = 0,
    NVML_NOT_SUPPORTED = 3,
    NVML_NO_PERMISSION = 4,
    NVML_NOT_FOUND = 6,
    NVML_INSUFFICIENT_SIZE = 7,
    NVML_DRIVER_NOT_LOADED = 9,
    NVML_CLOCK_SM = 1,
    NVML_CLOCK_MEMORY = 2,
    NVML_TEMPERATURE_GPU = 0,
    NVML_STATE_UNKNOWN = 32,
};

struct nvml_process {
    unsigned pid;
    unsigned long long used_bytes;
    unsigned gpu_instance, compute_instance;
};

struct nvml_memory {
    unsigned long long total, free, used;
};

/* Its functions; NULL where the library has none of that name. A device is a pointer of its own. */
struct nvml {
    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error_text)(int result);
    int (*driver_version)(char *text, unsigned bytes);
    int (*count)(unsigned *count);
    int (*by_index)(unsigned index, void **device);
    int (*by_uuid)(const char *uuid, void **device);
    int (*by_pci)(const char *pci, void **device);
    int (*name)(void *device, char *text, unsigned bytes);
    int (*uuid)(void *device, char *text, unsigned bytes);
    int (*energy)(void *device, unsigned long long *mj);
    int (*power)(void *device, unsigned *mw);
    int (*power_limit)(void *device, unsigned *mw);
    int (*clock)(void *device, int which, unsigned *mhz);
    int (*temperature)(void *device, int sensor, unsigned *celsius);
    int (*reasons)(void *device, unsigned long long *bits);
    int (*performance_state)(void *device, int *state);
    int (*processes)(void *device, unsigned *count, struct nvml_process *list);
    int (*memory)(void *device, struct nvml_memory *memory);
    int (*mig_mode)(void *device, unsigned *now, unsigned *pending);
    void *device;
    bool stand_in, initialised;
};

#define AT(member) offsetof(struct nvml, member)

static const struct {
    const char *name, *older; /* older: where a library lacks the first */
    size_t offset;
} symbols[] = {
    {"nvmlInit_v2", NULL, AT(init)},
    {"nvmlShutdown", NULL, AT(shutdown)},
    {"nvmlErrorString", NULL, AT(error_text)},
    {"nvmlSystemGetDriverVersion", NULL, AT(driver_version)},
    {"nvmlDeviceGetCount_v2", NULL, AT(count)},
    {"nvmlDeviceGetHandleByIndex_v2", NULL, AT(by_index)},
    {"nvmlDeviceGetHandleByUUID", NULL, AT(by_uuid)},
    {"nvmlDeviceGetHandleByPciBusId_v2", NULL, AT(by_pci)},
    {"nvmlDeviceGetName", NULL, AT(name)},
    {"nvmlDeviceGetUUID", NULL, AT(uuid)},
    {"nvmlDeviceGetTotalEnergyConsumption", NULL, AT(energy)},
    {"nvmlDeviceGetPowerUsage", NULL, AT(power)},
    {"nvmlDeviceGetPowerManagementLimit", NULL, AT(power_limit)},
    {"nvmlDeviceGetClockInfo", NULL, AT(clock)},
    {"nvmlDeviceGetTemperature", NULL, AT(temperature)},
    {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons",
     AT(reasons)},
    {"nvmlDeviceGetPerformanceState", NULL, AT(performance_state)},
    {"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2",
     AT(processes)},
    {"nvmlDeviceGetMemoryInfo", NULL, AT(memory)},
    {"nvmlDeviceGetMigMode", NULL, AT(mig_mode)},
};

/* --- loading --- */

static enum tare_status open_library(struct nvml *nvml, struct tare_err *err)
{
    const char *named = getenv("TARE_NVML"), *path = named && named[0] ? named : LIBRARY;
    enum tare_status status;
    void *handle;

    nvml->stand_in = path == named;
    if (nvml->stand_in && !file_exists(path))
        return tare_fail(err, TARE_ABSENT, "there is no '%.300s' (TARE_NVML)", path);
    status = library_open(path, "NVML of NVIDIA's driver", &handle, err);
    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *symbol = dlsym(handle, symbols[i].name);

        if (!symbol && symbols[i].older)
            symbol = dlsym(handle, symbols[i].older);
        memcpy((char *)nvml + symbols[i].offset, &symbol, sizeof(symbol));
    }
    if (!nvml->init || !nvml->shutdown)
        return tare_fail(err, TARE_BROKEN, "'%.200s' is not NVML: it has no %s", path,
                         nvml->init ? "nvmlShutdown" : "nvmlInit_v2");
    return TARE_OK;
}

static enum tare_status fail(const struct nvml *nvml, const char *what, int result,
                             struct tare_err *err)
{
    const char *said = nvml->error_text ? nvml->error_text(result) : NULL;
    enum tare_status status = result == NVML_DRIVER_NOT_LOADED || result == NVML_NOT_FOUND
                                  ? TARE_ABSENT
                              : result == NVML_NOT_SUPPORTED ? TARE_UNSUPPORTED
                                                             : TARE_BROKEN;
    char text[120];

    (void)snprintf(text, sizeof(text), "%s", said ? said : "no reason given");
    printable(text);
    return tare_fail(err, status, "NVML: %s: %s (%d)", what, text, result);
}

/* --- the board --- */

static enum tare_status take_only(struct nvml *nvml, struct tare_err *err)
{
    unsigned count = 0;
    int result;

    if (!nvml->count || !nvml->by_index)
        return tare_fail(err, TARE_UNSUPPORTED, "NVML lists no boards");
    result = nvml->count(&count);
    if (result != NVML_OK)
        return fail(nvml, "boards", result, err);
    if (count == 0)
        return tare_fail(err, TARE_ABSENT, "NVML knows no board");
    if (count > 1)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "NVML knows %u boards, and which of them is meant is not known", count);
    result = nvml->by_index(0, &nvml->device);
    return result == NVML_OK ? TARE_OK : fail(nvml, "board 0", result, err);
}

static enum tare_status find_device(struct nvml *nvml, const struct nvml_which *which,
                                    struct tare_err *err)
{
    bool uuid = which->uuid && which->uuid[0], pci = which->pci && which->pci[0];
    int result = NVML_NOT_SUPPORTED;

    if (uuid && nvml->by_uuid)
        result = nvml->by_uuid(which->uuid, &nvml->device);
    if (result != NVML_OK && pci && nvml->by_pci)
        result = nvml->by_pci(which->pci, &nvml->device);
    if (result == NVML_OK)
        return TARE_OK;
    if (uuid || pci)
        return fail(nvml, uuid ? which->uuid : which->pci, result, err);
    if (which->index < 0)
        return take_only(nvml, err);
    if (nvml->by_index)
        result = nvml->by_index((unsigned)which->index, &nvml->device);
    return result == NVML_OK ? TARE_OK : fail(nvml, "its board of that number", result, err);
}

enum tare_status nvml_open(const struct nvml_which *which, struct nvml **nvml, struct tare_err *err)
{
    struct nvml *n = calloc(1, sizeof(*n));
    enum tare_status status;
    int result;

    *nvml = NULL;
    if (!n)
        return tare_fail(err, TARE_NOMEM, "out of memory for NVML");
    status = open_library(n, err);
    if (status == TARE_OK) {
        result = n->init();
        n->initialised = result == NVML_OK;
        if (result != NVML_OK)
            status = fail(n, "it does not start", result, err);
    }
    if (status == TARE_OK)
        status = find_device(n, which, err);
    if (status != TARE_OK) {
        nvml_close(n);
        return status;
    }
    *nvml = n;
    return TARE_OK;
}

void nvml_close(struct nvml *nvml)
{
    if (nvml && nvml->initialised)
        (void)nvml->shutdown();
    free(nvml);
}

void nvml_facts(struct nvml *nvml, struct nvml_facts *facts)
{
    struct nvml_memory memory = {0};
    unsigned value = 0, pending = 0;
    int state = 0;

    *facts = (struct nvml_facts){
        .power_limit_mw = POWER_UNKNOWN,
        .performance_state = POWER_UNKNOWN,
        .memory_bytes = POWER_UNKNOWN,
        .memory_used_bytes = POWER_UNKNOWN,
        .parted = POWER_UNKNOWN,
        .stand_in = nvml->stand_in,
    };
    if (!nvml->name || nvml->name(nvml->device, facts->name, sizeof(facts->name)) != NVML_OK)
        facts->name[0] = '\0';
    if (!nvml->uuid || nvml->uuid(nvml->device, facts->uuid, sizeof(facts->uuid)) != NVML_OK)
        facts->uuid[0] = '\0';
    if (!nvml->driver_version || nvml->driver_version(facts->driver, sizeof(facts->driver)))
        facts->driver[0] = '\0';
    facts->name[sizeof(facts->name) - 1] = facts->uuid[sizeof(facts->uuid) - 1] = '\0';
    facts->driver[sizeof(facts->driver) - 1] = '\0';
    printable(facts->name);
    printable(facts->uuid);
    printable(facts->driver);
    if (nvml->power_limit && nvml->power_limit(nvml->device, &value) == NVML_OK)
        facts->power_limit_mw = value;
    if (nvml->performance_state && nvml->performance_state(nvml->device, &state) == NVML_OK &&
        state >= 0 && state < NVML_STATE_UNKNOWN)
        facts->performance_state = state;
    if (nvml->memory && nvml->memory(nvml->device, &memory) == NVML_OK &&
        memory.total <= INT64_MAX && memory.used <= memory.total) {
        facts->memory_bytes = (int64_t)memory.total;
        facts->memory_used_bytes = (int64_t)memory.used;
    }
    if (nvml->mig_mode && nvml->mig_mode(nvml->device, &value, &pending) == NVML_OK)
        facts->parted = value != 0;
}

/* --- as a source --- */

static enum tare_status read_energy(void *self, int64_t *value, struct tare_err *err)
{
    struct nvml *nvml = self;
    unsigned long long mj = 0;
    int result = nvml->energy(nvml->device, &mj);

    if (result != NVML_OK)
        return fail(nvml, "energy", result, err);
    if (mj > INT64_MAX)
        return tare_fail(err, TARE_BADDATA, "NVML: energy: %llu mJ is out of range", mj);
    *value = (int64_t)mj;
    return TARE_OK;
}

static enum tare_status read_power(void *self, int64_t *value, struct tare_err *err)
{
    struct nvml *nvml = self;
    unsigned mw = 0;
    int result = nvml->power(nvml->device, &mw);

    if (result != NVML_OK)
        return fail(nvml, "power", result, err);
    *value = mw;
    return TARE_OK;
}

static void read_state(void *self, struct power_state *state)
{
    struct nvml *nvml = self;
    unsigned long long bits = 0;
    unsigned value = 0;

    if (nvml->clock && nvml->clock(nvml->device, NVML_CLOCK_SM, &value) == NVML_OK)
        state->sm_clock_hz = (int64_t)value * 1000000;
    if (nvml->clock && nvml->clock(nvml->device, NVML_CLOCK_MEMORY, &value) == NVML_OK)
        state->memory_clock_hz = (int64_t)value * 1000000;
    if (nvml->temperature &&
        nvml->temperature(nvml->device, NVML_TEMPERATURE_GPU, &value) == NVML_OK)
        state->temperature_mc = (int64_t)value * 1000;
    if (nvml->power && nvml->power(nvml->device, &value) == NVML_OK)
        state->power_mw = value;
    if (nvml->reasons && nvml->reasons(nvml->device, &bits) == NVML_OK && bits <= INT64_MAX)
        state->reasons = (int64_t)bits;
}

static enum tare_status list_processes(void *self, int64_t pids[POWER_MAX_PIDS], size_t *count,
                                       struct tare_err *err)
{
    struct nvml_process list[PROCESSES];
    struct nvml *nvml = self;
    unsigned found = PROCESSES;
    int result;

    *count = 0;
    if (!nvml->processes)
        return tare_fail(err, TARE_UNSUPPORTED, "NVML lists no processes");
    result = nvml->processes(nvml->device, &found, list);
    if (result != NVML_OK && result != NVML_INSUFFICIENT_SIZE)
        return fail(nvml, "processes", result, err);
    for (unsigned i = 0; i < found && i < PROCESSES && result == NVML_OK; i++)
        pids[(*count)++] = list[i].pid;
    if (result == NVML_INSUFFICIENT_SIZE) /* more than anyone has room for: not ours alone */
        for (*count = 0; *count < POWER_MAX_PIDS; (*count)++)
            pids[*count] = -1;
    return TARE_OK;
}

void nvml_state_source(struct nvml *nvml, struct power_source *source)
{
    struct nvml_facts facts;

    nvml_facts(nvml, &facts);
    *source = (struct power_source){
        .scope = POWER_BOARD,
        .stand_in = nvml->stand_in,
        .self = nvml,
        .state = read_state,
        .processes = list_processes,
    };
    (void)snprintf(source->name, sizeof(source->name), "%sNVML",
                   nvml->stand_in ? "stand-in for " : "");
    (void)snprintf(source->device, sizeof(source->device), "%s%s%s", facts.name,
                   facts.name[0] && facts.uuid[0] ? ", " : "", facts.uuid);
}

enum tare_status nvml_source(struct nvml *nvml, enum power_kind kind, struct power_source *source,
                             struct tare_err *err)
{
    bool counter = kind == POWER_COUNTER;
    int64_t value = 0;

    nvml_state_source(nvml, source);
    source->kind = kind;
    (void)snprintf(source->name, sizeof(source->name), "%sNVML %s",
                   nvml->stand_in ? "stand-in for " : "",
                   counter ? "energy counter" : "power, integrated");
    if (counter ? !nvml->energy : !nvml->power)
        return tare_fail(err, TARE_UNSUPPORTED, "NVML has no function for %s",
                         counter ? "energy" : "power");
    source->read = counter ? read_energy : read_power;
    return source->read(nvml, &value, err);
}
