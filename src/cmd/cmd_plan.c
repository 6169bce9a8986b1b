/*
 * cmd_plan.c - tare plan: an ONNX model to a TensorRT engine.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/plan_half.h"
#include "cmd/plan_print.h"
#include "cmd/version.h"

struct args {
    const char *output, *architecture, *precision, *calibration, *timing_cache, *library;
    int64_t max_batch, dla, workspace_mb, level, device;
    bool tf32, rebuild, commands, json, quiet;
};

static const struct option_info table[] = {
    {.name = "for",
     .kind = OPTION_TEXT,
     .value = "GPU",
     .help = "architecture that it is for: sm_86, or this machine's",
     .fallback = "this",
     .offset = offsetof(struct args, architecture)},
    {.name = "precision",
     .letter = 'p',
     .kind = OPTION_CHOICE,
     .value = "NAME",
     .help = "what convolutions compute in",
     .fallback = "the file's own",
     .choices = "fp32|fp16|int8",
     .offset = offsetof(struct args, precision)},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "folder that engines are kept in, or a file X.plan",
     .fallback = "the model's folder",
     .offset = offsetof(struct args, output)},
    {.name = "max-batch",
     .kind = OPTION_INT,
     .value = "N",
     .help = "largest batch of a model whose batch is dynamic; it is built for this one best",
     .fallback = "1",
     .min = 1,
     .max = TRT_BUILD_MAX_BATCH,
     .offset = offsetof(struct args, max_batch)},
    {.name = "dla",
     .kind = OPTION_INT,
     .value = "CORE",
     .help = "run on this DLA core of a Jetson; what it cannot run falls back to the GPU",
     .fallback = "the GPU alone",
     .min = 0,
     .max = 15,
     .offset = offsetof(struct args, dla)},
    {.name = "calibration",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "int8 without Q/DQ: the cache of 'tare quantize --cache' (TensorRT 8.6 and 10)",
     .offset = offsetof(struct args, calibration)},
    {.name = "workspace",
     .kind = OPTION_INT,
     .value = "MB",
     .help = "memory that a layer may use, in MiB",
     .fallback = "TensorRT's default",
     .min = 1,
     .max = 1 << 20,
     .offset = offsetof(struct args, workspace_mb)},
    {.name = "level",
     .kind = OPTION_INT,
     .value = "N",
     .help = "how hard the builder looks for fast kernels",
     .fallback = "TensorRT's default",
     .min = 0,
     .max = 5,
     .offset = offsetof(struct args, level)},
    {.name = "tf32",
     .kind = OPTION_FLAG,
     .help = "fp32: products may be rounded to TF32; --no-tf32 forbids it",
     .fallback = "yes, as TensorRT's default",
     .offset = offsetof(struct args, tf32)},
    {.name = "timing-cache",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "what was measured of kernels, read and written ('none': keep none)",
     .fallback = "one in the folder",
     .offset = offsetof(struct args, timing_cache)},
    {.name = "device",
     .kind = OPTION_INT,
     .value = "N",
     .help = "which GPU of this machine builds",
     .fallback = "0",
     .min = 0,
     .max = 63,
     .offset = offsetof(struct args, device)},
    {.name = "library",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "TensorRT's library (also TARE_TENSORRT)",
     .fallback = "searched for",
     .offset = offsetof(struct args, library)},
    {.name = "rebuild",
     .kind = OPTION_FLAG,
     .help = "build again, over what is there",
     .offset = offsetof(struct args, rebuild)},
    {.name = "commands",
     .kind = OPTION_FLAG,
     .help = "build nothing, only print the equal trtexec commands",
     .offset = offsetof(struct args, commands)},
    {.name = "json",
     .kind = OPTION_FLAG,
     .help = "print the summary as JSON",
     .offset = offsetof(struct args, json)},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .help = "show no progress",
     .offset = offsetof(struct args, quiet)},
    {0},
};

static const struct options_usage usage = {
    .command = "plan",
    .operands = "MODEL.onnx",
    .summary = "build a TensorRT engine from an ONNX model, or use the one that is there",
    .details =
        "An engine holds for one GPU architecture, one TensorRT and one file: X.plan.json beside\n"
        "it says which. One that is for another is refused, and so is one that was changed.\n"
        "TensorRT for RTX ('tools/setup tensorrt') builds for sm_75, sm_80, sm_86, sm_89,\n"
        "sm_120 and sm_121 without a GPU; any other TensorRT builds for the GPU of its machine.\n"
        "fp16 from an fp32 file: by TensorRT's flag in 8.6 and 10, else tare converts the file.\n"
        "int8: a file with Q/DQ ('tare quantize --for tensorrt').",
};

/* The model's folder. */
static void default_output(const char *model, char *folder, size_t folder_bytes)
{
    size_t length = (size_t)(file_base_name(model) - model);

    (void)snprintf(folder, folder_bytes, "%.*s", length ? (int)length : 1, length ? model : ".");
}

static void show_step(const char *what, void *data)
{
    (void)data;
    (void)fprintf(stderr, "tare plan: %.60s\n", what);
}

static enum tare_status run(const struct engine_order *order, const struct args *args,
                            struct tare_err *err)
{
    struct engine_made made = {0};
    enum tare_status status;

    if (!args->commands) {
        status = engine_make(order, &made, err);
    } else {
        status = engine_model_read(order->model, &made.model, err);
        if (status == TARE_OK)
            status = engine_check_order(order, &made.model, err);
    }
    return status == TARE_OK ? plan_print(order, &made, !args->commands, args->json, err) : status;
}

int cmd_plan(int argc, char **argv)
{
    struct args args = {.architecture = "this", .dla = -1, .level = -1, .tf32 = true};
    struct options_result result = {0};
    struct tare_err err = TARE_ERR_INIT;
    char folder[FILE_MAX_PATH];
    struct engine_order order = {.made_by = "tare " TARE_VERSION, .to_fp16 = plan_to_fp16};
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    if (result.operand_count != 1)
        return command_usage("plan", "need one model, got %zu", result.operand_count);
    default_output(result.operands[0], folder, sizeof(folder));
    order.model = result.operands[0];
    order.architecture = args.architecture;
    order.precision = args.precision;
    order.calibration = args.calibration;
    order.timing_cache =
        args.timing_cache && strcmp(args.timing_cache, "none") == 0 ? "" : args.timing_cache;
    order.output = args.output ? args.output : folder;
    order.library = args.library;
    order.max_batch = (int32_t)args.max_batch;
    order.dla_core = (int32_t)args.dla;
    order.level = (int32_t)args.level;
    order.device = (int32_t)args.device;
    order.workspace_bytes = args.workspace_mb << 20;
    order.no_tf32 = !args.tf32;
    order.rebuild = args.rebuild;
    order.step = args.quiet || !isatty(STDERR_FILENO) ? NULL : show_step;
    exit_code = run(&order, &args, &err) == TARE_OK ? EXIT_OK : command_fail("plan", &err);
    return command_finish("plan", exit_code);
}
