#include "ort_device.h"

#include <stdlib.h>
#include <string.h>

enum tare_status ort_device_open(const char *name, struct ort_device **device, struct tare_err *err)
{
    struct ort_device *opened = calloc(1, sizeof(*opened));
    enum tare_status status;

    *device = NULL;
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a device");
    status = cuda_parse_device(name, &opened->index, err);
    if (status == TARE_OK)
        status = cuda_open(opened->index, &opened->cuda, err);
    if (status == TARE_OK)
        status = cuda_stream_new(opened->cuda, &opened->stream, err);
    for (int i = 0; i < ORT_EVENTS && status == TARE_OK; i++)
        status = cuda_event_new(opened->cuda, &opened->events[i], err);
    if (status != TARE_OK) {
        ort_device_close(opened);
        return status;
    }
    *device = opened;
    return TARE_OK;
}

static void release_places(struct ort_device *device, struct ort_place *places, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cuda_free(device->cuda, places[i].device);
    free(places);
}

void ort_device_close(struct ort_device *device)
{
    if (!device)
        return;
    if (device->cuda) {
        (void)cuda_make_current(device->cuda, NULL);
        release_places(device, device->inputs, device->input_count);
        release_places(device, device->outputs, device->output_count);
        for (int i = 0; i < ORT_EVENTS; i++)
            cuda_event_free(device->cuda, device->events[i]);
        cuda_stream_free(device->cuda, device->stream);
        cuda_close(device->cuda);
    }
    free(device);
}

enum tare_status ort_device_count(struct ort_device *device, size_t input_count,
                                  size_t output_count, struct tare_err *err)
{
    device->inputs = calloc(input_count + 1, sizeof(*device->inputs));
    device->outputs = calloc(output_count + 1, sizeof(*device->outputs));
    if (!device->inputs || !device->outputs)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu tensors",
                         input_count + output_count);
    device->input_count = input_count;
    device->output_count = output_count;
    return TARE_OK;
}

static bool same_shape(const struct tare_tensor *a, const struct tare_tensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof(a->shape[0])) == 0;
}

/* Room on the device for a tensor of the host. */
static enum tare_status make_room(struct ort_device *device, struct ort_place *place, size_t bytes,
                                  struct tare_err *err)
{
    void *memory = NULL;
    enum tare_status status;

    if (place->device && bytes <= place->capacity_bytes)
        return TARE_OK;
    status = cuda_alloc(device->cuda, bytes, &memory, err);
    if (status != TARE_OK)
        return status;
    cuda_free(device->cuda, place->device);
    place->device = memory;
    place->capacity_bytes = bytes;
    device->moved = true;
    return TARE_OK;
}

enum tare_status ort_device_place(struct ort_device *device, bool input, size_t index,
                                  const struct tare_tensor *tensor, void **data,
                                  struct tare_err *err)
{
    struct ort_place *place = input ? &device->inputs[index] : &device->outputs[index];
    size_t bytes =
        (size_t)tare_shape_count(tensor->rank, tensor->shape) * tare_dtype_bytes(tensor->dtype);
    bool there = tensor->memory == TARE_MEM_DEVICE,
         was_there = place->tensor.memory == TARE_MEM_DEVICE;
    enum tare_status status = TARE_OK;

    if (there && tensor->device_id != device->index)
        return tare_fail(err, TARE_UNSUPPORTED, "'%s' is bound to memory of device %d, need %d",
                         tensor->name, tensor->device_id, device->index);
    if (!there)
        status = make_room(device, place, bytes, err);
    if (status != TARE_OK)
        return status;
    if (!same_shape(&place->tensor, tensor) || there != was_there ||
        (there && place->tensor.data != tensor->data))
        device->moved = true;
    place->tensor = *tensor;
    place->bytes = there ? 0 : bytes;
    *data = there ? tensor->data : place->device;
    return TARE_OK;
}

void ort_device_unplace(struct ort_device *device, size_t output)
{
    device->outputs[output].tensor.data = NULL;
    device->outputs[output].bytes = 0;
    device->moved = true;
}

void ort_device_wait(struct ort_device *device)
{
    (void)cuda_stream_sync(device->cuda, device->stream, NULL);
}

/* What is under way may read and write the caller's memory. */
static enum tare_status after(struct ort_device *device, enum tare_status status)
{
    if (status != TARE_OK)
        ort_device_wait(device);
    return status;
}

enum tare_status ort_device_start(struct ort_device *device, struct tare_err *err)
{
    enum tare_status status =
        cuda_event_record(device->cuda, device->events[ORT_EVENT_START], device->stream, err);

    for (size_t i = 0; i < device->input_count && status == TARE_OK; i++) {
        const struct ort_place *place = &device->inputs[i];

        if (place->bytes)
            status = cuda_copy_in(device->cuda, place->device, place->tensor.data, place->bytes,
                                  device->stream, err);
    }
    if (status == TARE_OK)
        status = cuda_event_record(device->cuda, device->events[ORT_EVENT_COPIED_IN],
                                   device->stream, err);
    return after(device, status);
}

enum tare_status ort_device_finish(struct ort_device *device, struct tare_err *err)
{
    enum tare_status status =
        cuda_event_record(device->cuda, device->events[ORT_EVENT_COMPUTED], device->stream, err);

    for (size_t i = 0; i < device->output_count && status == TARE_OK; i++) {
        const struct ort_place *place = &device->outputs[i];

        if (place->bytes)
            status = cuda_copy_out(device->cuda, place->tensor.data, place->device, place->bytes,
                                   device->stream, err);
    }
    if (status == TARE_OK)
        status = cuda_event_record(device->cuda, device->events[ORT_EVENT_COPIED_OUT],
                                   device->stream, err);
    return status == TARE_OK ? cuda_stream_sync(device->cuda, device->stream, err)
                             : after(device, status);
}

enum tare_status ort_device_timing(struct ort_device *device, struct tare_timing *timing,
                                   struct tare_err *err)
{
    int64_t *parts[] = {&timing->copy_in_ns, &timing->compute_ns, &timing->copy_out_ns};
    enum tare_status status = TARE_OK;

    for (int i = 0; i < ORT_EVENTS - 1 && status == TARE_OK; i++)
        status = cuda_event_elapsed(device->cuda, device->events[i], device->events[i + 1],
                                    parts[i], err);
    return status;
}

enum tare_status ort_device_fetch(struct ort_device *device, void *host, const void *from,
                                  size_t bytes, struct tare_err *err)
{
    enum tare_status status = cuda_copy_out(device->cuda, host, from, bytes, device->stream, err);

    return status == TARE_OK ? cuda_stream_sync(device->cuda, device->stream, err) : status;
}
