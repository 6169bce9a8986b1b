/*
 * trt_calls.h - calls of the functions in trt_build_slots.h by the shapes that they have. A
 * function that the flavour lacks is a programmer's error.
 *
 * Threads: as the objects.
 */
#ifndef TARE_TENSORRT_TRT_CALLS_H
#define TARE_TENSORRT_TRT_CALLS_H

#include "tensorrt/trt_build_slots.h"

/* The function itself, for one of another shape. */
trt_function trt_call_find(enum trt_flavour flavour, const void *object, enum trt_build_call call);

int32_t trt_call_int(enum trt_flavour flavour, const void *object, enum trt_build_call call);
int32_t trt_call_int_at(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                        int32_t index);
bool trt_call_bool_of(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                      const void *argument);
bool trt_call_bool_at(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                      int32_t first, int32_t second);
size_t trt_call_size(enum trt_flavour flavour, const void *object, enum trt_build_call call);
void trt_call_set(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                  int32_t value);
void *trt_call_object(enum trt_flavour flavour, const void *object, enum trt_build_call call);
void *trt_call_object_at(enum trt_flavour flavour, const void *object, enum trt_build_call call,
                         int32_t index);
const char *trt_call_text(enum trt_flavour flavour, const void *object, enum trt_build_call call);

/* A tensor's shape, -1 for what is dynamic; count 0 for one that TensorRT does not know. */
struct trt_dims64 trt_call_shape(enum trt_flavour flavour, const void *tensor);

/* IOptimizationProfile::setDimensions; which: 0 least, 1 best for, 2 most. */
bool trt_call_set_shape(enum trt_flavour flavour, const void *profile, const char *input,
                        int32_t which, const struct trt_dims64 *shape);

#endif
