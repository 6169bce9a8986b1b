/*
 * main.c - the command table. A row's needs are met once, before the call.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/stop.h"
#include "cmd/command.h"
#include "cmd/version.h"

enum need {
    NEED_STOP = 1 << 0, /* Ctrl-C sets the stop flag instead of ending the program */
};

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    unsigned needs;
    const char *summary; /* NULL: internal, not listed */
};

static const struct command commands[] = {
    {"bench", cmd_bench, NEED_STOP, "weigh every cell of a study: latency, accuracy, taxes, gains"},
    {"diff", cmd_diff, 0, "say what became slower or faster between two runs"},
    {"doctor", cmd_doctor, 0, "say what this machine can measure, and what is missing"},
    {"export", cmd_export, 0, "turn a YOLOv8 checkpoint into an ONNX model"},
    {"plan", cmd_plan, NEED_STOP, "build a TensorRT engine from an ONNX model"},
    {"predict", cmd_predict, 0, "show what a model sees in a picture"},
    {"quantize", cmd_quantize, NEED_STOP, "turn an FP32 model into INT8, FP16 or BF16"},
    {"repo", cmd_repo, 0, "render a model repository for Triton"},
    {"report", cmd_report, 0, "print a ledger from result files, and as HTML, SVG, CSV or JSON"},
    {"serve", cmd_serve, NEED_STOP, "serve a model with tritonserver on this machine"},
    {"trust", cmd_trust, NEED_STOP, "say which differences can be seen on this machine today"},
    {"worker", cmd_worker, 0, NULL},
    {"eval", cmd_eval, 0, "COCO box AP of a model or a detection file; agreement of two models"},
    {NULL, NULL, 0, NULL},
};

static void print_help(FILE *out)
{
    (void)fputs(
        "usage: tare COMMAND [options]\n\n"
        "tare weighs runtimes, precisions and serving layers of one model on this machine.\n"
        "\ncommands:\n",
        out);
    for (const struct command *c = commands; c->name; c++)
        if (c->summary)
            (void)fprintf(out, "  %-10s %s\n", c->name, c->summary);
    (void)fputs("\n'tare COMMAND --help' says more about one of them\n", out);
}

static const struct command *find_command(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

int main(int argc, char **argv)
{
    const struct command *command;

    (void)signal(SIGPIPE, SIG_IGN); /* a dead worker or a closed pipe is an error, not an end */
    if (getenv("TARE_DEBUG"))
        log_set_level(LOG_DEBUG);
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return command_finish("help", EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("tare " TARE_VERSION);
        return command_finish("version", EXIT_OK);
    }
    command = find_command(argv[1]);
    if (!command) {
        (void)fprintf(stderr, "tare: no command '%s'; 'tare --help' lists them\n", argv[1]);
        return EXIT_USAGE;
    }
    if (command->needs & NEED_STOP)
        stop_install();
    return command->run(argc - 1, argv + 1);
}
