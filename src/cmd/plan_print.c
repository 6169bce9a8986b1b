#include "cmd/plan_print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"
#include "measure/record.h"
#include "tensorrt/trtexec.h"

/* The versions that a command is printed for. A Jetson has 8.6 (JetPack 6.0) or 10.3 (6.1 on). */
static const struct version {
    const char *name;
    enum trt_flavour flavour;
    bool dla; /* core 0 if none was asked for */
} versions[] = {
    {"TensorRT 8.6", TRT_8_6, false},
    {"TensorRT 10", TRT_10, false},
    {"TensorRT 11", TRT_11, false},
    {"Jetson's DLA (TensorRT 8.6, 10)", TRT_10, true},
};
#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* --- trtexec ------------------------------------------------------------------------------------
 */

struct names {
    char engine[FILE_MAX_PATH], half[FILE_MAX_PATH], shape[160];
};

static void make_names(const struct engine_order *order, const struct engine_made *made,
                       const char *precision, struct names *names)
{
    size_t stem = strlen(order->model) - (file_has_suffix(order->model, ".onnx") ? 5 : 0);
    size_t used = 0;

    (void)snprintf(names->engine, sizeof(names->engine), "%.*s.%s.plan",
                   (int)(stem < 4000 ? stem : 4000), order->model, precision);
    (void)snprintf(names->half, sizeof(names->half), "%.*s.fp16.onnx",
                   (int)(stem < 4000 ? stem : 4000), order->model);
    names->shape[0] = '\0';
    for (int32_t i = 1; i < made->model.rank && used < sizeof(names->shape); i++)
        used += (size_t)snprintf(names->shape + used, sizeof(names->shape) - used, "x%lld",
                                 (long long)made->model.shape[i]);
}

/* One command as a shell takes it, or why that version has none. */
static void write_command(const struct engine_order *order, const struct engine_made *made,
                          const struct version *version, struct buf *out)
{
    const char *precision = order->precision ? order->precision : made->model.precision;
    struct trtexec_command *command = malloc(sizeof(*command));
    struct tare_err why = TARE_ERR_INIT;
    struct names names;
    struct trtexec_wish wish = {
        .flavour = version->flavour,
        .model = order->model,
        .half_model = names.half,
        .file_precision = made->model.precision,
        .precision = precision,
        .calibration = order->calibration,
        .timing_cache = order->timing_cache && order->timing_cache[0] ? order->timing_cache : NULL,
        .engine = names.engine,
        .input = made->model.input,
        .shape = names.shape,
        .max_batch = made->model.dynamic ? (order->max_batch > 0 ? order->max_batch : 1) : 0,
        .dla_core = order->dla_core < 0 && version->dla ? 0 : order->dla_core,
        .level = order->level,
        .workspace_bytes = order->workspace_bytes,
        .no_tf32 = order->no_tf32,
    };

    if (!command) {
        buf_append_text(out, "(out of memory)");
        return;
    }
    make_names(order, made, precision, &names);
    if (trtexec_write(&wish, command, &why) != TARE_OK)
        buf_printf(out, "(%s)", why.text);
    if (command->needs_half) {
        buf_append_text(out, "tare quantize");
        record_put_word(out, order->model);
        buf_append_text(out, " --precision fp16 -o");
        record_put_word(out, names.half);
        buf_append_text(out, " && trtexec");
    }
    for (size_t i = command->needs_half ? 1 : 0; i < command->count; i++)
        record_put_word(out, command->words[i]);
    free(command);
}

/* --- text ----------------------------------------------------------------------------------------
 */

static void print_types(const struct trt_sidecar *s)
{
    static const char *const names[] = {"FP32", "FP16", "INT8"};
    const int32_t counts[] = {s->fp32, s->fp16, s->int8};
    const char *between = ", by the file's types ";

    (void)printf("  network  %d layers, %d convolutions", (int)s->layers, (int)s->convolutions);
    for (size_t i = 0; i < 3; i++)
        if (counts[i] > 0) {
            (void)printf("%s%d in %s", between, (int)counts[i], names[i]);
            between = ", ";
        }
    (void)putchar('\n');
}

