/*
 * triton.c - NVIDIA Triton inside this process, through its C API: a request takes the way through
 * the server's queues and its backend, but crosses no process and is copied nowhere. The library is
 * found at run time; see inproc_api.h.
 */
#include "inproc_session.h"

static enum tare_status inproc_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    struct inproc_api api;
    enum tare_status status = inproc_api_load("", &api, err);

    if (status == TARE_OK)
        (void)snprintf(note, note_bytes, "Triton's C API %u.%u", api.major, api.minor);
    return status;
}

TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_ASYNC,
        .name = "triton",
        .summary = "NVIDIA Triton inside the process, through its C API",
        .options = inproc_options,
        .probe = inproc_probe,
        .open = inproc_open,
        .close = inproc_close,
        .describe = inproc_describe,
        .bind = inproc_bind,
        .run = inproc_run,
        .bound_shape = inproc_bound_shape,
        .submit = inproc_submit,
        .wait = inproc_wait,
    };

    return &backend;
}
