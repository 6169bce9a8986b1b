/*
 * engine_store.h - TensorRT engines kept in a folder, each built once: the name and the sidecar
 * (tensorrt/trt_sidecar.h) say what it is for, and one that is for something else is refused, never
 * used and never overwritten.
 *
 * The name has the model, the architecture, the library and its version, the precision, what range
 * of batches or which DLA core, and the beginning of the ONNX file's hash:
 *     yolov8n.sm86.rtx1.7.1.fp16-1a2b3c4d5e6f.plan
 * The timing cache, which TensorRT for RTX does without, lies beside: timing.sm87.trt10.3.0.cache.
 *
 * Threads: no shared state.
 */
#ifndef TARE_EXPORT_ENGINE_STORE_H
#define TARE_EXPORT_ENGINE_STORE_H

#include "export/engine_build.h"
#include "tensorrt/trt_sidecar.h"

struct engine_order {
    const char *model;        /* an ONNX file */
    const char *architecture; /* "this" or "sm_86" */
    const char *precision;    /* "fp32", "fp16", "int8"; NULL: the file's own */
    const char *calibration;  /* a calibration cache for int8 without Q/DQ; NULL */
    const char *timing_cache; /* NULL: one beside the engines; "": none */
    const char *output;       /* a folder, or a file X.plan or X.engine */
    const char *library;      /* NULL: searched for */
    const char *made_by;      /* "tare 0.1.0" */
    int32_t max_batch;        /* of a dynamic batch; 0: 1, and no complaint about a fixed one */
    int32_t dla_core, level;  /* -1: none, the default */
    int32_t device;
    int64_t workspace_bytes; /* 0: the default */
    bool no_tf32;
    bool rebuild; /* over what is there */

    /* An FP32 file to an FP16 file, for libraries that take types from the file. */
    enum tare_status (*to_fp16)(const char *from, const char *to, struct tare_err *err);
    void (*step)(const char *what, void *data); /* NULL: none */
    void *step_data;
};

/* What is known of the ONNX file. */
struct engine_model {
    char sha256[65];
    char precision[8];           /* "fp32", "fp16", "bf16", "int8" */
    char input[128];             /* the first input's name */
    int32_t rank;                /* of it, at most TRT_MAX_DIMS */
    int64_t shape[TRT_MAX_DIMS]; /* -1: dynamic */
    bool dynamic;                /* its first dimension is */
};

struct engine_made {
    char path[FILE_MAX_PATH];
    struct trt_sidecar sidecar;
    struct engine_model model;
    struct engine_machine machine;
    bool reused; /* it was there already */
};

/* Reads what is needed of an ONNX file. Errors as onnx_read(). */
enum tare_status engine_model_read(const char *path, struct engine_model *model,
                                   struct tare_err *err);

/* Why an order cannot be met by any library, before one is looked for: TARE_INVALID or
 * TARE_UNSUPPORTED. Fills in the precision. */
enum tare_status engine_check_order(const struct engine_order *order,
                                    const struct engine_model *model, struct tare_err *err);

/* The engine, from the folder or built. TARE_FAILED for one that is there and is for something
 * else: the message says both; TARE_BADDATA for one that was changed since it was built. */
enum tare_status engine_make(const struct engine_order *order, struct engine_made *made,
                             struct tare_err *err);

/* "sm86" and "trt10.3.0", "rtx1.7.1": as names have them. */
void engine_library_tag(const char *name, char *tag, size_t tag_bytes);

#endif
