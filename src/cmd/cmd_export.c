/*
 * cmd_export.c - tare export: a checkpoint to an ONNX file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_write.h"
#include "cmd/command.h"
#include "cmd/version.h"
#include "export/checkpoint.h"
#include "export/export_yolov8.h"
#include "onnx/onnx_write.h"

struct args {
    const char *output;
    const char *head;
    const char *batch;
    int64_t size;
    bool json;
};

static const struct option_info table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "FILE",
     .help = "where the model goes",
     .fallback = "MODEL.onnx beside MODEL.pt",
     .offset = offsetof(struct args, output)},
    {.name = "head",
     .kind = OPTION_CHOICE,
     .value = "HEAD",
     .help = "raw: the head's tensors, decoded by tare; full: output0 as ultralytics exports it",
     .fallback = "raw",
     .choices = "raw|full",
     .offset = offsetof(struct args, head)},
    {.name = "batch",
     .kind = OPTION_TEXT,
     .value = "N",
     .help = "pictures a run, 1 to 1024, or 'dynamic'",
     .fallback = "1",
     .offset = offsetof(struct args, batch)},
    {.name = "imgsz",
     .kind = OPTION_INT,
     .value = "PIXELS",
     .help = "height and width of the input, a multiple of the model's stride",
     .fallback = "what it was trained at, or 640",
     .min = YOLOV8_MIN_SIZE,
     .max = YOLOV8_MAX_SIZE,
     .offset = offsetof(struct args, size)},
    {.name = "json",
     .kind = OPTION_FLAG,
     .help = "print the summary as JSON",
     .offset = offsetof(struct args, json)},
    {0},
};

static const struct options_usage usage = {
    .command = "export",
    .operands = "MODEL.pt",
    .summary = "turn a YOLOv8 detection checkpoint into an ONNX model",
    .details = "The checkpoint is read, never run: no Python code in it is executed.\n"
               "BatchNorm is folded into the convolutions; weights are written as FP32.",
};

static bool read_batch(const char *text, int64_t *batch)
{
    char *end;

    if (strcmp(text, "dynamic") == 0) {
        *batch = YOLOV8_DYNAMIC;
        return true;
    }
    *batch = strtoll(text, &end, 10);
    return *text && !*end && *batch >= 1 && *batch <= YOLOV8_MAX_BATCH;
}

/* MODEL.pt → MODEL.onnx; other names get the suffix added. */
static void default_output(const char *input, struct buf *output)
{
    size_t size = strlen(input);
    size_t stem = file_has_suffix(input, ".pt") ? size - 3 : size;

    buf_append(output, input, stem);
    buf_append_text(output, ".onnx");
}

static void print_shape(FILE *out, const Onnx__ValueInfoProto *value)
{
    const Onnx__TensorShapeProto *shape = value->type->tensor_type->shape;

    for (size_t i = 0; i < shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];

        if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
            (void)fprintf(out, "%s%lld", i ? "x" : "", (long long)dim->dim_value);
        else
            (void)fprintf(out, "%s%s", i ? "x" : "", dim->dim_param);
    }
}

static void print_values(const char *label, Onnx__ValueInfoProto *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)printf("  %-7s %-8s FP32 ", label, values[i]->name);
        print_shape(stdout, values[i]);
        (void)putchar('\n');
    }
}

static void put_values(struct json_writer *json, const char *key,
                       Onnx__ValueInfoProto *const *values, size_t count)
{
    json_open_array(json, key);
    for (size_t i = 0; i < count; i++) {
        const Onnx__TensorShapeProto *shape = values[i]->type->tensor_type->shape;

        json_open_object(json, NULL);
        json_put_text(json, "name", values[i]->name);
        json_put_text(json, "dtype", "FP32");
        json_open_array(json, "shape");
        for (size_t k = 0; k < shape->n_dim; k++)
            json_put_int(json, NULL,
                         shape->dim[k]->value_case ==
                                 ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                             ? shape->dim[k]->dim_value
                             : -1);
        json_close_array(json);
        json_close_object(json);
    }
    json_close_array(json);
}

struct outcome {
    const char *path;
    size_t bytes;
    int64_t elapsed_ns;
    struct yolov8_summary summary;
    const Onnx__GraphProto *graph;
};

