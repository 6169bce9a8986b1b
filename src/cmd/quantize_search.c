#include "cmd/quantize_search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json_write.h"
#include "cmd/bench_models.h"
#include "cmd/command.h"
#include "cmd/progress.h"
#include "cmd/quantize_int8.h"
#include "cmd/version.h"
#include "quantize/search.h"

struct display {
    struct progress progress;
    int64_t stage_start_ns;
    char last[200];
};

/* Each stage has a bar of its own: how long the next ones take is not known before. */
static void show(const char *stage, double share, void *data)
{
    struct display *display = data;
    int64_t now = clock_now_ns(), passed;

    if (strncmp(stage, display->last, sizeof(display->last) - 1) != 0) {
        if (strcspn(stage, " ") != strcspn(display->last, " ") ||
            strncmp(stage, display->last, strcspn(stage, " ")) != 0)
            display->stage_start_ns = now;
        (void)snprintf(display->last, sizeof(display->last), "%s", stage);
    }
    passed = now - display->stage_start_ns;
    progress_show(&display->progress, stage, share,
                  share > 0.02 ? (int64_t)((double)passed * (1 - share) / share) : -1);
}

static void show_calibration(double share, void *data)
{
    show("calibration", share, data);
}

static void show_alone(double share, void *data)
{
    show("each convolution alone", share, data);
}

/* --- sensitivity --- */

static void print_rows(const struct sensitivity *s)
{
    (void)printf("%-44s %6s %9s %-12s %8s  95 %% interval\n", "only this one in 8 bits", "work",
                 "SQNR dB", "of head", "found");
    for (size_t i = 0; i < s->count; i++) {
        const struct sensitivity_row *row = &s->rows[i];
        size_t length = strlen(row->name);
        const char *name = length > 44 ? row->name + length - 44 : row->name;

        (void)printf("%-44s %5.1f%%", name, 100 * row->share);
        if (isinf(row->sqnr_db))
            (void)printf(" %9s %-12s", "equal", "");
        else
            (void)printf(" %9.1f %-12.12s", row->sqnr_db, row->worst_head);
        if (isnan(row->found.low))
            (void)printf(" %8.4f\n", row->found.value);
        else
            (void)printf(" %8.4f  %.4f .. %.4f\n", row->found.value, row->found.low,
                         row->found.high);
    }
}

static void put_rows(struct json_writer *json, const struct sensitivity *s)
{
    json_open_array(json, "convolutions");
    for (size_t i = 0; i < s->count; i++) {
        const struct sensitivity_row *row = &s->rows[i];

        json_open_object(json, NULL);
        json_put_text(json, "name", row->name);
        json_put_number(json, "work", row->share);
        json_put_number(json, "noise", row->noise);
        json_put_number(json, "sqnr_db", row->sqnr_db);
        json_put_text(json, "worst_head", row->worst_head);
        json_put_number(json, "found", row->found.value);
        json_put_number(json, "found_low", row->found.low);
        json_put_number(json, "found_high", row->found.high);
        json_close_object(json);
    }
    json_close_array(json);
}

static enum tare_status print_json(const struct quantize_search *asked, const struct sensitivity *s,
                                   struct tare_err *err)
{
    struct buf out = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &out, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "model", asked->quantize->input);
    json_put_text(&json, "for", asked->quantize->profile.name);
    json_put_text(&json, "runtime", asked->runtime);
    json_put_int(&json, "pictures", (int64_t)s->pictures);
    put_rows(&json, s);
    json_close_object(&json);
    buf_append_char(&out, '\n');
    status = buf_status(&out, "the sensitivity", err);
    if (status == TARE_OK)
        (void)fputs(buf_text(&out), stdout);
    buf_release(&out);
    return status;
}

enum tare_status quantize_print_sensitivity(const struct quantize_search *asked,
                                            struct tare_err *err)
{
    struct display display = {.last = ""};
    struct quantize_options all = *asked->quantize;
    struct sensitivity_options options = {
        .quantize = asked->quantize,
        .runtime = asked->runtime,
        .threads = asked->threads,
        .progress = show_alone,
        .progress_data = &display,
    };
    char scratch[FILE_MAX_PATH];
    struct quantize_report report = {0};
    struct quant_table calibration = {0};
    struct sensitivity found = {0};
    enum tare_status status = file_temporary(scratch, sizeof(scratch), ".onnx", err);

