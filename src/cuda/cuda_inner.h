/*
 * cuda_inner.h - the driver's functions and what the files behind cuda.h share. Private to them.
 *
 * The declarations follow the CUDA Driver API's reference: every function answers 0 or an error.
 */
#ifndef TARE_CUDA_CUDA_INNER_H
#define TARE_CUDA_CUDA_INNER_H

#include "cuda/cuda.h"

typedef unsigned long long cuda_address; /* CUdeviceptr */

enum cuda_result {
    CUDA_OK = 0,
    CUDA_OUT_OF_MEMORY = 2,
    CUDA_STUB_LIBRARY = 34,
    CUDA_NO_DEVICE = 100,
};

/* The suffixes are those that the symbols have: versions of a function's parameters. */
struct cuda_driver {
    int (*init)(unsigned flags);
    int (*driver_version)(int *version);
    int (*error_name)(int error, const char **name);
    int (*device_count)(int *count);
    int (*device_get)(int *device, int ordinal);
    int (*device_name)(char *name, int name_bytes, int device);
    int (*device_uuid)(unsigned char *uuid, int device); // (16)
    int (*device_pci)(char *text, int text_bytes, int device);
    int (*device_memory)(size_t *bytes, int device);
    int (*device_attribute)(int *value, int attribute, int device);
    int (*context_retain)(void **context, int device);
    int (*context_release)(int device);
    int (*context_set)(void *context);
    int (*memory_info)(size_t *free_bytes, size_t *total_bytes);
    int (*memory_alloc)(cuda_address *address, size_t bytes);
    int (*memory_free)(cuda_address address);
    int (*host_alloc)(void **host, size_t bytes, unsigned flags);
    int (*host_free)(void *host);
    int (*copy_in)(cuda_address to, const void *from, size_t bytes, void *stream);
    int (*copy_out)(void *to, cuda_address from, size_t bytes, void *stream);
    int (*copy_device)(cuda_address to, cuda_address from, size_t bytes, void *stream);
    int (*stream_create)(void **stream, unsigned flags);
    int (*stream_destroy)(void *stream);
    int (*stream_sync)(void *stream);
    int (*event_create)(void **event, unsigned flags);
    int (*event_destroy)(void *event);
    int (*event_record)(void *event, void *stream);
    int (*event_elapsed)(float *milliseconds, void *start, void *end);
    int (*capture_begin)(void *stream, int mode);
    int (*capture_end)(void *stream, void **graph);
    int (*graph_instantiate)(void **instance, void *graph, unsigned long long flags);
    int (*graph_destroy)(void *graph);
    int (*graph_launch)(void *instance, void *stream);
    int (*instance_destroy)(void *instance);
    bool stand_in;
    int version; /* 13000: CUDA 13.0 */
};

struct cuda {
    struct cuda_driver driver;
    struct cuda_facts facts;
    int device;
    void *context;
};

/* Loads the driver and starts it. */
enum tare_status cuda_driver_load(struct cuda_driver *driver, struct tare_err *err);

/* "CUDA_ERROR_UNKNOWN", or the number as text in room if the driver does not know it. */
const char *cuda_error_name(const struct cuda_driver *driver, int error, char room[32]);

/* TARE_OK for 0, TARE_NOMEM as cuda_no_memory() if it is that, else TARE_FAILED: "cannot WHAT on
 * cuda:0: CUDA_ERROR_..." */
enum tare_status cuda_check(const struct cuda *cuda, int result, const char *what,
                            struct tare_err *err);

#endif
