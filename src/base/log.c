#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/printable.h"

static enum log_level current_level = LOG_INFO;

void log_set_level(enum log_level level)
{
    current_level = level;
}

enum log_level log_get_level(void)
{
    return current_level;
}

__attribute__((format(printf, 2, 0))) static void write_line(const char *prefix, const char *format,
                                                             va_list args)
{
    char line[2048];

    if (vsnprintf(line, sizeof(line), format, args) < 0)
        return;
    printable_line(line);                          /* it may hold the last words of a process */
    (void)fprintf(stderr, "%s%s\n", prefix, line); /* nowhere left to report a failure to */
}

void log_warn(const char *format, ...)
{
    va_list args;

    if (current_level < LOG_WARN)
        return;
    va_start(args, format);
    write_line("tare: warning: ", format, args);
    va_end(args);
}

void log_info(const char *format, ...)
{
    va_list args;

    if (current_level < LOG_INFO)
        return;
    va_start(args, format);
    write_line("", format, args);
    va_end(args);
}

void log_debug(const char *format, ...)
{
    va_list args;

    if (current_level < LOG_DEBUG)
        return;
    va_start(args, format);
    write_line("tare: ", format, args);
    va_end(args);
}
