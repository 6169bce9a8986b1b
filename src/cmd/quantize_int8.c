#include "cmd/quantize_int8.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_write.h"
#include "base/log.h"
#include "cmd/progress.h"
#include "cmd/quantize_search.h"
#include "cmd/version.h"
#include "quantize/quantize.h"

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

void quantize_warn(const struct quantize_report *report, const char *pictures)
{
    if (report->pictures && report->uncertainty > QUANTIZE_UNCERTAIN)
        log_warn("%zu pictures in '%s': the INT8 ranges are known to about %.0f %% only, take more",
                 report->pictures, pictures, 100 * report->uncertainty);
}

static void print_text(const struct quantize_int8 *asked, const struct quantize_report *report,
                       int64_t ns)
{
    (void)printf("%s: %.1f MB, for %s, %zu of %zu convolutions and %zu tensors in 8 bits\n",
                 asked->output, (double)report->bytes / 1e6, asked->target, report->quantised,
                 report->convolutions, report->tensors);
    if (asked->table)
        (void)printf("  ranges of '%s', %.1f s\n", asked->table, (double)ns / 1e9);
    else
        (void)printf("  ranges by %s over %zu pictures, %.1f s\n", asked->method, report->pictures,
                     (double)ns / 1e9);
}

static enum tare_status print_json(const struct quantize_int8 *asked,
                                   const struct quantize_report *report,
                                   const struct quant_profile *profile, int64_t ns,
                                   struct tare_err *err)
{
    struct buf out = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &out, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "model", asked->output);
    json_put_int(&json, "bytes", (int64_t)report->bytes);
    json_put_text(&json, "for", asked->target);
    json_put_text(&json, "method", asked->table ? "table" : asked->method);
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

static enum tare_status search(const struct quantize_int8 *asked,
                               const struct quantize_options *options, struct tare_err *err)
{
    const char *own = strcmp(asked->target, "openvino") == 0 ? "openvino" : "onnxruntime";
    const struct quantize_search search = {
        .quantize = options,
        .runtime = asked->runtime ? asked->runtime : own,
        .command = asked->command,
        .store = asked->store,
        .tuning_images = asked->tuning_images,
        .tuning_annotations = asked->tuning_annotations,
        .evaluation = asked->evaluation,
        .max_drop = asked->max_drop,
        .max_ap_drop = asked->max_ap_drop,
        .budget_ns = asked->budget_ns,
        .threads = (int)asked->threads,
        .json = asked->json,
        .quiet = asked->quiet,
    };

    return asked->sensitivity ? quantize_print_sensitivity(&search, err)
                              : quantize_find_mix(&search, err);
}

enum tare_status quantize_to_int8(const struct quantize_int8 *asked, struct tare_err *err)
{
    struct display display;
    struct quantize_options options = {
        .input = asked->input,
        .output = asked->output,
        .method = range_method_of(asked->method),
        .table = asked->table,
        .save_table = asked->save_table,
        .save_cache = asked->cache,
        .cache_version = asked->trt_version,
        .producer_version = TARE_VERSION,
        .calibrate = {.images = asked->images,
                      .limit = (size_t)asked->limit,
                      .threads = (int)asked->threads,
                      .progress = show,
                      .progress_data = &display},
    };
    struct quantize_report report;
    int64_t start_ns = clock_now_ns();
    bool saturates = strcmp(asked->vnni, "auto") == 0 ? quantize_saturates_here()
                                                      : strcmp(asked->vnni, "no") == 0;
    enum tare_status status;

    (void)quantize_profile(asked->target, saturates, &options.profile);
    if (asked->float_first >= 0)
        options.profile.float_first = (int32_t)asked->float_first;
    options.profile.floats = asked->floats;
    options.profile.float_count = asked->float_count;
    if (asked->sensitivity || asked->max_drop > 0 || asked->max_ap_drop > 0)
        return search(asked, &options, err);
    progress_start(&display.progress, asked->quiet);
    status = quantize_model(&options, &report, err);
    progress_end(&display.progress);
    if (status != TARE_OK)
        return status;
    quantize_warn(&report, asked->images);
    if (asked->json)
        return print_json(asked, &report, &options.profile, clock_now_ns() - start_ns, err);
    print_text(asked, &report, clock_now_ns() - start_ns);
    return TARE_OK;
}
