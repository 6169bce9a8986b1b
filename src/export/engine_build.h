/*
 * engine_build.h - an engine built in a child process, whose crash is an error here and no more.
 * The child is this program, started again as 'tare worker engine'.
 *
 * Threads: one builder belongs to one thread.
 */
#ifndef TARE_EXPORT_ENGINE_BUILD_H
#define TARE_EXPORT_ENGINE_BUILD_H

#include "base/process.h"
#include "tensorrt/trt_build.h"

struct engine_builder {
    struct process process;
};

struct engine_machine {
    int32_t architecture; /* that is built for: 86 */
    int32_t here;         /* that of this machine's GPU; 0: none */
    char gpu[96];         /* its name; "" */
    char library[FILE_MAX_PATH], name[48];
    enum trt_flavour flavour;
};

/* Starts the child. On success engine_builder_stop() it. */
enum tare_status engine_builder_start(struct engine_builder *builder, struct tare_err *err);
void engine_builder_stop(struct engine_builder *builder);

struct engine_wish {
    const char *architecture; /* "sm_86", "this" */
    const char *library;      /* NULL: searched for */
    int32_t device, dla_core; /* -1: no DLA */
    bool calibrated;          /* with a calibration cache */
};

/* What would build it: GPU and library. Errors as trt_library_load_any(), and TARE_ABSENT for
 * "this" without a GPU. */
enum tare_status engine_builder_identify(struct engine_builder *builder,
                                         const struct engine_wish *wish,
                                         struct engine_machine *machine, struct tare_err *err);

/* Builds; errors as trt_build(), and TARE_BROKEN if the child crashed, with how. step: see there.
 */
enum tare_status engine_builder_build(struct engine_builder *builder,
                                      const struct trt_build_job *job, int32_t device,
                                      void (*step)(const char *what, void *data), void *data,
                                      struct trt_build_facts *facts, struct tare_err *err);

#endif
