/*
 * cuda.h - NVIDIA's driver and one of its devices: what it is, its memory, streams, events, graphs.
 * Over the driver API alone (libcuda.so.1, found at run time): no toolkit is needed to build or to
 * run. TARE_CUDA_DRIVER names another file in its place, as tests do.
 *
 * The context is the device's primary one, which ONNX Runtime, TensorRT and PyTorch use too, so
 * that memory and streams from here are theirs as well: a stream is a CUstream (the runtime API's
 * cudaStream_t), an event a CUevent, device memory a CUdeviceptr as a pointer. The library is never
 * unloaded.
 *
 * Errors: TARE_ABSENT is "no driver" or "no device", and says which. TARE_BROKEN is a driver that
 * is there and cannot be used. TARE_NOMEM is the device's or pinned memory, whatever took it: an
 * allocation, a context, a graph. TARE_FAILED carries the
 * driver's name of the error, "CUDA_ERROR_LAUNCH_FAILED": after one that is sticky every later call
 * fails with it, and only a new process helps. What a caller must release is NULL on error.
 *
 * Threads: every function but the first three works on the context that is current on the calling
 * thread: cuda_open() makes it current on its own, cuda_make_current() on another. Beyond that a
 * struct cuda may be shared; a stream belongs to one thread at a time.
 */
#ifndef TARE_CUDA_CUDA_H
#define TARE_CUDA_CUDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

struct cuda; /* the driver and one device's primary context */

struct cuda_facts {
    int index;
    char name[96];
    char uuid[48];    /* "GPU-..." as NVML writes it */
    char pci[24];     /* "0000:03:00.0" */
    int major, minor; /* sm_90: 9, 0 */
    int multiprocessors;
    int64_t memory_bytes;
    int driver_version;  /* 13000: CUDA 13.0 */
    bool integrated;     /* shares the host's memory, as a Jetson's */
    bool stand_in;       /* no device: the tests' library took the driver's place */
    int64_t cache_bytes; /* the L2 cache; 0: not known */
};

/* How many devices there are: at least 1, or TARE_ABSENT. */
enum tare_status cuda_count(int *count, struct tare_err *err);

/* Makes no context. TARE_ABSENT if there is no such device. */
enum tare_status cuda_device_facts(int device, struct cuda_facts *facts, struct tare_err *err);

/* "cuda:0" is 0. TARE_INVALID for anything else but a number after "cuda:". */
enum tare_status cuda_parse_device(const char *text, int *device, struct tare_err *err);

/* Retains the device's primary context and makes it current. On success cuda_close() it. */
enum tare_status cuda_open(int device, struct cuda **cuda, struct tare_err *err);

/* Releases the context, which lives on while another holds it. Nothing of this one may be in use
 * any more. NULL is allowed. */
void cuda_close(struct cuda *cuda);

const struct cuda_facts *cuda_facts_of(const struct cuda *cuda);

/* On the calling thread. */
enum tare_status cuda_make_current(struct cuda *cuda, struct tare_err *err);

/* --- memory --- */

enum tare_status cuda_memory(struct cuda *cuda, int64_t *free_bytes, int64_t *total_bytes,
                             struct tare_err *err);

/* Not zeroed, aligned to 256 bytes. 0 bytes count as 1. TARE_NOMEM says how much was asked for and
 * how much is free. The caller frees it; NULL may be freed. */
enum tare_status cuda_alloc(struct cuda *cuda, size_t bytes, void **device, struct tare_err *err);
void cuda_free(struct cuda *cuda, void *device);

/* For a library that takes the device's memory by itself, and says in its own words that there is
 * no more of it: TARE_NOMEM, "out of memory on cuda:0: WHAT, 2.0 of 8.0 MiB are free". The context
 * should be current: without it, what is free is not said. */
enum tare_status cuda_no_memory(const struct cuda *cuda, const char *what, struct tare_err *err);

/* Host memory that the device reads by itself, in every context. */
enum tare_status cuda_alloc_pinned(struct cuda *cuda, size_t bytes, void **host,
                                   struct tare_err *err);
void cuda_free_pinned(struct cuda *cuda, void *host);

/* Enqueue a copy: from and to stay the caller's, and as they are until the stream has done it. Host
 * memory that is not pinned makes the call wait. 0 bytes do nothing. */
enum tare_status cuda_copy_in(struct cuda *cuda, void *device, const void *host, size_t bytes,
                              void *stream, struct tare_err *err);
enum tare_status cuda_copy_out(struct cuda *cuda, void *host, const void *device, size_t bytes,
                               void *stream, struct tare_err *err);
enum tare_status cuda_copy_device(struct cuda *cuda, void *to, const void *from, size_t bytes,
                                  void *stream, struct tare_err *err);

/* --- streams and events --- */

/* One that does not wait for the default stream. NULL may be freed. */
enum tare_status cuda_stream_new(struct cuda *cuda, void **stream, struct tare_err *err);
void cuda_stream_free(struct cuda *cuda, void *stream);

/* Waits for all that was enqueued; fails with what failed there. */
enum tare_status cuda_stream_sync(struct cuda *cuda, void *stream, struct tare_err *err);

enum tare_status cuda_event_new(struct cuda *cuda, void **event, struct tare_err *err);
void cuda_event_free(struct cuda *cuda, void *event);
enum tare_status cuda_event_record(struct cuda *cuda, void *event, void *stream,
                                   struct tare_err *err);

/* The device's time between two events, to about half a microsecond. Both must have been reached,
 * as after cuda_stream_sync(), else TARE_FAILED. */
enum tare_status cuda_event_elapsed(struct cuda *cuda, void *start, void *end, int64_t *ns,
                                    struct tare_err *err);

/* --- graphs: what was enqueued, to be launched again at once --- */

/* From now on what this thread enqueues on the stream is noted, not done; no other thread is kept
 * from anything. Always followed by cuda_capture_end(), after an error too. */
enum tare_status cuda_capture_begin(struct cuda *cuda, void *stream, struct tare_err *err);

/* An instantiated graph (a CUgraphExec), which the caller frees; NULL may be freed. */
enum tare_status cuda_capture_end(struct cuda *cuda, void *stream, void **graph,
                                  struct tare_err *err);
enum tare_status cuda_graph_launch(struct cuda *cuda, void *graph, void *stream,
                                   struct tare_err *err);
void cuda_graph_free(struct cuda *cuda, void *graph);

#endif
