#include "cuda/cuda_inner.h"

#define HOST_PORTABLE 1 /* CU_MEMHOSTALLOC_PORTABLE */
#define MIB           (1024.0 * 1024.0)

static void *pointer_of(cuda_address address)
{
    return (void *)(uintptr_t)address;
}

static cuda_address address_of(const void *device)
{
    return (cuda_address)(uintptr_t)device;
}

enum tare_status cuda_memory(struct cuda *cuda, int64_t *free_bytes, int64_t *total_bytes,
                             struct tare_err *err)
{
    size_t available = 0, total = 0;
    enum tare_status status =
        cuda_check(cuda, cuda->driver.memory_info(&available, &total), "read the free memory", err);

    *free_bytes = (int64_t)available;
    *total_bytes = (int64_t)total;
    return status;
}

enum tare_status cuda_no_memory(const struct cuda *cuda, const char *what, struct tare_err *err)
{
    size_t available = 0, total = 0;

    /* without a context of its own, another device's may be current */
    if (!cuda->context || cuda->driver.memory_info(&available, &total) != CUDA_OK)
        return tare_fail(err, TARE_NOMEM, "out of memory on cuda:%d: %.380s", cuda->facts.index,
                         what);
    return tare_fail(err, TARE_NOMEM, "out of memory on cuda:%d: %.380s, %.1f of %.1f MiB are free",
                     cuda->facts.index, what, (double)available / MIB, (double)total / MIB);
}

enum tare_status cuda_alloc(struct cuda *cuda, size_t bytes, void **device, struct tare_err *err)
{
    cuda_address address = 0;
    int result = cuda->driver.memory_alloc(&address, bytes ? bytes : 1);

    char asked[48];

    *device = result == CUDA_OK ? pointer_of(address) : NULL;
    (void)snprintf(asked, sizeof(asked), "asked for %.1f MiB", (double)bytes / MIB);
    if (result == CUDA_OUT_OF_MEMORY)
        return cuda_no_memory(cuda, asked, err);
    return cuda_check(cuda, result, "allocate memory", err);
}

void cuda_free(struct cuda *cuda, void *device)
{
    if (device)
        (void)cuda->driver.memory_free(address_of(device));
}

enum tare_status cuda_alloc_pinned(struct cuda *cuda, size_t bytes, void **host,
                                   struct tare_err *err)
{
    int result = cuda->driver.host_alloc(host, bytes ? bytes : 1, HOST_PORTABLE);

    if (result != CUDA_OK)
        *host = NULL;
    if (result == CUDA_OUT_OF_MEMORY)
        return tare_fail(err, TARE_NOMEM, "out of pinned memory for cuda:%d: asked for %.1f MiB",
                         cuda->facts.index, (double)bytes / MIB);
    return cuda_check(cuda, result, "allocate pinned memory", err);
}

void cuda_free_pinned(struct cuda *cuda, void *host)
{
    if (host)
        (void)cuda->driver.host_free(host);
}

enum tare_status cuda_copy_in(struct cuda *cuda, void *device, const void *host, size_t bytes,
                              void *stream, struct tare_err *err)
{
    if (bytes == 0)
        return TARE_OK;
    return cuda_check(cuda, cuda->driver.copy_in(address_of(device), host, bytes, stream),
                      "copy to the device", err);
}

enum tare_status cuda_copy_out(struct cuda *cuda, void *host, const void *device, size_t bytes,
                               void *stream, struct tare_err *err)
{
    if (bytes == 0)
        return TARE_OK;
    return cuda_check(cuda, cuda->driver.copy_out(host, address_of(device), bytes, stream),
                      "copy from the device", err);
}

enum tare_status cuda_copy_device(struct cuda *cuda, void *to, const void *from, size_t bytes,
                                  void *stream, struct tare_err *err)
{
    if (bytes == 0)
        return TARE_OK;
    return cuda_check(cuda,
                      cuda->driver.copy_device(address_of(to), address_of(from), bytes, stream),
                      "copy within the device", err);
}
