/*
 * serve_detached.h - tare serve in the background: gone into, asked after, ended.
 */
#ifndef TARE_CMD_SERVE_DETACHED_H
#define TARE_CMD_SERVE_DETACHED_H

#include <stdbool.h>

#include "tare/status.h"

/* One end of what ties the process in the background to the one that a user waits for. */
struct serve_tie {
    int state_fd;  /* see server_state_take(); -1: not held here */
    int report_fd; /* to the waiting one; -1: nobody waits */
};

/*
 * Goes on in a process of its own session. In that one *waits is false, and the caller starts the
 * server, then calls serve_settle(). In the other *waits is true, and *exit_code what it returns:
 * it has waited for serve_settle(), or the end of the process. TARE_FAILED if a server runs
 * already. After an error too the caller passes tie->state_fd to server_state_release().
 */
enum tare_status serve_detach(struct serve_tie *tie, bool *waits, int *exit_code,
                              struct tare_err *err);

/* Lets the waiting one go with exit_code. Standard output and error lead nowhere from then on. */
void serve_settle(struct serve_tie *tie, int exit_code);

/* Prints what runs. EXIT_OK if a server does, otherwise EXIT_FAILED. */
int serve_status(bool json);

/* Ends what runs, and waits until it is gone. EXIT_OK also if nothing runs. */
int serve_stop(void);

#endif
