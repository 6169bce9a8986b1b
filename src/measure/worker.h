/*
 * worker.h - the child's side of a measurement: one process, one cell. See protocol.h.
 */
#ifndef TARE_MEASURE_WORKER_H
#define TARE_MEASURE_WORKER_H

#include "tare/status.h"

/*
 * Serves commands on channel_fd until "quit" or until the channel is closed. shared_fd is the
 * samples' memory. A failed command is answered and is no error here.
 */
enum tare_status worker_serve(int channel_fd, int shared_fd, struct tare_err *err);

#endif
