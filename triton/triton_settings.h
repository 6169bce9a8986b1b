/*
 * triton_settings.h - what a model's config.pbtxt asks of the backend, checked: its parameters,
 * max_batch_size, and the tensors that it declares.
 *
 * Parameters (docs/serving.md has the table); any other name is an error:
 *     role plugin model_file precision threads pool_threads min_score iou max_boxes multi_label
 *     size, and option.NAME for an option of the plugin's own table
 *
 * Threads: no shared state; settings are constant once read.
 */
#ifndef TARE_TRITON_SETTINGS_H
#define TARE_TRITON_SETTINGS_H

#include "backend/backend_options.h"
#include "backend/session.h"
#include "vision/boxes.h"

#define TRITON_MAX_BATCH 1024
#define TRITON_MAX_POOL  1024 /* threads */

enum triton_role {
    TRITON_ROLE_MODEL = 0,
    TRITON_ROLE_PREPROCESS = 1,
    TRITON_ROLE_BOXES = 2,
    TRITON_ROLE_PIPELINE = 3,
};

/* The tensors of one side, without the batch dimension; -1: open. */
struct triton_tensors {
    struct tare_tensor_info *infos; // (count)
    size_t count;
};

struct triton_settings {
    enum triton_role role;
    const char *plugin, *model_file, *precision;
    int32_t threads;      /* of the plugin; 0: its default */
    int32_t pool_threads; /* at least 1 */
    int32_t size;         /* side of the square input */
    int32_t max_batch;    /* 0: not given, which only a config to be completed may have */
    struct boxes_options boxes;
    struct tare_option_value options[BACKEND_OPTIONS_MAX];
    size_t option_count;
    struct triton_tensors inputs, outputs; /* as declared; 0: not at all */
    struct json_tree *config;              /* owns the strings */
};

/* "model", "preprocess", "boxes", "pipeline" */
const char *triton_role_name(enum triton_role role);

/*
 * Reads a model's configuration, as Triton gives it in JSON. TARE_INVALID names what is wrong and
 * what is allowed. triton_settings_release() in any case.
 */
enum tare_status triton_settings_read(struct triton_settings *settings, const char *json,
                                      size_t bytes, struct tare_err *err);
void triton_settings_release(struct triton_settings *settings);

/*
 * Whether the tensors that are declared for one side are those that there are: every input, and
 * outputs as wanted. there: without the batch dimension; a dimension that is open on either side
 * fits.
 */
enum tare_status triton_settings_check(const struct triton_settings *settings, bool inputs,
                                       const struct triton_tensors *there, struct tare_err *err);

#endif
