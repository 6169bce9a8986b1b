/* cmd_trust.c - tare trust: what can be told apart on this machine today. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/json_write.h"
#include "cmd/command.h"
#include "cmd/progress.h"
#include "measure/trust.h"

struct args {
    int64_t sweeps;
    bool json, quiet;
};

static const struct option_info table[] = {
    {OPTION_INT, "sweeps", 's', "N", "more sweeps see smaller differences", "12", NULL, 2, 10000,
     offsetof(struct args, sweeps)},
    {OPTION_FLAG, "json", 0, NULL, "print JSON", NULL, NULL, 0, 0, offsetof(struct args, json)},
    {OPTION_FLAG, "quiet", 'q', NULL, "no progress", NULL, NULL, 0, 0,
     offsetof(struct args, quiet)},
    {0},
};

static const struct options_usage usage = {
    "trust", NULL, "say which differences can be seen on this machine today",
    "Measures identical cells against each other, and cells with 1, 2 and 5 % more work planted,\n"
    "by the same sweeps as any study. Takes some seconds; run nothing else meanwhile."};

static void show_progress(const struct sweeps_progress *p, void *data)
{
    progress_show(data, "measuring the harness against itself", p->share, p->left_ns);
}

static void print_line(const struct trust_line *line)
{
    char what[32];

    (void)snprintf(what, sizeof(what), "%.0f %% more", 100 * line->planted);
    (void)printf("  %-12s %+7.2f  [%+.2f, %+.2f]  %s\n", line->planted > 0 ? what : "same",
                 100 * (line->ratio - 1), 100 * (line->low - 1), 100 * (line->high - 1),
                 line->planted > 0 ? line->found ? "found" : "not found"
                 : line->found     ? "called different, wrongly"
                                   : "not called different");
}

static void print_text(const struct trust_result *result)
{
    char text[400];

    trust_describe(result, text, sizeof(text));
    (void)printf("  work         slower %% [95 %%, together]\n");
    for (size_t i = 0; i < TRUST_PAIRS; i++)
        print_line(&result->same[i]);
    for (size_t i = 0; i < TRUST_PLANTED; i++)
        print_line(&result->planted[i]);
    (void)printf("\n%s\n", text);
}

static void put_line(struct json_writer *w, const struct trust_line *line)
{
    json_open_object(w, NULL);
    json_put_number(w, "planted", line->planted);
    json_put_number(w, "ratio", line->ratio);
    json_put_number(w, "low", line->low);
    json_put_number(w, "high", line->high);
    json_put_bool(w, "found", line->found);
    json_close_object(w);
}

static enum tare_status print_json(const struct trust_result *result, struct tare_err *err)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    enum tare_status status;

    json_start(&w, &out, true);
    json_open_object(&w, NULL);
    json_put_number(&w, "detectable", result->detectable);
    json_put_int(&w, "sweeps", result->sweeps);
    json_put_int(&w, "wall_ns", result->wall_ns);
    json_open_array(&w, "lines");
    for (size_t i = 0; i < TRUST_PAIRS; i++)
        put_line(&w, &result->same[i]);
    for (size_t i = 0; i < TRUST_PLANTED; i++)
        put_line(&w, &result->planted[i]);
    json_close_array(&w);
    json_close_object(&w);
    status = buf_status(&out, "the verdict", err);
    if (status == TARE_OK)
        (void)puts(buf_text(&out)); /* command_finish() sees what fails */
    buf_release(&out);
    return status;
}

int cmd_trust(int argc, char **argv)
{
    struct args args = {.sweeps = 12};
    struct options_result parsed;
    struct tare_err err = TARE_ERR_INIT;
    struct trust_result result;
    struct progress progress;
    struct trust_options options = {.progress = show_progress, .progress_data = &progress};
    enum tare_status status;
    int exit_code;

    if (!command_parse(table, &usage, argc, argv, &args, &parsed, &exit_code))
        return exit_code;
    if (parsed.operand_count)
        return command_usage(argv[0], "takes no operand, got '%s'", parsed.operands[0]);
    options.sweeps = args.sweeps;
    progress_start(&progress, args.quiet);
    status = trust_run(&options, &result, &err);
    progress_end(&progress);
    if (status == TARE_OK && args.json)
        status = print_json(&result, &err);
    else if (status == TARE_OK)
        print_text(&result);
    return command_finish(argv[0], status == TARE_OK ? EXIT_OK : command_fail(argv[0], &err));
}