static void print_text(const struct outcome *outcome)
{
    const struct yolov8_summary *summary = &outcome->summary;

    (void)printf("%s: %.1f MB, %.2f M parameters, %lld classes, %s weights", outcome->path,
                 (double)outcome->bytes / 1e6, (double)summary->parameters / 1e6,
                 (long long)summary->classes, summary->ema ? "averaged (EMA)" : "model");
    if (summary->saved_by[0])
        (void)printf(" of ultralytics %s", summary->saved_by);
    (void)printf(", %.0f ms\n", (double)outcome->elapsed_ns / 1e6);
    print_values("input", outcome->graph->input, outcome->graph->n_input);
    print_values("output", outcome->graph->output, outcome->graph->n_output);
}

static enum tare_status print_json(const struct outcome *outcome, struct tare_err *err)
{
    const struct yolov8_summary *summary = &outcome->summary;
    struct buf buf = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &buf, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "path", outcome->path);
    json_put_int(&json, "bytes", (int64_t)outcome->bytes);
    json_put_int(&json, "elapsed_ns", outcome->elapsed_ns);
    json_put_int(&json, "parameters", summary->parameters);
    json_put_int(&json, "classes", summary->classes);
    json_put_int(&json, "size", summary->size);
    json_put_int(&json, "stride", summary->stride);
    json_put_bool(&json, "ema", summary->ema);
    json_put_text(&json, "saved_by", summary->saved_by);
    put_values(&json, "inputs", outcome->graph->input, outcome->graph->n_input);
    put_values(&json, "outputs", outcome->graph->output, outcome->graph->n_output);
    json_close_object(&json);
    status = buf_status(&buf, "the summary", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&buf));
    buf_release(&buf);
    return status;
}

static enum tare_status export_model(const char *input, const char *output,
                                     const struct yolov8_options *options, bool json,
                                     struct tare_err *err)
{
    struct outcome outcome = {.path = output};
    struct checkpoint *checkpoint = NULL;
    struct onnx_model model;
    int64_t start_ns = clock_now_ns();
    enum tare_status status;

    onnx_model_init(&model, 0);
    status = checkpoint_open(input, &checkpoint, err);
    if (status == TARE_OK) {
        struct tare_err cause = TARE_ERR_INIT;

        status = yolov8_build(checkpoint, options, &model, &outcome.summary, &cause);
        if (status != TARE_OK)
            (void)tare_fail(err, status, "cannot export '%s': %s", input, cause.text);
    }
    if (status == TARE_OK)
        status = onnx_write(&model, output, &outcome.bytes, err);
    if (status == TARE_OK) {
        outcome.elapsed_ns = clock_now_ns() - start_ns;
        outcome.graph = model.proto->graph;
        if (json)
            status = print_json(&outcome, err);
        else if (strcmp(output, "-") != 0) /* then the model itself is the result */
            print_text(&outcome);
    }
    checkpoint_close(checkpoint);
    onnx_model_release(&model);
    return status;
}

int cmd_export(int argc, char **argv)
{
    struct args args = {.head = "raw", .batch = "1"};
    struct options_result result = {0};
    struct yolov8_options options = {.version = TARE_VERSION};
    struct tare_err err = TARE_ERR_INIT;
    struct buf output = BUF_INIT;
    enum tare_status status;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    if (result.operand_count != 1)
        return command_usage("export", "need one checkpoint, got %zu", result.operand_count);
    if (!read_batch(args.batch, &options.batch))
        return command_usage("export", "--batch '%s', need 1 to %d or 'dynamic'", args.batch,
                             YOLOV8_MAX_BATCH);
    options.head = strcmp(args.head, "full") == 0 ? YOLOV8_FULL : YOLOV8_RAW;
    options.size = args.size;
    if (args.output)
        buf_append_text(&output, args.output);
    else
        default_output(result.operands[0], &output);
    status = buf_status(&output, "the output's path", &err);
    if (status == TARE_OK && args.json && strcmp(buf_text(&output), "-") == 0)
        status = tare_fail(&err, TARE_INVALID,
                           "--json and the model cannot both go to standard "
                           "output");
    if (status == TARE_OK)
        status = export_model(result.operands[0], buf_text(&output), &options, args.json, &err);
    exit_code = status == TARE_OK ? EXIT_OK : command_fail("export", &err);
    buf_release(&output);
    return command_finish("export", exit_code);
}
