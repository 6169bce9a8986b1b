/*
 * cmd_quantize.c - tare quantize: an FP32 ONNX model to a smaller precision.
 */
#include <string.h>

#include "base/buf.h"
#include "cmd/command.h"
#include "cmd/quantize_half.h"

struct args {
    const char *output, *precision, *io, *images, *runtime;
    int64_t threads;
    bool json, quiet;
};

static const struct option_info table[] = {
    {.name = "precision",
     .letter = 'p',
     .kind = OPTION_CHOICE,
     .value = "NAME",
     .help = "what it becomes",
     .fallback = "fp16",
     .choices = "fp16|bf16",
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
     .help = "inputs and outputs: fp32 with casts at the edges, or half like the rest",
     .fallback = "fp32",
     .choices = "fp32|half",
     .offset = offsetof(struct args, io)},
    {.name = "images",
     .letter = 'i',
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "pictures to compare both models on: how far the outputs moved",
     .offset = offsetof(struct args, images)},
    {.name = "runtime",
     .letter = 'r',
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "what runs them",
     .fallback = "onnxruntime; openvino for bf16",
     .offset = offsetof(struct args, runtime)},
    {.name = "threads",
     .kind = OPTION_INT,
     .value = "N",
     .help = "threads of the runtime",
     .fallback = "its own choice",
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
    .summary = "turn an FP32 model into FP16 or BF16",
    .details =
        "Weights are rounded to nearest even. Softmax and the like, constants out of range, and\n"
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

int cmd_quantize(int argc, char **argv)
{
    struct args args = {.precision = "fp16", .io = "fp32"};
    struct options_result result = {0};
    struct tare_err err = TARE_ERR_INIT;
    struct buf output = BUF_INIT;
    struct quantize_half asked;
    enum tare_status status;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    if (result.operand_count != 1)
        return command_usage("quantize", "need one model, got %zu", result.operand_count);
    if (args.output)
        buf_append_text(&output, args.output);
    else
        default_output(result.operands[0], args.precision, &output);
    asked = (struct quantize_half){
        .input = result.operands[0],
        .output = buf_text(&output),
        .images = args.images,
        .runtime = args.runtime,
        .bf16 = strcmp(args.precision, "bf16") == 0,
        .half_io = strcmp(args.io, "half") == 0,
        .json = args.json,
        .quiet = args.quiet,
        .threads = (int32_t)args.threads,
    };
    status = buf_status(&output, "the output's path", &err);
    if (status == TARE_OK)
        status = quantize_to_half(&asked, &err);
    exit_code = status == TARE_OK ? EXIT_OK : command_fail("quantize", &err);
    buf_release(&output);
    return command_finish("quantize", exit_code);
}
