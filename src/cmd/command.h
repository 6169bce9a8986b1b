/*
 * command.h - how to add a subcommand.
 *
 * 1. Write src/cmd/cmd_NAME.c with one function, int cmd_NAME(int argc, char **argv), argv[0] being
 *    the subcommand's name. It parses its option table (base/options.h), calls the library, prints.
 * 2. Declare it here and add its row to the table in src/main.c.
 * 3. Add a golden test to tests/cli/.
 *
 * Only this room and main.c print errors and choose the exit code:
 */
#ifndef TARE_CMD_COMMAND_H
#define TARE_CMD_COMMAND_H

#include "base/buf.h"
#include "base/options.h"
#include "tare/status.h"

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,    /* it was tried and failed; stderr says why */
    EXIT_USAGE = 2,     /* the command line is wrong */
    EXIT_THRESHOLD = 3, /* it worked, but a limit that the user set was not met */
};

/*
 * Parses a command line and deals with --help and usage errors. Returns true if the command goes
 * on; otherwise *exit_code is what it must return.
 */
bool command_parse(const struct option_info *table, const struct options_usage *usage, int argc,
                   char **argv, void *args, struct options_result *result, int *exit_code);

/* Prints "tare NAME: text" on stderr and gives the exit code for the error's status. */
int command_fail(const char *name, const struct tare_err *err);

/* Prints a usage error with a pointer to --help; EXIT_USAGE. */
int command_usage(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flushes stdout; a full disk or a closed pipe makes the exit code EXIT_FAILED. */
int command_finish(const char *name, int exit_code);

/* Appends the command line as one could type it: what a result file keeps. */
void command_join(int argc, char **argv, struct buf *out);

int cmd_bench(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_plan(int argc, char **argv);
int cmd_predict(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_repo(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_trust(int argc, char **argv);
int cmd_worker(int argc, char **argv);

#endif
