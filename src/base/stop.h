/*
 * stop.h - the stop flag: set by SIGINT and SIGTERM, read by every long loop. With the log level,
 * the only mutable global of the program.
 */
#ifndef TARE_BASE_STOP_H
#define TARE_BASE_STOP_H

#include <stdbool.h>

/* Installs the handlers. A second signal ends the program at once. Main thread, once. */
void stop_install(void);

/* SIGHUP too, the end of a terminal, unless the user had it ignored (nohup). After stop_install().
 */
void stop_on_hangup(void);

/* True once the user asked to stop. Any thread. */
bool stop_requested(void);

#endif
