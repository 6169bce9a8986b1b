/*
 * cmd_repo.c - tare repo: a model repository for Triton, rendered for a target.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "cmd/command.h"
#include "cmd/repo_args.h"

struct args {
    struct repo_args repo;
    const char *output;
    bool force, json;
};

static const struct option_info own_rows[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .value = "DIR",
     .help = "the repository's folder; an older rendering there is replaced",
     .offset = offsetof(struct args, output)},
    {.name = "force",
     .letter = 'f',
     .kind = OPTION_FLAG,
     .help = "replace DIR whatever is in it",
     .offset = offsetof(struct args, force)},
    {.name = "json",
     .kind = OPTION_FLAG,
     .help = "print the summary as JSON",
     .offset = offsetof(struct args, json)},
};

#define OWN_ROWS (sizeof(own_rows) / sizeof(own_rows[0]))

static const struct options_usage usage = {
    .command = "repo",
    .operands = "[MODEL.onnx|MODEL.pt]",
    .summary = "render a model repository for Triton",
    .details =
        "MODEL is a YOLOv8 detector with the raw head, as 'tare export --batch dynamic' and\n"
        "'tare quantize' make it, or a checkpoint; without one, the YOLOv8n in tare's own\n"
        "data/. Each config.pbtxt says why its values stand. 'tare serve' serves it.",
};

static void print_text(const struct args *args, const struct repository_summary *summary)
{
    (void)printf("%s: target %s\n", args->output, args->repo.target);
    for (size_t i = 0; i < summary->model_count; i++)
        (void)printf("  %s\n", summary->models[i]);
    if (summary->missing_count > 0)
        (void)printf("to be made on the target, in that folder:\n");
    for (size_t i = 0; i < summary->missing_count; i++)
        (void)printf("  %s\n    %s\n", summary->missing[i].path, summary->missing[i].command);
}

static enum tare_status print_json(const struct args *args,
                                   const struct repository_summary *summary, struct tare_err *err)
{
    struct buf buf = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    json_start(&json, &buf, true);
    json_open_object(&json, NULL);
    json_put_text(&json, "repository", args->output);
    json_put_text(&json, "target", args->repo.target);
    json_open_array(&json, "models");
    for (size_t i = 0; i < summary->model_count; i++)
        json_put_text(&json, NULL, summary->models[i]);
    json_close_array(&json);
    json_open_array(&json, "missing");
    for (size_t i = 0; i < summary->missing_count; i++) {
        json_open_object(&json, NULL);
        json_put_text(&json, "path", summary->missing[i].path);
        json_put_text(&json, "command", summary->missing[i].command);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_close_object(&json);
    status = buf_status(&buf, "the summary", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&buf));
    buf_release(&buf);
    return status;
}

int cmd_repo(int argc, char **argv)
{
    struct option_info table[REPO_ARGS_ROWS + OWN_ROWS + 1] = {0};
    struct args args = {.repo = REPO_ARGS_INIT};
    struct options_result result = {0};
    struct repository_summary summary;
    struct tare_err err = TARE_ERR_INIT;
    enum tare_status status;
    int exit_code;

    repo_args_rows(table, offsetof(struct args, repo));
    memcpy(table + REPO_ARGS_ROWS, own_rows, sizeof(own_rows));
    if (!command_parse(table, &usage, argc, argv, &args, &result, &exit_code))
        return exit_code;
    if (result.operand_count > 1)
        return command_usage("repo", "need one model, got %zu", result.operand_count);
    if (!args.output || !args.output[0])
        return command_usage("repo", "-o DIR is missing: where the repository goes");
    status = repo_args_render(&args.repo, result.operand_count ? result.operands[0] : NULL,
                              args.force, args.output, &summary, &err);
    if (status == TARE_OK && args.json)
        status = print_json(&args, &summary, &err);
    else if (status == TARE_OK)
        print_text(&args, &summary);
    exit_code = status == TARE_OK ? EXIT_OK : command_fail("repo", &err);
    return command_finish("repo", exit_code);
}
