#include "cmd/eval_model.h"

#include <stdio.h>
#include <string.h>

#include "backend/backend_options.h"
#include "backend/registry.h"
#include "base/clock.h"
#include "base/file.h"
#include "cmd/progress.h"
#include "measure/evaluate.h"
#include "measure/study.h"
#include "models/family.h"

struct display {
    struct progress progress;
    char what[64];
};

static void show(double share, void *data)
{
    struct display *display = data;
    int64_t passed = clock_now_ns() - display->progress.start_ns;

    progress_show(&display->progress, display->what, share,
                  share > 0 ? (int64_t)((double)passed * (1 - share) / share) : -1);
}

/* The most likely mistake, which a runtime would call a broken protobuf. */
static enum tare_status check_checkpoint(const struct eval_model *run, struct tare_err *err)
{
    if (!file_has_suffix(run->model, ".pt") || study_opens_checkpoint(run->runtime, run->model))
        return TARE_OK;
    return tare_fail(err, TARE_INVALID,
                     "'%s' is a checkpoint, which only torch opens: make a model of it first, with "
                     "'tare export'",
                     run->model);
}

static enum tare_status gather_options(const struct eval_model *run, char side[16],
                                       struct backend_options *options, struct tare_err *err)
{
    enum tare_status status = backend_options_parse(run->options, options, err);

    if (status != TARE_OK || !study_opens_checkpoint(run->runtime, run->model))
        return status;
    if (options->count == BACKEND_OPTIONS_MAX)
        return tare_fail(err, TARE_LIMIT, "more than %d options", BACKEND_OPTIONS_MAX - 1);
    (void)snprintf(side, 16, "%d", run->size ? run->size : 640);
    options->values[options->count++] = (struct tare_option_value){"imgsz", side};
    return TARE_OK;
}

enum tare_status eval_open_session(const struct eval_model *run, struct backend **backend,
                                   struct backend_session **session, struct tare_err *err)
{
    struct backend_options options;
    struct backend_session_options open = {
        .model_path = run->model,
        .device = run->device,
        .precision = run->precision,
        .threads = run->threads,
        .batch = run->batch,
        .options = options.values,
        .choose_shape = family_input_shape,
        .size = run->size,
    };
    char side[16];
    enum tare_status status = check_checkpoint(run, err);

    if (status == TARE_OK)
        status = gather_options(run, side, &options, err);
    if (status == TARE_OK)
        status = backend_acquire(run->runtime, backend, NULL, 0, err);
    if (status != TARE_OK)
        return status;
    open.option_count = options.count;
    return backend_session_open(*backend, &open, session, err);
}

enum tare_status eval_run_model(const struct eval_model *run, const struct coco_dataset *dataset,
                                struct coco_detections **detections, char version[64],
                                struct tare_err *err)
{
    struct backend *backend = NULL;
    struct backend_session *session = NULL;
    struct display display;
    struct evaluate_options options = {
        .images = run->images, .progress = show, .progress_data = &display};
    enum tare_status status = coco_detections_new(detections, err);

    if (status == TARE_OK)
        status = eval_open_session(run, &backend, &session, err);
    if (status == TARE_OK) {
        (void)snprintf(version, 64, "%s", backend_session_report(session)->runtime_version);
        (void)snprintf(display.what, sizeof(display.what), "%zu pictures",
                       coco_image_count(dataset));
        progress_start(&display.progress, run->quiet);
        status = evaluate_pictures(session, dataset, &options, *detections, err);
        progress_end(&display.progress);
    }
    backend_session_close(session);
    backend_free(backend);
    if (status != TARE_OK) {
        coco_detections_free(*detections);
        *detections = NULL;
    }
    return status;
}
