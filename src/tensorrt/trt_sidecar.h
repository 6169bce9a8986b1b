/*
 * trt_sidecar.h - what an engine was built for and from, in a JSON file beside it: X.plan has
 * X.plan.json. An engine says little of this itself, and one made for another GPU or library fails
 * late or not at all; so it is compared before it is loaded.
 *
 * The key: architecture, library and version, precision, the ONNX file's hash, and the options. Two
 * engines with the same key are the same work. The rest is for whoever reads it.
 *
 * Threads: no shared state.
 */
#ifndef TARE_TENSORRT_TRT_SIDECAR_H
#define TARE_TENSORRT_TRT_SIDECAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tare/status.h"

struct trt_sidecar {
    /* the key */
    char architecture[16]; /* "sm_86" */
    char library[48];      /* "TensorRT 10.16.1", "TensorRT for RTX 1.7.1" */
    char precision[8];     /* "fp32", "fp16", "int8" */
    char
        model_sha256[65]; /* of the ONNX file that was named, before any conversion of tare's own */
    char calibration_sha256[65]; /* of the calibration cache; "": none */
    int32_t max_batch;           /* of a dynamic batch; 0: the batch is fixed */
    int32_t dla_core;            /* -1: no DLA */
    int32_t level;               /* -1: the library's default */
    int64_t workspace_bytes;     /* 0: the library's default */
    bool no_tf32;

    /* facts */
    char model[256];        /* the file's name, without its folder */
    char engine_sha256[65]; /* of the engine, which is checked by it */
    int64_t engine_bytes;
    char converted[80]; /* "FP16 by tare": the file was converted first; "": built as it is */
    int32_t layers, convolutions, fp32, fp16, int8; /* of the parsed network */
    int32_t dla_layers, gpu_layers;                 /* 0 without a DLA */
    int64_t parse_ns, build_ns;
    char timing_cache_sha256[65]; /* as it was after the build; "": none */
    char built_on[96];            /* the GPU's name; "": built without a GPU */
    char made_by[32];             /* "tare 0.9.0" */
};

/* "X.plan.json". TARE_LIMIT if it does not fit. */
enum tare_status trt_sidecar_path(const char *engine, char *path, size_t path_bytes,
                                  struct tare_err *err);

enum tare_status trt_sidecar_write(const char *engine, const struct trt_sidecar *sidecar,
                                   struct tare_err *err);

/* TARE_ABSENT if there is none; TARE_BADDATA if it is damaged. Does not look at the engine. */
enum tare_status trt_sidecar_read(const char *engine, struct trt_sidecar *sidecar,
                                  struct tare_err *err);

/* The text of a sidecar, and from it: as above. path is named in messages. out: the caller's. */
enum tare_status trt_sidecar_put(const struct trt_sidecar *sidecar, struct buf *out,
                                 struct tare_err *err);
enum tare_status trt_sidecar_parse(const char *text, size_t size, const char *path,
                                   struct trt_sidecar *sidecar, struct tare_err *err);

/* Compares an engine with its sidecar: TARE_BADDATA for one that was cut or changed since. */
enum tare_status trt_sidecar_check(const char *engine, const struct trt_sidecar *sidecar,
                                   struct tare_err *err);

/* Whether two keys differ; text then says in what, both sides: "is for sm_86, not sm_87". wanted
 * may leave out (empty text) what any value of will do. */
bool trt_sidecar_differs(const struct trt_sidecar *is, const struct trt_sidecar *wanted, char *text,
                         size_t text_bytes);

#endif
