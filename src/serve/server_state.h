/*
 * server_state.h - the one server that a user has running in the background: a file says where it
 * is reached, and a lock on it, held by the process that looks after the server, that it runs. So a
 * process that died has no server, whatever the file says, and no other one can be taken for it.
 *
 * The file is $XDG_RUNTIME_DIR/tare-serve.json, or serve.json in /tmp/tare-UID, a folder for this
 * user alone; mode 0600.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_SERVER_STATE_H
#define TARE_SERVE_SERVER_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/file.h"
#include "tare/status.h"

struct server_state {
    pid_t pid; /* of the process that looks after the server */
    uint64_t
        start_ticks; /* of that process, by process_start_ticks(); server_state_write()'s own */
    int http_port, grpc_port, metrics_port;
    char repository[FILE_MAX_PATH];
    int64_t started_s; /* wall clock, seconds since 1970 */
};

/*
 * Takes the file for this process and those that it forks. TARE_FAILED if a server runs already,
 * saying which; TARE_IO if the file cannot be used or locked. The caller passes *fd to
 * server_state_release(); it is -1 on error.
 */
enum tare_status server_state_take(int *fd, struct tare_err *err);

/* Writes, into the file that was taken, what others may read once the server is ready. */
enum tare_status server_state_write(int fd, const struct server_state *state, struct tare_err *err);

/* Removes the file and gives up the lock. A negative fd is allowed. */
void server_state_release(int fd);

/* Reads what server_state_write() wrote. A pid that is none is 0, and so is a port. */
void server_state_parse(const char *text, size_t size, struct server_state *state);

/*
 * What runs. *running says whether a server does; state->pid is 0 as long as it is being started,
 * and if the file is still that of a process that is gone.
 * TARE_IO if the file is there but cannot be read, or is another user's.
 */
enum tare_status server_state_read(struct server_state *state, bool *running, struct tare_err *err);

#endif
