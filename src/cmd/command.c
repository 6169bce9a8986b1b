#include "cmd/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"
#include "measure/record.h"

bool command_parse(const struct option_info *table, const struct options_usage *usage, int argc,
                   char **argv, void *args, struct options_result *result, int *exit_code)
{
    struct tare_err err = TARE_ERR_INIT;

    if (options_parse(table, argc, argv, args, result, &err) != TARE_OK) {
        *exit_code = command_usage(usage->command, "%s", err.text);
        return false;
    }
    if (result->help) {
        options_help(table, usage, stdout);
        *exit_code = command_finish(usage->command, EXIT_OK);
        return false;
    }
    return true;
}

int command_fail(const char *name, const struct tare_err *err)
{
    struct tare_err shown = *err;

    printable_line(shown.text); /* it may quote a file that nobody vouches for */
    (void)fprintf(stderr, "tare %s: %s\n", name, shown.text[0] ? shown.text : "failed");
    return err->status == TARE_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

int command_usage(const char *name, const char *format, ...)
{
    char text[600];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    (void)fprintf(stderr, "tare %s: %s\ntry 'tare %s --help'\n", name, text, name);
    return EXIT_USAGE;
}

int command_finish(const char *name, int exit_code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fprintf(stderr, "tare %s: cannot write standard output: %s\n", name, strerror(errno));
        return exit_code == EXIT_OK ? EXIT_FAILED : exit_code;
    }
    return exit_code;
}

void command_join(int argc, char **argv, struct buf *out)
{
    buf_append_text(out, "tare");
    for (int i = 0; i < argc; i++)
        record_put_word(out, argv[i]);
}
