/*
 * python_session.h - a session whose runtime lives in a Python child process: what the plugins that
 * are made of it (python, torch) have in common. Each brings its name, its option table and the
 * name by which python/tare_worker.py knows the runtime; the slots from close on are these.
 *
 * The table must have the rows "python" (interpreter, "": found) and "timeout_s" (the longest that
 * opening or a run may take). All rows go to the worker under their names.
 *
 * Threads: as backend.h says.
 */
#ifndef TARE_PYTHON_SESSION_H
#define TARE_PYTHON_SESSION_H

#include "tare/backend.h"

/* What a probe looks for. */
struct python_package {
    const char *name;       /* "torch" */
    const char *other_name; /* that will do as well, or NULL */
    const char *advice;     /* before the pip command that gets it: "'tools/setup torch' or ", "" */
};

/* The probe slot: the interpreter runs and has the package; nothing heavy is imported. */
enum tare_status python_session_probe(const struct python_package *package, char *note,
                                      size_t note_bytes, struct tare_err *err);

/* The open slot. runtime NULL: the table's option "runtime" says it. */
enum tare_status python_session_open(const struct tare_open_options *options,
                                     const struct tare_option_info *table, const char *runtime,
                                     struct tare_session **session, struct tare_open_report *report,
                                     struct tare_err *err);

/* The other slots, as backend.h describes them. */
void python_session_close(struct tare_session *session);
enum tare_status python_session_describe(struct tare_session *session, bool inputs,
                                         const struct tare_tensor_info **infos, size_t *count,
                                         struct tare_err *err);
enum tare_status python_session_bind(struct tare_session *session, const struct tare_tensor *inputs,
                                     size_t input_count, const struct tare_tensor *outputs,
                                     size_t output_count, struct tare_err *err);
enum tare_status python_session_run(struct tare_session *session,
                                    const struct tare_request *request, struct tare_timing *timing,
                                    struct tare_err *err);
enum tare_status python_session_bound_shape(struct tare_session *session, size_t index,
                                            int32_t *rank, int64_t *shape, struct tare_err *err);
enum tare_status python_session_allocate(struct tare_session *session, size_t size_bytes,
                                         struct tare_tensor *tensor, struct tare_err *err);

#endif
