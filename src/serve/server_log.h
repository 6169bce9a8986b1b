/*
 * server_log.h - reasons from what tritonserver printed: why a model did not load, why the server
 * ended. Its lines are "E1128 11:05:38.709189 13913 file.cc:642] "text"" (the first letter is I, W
 * or E), with other libraries' own in between.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_SERVER_LOG_H
#define TARE_SERVE_SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* Why a model did not load: the last that was said of it, and of its configuration where that could
 * not be read. One line; "" if the log says nothing. */
void server_log_model_reason(const char *log, const char *model, char *reason, size_t reason_bytes);

/* Why the server ended: the last error. One line; "" if the log has none. */
void server_log_last_error(const char *log, char *reason, size_t reason_bytes);

/* Whether it ended as one of its ports was taken. */
bool server_log_port_taken(const char *log);

/* Makes of a reason one line that is fit to be printed, without what is said elsewhere. */
void server_log_tidy(char *text);

#endif
