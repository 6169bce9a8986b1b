/* An IProfiler: an object of ours with a C++ table, which TensorRT calls once a layer. */
#include <stdlib.h>

#include "tensorrt/trt_interface.h"
#include "tensorrt/trt_run.h"

struct trt_profiler {
    const trt_function *table; /* first: this is an IProfiler */
    void (*report)(void *data, const char *layer, float ms);
    void *data;
};

/* void reportLayerTime(char const *, float) */
static void report_layer_time(void *self, const char *layer, float ms)
{
    const struct trt_profiler *profiler = self;

    if (layer)
        profiler->report(profiler->data, layer, ms);
}

static struct trt_interface_info interface_info(void *self)
{
    const struct trt_interface_info info = {"IProfiler", 1, 0};

    (void)self;
    return info;
}

/* {reportLayerTime, ~, ~} until 10; from 11 on it is an IVersionedInterface. */
static const trt_function table_until_10[] = {
    (trt_function)report_layer_time,
    (trt_function)trt_interface_drop,
    (trt_function)trt_interface_drop,
};
static const trt_function table_from_11[] = {
    (trt_function)trt_interface_language, (trt_function)interface_info,
    (trt_function)trt_interface_drop,     (trt_function)trt_interface_drop,
    (trt_function)report_layer_time,
};

enum tare_status trt_profiler_new(enum trt_flavour flavour,
                                  void (*report)(void *data, const char *layer, float ms),
                                  void *data, struct trt_profiler **profiler, struct tare_err *err)
{
    struct trt_profiler *made = calloc(1, sizeof(*made));

    *profiler = made;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory for a profiler");
    made->table = flavour == TRT_8_6 || flavour == TRT_10 ? table_until_10 : table_from_11;
    made->report = report;
    made->data = data;
    return TARE_OK;
}

void trt_profiler_free(struct trt_profiler *profiler)
{
    free(profiler);
}
