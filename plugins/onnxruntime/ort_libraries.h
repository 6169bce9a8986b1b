/*
 * ort_libraries.h - the shared libraries that ONNX Runtime's providers for NVIDIA's devices need
 * and the system's loader does not find: cuDNN, cuBLAS and TensorRT come in Python wheels, each in
 * a folder of its own. They are loaded for the whole process and never unloaded, so that the
 * provider, which is loaded by the library itself, meets them there.
 *
 * Looked for in each folder of $TARE_CUDA_LIBRARIES (separated by ':'), then where the loader
 * looks, then beside the library of ONNX Runtime and in the wheels of its installation, then where
 * cuda_find() looks.
 *
 * Threads: no shared state of ours.
 */
#ifndef TARE_ORT_LIBRARIES_H
#define TARE_ORT_LIBRARIES_H

#include <stdbool.h>
#include <stddef.h>

#include "tare/status.h"

/* A file's name, with its NUL: "libcublasLt.so.13". */
#define ORT_LIBRARY_NAME 128

/* The library that a loader's message misses. False if it says no such thing. */
bool ort_libraries_missing(const char *message, char name[ORT_LIBRARY_NAME]);

/*
 * Loads a library and before it those that it needs. beside: path of the library of ONNX Runtime.
 * TARE_ABSENT names the one that is nowhere and says how to name its folder; TARE_BROKEN says why
 * one that is there cannot be loaded.
 */
enum tare_status ort_libraries_load(const char *name, const char *beside, struct tare_err *err);

#endif
