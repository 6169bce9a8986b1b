/*
 * cmd_quantize.c - tare quantize: an FP32 ONNX model to a smaller precision.
 */
#include <string.h>

#include "base/buf.h"
#include "cmd/command.h"
#include "cmd/quantize_half.h"
#include "cmd/quantize_int8.h"

struct args {
    const char *output, *precision, *io, *images, *runtime;
    const char *target, *method, *table, *save_table, *cache, *vnni;
    const char *tuning_images, *tuning_annotations, *evaluation, *store, *budget;
    struct option_list keep_float;
    double max_drop, max_ap_drop;
    int64_t threads, trt_version, float_first, limit;
    bool sensitivity, json, quiet;
};

static const struct option_info table[] = {
    {.name = "precision",
     .letter = 'p',
     .kind = OPTION_CHOICE,
     .value = "NAME",
     .help = "what it becomes",
     .fallback = "int8",
     .choices = "int8|fp16|bf16",
     .offset = offsetof(struct args, precision)},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "where the model goes",
     .fallback = "MODEL.PRECISION.onnx beside MODEL.onnx",
     .offset = offsetof(struct args, output)},
    {.name = "io",
     .kind = OPTION_CHOICE,
     .value = "TYPE",
     .help = "half: inputs and outputs fp32 with casts at the edges, or half like the rest",
     .fallback = "fp32",
     .choices = "fp32|half",
     .offset = offsetof(struct args, io)},
    {.name = "images",
     .letter = 'i',
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "JPEG files: int8 is calibrated on them, half compared on them",
     .offset = offsetof(struct args, images)},
    {.name = "runtime",
     .letter = 'r',
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "what runs models to compare them, and whose latency a search measures",
     .fallback = "onnxruntime; openvino for bf16 and --for openvino",
     .offset = offsetof(struct args, runtime)},
    {.name = "for",
     .kind = OPTION_CHOICE,
     .value = "TARGET",
     .help = "int8: cpu: ONNX Runtime on a processor; openvino; tensorrt",
     .fallback = "cpu",
     .choices = "cpu|openvino|tensorrt",
     .offset = offsetof(struct args, target)},
    {.name = "method",
     .letter = 'm',
     .kind = OPTION_CHOICE,
     .value = "METHOD",
     .help = "int8: how ranges are found; auto: for each tensor the best of the others",
     .fallback = "entropy",
     .choices = "entropy|minmax|percentile|mse|auto",
     .offset = offsetof(struct args, method)},
    {.name = "table",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "int8: take the ranges from this calibration table instead of pictures",
     .offset = offsetof(struct args, table)},
    {.name = "save-table",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "int8: write the calibration table (JSON)",
     .offset = offsetof(struct args, save_table)},
    {.name = "cache",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "int8: write TensorRT's calibration cache too, which a DLA needs",
     .offset = offsetof(struct args, cache)},
    {.name = "trt-version",
     .kind = OPTION_INT,
     .value = "N",
     .help = "int8: the TensorRT that the cache is for: 8601 is 8.6.1, 100300 is 10.3.0",
     .fallback = "8601",
     .min = 1000,
     .max = 999999,
     .offset = offsetof(struct args, trt_version)},
    {.name = "vnni",
     .kind = OPTION_CHOICE,
     .value = "WHETHER",
     .help = "int8: whether the target's processor has 8-bit dot products; no: 7-bit weights",
     .fallback = "auto: as this machine",
     .choices = "auto|yes|no",
     .offset = offsetof(struct args, vnni)},
    {.name = "float-first",
     .kind = OPTION_INT,
     .value = "N",
     .help = "int8: convolutions that stay in float, from the input on",
     .fallback = "3; openvino: 0",
     .min = 0,
     .max = 1000,
     .offset = offsetof(struct args, float_first)},
    {.name = "keep-float",
     .kind = OPTION_LIST,
     .value = "NAME",
     .help = "int8: a convolution that stays in float, by its node's name; may be repeated",
     .offset = offsetof(struct args, keep_float)},
    {.name = "sensitivity",
     .kind = OPTION_FLAG,
     .help = "int8: only show what each convolution does to the answers when it alone is in 8 bits",
     .offset = offsetof(struct args, sensitivity)},
    {.name = "max-drop",
     .kind = OPTION_NUMBER,
     .value = "PERCENT",
     .help = "int8: find the fastest mix that loses at most so many of FP32's boxes",
     .min = 0.01,
     .max = 100,
     .offset = offsetof(struct args, max_drop)},
    {.name = "max-ap-drop",
     .kind = OPTION_NUMBER,
     .value = "POINTS",
     .help = "int8: find the fastest mix that loses at most so much AP (0..100) on tuning pictures",
     .min = 0.01,
     .max = 100,
     .offset = offsetof(struct args, max_ap_drop)},
    {.name = "tuning-images",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "--max-ap-drop: annotated pictures of yours to tune on",
     .offset = offsetof(struct args, tuning_images)},
    {.name = "tuning-annotations",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "--max-ap-drop: their annotations (COCO)",
     .offset = offsetof(struct args, tuning_annotations)},
    {.name = "evaluation",
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "a search: pictures that the model is judged by later; refuses to tune on one of them",
     .offset = offsetof(struct args, evaluation)},
    {.name = "db",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "a search: where its measurements go, for tare report",
     .fallback = "OUTPUT.db",
     .offset = offsetof(struct args, store)},
    {.name = "budget",
     .kind = OPTION_TEXT,
     .value = "TIME",
     .help = "a search: time for measuring what it tries",
     .fallback = "4m",
     .offset = offsetof(struct args, budget)},
    {.name = "limit",
     .kind = OPTION_INT,
     .value = "N",
     .help = "int8: use at most so many of the pictures",
     .fallback = "all",
     .min = 1,
     .max = 1000000,
     .offset = offsetof(struct args, limit)},
    {.name = "threads",
     .kind = OPTION_INT,
     .value = "N",
     .help = "processors to use",
     .fallback = "all",
     .min = 1,
     .max = 1024,
     .offset = offsetof(struct args, threads)},
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
    .command = "quantize",
    .operands = "MODEL.onnx",
    .summary = "turn an FP32 model into INT8, FP16 or BF16",
    .details =
        "INT8: weights get a scale for each channel, activations the range that pictures show;\n"
        "a detector's decode stays FP32.\n"
        "Half: weights are rounded to nearest even. Softmax and the like, constants out of range, "
        "and\n"
        "what lies behind the last convolutions (box coordinates) stay FP32, each listed with its\n"
        "reason. ONNX Runtime has no BF16 convolution on the CPU; OpenVINO and TensorRT have one.",
};

