/* cmd_trust.c - tare trust: what can be told apart on this machine today, and whether that is so.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "cmd/command.h"
#include "cmd/progress.h"
#include "cmd/trust_print.h"

#define LONG_REPETITIONS 20

struct args {
    int64_t sweeps, repetitions;
    const char *model, *other, *output;
    bool is_long, json, quiet;
};

static const struct option_info table[] = {
    {OPTION_INT, "sweeps", 's', "N", "more sweeps see smaller differences", "240", NULL, 2, 10000,
     offsetof(struct args, sweeps)},
    {OPTION_FLAG, "long", 0, NULL, "the long form: the same as --repetitions 20", NULL, NULL, 0, 0,
     offsetof(struct args, is_long)},
    {OPTION_INT, "repetitions", 'r', "N", "does it N times over and says how often it was right",
     "1", NULL, 1, TRUST_MAX_REPETITIONS, offsetof(struct args, repetitions)},
    {OPTION_TEXT, "model", 'm', "FILE",
     "an ONNX model, on which the Python binding's tax is measured too", NULL, NULL, 0, 0,
     offsetof(struct args, model)},
    {OPTION_TEXT, "other", 0, "FILE", "an ONNX model, whose tax against that one is measured too",
     NULL, NULL, 0, 0, offsetof(struct args, other)},
    {OPTION_TEXT, "output", 'o', "FILE", "write JSON there beside the text", NULL, NULL, 0, 0,
     offsetof(struct args, output)},
    {OPTION_FLAG, "json", 0, NULL, "print JSON", NULL, NULL, 0, 0, offsetof(struct args, json)},
    {OPTION_FLAG, "quiet", 'q', NULL, "no progress", NULL, NULL, 0, 0,
     offsetof(struct args, quiet)},
    {0},
};

static const struct options_usage usage = {
    "trust", NULL, "say which differences can be seen on this machine today",
    "Measures identical cells against each other, and cells with 1, 2 and 5 % more work planted,\n"
    "by the same sweeps as any study. Takes about half a minute; run nothing else meanwhile.\n"
    "The long form does that 20 times and counts how often the intervals held the truth."};

/* The repetitions so far, and what the progress display shows of the present one. */
struct run {
    const struct args *args;
    struct trust_result *results; // (args->repetitions)
    size_t count;
    struct progress progress;
    int64_t start_ns;
};

static void show(double share, void *data)
{
    struct run *run = data;
    double whole = ((double)run->count + share) / (double)run->args->repetitions;
    int64_t spent = clock_now_ns() - run->start_ns;
    char what[64] = "measuring the harness against itself";

    if (run->args->repetitions > 1)
        (void)snprintf(what, sizeof(what), "repetition %zu of %lld", run->count + 1,
                       (long long)run->args->repetitions);
    progress_show(&run->progress, what, whole,
                  whole > 0.005 ? (int64_t)((double)spent * (1 - whole) / whole) : -1);
}

static enum tare_status repeat(struct run *run, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    run->start_ns = clock_now_ns();
    progress_start(&run->progress, run->args->quiet);
    while (run->count < (size_t)run->args->repetitions && status == TARE_OK) {
        const struct trust_options options = {
            .sweeps = run->args->sweeps,
            .model = run->args->model,
            .other = run->args->other,
            .seed = 1 + (int64_t)run->count,
            .progress = show,
            .progress_data = run,
        };

        status = trust_run(&options, &run->results[run->count], err);
        run->count += status == TARE_OK;
    }
    progress_end(&run->progress);
    return status;
}

static enum tare_status write_both(const struct run *run, struct buf *text, struct buf *json,
                                   struct tare_err *err)
{
    struct trust_summary summary;
    const struct trust_report report = {
        .repetitions = run->results,
        .count = run->count,
        .wanted = (size_t)run->args->repetitions,
        .summary = &summary,
        .model = run->args->model,
        .other = run->args->other,
        .wall_ns = clock_now_ns() - run->start_ns,
    };
    enum tare_status status = TARE_OK;

    if (run->args->repetitions == 1) {
        trust_print(&run->results[0], text);
        trust_print_json(&run->results[0], json);
    } else {
        status = trust_summarise(run->results, run->count, &summary, err);
        if (status == TARE_OK) {
            trust_print_study(&report, text);
            trust_print_study_json(&report, json);
        }
    }
    buf_append_char(json, '\n');
    if (status == TARE_OK)
        status = buf_status(text, "the verdict", err);
    return status == TARE_OK ? buf_status(json, "the verdict", err) : status;
}

static enum tare_status print(const struct run *run, struct tare_err *err)
{
    struct buf text = BUF_INIT, json = BUF_INIT;
    enum tare_status status = write_both(run, &text, &json, err);

    if (status == TARE_OK && run->args->output)
        status = file_write(run->args->output, buf_text(&json), json.size, err);
    if (status == TARE_OK) /* command_finish() sees what fails */
        (void)fputs(buf_text(run->args->json ? &json : &text), stdout);
    buf_release(&text);
    buf_release(&json);
    return status;
}

int cmd_trust(int argc, char **argv)
{
    struct args args = {.sweeps = TRUST_SWEEPS, .repetitions = 1};
    struct run run = {.args = &args};
    struct options_result parsed;
    struct tare_err err = TARE_ERR_INIT, failed = TARE_ERR_INIT;
    enum tare_status status;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &parsed, &exit_code))
        return exit_code;
    if (parsed.operand_count)
        return command_usage(argv[0], "takes no operand, got '%s'", parsed.operands[0]);
    if (args.other && !args.model)
        return command_usage(argv[0], "--other needs the --model that it is compared with");
    if (args.is_long && args.repetitions == 1)
        args.repetitions = LONG_REPETITIONS;
    run.results = calloc((size_t)args.repetitions, sizeof(*run.results));
    if (!run.results)
        status = tare_fail(&err, TARE_NOMEM, "out of memory for %lld repetitions",
                           (long long)args.repetitions);
    else
        status = repeat(&run, &err);
    if (run.count > 0 && print(&run, &failed) != TARE_OK) /* what was done before it was stopped */
        (void)command_fail(argv[0], &failed);
    free(run.results);
    exit_code = failed.status == TARE_OK ? EXIT_OK : EXIT_FAILED;
    return command_finish(argv[0], status == TARE_OK ? exit_code : command_fail(argv[0], &err));
}
