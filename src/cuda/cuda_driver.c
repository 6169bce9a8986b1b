#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/library.h"
#include "cuda/cuda_inner.h"

#define LIBRARY        "libcuda.so.1"
#define STAND_IN       "tare_cuda_stand_in" /* a symbol that only the tests' driver has */
#define VERSION_NEEDED 11040                /* cuGraphInstantiateWithFlags */

struct symbol {
    const char *name, *older; /* older: taken where a driver lacks the first; NULL: none */
    size_t offset;
};

#define AT(member) offsetof(struct cuda_driver, member)

static const struct symbol symbols[] = {
    {"cuInit", NULL, AT(init)},
    {"cuDriverGetVersion", NULL, AT(driver_version)},
    {"cuGetErrorName", NULL, AT(error_name)},
    {"cuDeviceGetCount", NULL, AT(device_count)},
    {"cuDeviceGet", NULL, AT(device_get)},
    {"cuDeviceGetName", NULL, AT(device_name)},
    {"cuDeviceGetUuid_v2", "cuDeviceGetUuid", AT(device_uuid)},
    {"cuDeviceGetPCIBusId", NULL, AT(device_pci)},
    {"cuDeviceTotalMem_v2", NULL, AT(device_memory)},
    {"cuDeviceGetAttribute", NULL, AT(device_attribute)},
    {"cuDevicePrimaryCtxRetain", NULL, AT(context_retain)},
    {"cuDevicePrimaryCtxRelease_v2", NULL, AT(context_release)},
    {"cuCtxSetCurrent", NULL, AT(context_set)},
    {"cuMemGetInfo_v2", NULL, AT(memory_info)},
    {"cuMemAlloc_v2", NULL, AT(memory_alloc)},
    {"cuMemFree_v2", NULL, AT(memory_free)},
    {"cuMemHostAlloc", NULL, AT(host_alloc)},
    {"cuMemFreeHost", NULL, AT(host_free)},
    {"cuMemcpyHtoDAsync_v2", NULL, AT(copy_in)},
    {"cuMemcpyDtoHAsync_v2", NULL, AT(copy_out)},
    {"cuMemcpyDtoDAsync_v2", NULL, AT(copy_device)},
    {"cuStreamCreate", NULL, AT(stream_create)},
    {"cuStreamDestroy_v2", NULL, AT(stream_destroy)},
    {"cuStreamSynchronize", NULL, AT(stream_sync)},
    {"cuEventCreate", NULL, AT(event_create)},
    {"cuEventDestroy_v2", NULL, AT(event_destroy)},
    {"cuEventRecord", NULL, AT(event_record)},
    {"cuEventElapsedTime", NULL, AT(event_elapsed)},
    {"cuStreamBeginCapture_v2", NULL, AT(capture_begin)},
    {"cuStreamEndCapture", NULL, AT(capture_end)},
    {"cuGraphInstantiateWithFlags", NULL, AT(graph_instantiate)},
    {"cuGraphDestroy", NULL, AT(graph_destroy)},
    {"cuGraphLaunch", NULL, AT(graph_launch)},
    {"cuGraphExecDestroy", NULL, AT(instance_destroy)},
};

static const char *library_path(void)
{
    const char *named = getenv("TARE_CUDA_DRIVER");

    return named && named[0] ? named : LIBRARY;
}

static enum tare_status open_library(const char *path, void **handle, struct tare_err *err)
{
    if (strcmp(path, LIBRARY) != 0 && !file_exists(path))
        return tare_fail(err, TARE_ABSENT, "there is no '%.300s' (TARE_CUDA_DRIVER)", path);
    return library_open(path, "NVIDIA's driver", handle, err);
}

/* An old driver lacks symbols too: it is told by its version first. */
static enum tare_status take_symbols(void *handle, const char *path, struct cuda_driver *driver,
                                     struct tare_err *err)
{
    const char *missing = NULL;
    int version = 0;

    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *symbol = dlsym(handle, symbols[i].name);

        if (!symbol && symbols[i].older)
            symbol = dlsym(handle, symbols[i].older);
        if (!symbol && !missing)
            missing = symbols[i].name;
        memcpy((char *)driver + symbols[i].offset, &symbol, sizeof(symbol));
    }
    driver->stand_in = dlsym(handle, STAND_IN) != NULL;
    if (!driver->init || !driver->driver_version)
        return tare_fail(err, TARE_BROKEN, "'%.200s' is not NVIDIA's driver: it has no %s", path,
                         driver->init ? "cuDriverGetVersion" : "cuInit");
    if (driver->driver_version(&version) == CUDA_OK && version < VERSION_NEEDED)
        return tare_fail(err, TARE_BROKEN, "NVIDIA's driver offers CUDA %d.%d, need %d.%d or newer",
                         version / 1000, version % 1000 / 10, VERSION_NEEDED / 1000,
                         VERSION_NEEDED % 1000 / 10);
    if (missing)
        return tare_fail(err, TARE_BROKEN, "'%.200s' is not NVIDIA's driver: it has no %s", path,
                         missing);
    driver->version = version;
    return TARE_OK;
}

enum tare_status cuda_driver_load(struct cuda_driver *driver, struct tare_err *err)
{
    const char *path = library_path();
    char room[32];
    void *handle;
    int result;
    enum tare_status status = open_library(path, &handle, err);

    memset(driver, 0, sizeof(*driver));
    if (status == TARE_OK)
        status = take_symbols(handle, path, driver, err);
    if (status != TARE_OK)
        return status;
    result = driver->init(0);
    if (result == CUDA_NO_DEVICE)
        return tare_fail(err, TARE_ABSENT, "NVIDIA's driver knows of no device");
    if (result == CUDA_STUB_LIBRARY)
        return tare_fail(err, TARE_ABSENT,
                         "'%.200s' is the CUDA toolkit's stub, not NVIDIA's driver", path);
    if (result != CUDA_OK)
        return tare_fail(err, TARE_BROKEN, "NVIDIA's driver does not start: %s",
                         cuda_error_name(driver, result, room));
    return TARE_OK;
}

const char *cuda_error_name(const struct cuda_driver *driver, int error, char room[32])
{
    const char *name = NULL;

    if (driver->error_name(error, &name) == CUDA_OK && name)
        return name;
    (void)snprintf(room, 32, "its error %d", error);
    return room;
}

enum tare_status cuda_check(const struct cuda *cuda, int result, const char *what,
                            struct tare_err *err)
{
    char room[32], text[100];

    if (result == CUDA_OK)
        return TARE_OK;
    if (result == CUDA_OUT_OF_MEMORY) {
        (void)snprintf(text, sizeof(text), "cannot %s", what);
        return cuda_no_memory(cuda, text, err);
    }
    return tare_fail(err, TARE_FAILED, "cannot %s on cuda:%d: %s", what, cuda->facts.index,
                     cuda_error_name(&cuda->driver, result, room));
}
