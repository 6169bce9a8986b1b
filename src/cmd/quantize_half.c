#include "cmd/quantize_half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_write.h"
#include "cmd/eval_agreement.h"
#include "onnx/onnx_read.h"
#include "onnx/onnx_write.h"
#include "quantize/to_half.h"

#define NAMES_SHOWN 3

struct outcome {
    const struct quantize_half *asked;
    struct to_half_report report;
    size_t bytes;
    struct eval_model model;
    struct eval_agreement agreement;
    struct agreement_result *result; /* NULL without pictures */
};

static const char *type_name(const struct quantize_half *asked)
{
    return asked->bf16 ? "bf16" : "fp16";
}

/* --- output ------------------------------------------------------------------------------------
 */

static void print_kept(const struct to_half_report *r, enum to_half_reason reason, const char *why)
{
    size_t shown = 0;

    if (r->nodes[reason] == 0)
        return;
    (void)printf("  kept fp32  %4zu %s:", r->nodes[reason], why);
    for (size_t i = 0; i < r->kept_count && shown < NAMES_SHOWN; i++)
        if (r->kept[i].reason == reason) {
            (void)printf("%s %.60s", shown ? "," : "",
                         r->kept[i].name[0] ? r->kept[i].name : r->kept[i].op_type);
            shown++;
        }
    (void)printf("%s\n", r->nodes[reason] > shown ? ", ..." : "");
}

static void print_text(const struct outcome *o)
{
    const struct to_half_report *r = &o->report;

    (void)printf("%s: %s, %.1f MB\n", o->asked->output, type_name(o->asked),
                 (double)o->bytes / 1e6);
    (void)printf("  converted  %4zu nodes, %zu casts between precisions\n",
                 r->nodes[TO_HALF_CONVERTED], r->casts);
    print_kept(r, TO_HALF_DECODE, "behind the last convolutions, where half is too coarse");
    print_kept(r, TO_HALF_OPERATOR, "operators not safe in half");
    print_kept(r, TO_HALF_RANGE, "with constants out of range");
    print_kept(r, TO_HALF_TYPE, "with inputs of unknown type");
    (void)printf("  weights    %zu rounded to nearest even, off by %.3g at most%s%s\n", r->weights,
                 r->largest_error, r->largest_error_tensor[0] ? ", in " : "",
                 r->largest_error_tensor);
    if (r->subnormals)
        (void)printf("  subnormal  %zu weights lose digits (%.3g %%), %zu of them become 0\n",
                     r->subnormals, 100 * (double)r->subnormals / (double)r->weights, r->flushed);
    if (!o->result)
        return;
    (void)putchar('\n');
    eval_print_agreement(&o->agreement, o->result);
}

static enum tare_status print_json(const struct outcome *o, struct tare_err *err)
{
    const struct to_half_report *r = &o->report;
    struct buf out = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &out, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "path", o->asked->output);
    json_put_text(&json, "precision", type_name(o->asked));
    json_put_int(&json, "bytes", (int64_t)o->bytes);
    json_put_int(&json, "converted", (int64_t)r->nodes[TO_HALF_CONVERTED]);
    json_put_int(&json, "casts", (int64_t)r->casts);
    json_put_int(&json, "weights", (int64_t)r->weights);
    json_put_int(&json, "subnormals", (int64_t)r->subnormals);
    json_put_int(&json, "flushed_to_zero", (int64_t)r->flushed);
    json_put_number(&json, "largest_weight_error", r->largest_error);
    json_put_text(&json, "largest_weight_error_in", r->largest_error_tensor);
    json_open_array(&json, "kept_fp32");
    for (size_t i = 0; i < r->kept_count; i++) {
        json_open_object(&json, NULL);
        json_put_text(&json, "node", r->kept[i].name);
        json_put_text(&json, "operator", r->kept[i].op_type);
        json_put_text(&json, "reason", to_half_reason_name(r->kept[i].reason));
        json_close_object(&json);
    }
    json_close_array(&json);
    if (o->result) {
        json_open_object(&json, "agreement");
        eval_put_agreement(&json, &o->agreement, o->result);
        json_close_object(&json);
    }
    json_close_object(&json);
    status = buf_status(&out, "the summary", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&out));
    buf_release(&out);
    return status;
}

/* --- the work ----------------------------------------------------------------------------------
 */

static enum tare_status compare(struct outcome *o, struct tare_err *err)
{
    const struct quantize_half *asked = o->asked;
    const char *runtime = asked->runtime ? asked->runtime
                          : asked->bf16  ? "openvino"
                                         : "onnxruntime";

    o->model = (struct eval_model){
        .model = asked->output,
        .images = asked->images,
        .runtime = runtime,
        .device = "cpu",
        .precision = strcmp(runtime, "openvino") == 0 ? "fp32" : type_name(asked),
        .options = strcmp(runtime, "onnxruntime") == 0 ? "casts=1" : NULL, /* nothing is timed */
        .threads = asked->threads,
        .batch = 1,
        .quiet = asked->quiet,
    };
    o->agreement = (struct eval_agreement){
        .model = &o->model, .reference = asked->input, .reference_runtime = runtime};
    o->result = calloc(1, sizeof(*o->result));
    if (!o->result)
        return tare_fail(err, TARE_NOMEM, "out of memory for the figures");
    return eval_run_agreement(&o->agreement, o->result, err);
}

enum tare_status quantize_to_half(const struct quantize_half *asked, struct tare_err *err)
{
    const struct to_half_options options = {.bf16 = asked->bf16, .half_io = asked->half_io};
    struct outcome outcome = {.asked = asked};
    struct tare_err cause = TARE_ERR_INIT;
    struct onnx_model model;
    enum tare_status status = onnx_read(asked->input, &model, err);

    if (status != TARE_OK)
        return status;
    if (to_half(&model, &options, &outcome.report, &cause) != TARE_OK)
        status = tare_fail(err, cause.status, "cannot convert '%s': %s", asked->input, cause.text);
    if (status == TARE_OK)
        status = onnx_write(&model, asked->output, &outcome.bytes, err);
    if (status == TARE_OK && asked->images)
        status = compare(&outcome, err);
    if (status == TARE_OK && asked->json)
        status = print_json(&outcome, err);
    else if (status == TARE_OK)
        print_text(&outcome);
    free(outcome.result);
    onnx_model_release(&model);
    return status;
}
