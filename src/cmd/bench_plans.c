#include "cmd/bench_plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/look.h"
#include "cmd/plan_half.h"
#include "cmd/version.h"
#include "cuda/cuda.h"
#include "export/engine_store.h"

#define LOOK_PATIENCE_NS ((int64_t)20 * 1000000000)

bool bench_needs_plan(const struct study_cell *cell)
{
    return strcmp(cell->runtime, "tensorrt") == 0 && strcmp(cell->layer, "direct") == 0;
}

static bool is_here(const struct study_cell *cell)
{
    struct backend_look look;

    return backend_look_at(study_cell_plugin(cell), LOOK_PATIENCE_NS, &look, NULL) == TARE_OK &&
           look.status == TARE_OK;
}

static void show_step(const char *what, void *data)
{
    const struct study_cell *cell = data;

    (void)fprintf(stderr, "tare: '%.100s': %.60s\n", cell->name, what);
}

/* The row says why; the file that it would have needed is not there. */
static void say_why(struct study_cell *cell, const char *why)
{
    (void)snprintf(cell->if_missing, sizeof(cell->if_missing), "no engine: %.460s", why);
    cell->model_path[FILE_MAX_PATH - 16] = '\0';
    (void)snprintf(cell->model_path + strlen(cell->model_path), 8, ".plan");
}

enum tare_status bench_plan_make(struct study_cell *cell, const char *folder, bool quiet,
                                 struct tare_err *err)
{
    const char *dla = study_option_of(cell, "dla");
    struct tare_err why = TARE_ERR_INIT;
    struct engine_made made;
    struct engine_order order = {
        .model = cell->model_path,
        .architecture = "this",
        .precision = cell->precision,
        .output = folder,
        .library = study_option_of(cell, "library"),
        .made_by = "tare " TARE_VERSION,
        .max_batch = cell->batch,
        .dla_core = dla ? (int32_t)strtol(dla, NULL, 10) : -1,
        .level = -1,
        /* As the other runtimes' FP32, which TensorRT rounds to TF32 unless it is told not to. */
        .no_tf32 = strcmp(cell->precision, "fp32") == 0,
        .to_fp16 = plan_to_fp16,
        .step = quiet ? NULL : show_step,
        .step_data = cell,
    };
    int device = 0;
    enum tare_status status;

    if (!file_has_suffix(cell->model_path, ".onnx") || !file_exists(cell->model_path) ||
        !is_here(cell))
        return TARE_OK;
    status = cuda_parse_device(cell->device, &device, &why);
    order.device = device;
    if (status == TARE_OK)
        status = engine_make(&order, &made, &why);
    if (status == TARE_STOPPED)
        return tare_fail(err, status, "stopped");
    if (status == TARE_OK)
        memcpy(cell->model_path, made.path, sizeof(cell->model_path));
    else
        say_why(cell, why.text);
    return TARE_OK;
}
