/*
 * tensorrt.c - engines of TensorRT and TensorRT for RTX on an NVIDIA device, through slot tables
 * and the CUDA driver, both found at run time: neither a toolkit nor TensorRT is needed to build
 * this. docs/backends.md says what has been run of it and what has not.
 */
#include "engine_session.h"

static enum tare_status engine_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    struct trt_library library;
    struct tare_err reason = TARE_ERR_INIT;
    struct cuda_facts facts;
    enum tare_status status = trt_library_load(NULL, &library, err);

    if (status == TARE_OK && (status = cuda_device_facts(0, &facts, &reason)) != TARE_OK)
        return tare_fail(err, status, "no CUDA device: %s", reason.text);
    if (status == TARE_OK && engine_check_device(&library, &facts, err) != TARE_OK)
        status = err->status = TARE_ABSENT; /* not a fault of what is there */
    if (status == TARE_OK)
        (void)snprintf(note, note_bytes, "%s, %s (sm_%d%d)%s", library.name, facts.name,
                       facts.major, facts.minor, facts.stand_in ? ", a stand-in" : "");
    return status;
}

TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_TIMING | TARE_CAP_PROFILE,
        .name = "tensorrt",
        .summary = "TensorRT engines on an NVIDIA device (built for, not run)",
        .options = engine_options,
        .probe = engine_probe,
        .open = engine_open,
        .close = engine_close,
        .describe = engine_describe,
        .bind = engine_bind,
        .run = engine_run,
        .bound_shape = engine_bound_shape,
        .profile = engine_profile,
        .allocate = engine_allocate,
    };

    return &backend;
}
