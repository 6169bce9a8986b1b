/*
 * options.h - one table a subcommand drives parsing, help, defaults, ranges and shell completion.
 *
 *     static const struct option_info table[] = {
 *         {.name = "output", .letter = 'o', .kind = OPTION_TEXT, .value = "FILE",
 *          .help = "where the result goes", .offset = offsetof(struct args, output)},
 *         {0},
 *     };
 *
 * The caller's struct holds a field an option at .offset, with defaults set beforehand:
 *     OPTION_FLAG    bool            --name, --no-name
 *     OPTION_TEXT    const char *    --name X, --name=X   (points into argv)
 *     OPTION_INT     int64_t         min..max
 *     OPTION_NUMBER  double          min..max
 *     OPTION_CHOICE  const char *    one of choices ("raw|full"); points into argv
 *     OPTION_LIST    struct option_list   may be given more than once
 * Options and operands may be mixed; "--" ends options. -h and --help are handled by the caller of
 * options_parse through *help.
 */
#ifndef TARE_BASE_OPTIONS_H
#define TARE_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tare/status.h"

enum option_kind {
    OPTION_END = 0,
    OPTION_FLAG,
    OPTION_TEXT,
    OPTION_INT,
    OPTION_NUMBER,
    OPTION_CHOICE,
    OPTION_LIST,
};

#define OPTION_LIST_MAX 256

struct option_list {
    const char *items[OPTION_LIST_MAX];
    size_t count;
};

struct option_info {
    enum option_kind kind;
    const char *name;
    char letter;          /* 0: none */
    const char *value;    /* what the value is called in help: "FILE"; NULL for flags */
    const char *help;     /* one line, lower case */
    const char *fallback; /* the documented default as text; NULL: not shown */
    const char *choices;  /* OPTION_CHOICE: "a|b|c" */
    double min, max;      /* OPTION_INT and OPTION_NUMBER; equal: no range */
    size_t offset;
};

struct options_usage {
    const char *command;  /* "export" */
    const char *operands; /* "MODEL.pt" */
    const char *summary;  /* one line, lower case */
    const char *details;  /* further lines, or NULL */
};

struct options_result {
    char **operands; /* points into argv, which is permuted */
    size_t operand_count;
    bool help; /* --help was seen; nothing else was checked */
};

/*
 * Parses argv[1..argc) (argv[0] is the command's name) into args. TARE_INVALID with a message that
 * names the option, what was given and what is allowed; an unknown option suggests the nearest.
 */
enum tare_status options_parse(const struct option_info *table, int argc, char **argv, void *args,
                               struct options_result *result, struct tare_err *err);

/* Help text of a command, to stdout when asked for and to stderr on a usage error. */
void options_help(const struct option_info *table, const struct options_usage *usage, FILE *out);

/* "30s", "5m", "1.5h", "200ms" or plain seconds → nanoseconds; -1 if it is none of these. */
int64_t options_duration_ns(const char *text);

/* "3%", "3" or "2.5 %" to 0.03; NAN if it is none of these. */
double options_percent(const char *text);

#endif
