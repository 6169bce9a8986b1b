/*
 * trt_build_slots.h - where the functions that build an engine lie in each flavour of TensorRT.
 *
 * The numbers are facts of NvInferImpl.h and NvOnnxParser.h, the destructor's two included;
 * tests/fixtures/trt_functions.txt has the functions of every class in order, by which a test
 * checks them. TensorRT for RTX publishes no header where this was written: its table is that
 * of 11.0 but for the compute capabilities, and tests set and get its settings in the library
 * itself.
 */
#ifndef TARE_TENSORRT_TRT_BUILD_SLOTS_H
#define TARE_TENSORRT_TRT_BUILD_SLOTS_H

#include "tensorrt/trt_api.h"

enum trt_build_call {
    TRT_BUILDER_DLA_CORES, /* int32_t () */
    TRT_BUILDER_CREATE_CONFIG,
    TRT_BUILDER_CREATE_NETWORK, /* IT * (uint32_t flags) */
    TRT_BUILDER_CREATE_PROFILE,
    TRT_BUILDER_BUILD, /* IHostMemory * (INetworkDefinition *, IBuilderConfig *) */
    TRT_BUILDER_LOGGER,
    TRT_BUILDER_SET_THREADS,
    TRT_BUILDER_THREADS,

    TRT_NETWORK_LAYERS, /* int32_t () */
    TRT_NETWORK_LAYER,  /* ILayer * (int32_t) */
    TRT_NETWORK_INPUTS,
    TRT_NETWORK_INPUT, /* ITensor * (int32_t) */
    TRT_NETWORK_OUTPUTS,
    TRT_NETWORK_OUTPUT,

    TRT_CONFIG_FLAGS, /* uint32_t () */
    TRT_CONFIG_CLEAR_FLAG,
    TRT_CONFIG_SET_FLAG,
    TRT_CONFIG_FLAG,
    TRT_CONFIG_SET_CALIBRATOR, /* void (IInt8Calibrator *) */
    TRT_CONFIG_RUNS_ON_DLA,    /* bool (ILayer *) */
    TRT_CONFIG_SET_DLA_CORE,
    TRT_CONFIG_DLA_CORE,
    TRT_CONFIG_SET_DEVICE,
    TRT_CONFIG_DEVICE,
    TRT_CONFIG_ADD_PROFILE, /* int32_t (IOptimizationProfile *) */
    TRT_CONFIG_SET_VERBOSITY,
    TRT_CONFIG_VERBOSITY,
    TRT_CONFIG_SET_CALIBRATION_PROFILE, /* bool (IOptimizationProfile *) */
    TRT_CONFIG_CREATE_TIMING_CACHE,     /* ITimingCache * (const void *, size_t) */
    TRT_CONFIG_SET_TIMING_CACHE,        /* bool (ITimingCache *, bool ignore_mismatch) */
    TRT_CONFIG_TIMING_CACHE,
    TRT_CONFIG_SET_POOL, /* void (int32_t pool, size_t bytes) */
    TRT_CONFIG_POOL,
    TRT_CONFIG_SET_LEVEL,
    TRT_CONFIG_LEVEL,
    TRT_CONFIG_SET_CAPABILITIES, /* bool (int32_t count) */
    TRT_CONFIG_CAPABILITIES,
    TRT_CONFIG_SET_CAPABILITY, /* bool (int32_t capability, int32_t index) */
    TRT_CONFIG_CAPABILITY,     /* int32_t (int32_t index) */

    TRT_PROFILE_SET_SHAPE, /* bool (const char *, int32_t which, Dims; by reference from 10 on) */
    TRT_PROFILE_IS_VALID,

    TRT_CACHE_SERIALIZE, /* IHostMemory * () */
    TRT_MEMORY_DATA,
    TRT_MEMORY_SIZE,

    TRT_LAYER_TYPE,
    TRT_LAYER_NAME,
    TRT_LAYER_INPUTS,
    TRT_LAYER_INPUT,
    TRT_LAYER_OUTPUTS,
    TRT_LAYER_OUTPUT,

    TRT_VALUE_NAME,  /* of an ITensor */
    TRT_VALUE_SHAPE, /* Dims () */
    TRT_VALUE_TYPE,

    TRT_PARSER_PARSE, /* bool (const void *, size_t, const char *path) */
    TRT_PARSER_ERRORS,
    TRT_PARSER_ERROR, /* IParserError * (int32_t) */
    TRT_PARSER_DELETE,
    TRT_FAULT_TEXT,
    TRT_FAULT_NODE,      /* int32_t () */
    TRT_FAULT_NODE_NAME, /* char const * () */
    TRT_FAULT_NODE_TYPE,
    TRT_BUILD_CALLS,
};

/* The row of a function. */
const struct trt_row *trt_build_row(enum trt_build_call call);

/* Its slot; TRT_LACKS. */
int trt_build_slot(enum trt_flavour flavour, enum trt_build_call call);

#endif
