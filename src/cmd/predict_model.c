#include "cmd/predict_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend_options.h"
#include "backend/registry.h"
#include "base/file.h"
#include "cmd/version.h"
#include "export/export_file.h"
#include "measure/study.h"
#include "onnx/onnx_read.h"

/* Another runtime's own format has no names that we can read: COCO's stand in. */
static enum tare_status read_names(const char *path, struct class_names **names,
                                   struct tare_err *err)
{
    struct onnx_model model;
    enum tare_status status;

    if (!file_has_suffix(path, ".onnx"))
        return class_names_parse(NULL, names, err);
    onnx_model_init(&model, 0);
    status = onnx_read(path, &model, err);
    if (status == TARE_OK)
        status = class_names_parse(onnx_metadata(model.proto, "names"), names, err);
    onnx_model_release(&model);
    return status;
}

static enum tare_status open_session(const struct predict_options *options, const char *path,
                                     struct predict_model *model, struct tare_err *err)
{
    struct backend_options own;
    struct backend_session_options settings = {
        .model_path = path,
        .device = options->device,
        .precision = options->precision,
        .threads = options->threads,
        .options = own.values,
        .choose_shape = family_input_shape,
    };
    char note[200];
    enum tare_status status = backend_options_parse(options->options, &own, err);

    settings.option_count = own.count;
    if (status == TARE_OK)
        status = backend_acquire(options->runtime, &model->backend, note, sizeof(note), err);
    if (status == TARE_OK)
        status = backend_session_open(model->backend, &settings, &model->session, err);
    if (status == TARE_OK)
        status = session_graph_describe(model->session, &model->graph, err);
    return status;
}

enum tare_status predict_model_open(const struct predict_options *options,
                                    struct predict_model *model, struct tare_err *err)
{
    const struct yolov8_options export = {.batch = 1, .version = TARE_VERSION};
    char temporary[FILE_MAX_PATH] = "";
    const char *path = options->model;
    enum tare_status status = TARE_OK;

    if (file_has_suffix(path, ".pt") && !study_opens_checkpoint(options->runtime, path)) {
        status = file_temporary(temporary, sizeof(temporary), ".onnx", err);
        if (status == TARE_OK)
            status = export_file(path, &export, temporary, err);
        path = temporary;
    }
    if (status == TARE_OK)
        status = open_session(options, path, model, err);
    if (status == TARE_OK)
        status = read_names(path, &model->names, err);
    if (temporary[0])
        (void)unlink(temporary);
    if (status != TARE_OK)
        return status;
    model->family = family_find(&model->graph.graph);
    if (!model->family->predicts)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' is of no family whose output tare can draw; need a YOLOv8 detector",
                         options->model);
    return model->family->open(&model->graph.graph, &options->family, &model->state, err);
}

void predict_model_close(struct predict_model *model)
{
    if (model->family)
        model->family->close(model->state);
    session_graph_release(&model->graph);
    backend_session_close(model->session);
    backend_free(model->backend);
    class_names_free(model->names);
    memset(model, 0, sizeof(*model));
}
