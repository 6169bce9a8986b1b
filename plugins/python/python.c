/*
 * python.c - the `python` layer: a runtime's own Python binding, in a child process over shared
 * memory. A run times itself inside the child, around the one line that a Python user writes
 * (compute_ns), and the caller times it from outside; the difference is what crossing over costs.
 */
#include "python_session.h"

static const struct tare_option_info python_options[] = {
    {"runtime", "which Python binding", TARE_OPTION_CHOICE, "onnxruntime", 0, 0, "onnxruntime"},
    {"python", "interpreter (default: found)", TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"io_binding", "bind inputs and outputs once instead of passing arrays", TARE_OPTION_BOOL, "0",
     0, 1, NULL},
    {"spinning", "whether idle threads spin between runs", TARE_OPTION_CHOICE, "default", 0, 0,
     "default|off"},
    {"timeout_s", "the longest that opening or a run may take", TARE_OPTION_INT, "300", 1, 86400,
     NULL},
    {0},
};

static enum tare_status python_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    static const struct python_package package = {"onnxruntime", "onnxruntime-gpu", ""};

    return python_session_probe(&package, note, note_bytes, err);
}

static enum tare_status python_open(const struct tare_open_options *options,
                                    struct tare_session **session, struct tare_open_report *report,
                                    struct tare_err *err)
{
    *session = NULL;
    if (strcmp(options->device, "cpu") != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "the python layer cannot use device '%s', need cpu",
                         options->device);
    return python_session_open(options, python_options, NULL, session, report, err);
}

TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_TIMING | TARE_CAP_PYTHON,
        .name = "python",
        .summary = "a runtime's own Python binding, in a child process over shared memory",
        .options = python_options,
        .probe = python_probe,
        .open = python_open,
        .close = python_session_close,
        .describe = python_session_describe,
        .bind = python_session_bind,
        .run = python_session_run,
        .bound_shape = python_session_bound_shape,
        .allocate = python_session_allocate,
    };

    return &backend;
}
