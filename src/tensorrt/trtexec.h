/*
 * trtexec.h - the command of NVIDIA's trtexec that builds an engine as 'tare plan' does, for each
 * version: their flags differ. tests/fixtures/trtexec_flags.txt has what each documents.
 *
 * Threads: no shared state.
 */
#ifndef TARE_TENSORRT_TRTEXEC_H
#define TARE_TENSORRT_TRTEXEC_H

#include <stdint.h>

#include "tensorrt/trt_api.h"

#define TRTEXEC_MAX_WORDS 20

struct trtexec_wish {
    enum trt_flavour flavour;   /* TRT_8_6, TRT_10 or TRT_11 */
    const char *model;          /* the ONNX file */
    const char *half_model;     /* the same in FP16, for where types come from the file */
    const char *file_precision; /* the model's: "fp32", "fp16", "int8" */
    const char *precision;      /* the engine's */
    const char *calibration;    /* a calibration cache; NULL */
    const char *timing_cache;   /* NULL: none */
    const char *engine;         /* where it goes */
    const char *input;          /* of a dynamic batch: its name */
    const char *shape;          /* and the rest of its shape: "x3x640x640" */
    int32_t max_batch;          /* 0: the batch is fixed */
    int32_t dla_core, level;    /* -1: none, the default */
    int64_t workspace_bytes;    /* 0: the default */
    bool no_tf32;
};

struct trtexec_command {
    char words[TRTEXEC_MAX_WORDS][FILE_MAX_PATH + 64]; /* not quoted for a shell */
    size_t count;
    bool needs_half; /* reads half_model, which must be made first */
};

/* TARE_UNSUPPORTED, saying why, if that version cannot do it: a calibration cache or a DLA's
 * implicit scales in 11. */
enum tare_status trtexec_write(const struct trtexec_wish *wish, struct trtexec_command *command,
                               struct tare_err *err);

#endif
