/*
 * repo_args.h - what tare repo and tare serve have in common: the options that say how a model
 * repository is rendered, and the model itself, exported first where it is a checkpoint.
 */
#ifndef TARE_CMD_REPO_ARGS_H
#define TARE_CMD_REPO_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "serve/repository.h"

struct repo_args {
    const char *target, *models, *plugin, *precision;
    int64_t max_batch, queue_delay_us, instances, threads, pool_threads, max_boxes;
    double min_score, iou;
    bool multi_label;
};

/* Before parsing: what is not given is left to the repository's own defaults. */
#define REPO_ARGS_INIT                                                                             \
    {                                                                                              \
        .target = "cpu", .queue_delay_us = -1                                                      \
    }

#define REPO_ARGS_ROWS 13

/* The rows of the options above, for a caller's table whose struct has repo_args at offset. */
void repo_args_rows(struct option_info *rows, size_t offset);

/*
 * Renders into dir. model: an .onnx file, or a .pt checkpoint, exported with a free batch
 * dimension; NULL: the checkpoint in tare's own data/. Errors as repository_render() and the
 * export.
 */
enum tare_status repo_args_render(const struct repo_args *args, const char *model, bool force,
                                  const char *dir, struct repository_summary *summary,
                                  struct tare_err *err);

#endif
