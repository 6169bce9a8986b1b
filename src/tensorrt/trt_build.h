/*
 * trt_build.h - an ONNX file to a TensorRT engine, in this process: which a fault of TensorRT's
 * would end, so who is to live on builds in a child (export/plan_build.h).
 *
 * TensorRT 8.6 and 10 choose types themselves where they are allowed to (flags FP16, INT8); 11 and
 * TensorRT for RTX take each tensor's type from the file. The types of the parsed network are
 * compared with what was asked for before anything is built.
 *
 * Threads: one build at a time in a process.
 */
#ifndef TARE_TENSORRT_TRT_BUILD_H
#define TARE_TENSORRT_TRT_BUILD_H

#include "tensorrt/trt_network.h"

#define TRT_BUILD_MAX_BATCH 1024

struct trt_build_job {
    const char *library;     /* NULL: as trt_library_load_any() searches */
    const char *model;       /* the ONNX file */
    const char *precision;   /* "fp32", "fp16" or "int8": what its convolutions are to compute in */
    const char *calibration; /* a calibration cache, whose scales a file without Q/DQ gets; NULL */
    const char *timing_cache; /* a file that is read if it is there, and written; NULL: none.
                               * TensorRT for RTX times nothing and has none */
    const char *engine;       /* where the engine goes */
    int32_t architecture;     /* 86: sm_86 */
    int32_t here;             /* the architecture of this machine's GPU, 0 without one: for another,
                               * TensorRT for RTX alone can build */
    int32_t max_batch;        /* of a model whose batch is dynamic, at least 1 */
    int32_t dla_core;         /* what it cannot run falls back to the GPU; -1: no DLA */
    int32_t level;            /* the builder's optimisation level, 0 to 5; -1: its default */
    int64_t workspace_bytes;  /* 0: TensorRT's default */
    bool no_tf32;             /* FP32 in full, where TF32 would be allowed */
};

struct trt_build_facts {
    char name[48]; /* "TensorRT 10.16.1" */
    struct trt_network_facts network;
    int32_t dla_layers, gpu_layers; /* of a build for a DLA: how many it can run, how many not */
    int64_t parse_ns, build_ns, engine_bytes;
    bool dynamic;      /* the model's batch is, and got a profile */
    bool timing_cache; /* one was kept */
};

/* Which flavours can do a job, as TRT_BIT; 0: none. */
unsigned trt_build_flavours(const struct trt_build_job *job);

/*
 * Builds and writes the engine. TARE_ABSENT without a library or GPU; TARE_UNSUPPORTED for what the
 * flavour cannot do, or a network in another precision than was asked for; TARE_FAILED with what
 * TensorRT said. *facts is filled in as far as it came. step (NULL: none) is told what comes next.
 */
enum tare_status trt_build(const struct trt_build_job *job,
                           void (*step)(const char *what, void *data), void *data,
                           struct trt_build_facts *facts, struct tare_err *err);

#endif