/* MODEL.onnx → MODEL.fp16.onnx */
static void default_output(const char *input, const char *precision, struct buf *output)
{
    size_t size = strlen(input);
    size_t stem = size > 5 && strcmp(input + size - 5, ".onnx") == 0 ? size - 5 : size;

    buf_append(output, input, stem);
    buf_printf(output, ".%s.onnx", precision);
}

static enum tare_status run_half(const struct args *args, const char *input, const char *output,
                                 struct tare_err *err)
{
    const struct quantize_half asked = {
        .input = input,
        .output = output,
        .images = args->images,
        .runtime = args->runtime,
        .bf16 = strcmp(args->precision, "bf16") == 0,
        .half_io = strcmp(args->io, "half") == 0,
        .json = args->json,
        .quiet = args->quiet,
        .threads = (int32_t)args->threads,
    };

    return quantize_to_half(&asked, err);
}

static enum tare_status run_int8(const struct args *args, const char *command, const char *input,
                                 const char *output, struct tare_err *err)
{
    const struct quantize_int8 asked = {
        .input = input,
        .output = output,
        .images = args->images,
        .table = args->table,
        .target = args->target,
        .method = args->method,
        .save_table = args->save_table,
        .cache = args->cache,
        .vnni = args->vnni,
        .trt_version = args->trt_version,
        .float_first = args->float_first,
        .floats = args->keep_float.items,
        .float_count = args->keep_float.count,
        .limit = args->limit,
        .threads = args->threads,
        .sensitivity = args->sensitivity,
        .runtime = args->runtime,
        .command = command,
        .store = args->store,
        .tuning_images = args->tuning_images,
        .tuning_annotations = args->tuning_annotations,
        .evaluation = args->evaluation,
        .max_drop = args->max_drop / 100,
        .max_ap_drop = args->max_ap_drop / 100,
        .budget_ns = options_duration_ns(args->budget),
        .json = args->json,
        .quiet = args->quiet,
    };

    return quantize_to_int8(&asked, err);
}

