/*
 * openvino.c - OpenVINO through its C API. Inputs and outputs are set once, over the caller's own
 * memory, so that a run copies nothing. The library is found at run time; see vino_api.h.
 */
#include "vino_session.h"

static enum tare_status vino_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    struct vino_api api;
    enum tare_status status = vino_api_load("", &api, err);

    if (status == TARE_OK)
        (void)snprintf(note, note_bytes, "openvino %s", api.release);
    return status;
}

TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_CONVERTS | TARE_CAP_PROFILE,
        .name = "openvino",
        .summary = "OpenVINO through its C API, on the CPU",
        .options = vino_options,
        .probe = vino_probe,
        .open = vino_open,
        .close = vino_close,
        .describe = vino_describe,
        .bind = vino_bind,
        .run = vino_run,
        .bound_shape = vino_bound_shape,
        .profile = vino_profile,
    };

    return &backend;
}
