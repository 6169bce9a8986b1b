/*
 * worker_agree.h - the worker's side of "agree" (protocol.h). Private to this room.
 */
#ifndef TARE_MEASURE_WORKER_AGREE_H
#define TARE_MEASURE_WORKER_AGREE_H

#include "backend/session.h"
#include "base/json_tree.h"
#include "base/json_write.h"

/* Opens the command's reference, runs its pictures through it and the session that was timed, and
 * answers with the figures by name. Errors as agree_pictures() and worker_open_session(). */
enum tare_status worker_agree(struct backend_session *session, const struct json_value *command,
                              struct json_writer *answer, struct tare_err *err);

#endif