static bool searches(const struct args *args)
{
    return args->sensitivity || args->max_drop > 0 || args->max_ap_drop > 0;
}

/* What is wrong with a search; NULL: nothing. */
static const char *wrong_search(const struct args *args)
{
    if (!args->images)
        return "--sensitivity and searches need --images DIR";
    if (args->save_table || args->cache)
        return "--sensitivity and searches write no table or cache: make them by a run without";
    if ((int)args->sensitivity + (args->max_drop > 0) + (args->max_ap_drop > 0) > 1)
        return "--sensitivity, --max-drop and --max-ap-drop exclude each other";
    if (args->keep_float.count > 0)
        return "--keep-float excludes --sensitivity and searches, which choose by themselves";
    if (args->max_ap_drop > 0 && (!args->tuning_images || !args->tuning_annotations))
        return "--max-ap-drop needs --tuning-images DIR and --tuning-annotations FILE";
    if (options_duration_ns(args->budget) <= 0)
        return "--budget needs a time such as 90s or 5m";
    return NULL;
}

/* What is wrong with the command line beyond single options; NULL: nothing. */
static const char *wrong(const struct args *args, size_t operands)
{
    if (operands != 1)
        return "need one model";
    if (strcmp(args->precision, "int8") != 0)
        return args->table || args->save_table || args->cache || searches(args)
                   ? "calibration tables, caches, --sensitivity and searches belong to int8"
                   : NULL;
    if (!args->images && !args->table)
        return "int8 needs --images DIR, or --table FILE of an earlier calibration";
    if (searches(args))
        return wrong_search(args);
    if (args->tuning_images || args->tuning_annotations || args->evaluation || args->store)
        return "--tuning-images, --tuning-annotations, --evaluation and --db belong to --max-drop "
               "or --max-ap-drop";
    if (args->images && args->table)
        return "--images and --table exclude each other";
    return NULL;
}

int cmd_quantize(int argc, char **argv)
{
    struct args args = {.precision = "int8",
                        .io = "fp32",
                        .target = "cpu",
                        .method = "entropy",
                        .vnni = "auto",
                        .trt_version = 8601,
                        .budget = "4m",
                        .float_first = -1};
    struct options_result result = {0};
    struct tare_err err = TARE_ERR_INIT;
    struct buf output = BUF_INIT, command = BUF_INIT;
    const char *fault;
    enum tare_status status;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    fault = wrong(&args, result.operand_count);
    if (fault)
        return command_usage("quantize", "%s", fault);
    if (args.output)
        buf_append_text(&output, args.output);
    else
        default_output(result.operands[0], args.precision, &output);
    command_join(argc, argv, &command);
    status = buf_status(&output, "the output's path", &err);
    if (status == TARE_OK)
        status = buf_status(&command, "the command line", &err);
    if (status == TARE_OK)
        status =
            strcmp(args.precision, "int8") == 0
                ? run_int8(&args, buf_text(&command), result.operands[0], buf_text(&output), &err)
                : run_half(&args, result.operands[0], buf_text(&output), &err);
    exit_code = status == TARE_OK ? EXIT_OK : command_fail("quantize", &err);
    buf_release(&output);
    buf_release(&command);
    return command_finish("quantize", exit_code);
}
