#include "tensorrt/trt_build_slots.h"

#include <assert.h>

/* {TensorRT 8.6, 10, 11, TensorRT for RTX}; "~" is the deleting destructor. */
static const struct trt_row rows[TRT_BUILD_CALLS] = {
    [TRT_BUILDER_DLA_CORES] = {"VBuilder", "getNbDLACores", {7, 5, 3, 3}},
    [TRT_BUILDER_CREATE_CONFIG] = {"VBuilder", "createBuilderConfig", {9, 7, 5, 5}},
    [TRT_BUILDER_CREATE_NETWORK] = {"VBuilder", "createNetworkV2", {11, 8, 6, 6}},
    [TRT_BUILDER_CREATE_PROFILE] = {"VBuilder", "createOptimizationProfile", {12, 9, 7, 7}},
    [TRT_BUILDER_BUILD] = {"VBuilder", "buildSerializedNetwork", {17, 14, 11, 11}},
    [TRT_BUILDER_LOGGER] = {"VBuilder", "getLogger", {19, 16, 13, 13}},
    [TRT_BUILDER_SET_THREADS] = {"VBuilder", "setMaxThreads", {20, 17, 14, 14}},
    [TRT_BUILDER_THREADS] = {"VBuilder", "getMaxThreads", {21, 18, 15, 15}},
    [TRT_NETWORK_LAYERS] = {"VNetworkDefinition", "getNbLayers", {17, 12, 12, 12}},
    [TRT_NETWORK_LAYER] = {"VNetworkDefinition", "getLayer", {18, 13, 13, 13}},
    [TRT_NETWORK_INPUTS] = {"VNetworkDefinition", "getNbInputs", {19, 14, 14, 14}},
    [TRT_NETWORK_INPUT] = {"VNetworkDefinition", "getInput", {20, 15, 15, 15}},
    [TRT_NETWORK_OUTPUTS] = {"VNetworkDefinition", "getNbOutputs", {21, 16, 16, 16}},
    [TRT_NETWORK_OUTPUT] = {"VNetworkDefinition", "getOutput", {22, 17, 17, 17}},
    [TRT_CONFIG_FLAGS] = {"VBuilderConfig", "getFlags", {13, 9, 7, 7}},
    [TRT_CONFIG_CLEAR_FLAG] = {"VBuilderConfig", "clearFlag", {14, 10, 8, 8}},
    [TRT_CONFIG_SET_FLAG] = {"VBuilderConfig", "setFlag", {15, 11, 9, 9}},
    [TRT_CONFIG_FLAG] = {"VBuilderConfig", "getFlag", {16, 12, 10, 10}},
    [TRT_CONFIG_SET_CALIBRATOR] = {"VBuilderConfig",
                                   "setInt8Calibrator",
                                   {8, 6, TRT_LACKS, TRT_LACKS}},
    [TRT_CONFIG_RUNS_ON_DLA] = {"VBuilderConfig", "canRunOnDLA", {21, 17, 15, 15}},
    [TRT_CONFIG_SET_DLA_CORE] = {"VBuilderConfig", "setDLACore", {22, 18, 16, 16}},
    [TRT_CONFIG_DLA_CORE] = {"VBuilderConfig", "getDLACore", {23, 19, 17, 17}},
    [TRT_CONFIG_SET_DEVICE] = {"VBuilderConfig", "setDefaultDeviceType", {24, 20, 18, 18}},
    [TRT_CONFIG_DEVICE] = {"VBuilderConfig", "getDefaultDeviceType", {25, 21, 19, 19}},
    [TRT_CONFIG_ADD_PROFILE] = {"VBuilderConfig", "addOptimizationProfile", {29, 25, 23, 23}},
    [TRT_CONFIG_SET_VERBOSITY] = {"VBuilderConfig", "setProfilingVerbosity", {31, 27, 25, 25}},
    [TRT_CONFIG_VERBOSITY] = {"VBuilderConfig", "getProfilingVerbosity", {32, 28, 26, 26}},
    [TRT_CONFIG_SET_CALIBRATION_PROFILE] = {"VBuilderConfig",
                                            "setCalibrationProfile",
                                            {35, 31, TRT_LACKS, TRT_LACKS}},
    [TRT_CONFIG_CREATE_TIMING_CACHE] = {"VBuilderConfig", "createTimingCache", {44, 40, 29, 29}},
    [TRT_CONFIG_SET_TIMING_CACHE] = {"VBuilderConfig", "setTimingCache", {45, 41, 30, 30}},
    [TRT_CONFIG_TIMING_CACHE] = {"VBuilderConfig", "getTimingCache", {46, 42, 31, 31}},
    [TRT_CONFIG_SET_POOL] = {"VBuilderConfig", "setMemoryPoolLimit", {47, 43, 32, 32}},
    [TRT_CONFIG_POOL] = {"VBuilderConfig", "getMemoryPoolLimit", {48, 44, 33, 33}},
    [TRT_CONFIG_SET_LEVEL] = {"VBuilderConfig", "setBuilderOptimizationLevel", {51, 47, 36, 36}},
    [TRT_CONFIG_LEVEL] = {"VBuilderConfig", "getBuilderOptimizationLevel", {52, 48, 37, 37}},
    [TRT_CONFIG_SET_CAPABILITIES] = {"VBuilderConfig",
                                     "setNbComputeCapabilities",
                                     {TRT_LACKS, TRT_LACKS, TRT_LACKS, 55}},
    [TRT_CONFIG_CAPABILITIES] = {"VBuilderConfig",
                                 "getNbComputeCapabilities",
                                 {TRT_LACKS, TRT_LACKS, TRT_LACKS, 56}},
    [TRT_CONFIG_SET_CAPABILITY] = {"VBuilderConfig",
                                   "setComputeCapability",
                                   {TRT_LACKS, TRT_LACKS, TRT_LACKS, 57}},
    [TRT_CONFIG_CAPABILITY] = {"VBuilderConfig",
                               "getComputeCapability",
                               {TRT_LACKS, TRT_LACKS, TRT_LACKS, 58}},
    [TRT_PROFILE_SET_SHAPE] = {"VOptimizationProfile", "setDimensions", {2, 2, 2, 2}},
    [TRT_PROFILE_IS_VALID] = {"VOptimizationProfile", "isValid", {9, 9, 7, 7}},
    [TRT_CACHE_SERIALIZE] = {"VTimingCache", "serialize", {2, 2, 2, 2}},
    [TRT_MEMORY_DATA] = {"VHostMemory", "data", {2, 2, 2, 2}},
    [TRT_MEMORY_SIZE] = {"VHostMemory", "size", {3, 3, 3, 3}},
    [TRT_LAYER_TYPE] = {"VLayer", "getType", {2, 2, 2, 2}},
    [TRT_LAYER_NAME] = {"VLayer", "getName", {4, 4, 4, 4}},
    [TRT_LAYER_INPUTS] = {"VLayer", "getNbInputs", {5, 5, 5, 5}},
    [TRT_LAYER_INPUT] = {"VLayer", "getInput", {6, 6, 6, 6}},
    [TRT_LAYER_OUTPUTS] = {"VLayer", "getNbOutputs", {7, 7, 7, 7}},
    [TRT_LAYER_OUTPUT] = {"VLayer", "getOutput", {8, 8, 8, 8}},
    [TRT_VALUE_NAME] = {"VTensor", "getName", {3, 3, 3, 3}},
    [TRT_VALUE_SHAPE] = {"VTensor", "getDimensions", {5, 5, 5, 5}},
    [TRT_VALUE_TYPE] = {"VTensor", "getType", {7, 7, 6, 6}},
    [TRT_PARSER_PARSE] = {"IParser", "parse", {0, 0, 0, 0}},
    [TRT_PARSER_ERRORS] = {"IParser", "getNbErrors", {6, 5, 3, 3}},
    [TRT_PARSER_ERROR] = {"IParser", "getError", {7, 6, 4, 4}},
    [TRT_PARSER_DELETE] = {"IParser", "~", {10, 9, 7, 7}},
    [TRT_FAULT_TEXT] = {"IParserError", "desc", {1, 1, 1, 1}},
    [TRT_FAULT_NODE] = {"IParserError", "node", {5, 5, 5, 5}},
    [TRT_FAULT_NODE_NAME] = {"IParserError", "nodeName", {TRT_LACKS, 6, 6, 6}},
    [TRT_FAULT_NODE_TYPE] = {"IParserError", "nodeOperator", {TRT_LACKS, 7, 7, 7}},
};

const struct trt_row *trt_build_row(enum trt_build_call call)
{
    assert(call < TRT_BUILD_CALLS);
    return &rows[call];
}

int trt_build_slot(enum trt_flavour flavour, enum trt_build_call call)
{
    return trt_build_row(call)->slot[flavour];
}
