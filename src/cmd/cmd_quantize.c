/*
 * cmd_quantize.c - tare quantize: an FP32 model to one with 8-bit integers.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_write.h"
#include "base/log.h"
#include "cmd/command.h"
#include "cmd/progress.h"
#include "cmd/version.h"
#include "quantize/quantize.h"

struct args {
    const char *images, *target, *method, *output, *table, *save_table, *cache, *vnni;
    int64_t trt_version, float_first, limit, threads;
    bool json, quiet;
};

static const struct option_info table[] = {
    {.name = "images",
     .letter = 'i',
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "calibration pictures: JPEG files like those the model will see",
     .offset = offsetof(struct args, images)},
    {.name = "for",
     .kind = OPTION_CHOICE,
     .value = "TARGET",
     .help = "cpu: ONNX Runtime on a processor; openvino; tensorrt",
     .fallback = "cpu",
     .choices = "cpu|openvino|tensorrt",
     .offset = offsetof(struct args, target)},
    {.name = "method",
     .letter = 'm',
     .kind = OPTION_CHOICE,
     .value = "METHOD",
     .help = "how ranges are found; auto: for each tensor the best of the others",
     .fallback = "entropy",
     .choices = "entropy|minmax|percentile|mse|auto",
     .offset = offsetof(struct args, method)},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "where the quantised model goes",
     .offset = offsetof(struct args, output)},
    {.name = "table",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "take the ranges from this calibration table instead of pictures",
     .offset = offsetof(struct args, table)},
    {.name = "save-table",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "write the calibration table (JSON)",
     .offset = offsetof(struct args, save_table)},
    {.name = "cache",
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "write TensorRT's calibration cache too, which a DLA needs",
     .offset = offsetof(struct args, cache)},
    {.name = "trt-version",
     .kind = OPTION_INT,
     .value = "N",
     .help = "the TensorRT that the cache is for: 8601 is 8.6.1, 100300 is 10.3.0",
     .fallback = "8601",
     .min = 1000,
     .max = 999999,
     .offset = offsetof(struct args, trt_version)},
    {.name = "vnni",
     .kind = OPTION_CHOICE,
     .value = "WHETHER",
     .help = "whether the target's processor has 8-bit dot products; no: 7-bit weights",
     .fallback = "auto: as this machine",
     .choices = "auto|yes|no",
     .offset = offsetof(struct args, vnni)},
    {.name = "float-first",
     .kind = OPTION_INT,
     .value = "N",
     .help = "convolutions that stay in float, from the input on",
     .fallback = "3; openvino: 0",
     .min = 0,
     .max = 1000,
     .offset = offsetof(struct args, float_first)},
    {.name = "limit",
     .kind = OPTION_INT,
     .value = "N",
     .help = "use at most so many of the pictures",
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
    .summary = "make an INT8 model of an FP32 one",
    .details = "Weights get a scale for each channel, activations the range that calibration\n"
               "pictures show. A detector's decode stays in float.",
};

struct display {
    struct progress progress;
};

static void show(double share, void *data)
{
    struct display *display = data;
    int64_t passed = clock_now_ns() - display->progress.start_ns;

    progress_show(&display->progress, "calibration", share,
                  share > 0 ? (int64_t)((double)passed * (1 - share) / share) : -1);
}

static void warn(const struct args *args, const struct quantize_report *report)
{
    if (report->pictures && report->uncertainty > QUANTIZE_UNCERTAIN)
        log_warn("%zu pictures in '%s': the ranges are known to about %.0f %% only, take more",
                 report->pictures, args->images, 100 * report->uncertainty);
}

static void print_text(const struct args *args, const struct quantize_report *report, int64_t ns)
{
    (void)printf("%s: %.1f MB, for %s, %zu of %zu convolutions and %zu tensors in 8 bits\n",
                 args->output, (double)report->bytes / 1e6, args->target, report->quantised,
                 report->convolutions, report->tensors);
    if (args->table)
        (void)printf("  ranges of '%s', %.1f s\n", args->table, (double)ns / 1e9);
    else
        (void)printf("  ranges by %s over %zu pictures, %.1f s\n", args->method, report->pictures,
                     (double)ns / 1e9);
}

static enum tare_status print_json(const struct args *args, const struct quantize_report *report,
                                   const struct quant_profile *profile, int64_t ns,
                                   struct tare_err *err)
{
    struct buf out = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &out, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "model", args->output);
    json_put_int(&json, "bytes", (int64_t)report->bytes);
    json_put_text(&json, "for", args->target);
    json_put_text(&json, "method", args->table ? "table" : args->method);
    json_put_int(&json, "weight_bits", profile->weight_most > 64 ? 8 : 7);
    json_put_int(&json, "pictures", (int64_t)report->pictures);
    json_put_number(&json, "uncertainty", report->uncertainty);
    json_put_int(&json, "convolutions", (int64_t)report->convolutions);
    json_put_int(&json, "quantised", (int64_t)report->quantised);
    json_put_int(&json, "tensors", (int64_t)report->tensors);
    json_put_number(&json, "seconds", (double)ns / 1e9);
    json_close_object(&json);
    buf_append_char(&out, '\n');
    status = buf_status(&out, "the summary", err);
    if (status == TARE_OK)
        (void)fputs(buf_text(&out), stdout);
    buf_release(&out);
    return status;
}

static enum tare_status run(const struct args *args, const char *model, struct tare_err *err)
{
    struct display display;
    struct quantize_options options = {
        .input = model,
        .output = args->output,
        .method = range_method_of(args->method),
        .table = args->table,
        .save_table = args->save_table,
        .save_cache = args->cache,
        .cache_version = args->trt_version,
        .producer_version = TARE_VERSION,
        .calibrate = {.images = args->images,
                      .limit = (size_t)args->limit,
                      .threads = (int)args->threads,
                      .progress = show,
                      .progress_data = &display},
    };
    struct quantize_report report;
    int64_t start_ns = clock_now_ns();
    bool saturates =
        strcmp(args->vnni, "auto") == 0 ? quantize_saturates_here() : strcmp(args->vnni, "no") == 0;
    enum tare_status status;

    (void)quantize_profile(args->target, saturates, &options.profile);
    if (args->float_first >= 0)
        options.profile.float_first = (int32_t)args->float_first;
    progress_start(&display.progress, args->quiet);
    status = quantize_model(&options, &report, err);
    progress_end(&display.progress);
    if (status != TARE_OK)
        return status;
    warn(args, &report);
    if (args->json)
        return print_json(args, &report, &options.profile, clock_now_ns() - start_ns, err);
    print_text(args, &report, clock_now_ns() - start_ns);
    return TARE_OK;
}

static const char *wrong(const struct args *args, size_t operands)
{
    if (operands != 1)
        return "need one MODEL.onnx";
    if (!args->output)
        return "need -o FILE";
    if (!args->images && !args->table)
        return "need --images DIR, or --table FILE of an earlier calibration";
    if (args->images && args->table)
        return "--images and --table exclude each other";
    if (strcmp(args->output, "-") == 0)
        return "-o needs a file";
    return NULL;
}

int cmd_quantize(int argc, char **argv)
{
    struct args args = {.target = "cpu",
                        .method = "entropy",
                        .vnni = "auto",
                        .trt_version = 8601,
                        .float_first = -1};
    struct options_result result;
    struct tare_err err = TARE_ERR_INIT;
    const char *fault;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    fault = wrong(&args, result.operand_count);
    if (fault)
        return command_usage("quantize", "%s", fault);
    exit_code =
        run(&args, result.operands[0], &err) == TARE_OK ? EXIT_OK : command_fail("quantize", &err);
    return command_finish("quantize", exit_code);
}