static void print_engine(const struct engine_made *made)
{
    const struct trt_sidecar *s = &made->sidecar;

    (void)printf("%s: %.1f MB, for %s, %s, %s%s\n", made->path, (double)s->engine_bytes / 1e6,
                 s->architecture, s->library, s->precision,
                 made->reused ? "; it was there already, and is used again" : "");
    print_types(s);
    if (s->max_batch > 0)
        (void)printf("  batch    1 to %d\n", (int)s->max_batch);
    if (s->dla_core >= 0)
        (void)printf("  DLA      core %d can run %d layers, %d fall back to the GPU\n",
                     (int)s->dla_core, (int)s->dla_layers, (int)s->gpu_layers);
    (void)printf("  model    %s, SHA-256 %.12s...%s%s\n", s->model, s->model_sha256,
                 s->converted[0] ? ", converted: " : "", s->converted);
    (void)printf("  built    in %.1f s, %s%s\n", (double)s->build_ns / 1e9,
                 s->built_on[0] ? "on " : "without a GPU: built for it, not run",
                 s->built_on[0] ? s->built_on : "");
}

static void print_commands(const struct engine_order *order, const struct engine_made *made)
{
    (void)puts("by trtexec:");
    for (size_t i = 0; i < VERSIONS; i++) {
        struct buf line = BUF_INIT;

        write_command(order, made, &versions[i], &line);
        (void)printf("  %s\n    %s\n", versions[i].name, buf_text(&line));
        buf_release(&line);
    }
}

/* --- JSON ----------------------------------------------------------------------------------------
 */

static void put_engine(struct json_writer *json, const struct engine_made *made)
{
    const struct trt_sidecar *s = &made->sidecar;

    json_put_text(json, "path", made->path);
    json_put_bool(json, "reused", made->reused);
    json_put_text(json, "architecture", s->architecture);
    json_put_text(json, "library", s->library);
    json_put_text(json, "precision", s->precision);
    json_put_text(json, "model_sha256", s->model_sha256);
    json_put_text(json, "engine_sha256", s->engine_sha256);
    json_put_int(json, "engine_bytes", s->engine_bytes);
    json_put_text(json, "converted", s->converted);
    json_put_int(json, "max_batch", s->max_batch);
    json_put_int(json, "layers", s->layers);
    json_put_int(json, "convolutions", s->convolutions);
    json_put_int(json, "convolutions_fp32", s->fp32);
    json_put_int(json, "convolutions_fp16", s->fp16);
    json_put_int(json, "convolutions_int8", s->int8);
    json_put_int(json, "dla_core", s->dla_core);
    json_put_int(json, "dla_layers", s->dla_layers);
    json_put_int(json, "gpu_layers", s->gpu_layers);
    json_put_int(json, "parse_ns", s->parse_ns);
    json_put_int(json, "build_ns", s->build_ns);
    json_put_text(json, "built_on", s->built_on);
}

static enum tare_status print_json(const struct engine_order *order, const struct engine_made *made,
                                   bool built, struct tare_err *err)
{
    struct buf buf = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &buf, true);
    json_open_object(&json, NULL);
    if (built)
        put_engine(&json, made);
    json_open_object(&json, "trtexec");
    for (size_t i = 0; i < VERSIONS; i++) {
        struct buf line = BUF_INIT;

        write_command(order, made, &versions[i], &line);
        json_put_text(&json, versions[i].name, buf_text(&line));
        buf_release(&line);
    }
    json_close_object(&json);
    json_close_object(&json);
    status = buf_status(&buf, "the summary", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&buf));
    buf_release(&buf);
    return status;
}

enum tare_status plan_print(const struct engine_order *order, const struct engine_made *made,
                            bool built, bool json, struct tare_err *err)
{
    if (json)
        return print_json(order, made, built, err);
    if (built)
        print_engine(made);
    print_commands(order, made);
    return TARE_OK;
}
