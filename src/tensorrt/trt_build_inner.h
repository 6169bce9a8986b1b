/*
 * trt_build_inner.h - a build in progress, shared by trt_build.c, trt_config.c and trt_timing.c.
 * Threads: as trt_build.h.
 */
#ifndef TARE_TENSORRT_TRT_BUILD_INNER_H
#define TARE_TENSORRT_TRT_BUILD_INNER_H

#include "tensorrt/trt_build.h"
#include "tensorrt/trt_calls.h"

struct trt_build {
    const struct trt_build_job *job;
    struct trt_library library;
    enum trt_flavour flavour;
    struct trt_logger *logger;
    void *builder, *network, *config, *profile, *parser;
    void *timing_cache;                /* NULL: none */
    struct trt_calibrator *calibrator; /* NULL: none */
    struct trt_build_facts *facts;
};

/* TARE_FAILED: "TensorRT 10.16.1 cannot ...: what it said". */
enum tare_status trt_build_fail(struct trt_build *build, const char *what, struct tare_err *err);

/* Whether types are chosen by flags (8.6, and 10 unless the file has half types), not by the file.
 */
bool trt_build_chooses_types(const struct trt_build_job *job, enum trt_flavour flavour,
                             bool half_file);

/* Everything that the configuration holds. half_file: the network's types are half already. */
enum tare_status trt_configure(struct trt_build *build, bool half_file, struct tare_err *err);

/* The timing cache's file into the configuration; one of another library is begun anew. */
enum tare_status trt_timing_load(struct trt_build *build, struct tare_err *err);
enum tare_status trt_timing_save(struct trt_build *build, struct tare_err *err);

/* An IInt8Calibrator that hands over a calibration cache, of 8.6 and 10. */
enum tare_status trt_calibrator_new(const struct trt_library *library, const char *path,
                                    struct trt_calibrator **calibrator, struct tare_err *err);
/* A cache's text (size bytes, ended by a 0): TARE_BADDATA for what is none, or is damaged;
 * TARE_UNSUPPORTED for one of another version. path is named in messages. */
enum tare_status trt_calibration_check(const char *cache, size_t size, const char *path,
                                       int32_t version, struct tare_err *err);
void trt_calibrator_free(struct trt_calibrator *calibrator);

#endif
