#include "tensorrt/trtexec.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static void add(struct trtexec_command *command,
                                                      const char *format, ...)
{
    va_list args;

    assert(command->count < TRTEXEC_MAX_WORDS);
    va_start(args, format);
    (void)vsnprintf(command->words[command->count++], sizeof(command->words[0]), format, args);
    va_end(args);
}

static bool is(const char *precision, const char *name)
{
    return strcmp(precision, name) == 0;
}

/* As tare's own builds: what is not in 8 bits may be in 16; from 11 on the file alone decides. */
static void add_types(const struct trtexec_wish *w, struct trtexec_command *command)
{
    if (w->no_tf32)
        add(command, "--noTF32");
    if (w->flavour == TRT_11)
        return;
    if (w->flavour == TRT_10 && is(w->precision, "fp16") && is(w->file_precision, "fp16")) {
        add(command, "--stronglyTyped");
        return;
    }
    if (!is(w->precision, "fp32"))
        add(command, "--fp16");
    if (is(w->precision, "int8"))
        add(command, "--int8");
    if (w->calibration)
        add(command, "--calib=%s", w->calibration);
}

static void add_batches(const struct trtexec_wish *w, struct trtexec_command *command)
{
    if (w->max_batch <= 0)
        return;
    add(command, "--minShapes=%s:1%s", w->input, w->shape);
    add(command, "--optShapes=%s:%d%s", w->input, (int)w->max_batch, w->shape);
    add(command, "--maxShapes=%s:%d%s", w->input, (int)w->max_batch, w->shape);
}

static enum tare_status check(const struct trtexec_wish *w, struct tare_err *err)
{
    if (w->flavour == TRT_11 && w->calibration)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "takes INT8 from a Q/DQ file alone, not from a calibration cache");
    if (w->dla_core >= 0 && is(w->file_precision, "int8"))
        return tare_fail(
            err, TARE_UNSUPPORTED,
            "a DLA takes INT8 by a calibration cache with the fp32 model, not by Q/DQ");
    for (const char *c = w->input; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return tare_fail(err, TARE_UNSUPPORTED,
                             "the name of the input has a control character");
    if (w->dla_core >= 0 && is(w->precision, "fp32"))
        return tare_fail(err, TARE_UNSUPPORTED, "a DLA computes in fp16 or int8, not in fp32");
    return TARE_OK;
}

enum tare_status trtexec_write(const struct trtexec_wish *wish, struct trtexec_command *command,
                               struct tare_err *err)
{
    enum tare_status status = check(wish, err);

    memset(command, 0, sizeof(*command));
    if (status != TARE_OK)
        return status;
    command->needs_half =
        wish->flavour == TRT_11 && is(wish->precision, "fp16") && !is(wish->file_precision, "fp16");
    add(command, "trtexec");
    add(command, "--onnx=%s", command->needs_half ? wish->half_model : wish->model);
    add(command, "--saveEngine=%s", wish->engine);
    add_types(wish, command);
    add_batches(wish, command);
    if (wish->dla_core >= 0) {
        add(command, "--useDLACore=%d", (int)wish->dla_core);
        add(command, "--allowGPUFallback");
    }
    if (wish->workspace_bytes > 0) /* in MiB */
        add(command, "--memPoolSize=workspace:%lld", (long long)(wish->workspace_bytes >> 20));
    if (wish->level >= 0)
        add(command, "--builderOptimizationLevel=%d", (int)wish->level);
    if (wish->timing_cache)
        add(command, "--timingCacheFile=%s", wish->timing_cache);
    add(command, "--profilingVerbosity=detailed");
    add(command, "--skipInference");
    return TARE_OK;
}