    if (status != TARE_OK)
        return status;
    quantize_free_profile(&all.profile);
    all.calibrate.progress = show_calibration;
    all.calibrate.progress_data = &display;
    options.calibration = &calibration;
    options.scratch = scratch;
    progress_start(&display.progress, asked->quiet);
    status = quantize_calibrate(&all, &calibration, &report, err);
    if (status == TARE_OK)
        status = sensitivity_measure(&options, &found, err);
    progress_end(&display.progress);
    (void)unlink(scratch);
    quantize_warn(&report, asked->quantize->calibrate.images);
    if (status == TARE_OK && asked->json) {
        status = print_json(asked, &found, err);
    } else if (status == TARE_OK) {
        (void)printf("%s, for %s, on %s: %zu pictures; boxes over 0.25, same class, IoU 0.9 or "
                     "more\n\n",
                     file_base_name(asked->quantize->input), asked->quantize->profile.name,
                     asked->runtime, found.pictures);
        print_rows(&found);
    }
    sensitivity_release(&found);
    quant_table_release(&calibration);
    return status;
}

/* --- search --- */

/* MODEL.onnx → MODEL.db, MODEL.search */
static void beside(const char *output, const char *suffix, char *path, size_t bytes)
{
    size_t size = strlen(output);
    size_t stem = size > 5 && strcmp(output + size - 5, ".onnx") == 0 ? size - 5 : size;

    (void)snprintf(path, bytes, "%.*s%s", (int)(stem < bytes ? stem : 0), output, suffix);
}

static enum tare_status check_pictures(const struct quantize_search *asked, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    if (!asked->evaluation)
        return TARE_OK;
    status = search_check_apart(asked->quantize->calibrate.images, asked->evaluation, err);
    if (status == TARE_OK && asked->tuning_images)
        status = search_check_apart(asked->tuning_images, asked->evaluation, err);
    return status;
}

enum tare_status quantize_find_mix(const struct quantize_search *asked, struct tare_err *err)
{
    struct display display = {.last = ""};
    char folder[FILE_MAX_PATH], path[FILE_MAX_PATH];
    struct search_options options = {
        .quantize = asked->quantize,
        .runtime = asked->runtime,
        .folder = folder,
        .threads = asked->threads,
        .max_drop = asked->max_drop,
        .max_ap_drop = asked->max_ap_drop,
        .images = asked->tuning_images,
        .annotations = asked->tuning_annotations,
        .budget_ns = asked->budget_ns,
        .version = TARE_VERSION,
        .command = asked->command,
        .progress = show,
        .progress_data = &display,
    };
    struct search_result result = {0};
    struct store *store = NULL;
    enum tare_status status = check_pictures(asked, err);

    beside(asked->quantize->output, ".search", folder, sizeof(folder));
    beside(asked->quantize->output, ".db", path, sizeof(path));
    if (asked->store)
        (void)snprintf(path, sizeof(path), "%s", asked->store);
    if (status == TARE_OK)
        status = store_open(path, STORE_CREATE, &store, err);
    if (status != TARE_OK)
        return status;
    progress_start(&display.progress, asked->quiet);
    status = search_run(&options, store, &result, err);
    progress_end(&display.progress);
    store_close(store);
    quantize_warn(&result.report, asked->quantize->calibrate.images);
    if (result.run_id && bench_print_ledger(path, asked->json) != EXIT_OK && status == TARE_OK)
        status = tare_fail(err, TARE_FAILED, "the ledger could not be printed");
    if (status == TARE_OK)
        (void)fprintf(stderr,
                      "\n%s: %s, of %zu models tried\n"
                      "next:    tare report %s -o report.html\n",
                      asked->quantize->output, result.winner, result.tried, path);
    search_release(&result);
    return status;
}
