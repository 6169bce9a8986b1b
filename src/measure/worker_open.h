/*
 * worker_open.h - the session that an "open" command (protocol.h) asks for. Private to this room.
 */
#ifndef TARE_MEASURE_WORKER_OPEN_H
#define TARE_MEASURE_WORKER_OPEN_H

#include "backend/session.h"
#include "base/json_tree.h"
#include "measure/serving.h"

/*
 * Acquires the plugin, unless *backend is one already, and opens a session on it. The caller closes
 * *session and then frees *backend, which may be set after an error too. TARE_UNSUPPORTED for a
 * file of another precision than the command claims, where the runtime executes it as it is;
 * TARE_ABSENT, with the command's own words if it has some, for a model's file that is not there.
 * What a served layer needs begins in serving, which the caller ends after the session, or after an
 * error; a second session of the same command uses it too.
 * reached_ns gets the moments STEP_PLUGIN and STEP_SESSION.
 */
enum tare_status worker_open_session(const struct json_value *command, struct backend **backend,
                                     struct backend_session **session, struct serving *serving,
                                     int64_t *reached_ns, struct tare_err *err);

#endif
