/*
 * trt_interface.h - what our own objects with a C++ table have in common, which TensorRT calls
 * back: a logger, a profiler, a calibrator. Private to this room.
 *
 * Until TensorRT 10 a logger or a profiler has its functions first, then both destructors; what is
 * an IVersionedInterface begins with language, version and destructors.
 *
 * Threads: no shared state.
 */
#ifndef TARE_TENSORRT_TRT_INTERFACE_H
#define TARE_TENSORRT_TRT_INTERFACE_H

#include <stdint.h>

/* nvinfer1::InterfaceInfo, returned in two registers as in C++ */
struct trt_interface_info {
    const char *kind; /* "ILogger" */
    int32_t major, minor;
};

/* ~: TensorRT never calls it, these objects are their user's. */
void trt_interface_drop(void *self);

/* APILanguage getAPILanguage(): 0 is C++ */
int32_t trt_interface_language(void *self);

#endif
