#include <stdlib.h>
#include <string.h>

#include "base/printable.h"
#include "cuda/cuda_inner.h"

#define MAX_DEVICE 1023

/* CUdevice_attribute, by the Driver API's reference. */
enum attribute {
    ATTRIBUTE_MULTIPROCESSORS = 16,
    ATTRIBUTE_INTEGRATED = 18,
    ATTRIBUTE_CACHE_BYTES = 38,
    ATTRIBUTE_MAJOR = 75,
    ATTRIBUTE_MINOR = 76,
};

static enum tare_status count_devices(const struct cuda_driver *driver, int *count,
                                      struct tare_err *err)
{
    char room[32];
    int result = driver->device_count(count);

    if (result != CUDA_OK) {
        *count = 0;
        return tare_fail(err, TARE_BROKEN, "NVIDIA's driver does not count its devices: %s",
                         cuda_error_name(driver, result, room));
    }
    if (*count > MAX_DEVICE + 1)
        *count = MAX_DEVICE + 1;
    if (*count < 1)
        return tare_fail(err, TARE_ABSENT, "NVIDIA's driver knows of no device");
    return TARE_OK;
}

enum tare_status cuda_count(int *count, struct tare_err *err)
{
    struct cuda_driver driver;
    enum tare_status status = cuda_driver_load(&driver, err);

    *count = 0;
    return status == TARE_OK ? count_devices(&driver, count, err) : status;
}

/* As NVML writes them, by which the same device is found there. */
static void write_uuid(const unsigned char bytes[16], char *text, size_t text_bytes)
{
    static const char digits[] = "0123456789abcdef";
    char hex[37];
    size_t at = 0;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            hex[at++] = '-';
        hex[at++] = digits[bytes[i] >> 4];
        hex[at++] = digits[bytes[i] & 15];
    }
    hex[at] = '\0';
    (void)snprintf(text, text_bytes, "GPU-%s", hex);
}

static int read_attributes(const struct cuda_driver *driver, int device, struct cuda_facts *facts)
{
    int integrated = 0, cache = 0;
    int result = driver->device_attribute(&facts->major, ATTRIBUTE_MAJOR, device);

    if (result == CUDA_OK)
        result = driver->device_attribute(&facts->minor, ATTRIBUTE_MINOR, device);
    if (result == CUDA_OK)
        result =
            driver->device_attribute(&facts->multiprocessors, ATTRIBUTE_MULTIPROCESSORS, device);
    if (result == CUDA_OK)
        result = driver->device_attribute(&integrated, ATTRIBUTE_INTEGRATED, device);
    if (result == CUDA_OK)
        result = driver->device_attribute(&cache, ATTRIBUTE_CACHE_BYTES, device);
    facts->integrated = integrated != 0;
    facts->cache_bytes = cache > 0 ? cache : 0;
    return result;
}

static enum tare_status read_facts(const struct cuda_driver *driver, int index, int *device,
                                   struct cuda_facts *facts, struct tare_err *err)
{
    unsigned char uuid[16] = {0};
    char room[32];
    size_t bytes = 0;
    int count, result;
    enum tare_status status = count_devices(driver, &count, err);

    memset(facts, 0, sizeof(*facts));
    if (status != TARE_OK)
        return status;
    if (index < 0 || index >= count)
        return tare_fail(err, TARE_ABSENT, "no device cuda:%d: NVIDIA's driver knows of %d", index,
                         count);
    facts->index = index;
    facts->driver_version = driver->version;
    facts->stand_in = driver->stand_in;
    result = driver->device_get(device, index);
    if (result == CUDA_OK)
        result = driver->device_name(facts->name, (int)sizeof(facts->name), *device);
    if (result == CUDA_OK)
        result = driver->device_uuid(uuid, *device);
    if (result == CUDA_OK)
        result = driver->device_pci(facts->pci, (int)sizeof(facts->pci), *device);
    if (result == CUDA_OK)
        result = driver->device_memory(&bytes, *device);
    if (result == CUDA_OK)
        result = read_attributes(driver, *device, facts);
    if (result != CUDA_OK)
        return tare_fail(err, TARE_BROKEN, "NVIDIA's driver does not describe cuda:%d: %s", index,
                         cuda_error_name(driver, result, room));
    facts->name[sizeof(facts->name) - 1] = '\0';
    facts->pci[sizeof(facts->pci) - 1] = '\0';
    printable(facts->name);
    printable(facts->pci);
    write_uuid(uuid, facts->uuid, sizeof(facts->uuid));
    facts->memory_bytes = bytes <= INT64_MAX ? (int64_t)bytes : 0;
    if (facts->major < 1 || facts->major > 99 || facts->minor < 0 || facts->minor > 9)
        return tare_fail(err, TARE_BROKEN,
                         "NVIDIA's driver says that cuda:%d is of architecture "
                         "%d.%d",
                         index, facts->major, facts->minor);
    return TARE_OK;
}

enum tare_status cuda_device_facts(int device, struct cuda_facts *facts, struct tare_err *err)
{
    struct cuda_driver driver;
    int handle;
    enum tare_status status = cuda_driver_load(&driver, err);

    memset(facts, 0, sizeof(*facts));
    return status == TARE_OK ? read_facts(&driver, device, &handle, facts, err) : status;
}

enum tare_status cuda_parse_device(const char *text, int *device, struct tare_err *err)
{
    long number = -1;
    char *end = NULL;

    *device = 0;
    if (strncmp(text, "cuda:", 5) == 0 && text[5] >= '0' && text[5] <= '9')
        number = strtol(text + 5, &end, 10);
    if (!end || *end || number < 0 || number > MAX_DEVICE)
        return tare_fail(err, TARE_INVALID, "device '%.60s' is not a CUDA device, need cuda:0",
                         text);
    *device = (int)number;
    return TARE_OK;
}

enum tare_status cuda_open(int device, struct cuda **cuda, struct tare_err *err)
{
    struct cuda *made = calloc(1, sizeof(*made));
    enum tare_status status;
    int result;

    *cuda = NULL;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory");
    status = cuda_driver_load(&made->driver, err);
    if (status == TARE_OK)
        status = read_facts(&made->driver, device, &made->device, &made->facts, err);
    if (status != TARE_OK)
        goto done;
    result = made->driver.context_retain(&made->context, made->device);
    if (result != CUDA_OK) {
        made->context = NULL;
        status = cuda_check(made, result, "make a context", err);
        goto done;
    }
    status = cuda_make_current(made, err);
done:
    if (status == TARE_OK)
        *cuda = made;
    else
        cuda_close(made);
    return status;
}

void cuda_close(struct cuda *cuda)
{
    if (!cuda)
        return;
    if (cuda->context) /* which stays current: others on this thread may use it still */
        (void)cuda->driver.context_release(cuda->device);
    free(cuda);
}

const struct cuda_facts *cuda_facts_of(const struct cuda *cuda)
{
    return &cuda->facts;
}

enum tare_status cuda_make_current(struct cuda *cuda, struct tare_err *err)
{
    return cuda_check(cuda, cuda->driver.context_set(cuda->context), "make the context current",
                      err);
}
