#include "cmd/repo_args.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cmd/version.h"
#include "export/export_file.h"
#include "vision/boxes.h"

#define DEFAULT_MODEL "data/yolov8n.pt"

static const struct option_info shared_rows[REPO_ARGS_ROWS] = {
    {.name = "target",
     .letter = 't',
     .kind = OPTION_CHOICE,
     .value = "NAME",
     .help = "the machine that serves: cpu, a6000 (TensorRT, DALI) or orin (TensorRT)",
     .fallback = "cpu",
     .choices = REPOSITORY_TARGETS,
     .offset = offsetof(struct repo_args, target)},
    {.name = "models",
     .kind = OPTION_TEXT,
     .value = "A,B",
     .help = "those models and what they go through",
     .fallback = "all",
     .offset = offsetof(struct repo_args, models)},
    {.name = "max-batch",
     .kind = OPTION_INT,
     .value = "N",
     .help = "pictures that one execution takes at most",
     .fallback = "8",
     .min = 1,
     .max = REPOSITORY_MAX_BATCH,
     .offset = offsetof(struct repo_args, max_batch)},
    {.name = "queue-delay-us",
     .kind = OPTION_INT,
     .value = "N",
     .help = "how long a picture may wait for others",
     .fallback = "cpu and orin 1000, a6000 500",
     .max = REPOSITORY_MAX_DELAY_US,
     .offset = offsetof(struct repo_args, queue_delay_us)},
    {.name = "instances",
     .kind = OPTION_INT,
     .value = "N",
     .help = "executions of the graph at a time",
     .fallback = "cpu and orin 1, a6000 2",
     .min = 1,
     .max = REPOSITORY_MAX_INSTANCES,
     .offset = offsetof(struct repo_args, instances)},
    {.name = "threads",
     .kind = OPTION_INT,
     .value = "N",
     .help = "threads of one execution; 0: the plugin's own choice",
     .fallback = "0",
     .max = REPOSITORY_MAX_THREADS,
     .offset = offsetof(struct repo_args, threads)},
    {.name = "pool-threads",
     .kind = OPTION_INT,
     .value = "N",
     .help = "threads that decode JPEGs and find boxes; 0: one a core",
     .fallback = "0",
     .max = REPOSITORY_MAX_THREADS,
     .offset = offsetof(struct repo_args, pool_threads)},
    {.name = "precision",
     .kind = OPTION_CHOICE,
     .value = "P",
     .help = "what the graph is executed in",
     .fallback = "the model's own; fp16 for a TensorRT plan",
     .choices = "fp32|fp16|bf16|int8",
     .offset = offsetof(struct repo_args, precision)},
    {.name = "plugin",
     .kind = OPTION_TEXT,
     .value = "NAME",
     .help = "what executes the graph in tare's backend: onnxruntime, openvino",
     .fallback = "onnxruntime",
     .offset = offsetof(struct repo_args, plugin)},
    {.name = "min-score",
     .kind = OPTION_NUMBER,
     .value = "X",
     .help = "leave out boxes with a lower score; 0.001 for AP",
     .fallback = "0.25",
     .min = 0.0001,
     .max = 0.9999,
     .offset = offsetof(struct repo_args, min_score)},
    {.name = "iou",
     .kind = OPTION_NUMBER,
     .value = "X",
     .help = "of two boxes of a class that overlap by more, the better one stays",
     .fallback = "0.7",
     .min = 0.0001,
     .max = 1,
     .offset = offsetof(struct repo_args, iou)},
    {.name = "max-boxes",
     .kind = OPTION_INT,
     .value = "N",
     .help = "boxes a picture at most",
     .fallback = "300",
     .min = 1,
     .max = BOXES_MAX_CANDIDATES,
     .offset = offsetof(struct repo_args, max_boxes)},
    {.name = "multi-label",
     .kind = OPTION_FLAG,
     .help = "let each class over the least score make a box, as AP is counted",
     .offset = offsetof(struct repo_args, multi_label)},
};

void repo_args_rows(struct option_info *rows, size_t offset)
{
    for (size_t i = 0; i < REPO_ARGS_ROWS; i++) {
        rows[i] = shared_rows[i];
        rows[i].offset += offset;
    }
}

static enum tare_status default_model(char *path, size_t bytes, struct tare_err *err)
{
    char home[FILE_MAX_PATH];
    enum tare_status status = file_home(home, sizeof(home), err);

    if (status == TARE_OK)
        status = file_join(path, bytes, home, DEFAULT_MODEL, err);
    if (status == TARE_OK && !file_exists(path))
        status = tare_fail(err, TARE_ABSENT, "no '%s': name a model", path);
    return status;
}

static struct repository_options options_of(const struct repo_args *args)
{
    return (struct repository_options){
        .target = args->target,
        .version = TARE_VERSION,
        .models = args->models,
        .plugin = args->plugin,
        .precision = args->precision,
        .max_batch = args->max_batch,
        .delay_given = args->queue_delay_us >= 0,
        .queue_delay_us = args->queue_delay_us,
        .instances = args->instances,
        .threads = args->threads,
        .pool_threads = args->pool_threads,
        .min_score = args->min_score,
        .iou = args->iou,
        .max_boxes = args->max_boxes,
        .multi_label = args->multi_label,
    };
}

enum tare_status repo_args_render(const struct repo_args *args, const char *model, bool force,
                                  const char *dir, struct repository_summary *summary,
                                  struct tare_err *err)
{
    const struct yolov8_options export = {.batch = YOLOV8_DYNAMIC, .version = TARE_VERSION};
    struct repository_options options = options_of(args);
    char path[FILE_MAX_PATH], exported[FILE_MAX_PATH] = "";
    enum tare_status status = TARE_OK;

    if (!model) {
        status = default_model(path, sizeof(path), err);
        model = path;
    }
    options.source = options.model_path = model;
    options.force = force;
    if (status == TARE_OK && file_has_suffix(model, ".pt")) {
        status = file_temporary(exported, sizeof(exported), ".onnx", err);
        if (status == TARE_OK)
            status = export_file(model, &export, exported, err);
        options.model_path = exported;
    }
    if (status == TARE_OK)
        status = repository_render(&options, dir, summary, err);
    if (exported[0])
        (void)unlink(exported);
    return status;
}
