/*
 * log.h - lines on standard error. Results never go here, and the library below src/cmd uses it
 * only for what a user should know although nothing failed.
 *
 * Threads: any; a line is written with one call.
 */
#ifndef TARE_BASE_LOG_H
#define TARE_BASE_LOG_H

enum log_level {
    LOG_QUIET = 0,
    LOG_WARN = 1,
    LOG_INFO = 2,
    LOG_DEBUG = 3
};

/* Default LOG_INFO. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* "tare: warning: ..." */
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "..." */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
