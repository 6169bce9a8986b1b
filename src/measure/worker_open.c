#include "measure/worker_open.h"

#include <string.h>

#include "backend/registry.h"
#include "base/clock.h"
#include "base/file.h"
#include "measure/protocol.h"
#include "models/family.h"
#include "onnx/onnx_precision.h"
#include "onnx/onnx_read.h"

#define MAX_OPTIONS 32 /* of a command */

static bool is_int8(const char *precision)
{
    return strcmp(precision, "int8") == 0;
}

/*
 * A cell is named by what is executed. A runtime that runs a model as it is must be given one of
 * the precision that the cell claims; one that converts does so between floating-point precisions.
 * A file that can't be read here is left to the runtime's own words.
 */
static enum tare_status check_precision(const struct backend *backend, const char *model_path,
                                        const char *claimed, struct tare_err *err)
{
    uint32_t capabilities = backend_slots(backend)->capabilities;
    enum tare_status status = TARE_OK;
    struct onnx_model model;
    const char *made_for;
    bool converts;

    if (!model_path || capabilities & TARE_CAP_NO_MODEL ||
        onnx_read(model_path, &model, NULL) != TARE_OK)
        return TARE_OK;
    made_for = onnx_precision(model.proto);
    converts = capabilities & TARE_CAP_CONVERTS && !is_int8(made_for) && !is_int8(claimed);
    if (!converts && strcmp(made_for, claimed) != 0)
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "'%s' is an %s model, and this runtime executes a model as it is; "
                           "'%s' needs a file made for it",
                           file_base_name(model_path), made_for, claimed);
    onnx_model_release(&model);
    return status;
}

/* A served layer's plugin opens the repository, or a server over it, instead of the model's file.
 */
static enum tare_status begin_layer(const struct json_value *command, struct serving *serving,
                                    struct backend_session_options *open,
                                    struct tare_option_value *options, struct tare_err *err)
{
    const struct layer *layer = layer_find(json_text(json_get(command, "layer"), ""));
    const char *repository = json_text(json_get(command, "repository"), "");
    const char *missing = json_text(json_get(command, "if_missing"), "");
    enum tare_status status;
    size_t added;

    if (!layer)
        return TARE_OK;
    if (!repository[0])
        return tare_fail(err, TARE_ABSENT, "%s",
                         missing[0] ? missing : "no model repository was rendered for the cell");
    status = serving_begin(serving, layer, repository, options + open->option_count, &added, err);
    open->option_count += added;
    open->model_path = layer->transport ? NULL : repository;
    return status;
}

enum tare_status worker_open_session(const struct json_value *command, struct backend **backend,
                                     struct backend_session **session, struct serving *serving,
                                     int64_t *reached_ns, struct tare_err *err)
{
    const struct json_value *given = json_get(command, "options");
    const char *missing = json_text(json_get(command, "if_missing"), "");
    struct tare_err failure = TARE_ERR_INIT;
    struct tare_option_value options[MAX_OPTIONS + SERVING_OPTIONS];
    struct backend_session_options open = {
        .model_path = json_text(json_get(command, "model"), NULL),
        .device = json_text(json_get(command, "device"), "cpu"),
        .precision = json_text(json_get(command, "precision"), "fp32"),
        .threads = (int32_t)json_int(json_get(command, "threads"), 0),
        .batch = (int32_t)json_int(json_get(command, "batch"), 1),
        .options = options,
        .option_count = json_count(given),
        .choose_shape = family_input_shape,
        .size = (int32_t)json_int(json_get(command, "size"), 0),
    };
    enum tare_status status;

    if (open.model_path && !open.model_path[0])
        open.model_path = NULL;
    if (open.option_count > MAX_OPTIONS)
        return tare_fail(err, TARE_LIMIT, "too many options");
    for (size_t i = 0; i < open.option_count; i++)
        options[i] =
            (struct tare_option_value){json_key(given, i), json_text(json_at(given, i), "")};
    status = begin_layer(command, serving, &open, options, err);
    if (status == TARE_OK && !*backend)
        status = backend_acquire(json_text(json_get(command, "plugin"), ""), backend, NULL, 0, err);
    reached_ns[STEP_PLUGIN] = clock_now_ns();
    if (status == TARE_OK && !json_bool(json_get(command, "cold"), false))
        status = check_precision(*backend, open.model_path, open.precision, err);
    if (status == TARE_OK && json_get(given, "profile") &&
        !(backend_slots(*backend)->capabilities & TARE_CAP_PROFILE))
        status = tare_fail(err, TARE_UNSUPPORTED, "the runtime does not time its nodes");
    if (status == TARE_OK)
        status = backend_session_open(*backend, &open, session, &failure);
    reached_ns[STEP_SESSION] = clock_now_ns();
    /* A runtime that cannot run the cell at all says so; the missing file comes after that. */
    if (failure.status == TARE_ABSENT && missing[0] && !file_exists(open.model_path))
        return tare_fail(err, TARE_ABSENT, "%s", missing);
    return failure.status != TARE_OK ? tare_fail(err, failure.status, "%s", failure.text) : status;
}
