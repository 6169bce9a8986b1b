/*
 * ort_device.h - the device's side of a session whose provider is one of NVIDIA's: its context, a
 * stream of ours that the provider computes on, and memory on the device for every tensor that is
 * bound to the host's. A run is: copy in, compute, copy out, all on the stream, then one wait; the
 * events between say what each took.
 *
 * Threads: as a session's. The context is made current on the thread that binds or runs.
 */
#ifndef TARE_ORT_DEVICE_H
#define TARE_ORT_DEVICE_H

#include "cuda/cuda.h"
#include "tare/backend.h"

enum {
    ORT_EVENT_START,
    ORT_EVENT_COPIED_IN,
    ORT_EVENT_COMPUTED,
    ORT_EVENT_COPIED_OUT,
    ORT_EVENTS
};

/* A tensor as it was bound, and where it lies on the device. */
struct ort_place {
    struct tare_tensor tensor;
    void *device;          /* our own memory, of capacity_bytes, or NULL */
    size_t capacity_bytes; /* of that */
    size_t bytes;          /* that a run copies; 0: none, as for a tensor of the device */
};

struct ort_device {
    struct cuda *cuda;
    int index;
    void *stream;
    void *events[ORT_EVENTS];
    struct ort_place *inputs, *outputs; // (input_count), (output_count)
    size_t input_count, output_count;
    bool moved; /* an address or a shape has changed since this was last set to false */
};

/* Opens the device of "cuda:0". On success ort_device_close() it, after the session that computes
 * on its stream. Errors as those of cuda_open(). */
enum tare_status ort_device_open(const char *name, struct ort_device **device,
                                 struct tare_err *err);
void ort_device_close(struct ort_device *device); /* NULL is allowed */

/* Once, when it is known how many there are. */
enum tare_status ort_device_count(struct ort_device *device, size_t input_count,
                                  size_t output_count, struct tare_err *err);

/*
 * Where a bound tensor is to be on the device: *data, which is the tensor's own if it is there
 * already. The memory is kept from one bind to the next, and its address with it, as long as it is
 * large enough. TARE_NOMEM if the device has none, TARE_UNSUPPORTED for another device's memory.
 */
enum tare_status ort_device_place(struct ort_device *device, bool input, size_t index,
                                  const struct tare_tensor *tensor, void **data,
                                  struct tare_err *err);

/* An output that the runtime places by itself: nothing is copied to what was bound before. */
void ort_device_unplace(struct ort_device *device, size_t output);

/* Both halves of a run, before and after what the provider does. The second waits for all; on error
 * both have waited, so that the caller may take its memory back. */
enum tare_status ort_device_start(struct ort_device *device, struct tare_err *err);
enum tare_status ort_device_finish(struct ort_device *device, struct tare_err *err);

/* Waits for what was enqueued, whatever came of it: between the halves, when the provider failed.
 */
void ort_device_wait(struct ort_device *device);

/* How long each part of the last run took, by the device. */
enum tare_status ort_device_timing(struct ort_device *device, struct tare_timing *timing,
                                   struct tare_err *err);

/* Copies from the device to the host and waits. */
enum tare_status ort_device_fetch(struct ort_device *device, void *host, const void *from,
                                  size_t bytes, struct tare_err *err);

#endif
