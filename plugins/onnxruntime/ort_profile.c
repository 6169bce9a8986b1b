/*
 * ort_profile.c - switches the library's trace on and off, and reads it; see ort_trace.h. Of a node
 * on a device the trace times the launch, on the processor, so there it is not used.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "ort_session.h"

#define TRACE_MAX ((size_t)64 << 20)

enum tare_status ort_start_profile(struct tare_session *session,
                                   const struct tare_open_options *options,
                                   struct ort_session_options *to, struct tare_err *err)
{
    const char *folder = getenv("TMPDIR");
    char prefix[FILE_MAX_PATH];

    if (!tare_option_int(options, ort_options, "profile") || session->device)
        return TARE_OK;
    (void)snprintf(prefix, sizeof(prefix), "%.3000s/tare-trace-%d",
                   folder && folder[0] ? folder : "/tmp", (int)getpid());
    session->profiling = true;
    return ort_api_check(&session->api, session->api.enable_profiling(to, prefix),
                         "cannot switch profiling on", err);
}

/* Ends the trace and reads it; the file goes. The caller frees *text. */
static enum tare_status take_trace(struct tare_session *session, char **text, size_t *size,
                                   struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    char *path = NULL;
    enum tare_status status =
        ort_api_check(api, api->end_profiling(session->session, session->allocator, &path),
                      "cannot end profiling", err);

    session->profiling = false;
    *text = NULL;
    if (status != TARE_OK)
        return status;
    status = file_read(path, TRACE_MAX, text, size, err);
    (void)unlink(path);
    api->release_status(api->allocator_free(session->allocator, path));
    return status;
}

void ort_drop_profile(struct tare_session *session)
{
    char *text = NULL;
    size_t size;

    if (session->profiling && session->session && session->allocator)
        (void)take_trace(session, &text, &size, NULL);
    free(text);
    ort_trace_release(&session->trace);
}

enum tare_status ort_profile(struct tare_session *session, const struct tare_profile_row **rows,
                             size_t *count, struct tare_err *err)
{
    enum tare_status status = TARE_OK;
    char *text = NULL;
    size_t size = 0;

    if (session->device)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "ONNX Runtime times how a node is launched on the device, not what it "
                         "does there");
    if (!session->profiling && !session->trace.rows)
        return tare_fail(err, TARE_INVALID, "the session was opened without option profile=1");
    if (session->profiling) {
        status = take_trace(session, &text, &size, err);
        if (status == TARE_OK)
            status = ort_trace_read(text, size, &session->trace, err);
        free(text);
    }
    *rows = session->trace.rows;
    *count = session->trace.count;
    return status;
}
