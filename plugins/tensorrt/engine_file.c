#include <string.h>

#include "engine_session.h"

enum tare_status engine_read_note(const char *path, struct trt_sidecar *note, struct tare_err *err)
{
    struct tare_err reason = TARE_ERR_INIT;
    enum tare_status status = trt_sidecar_read(path, note, &reason);

    return status == TARE_OK || status == TARE_ABSENT ? TARE_OK
                                                      : tare_fail(err, status, "%s", reason.text);
}

enum tare_status engine_check_note(const struct trt_sidecar *note, const char *path,
                                   const struct trt_library *library,
                                   const struct cuda_facts *facts, const char *precision,
                                   struct tare_err *err)
{
    char here[32];

    if (!note->architecture[0])
        return TARE_OK;
    (void)snprintf(here, sizeof(here), "sm_%d%d", facts->major, facts->minor);
    if (strcmp(note->architecture, here) != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' was built for %s, cuda:%d is %s: 'tare plan' builds another", path,
                         note->architecture, facts->index, here);
    if (strcmp(note->library, library->name) != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' was built by %s, here is %s: 'tare plan' builds another", path,
                         note->library, library->name);
    if (strcmp(note->precision, precision) != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "'%s' was built as %s, not as %s", path,
                         note->precision, precision);
    return trt_sidecar_check(path, note, err);
}

enum tare_status engine_load(struct tare_session *session, const char *path, struct tare_err *err)
{
    struct file_map map = {0};
    char what[300], said[1000];
    enum tare_status status = file_map(path, ENGINE_BYTES_MAX, &map, err);

    if (status != TARE_OK)
        return status;
    if (map.size == 0)
        return tare_fail(err, TARE_BADDATA, "cannot load '%s': the file is empty", path);
    trt_logger_clear(session->logger);
    session->engine = trt_deserialize(session->runtime, map.data, map.size);
    file_unmap(&map);
    if (session->engine.object)
        return TARE_OK;
    (void)snprintf(what, sizeof(what), "load '%.200s' with %s", path, session->library.name);
    /* a device that fails is no fault of the file's */
    (void)trt_logger_said(session->logger, said, sizeof(said));
    return engine_refused(session, strstr(said, "Cuda Runtime") ? TARE_FAILED : TARE_BADDATA, what,
                          err);
}
