/*
 * trt_run_slots.h - where the functions that run an engine lie, in each flavour of TensorRT. Data
 * only: trt_run.h calls them, and the tests' stand-in library is laid out from the same rows.
 *
 * Where the numbers come from: the order of functions in apiv::VRuntime, VCudaEngine,
 * VExecutionContext and VEngineInspector of NvInferImpl.h, plus two for the destructor, compared in
 * each of the headers of 8.6.0, 8.6.1, 10.0.0 to 10.16 and 11.0 to 11.1: within a flavour no row
 * differs. What confirmed them beyond that:
 *   10.16.1, 11.1.0  compiled calls in NVIDIA's own Python bindings (the wheels
 *                    tensorrt-cu12-bindings), of 14 of these functions: tools/trt-slots
 *   RTX 1.7.1        no headers are to be had; the library's own tables have the shape of 11.1's
 *                    in all of these (functions that return Dims, take Dims or a bool are told by
 *                    their code) with others appended: 6 to VRuntime, 5 to VCudaEngine and 1 to
 *                    VExecutionContext. VRuntime's are set and read back by a test.
 * Nothing of this has run an engine yet: no GPU with TensorRT was at hand.
 */
#ifndef TARE_TENSORRT_TRT_RUN_SLOTS_H
#define TARE_TENSORRT_TRT_RUN_SLOTS_H

#include "tensorrt/trt_api.h"

enum trt_run_call {
    /* VRuntime */
    TRT_DESERIALIZE,
    TRT_SET_DLA_CORE,
    TRT_GET_DLA_CORE,
    TRT_DLA_CORES,
    TRT_GET_LOGGER,
    TRT_SET_MAX_THREADS,
    TRT_GET_MAX_THREADS,
    TRT_SET_TEMPFILES,
    TRT_GET_TEMPFILES,
    TRT_SET_HOST_CODE,
    TRT_GET_HOST_CODE,
    /* VCudaEngine */
    TRT_CREATE_CONTEXT,
    TRT_DEVICE_MEMORY,
    TRT_PROFILES,
    TRT_CREATE_INSPECTOR,
    TRT_ENGINE_SHAPE,
    TRT_TENSOR_TYPE,
    TRT_TENSOR_LOCATION,
    TRT_TENSOR_MODE,
    TRT_TENSOR_FORMAT,
    TRT_PROFILE_SHAPE,
    TRT_IO_TENSORS,
    TRT_IO_NAME,
    /* VExecutionContext */
    TRT_SET_PROFILER,
    TRT_SET_PROFILE,
    TRT_SET_EMITS_PROFILE,
    TRT_REPORT_PROFILE,
    TRT_SET_INPUT_SHAPE,
    TRT_CONTEXT_SHAPE,
    TRT_SET_ADDRESS,
    TRT_ENQUEUE,
    /* VEngineInspector */
    TRT_ENGINE_INFORMATION,
    TRT_RUN_CALLS
};

extern const struct trt_row trt_run_rows[TRT_RUN_CALLS];

/* The slot of a call in a flavour. */
static inline int trt_run_slot(enum trt_flavour flavour, enum trt_run_call call)
{
    return trt_run_rows[call].slot[flavour];
}

#endif
