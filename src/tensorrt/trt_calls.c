#include "tensorrt/trt_calls.h"

#include <assert.h>

trt_function trt_call_find(enum trt_flavour flavour, const void *object, enum trt_build_call call)
{
    int slot = trt_build_slot(flavour, call);

    assert(slot != TRT_LACKS);
    return trt_slot(object, slot);
}

int32_t trt_call_int(enum trt_flavour flavour, const void *object, enum trt_build_call call)
{
    return ((int32_t(*)(void *))trt_call_find(flavour, object, call))(trt_impl(object));
}

int32_t trt_call_int_at(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                        int32_t index)
{
    return ((int32_t(*)(void *, int32_t))trt_call_find(flavour, object, call))(trt_impl(object),
                                                                               index);
}

bool trt_call_bool_of(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                      const void *argument)
{
    return ((bool (*)(void *, const void *))trt_call_find(flavour, object, call))(trt_impl(object),
                                                                                  argument);
}

bool trt_call_bool_at(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                      int32_t first, int32_t second)
{
    return ((bool (*)(void *, int32_t, int32_t))trt_call_find(flavour, object, call))(
        trt_impl(object), first, second);
}

size_t trt_call_size(enum trt_flavour flavour, const void *object, enum trt_build_call call)
{
    return ((size_t(*)(void *))trt_call_find(flavour, object, call))(trt_impl(object));
}

void trt_call_set(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                  int32_t value)
{
    ((void (*)(void *, int32_t))trt_call_find(flavour, object, call))(trt_impl(object), value);
}

void *trt_call_object(enum trt_flavour flavour, const void *object, enum trt_build_call call)
{
    return ((void *(*)(void *))trt_call_find(flavour, object, call))(trt_impl(object));
}

void *trt_call_object_at(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                         int32_t index)
{
    return ((void *(*)(void *, int32_t))trt_call_find(flavour, object, call))(trt_impl(object),
                                                                              index);
}

const char *trt_call_text(enum trt_flavour flavour, const void *object, enum trt_build_call call)
{
    const char *text =
        ((const char *(*)(void *))trt_call_find(flavour, object, call))(trt_impl(object));

    return text ? text : "";
}

/* Both kinds come back through memory, being over 16 bytes. */
struct trt_dims64 trt_call_shape(enum trt_flavour flavour, const void *tensor)
{
    trt_function function = trt_call_find(flavour, tensor, TRT_VALUE_SHAPE);
    struct trt_dims64 shape = {0};

    if (flavour == TRT_8_6) {
        struct trt_dims32 narrow = ((struct trt_dims32(*)(void *))function)(trt_impl(tensor));

        shape.count = narrow.count;
        for (int i = 0; i < TRT_MAX_DIMS; i++)
            shape.d[i] = narrow.d[i];
    } else {
        shape = ((struct trt_dims64(*)(void *))function)(trt_impl(tensor));
    }
    if (shape.count < 0 || shape.count > TRT_MAX_DIMS)
        shape.count = 0;
    return shape;
}

/* By value in TensorRT 8, by reference since. */
bool trt_call_set_shape(enum trt_flavour flavour, const void *profile, const char *input,
                        int32_t which, const struct trt_dims64 *shape)
{
    trt_function function = trt_call_find(flavour, profile, TRT_PROFILE_SET_SHAPE);
    struct trt_dims32 narrow = {.count = shape->count};

    if (flavour != TRT_8_6)
        return ((bool (*)(void *, const char *, int32_t, const struct trt_dims64 *))function)(
            trt_impl(profile), input, which, shape);
    for (int i = 0; i < TRT_MAX_DIMS; i++)
        narrow.d[i] = (int32_t)shape->d[i];
    return ((bool (*)(void *, const char *, int32_t, struct trt_dims32))function)(
        trt_impl(profile), input, which, narrow);
}
