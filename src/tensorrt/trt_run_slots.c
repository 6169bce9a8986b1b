#include "tensorrt/trt_run_slots.h"

#define RUNTIME   "VRuntime"
#define ENGINE    "VCudaEngine"
#define CONTEXT   "VExecutionContext"
#define INSPECTOR "VEngineInspector"

const struct trt_row trt_run_rows[TRT_RUN_CALLS] = {
    /*                         interface, function,                     8.6, 10, 11, RTX */
    [TRT_DESERIALIZE] = {RUNTIME, "deserializeCudaEngine", {2, 3, 3, 3}},
    [TRT_SET_DLA_CORE] = {RUNTIME, "setDLACore", {3, 5, 4, 4}},
    [TRT_GET_DLA_CORE] = {RUNTIME, "getDLACore", {4, 6, 5, 5}},
    [TRT_DLA_CORES] = {RUNTIME, "getNbDLACores", {5, 7, 6, 6}},
    [TRT_GET_LOGGER] = {RUNTIME, "getLogger", {9, 11, 10, 10}},
    [TRT_SET_MAX_THREADS] = {RUNTIME, "setMaxThreads", {10, 12, 11, 11}},
    [TRT_GET_MAX_THREADS] = {RUNTIME, "getMaxThreads", {11, 13, 12, 12}},
    [TRT_SET_TEMPFILES] = {RUNTIME, "setTempfileControlFlags", {14, 16, 15, 15}},
    [TRT_GET_TEMPFILES] = {RUNTIME, "getTempfileControlFlags", {15, 17, 16, 16}},
    [TRT_SET_HOST_CODE] = {RUNTIME, "setEngineHostCodeAllowed", {20, 21, 20, 20}},
    [TRT_GET_HOST_CODE] = {RUNTIME, "getEngineHostCodeAllowed", {21, 22, 21, 21}},

    [TRT_CREATE_CONTEXT] = {ENGINE, "createExecutionContext", {11, 5, 5, 5}},
    /* from 11 on it is called getDeviceMemorySizeV2 */
    [TRT_DEVICE_MEMORY] = {ENGINE, "getDeviceMemorySize", {14, 7, 44, 44}},
    [TRT_PROFILES] = {ENGINE, "getNbOptimizationProfiles", {22, 10, 8, 8}},
    [TRT_CREATE_INSPECTOR] = {ENGINE, "createEngineInspector", {33, 18, 14, 14}},
    [TRT_ENGINE_SHAPE] = {ENGINE, "getTensorShape", {34, 19, 15, 15}},
    [TRT_TENSOR_TYPE] = {ENGINE, "getTensorDataType", {35, 20, 16, 16}},
    [TRT_TENSOR_LOCATION] = {ENGINE, "getTensorLocation", {36, 21, 17, 17}},
    [TRT_TENSOR_MODE] = {ENGINE, "getTensorIOMode", {38, 23, 19, 19}},
    [TRT_TENSOR_FORMAT] = {ENGINE, "getTensorFormat", {41, 26, 22, 22}},
    [TRT_PROFILE_SHAPE] = {ENGINE, "getProfileShape", {44, 29, 25, 25}},
    [TRT_IO_TENSORS] = {ENGINE, "getNbIOTensors", {45, 30, 26, 26}},
    [TRT_IO_NAME] = {ENGINE, "getIOTensorName", {46, 31, 27, 27}},

    [TRT_SET_PROFILER] = {CONTEXT, "setProfiler", {6, 5, 5, 5}},
    [TRT_SET_PROFILE] = {CONTEXT, "setOptimizationProfileAsync", {25, 17, 16, 16}},
    [TRT_SET_EMITS_PROFILE] = {CONTEXT, "setEnqueueEmitsProfile", {26, 18, 17, 17}},
    [TRT_REPORT_PROFILE] = {CONTEXT, "reportToProfiler", {28, 20, 19, 19}},
    [TRT_SET_INPUT_SHAPE] = {CONTEXT, "setInputShape", {29, 21, 20, 20}},
    [TRT_CONTEXT_SHAPE] = {CONTEXT, "getTensorShape", {30, 22, 21, 21}},
    [TRT_SET_ADDRESS] = {CONTEXT, "setTensorAddress", {32, 24, 23, 23}},
    [TRT_ENQUEUE] = {CONTEXT, "enqueueV3", {44, 37, 36, 36}},

    [TRT_ENGINE_INFORMATION] = {INSPECTOR, "getEngineInformation", {5, 6, 6, 6}},
};
