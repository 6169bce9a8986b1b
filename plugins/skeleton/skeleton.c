/*
 * skeleton.c - a template for a plugin. Copy it, rename it, and replace what each comment says.
 *
 * It needs include/tare and a C compiler, nothing else of tare:
 *     cc -std=c11 -shared -fPIC -fvisibility=hidden -Iinclude skeleton.c -o skeleton.so
 *     tare bench model.onnx --runtime ./skeleton.so
 *
 * As it stands it is a working backend with one input and one output of four floats, which it
 * multiplies by the option "factor". docs/backends.md says the rules; include/tare/backend.h is the
 * contract.
 */
#include "tare/backend.h"

/*
 * Your own options: they drive parsing, checks and help. Values reach open() as text that has been
 * checked against this table. {0} ends it.
 */
static const struct tare_option_info options[] = {
    {"factor", "what the input is multiplied by", TARE_OPTION_INT, "2", -1000, 1000, NULL},
    {0},
};

/* Everything that belongs to one open model. There are no globals: two sessions may be open at
 * once, in two threads. */
struct tare_session {
    struct tare_tensor_info input, output;
    const float *x; // (4), the caller's
    float *y;       // (4), the caller's
    float factor;
};

/*
 * Is the runtime usable here? Load its library with dlopen (never link to it: tare must start
 * without it), check its version, look for its device. Distinguish the two answers:
 *     TARE_ABSENT   "no libfoo.so: 'apt-get install libfoo1'"
 *     TARE_BROKEN   "'libfoo.so' is version 3, need 4 or newer"
 */
static enum tare_status skeleton_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    (void)err;
    (void)snprintf(note, note_bytes, "skeleton 1");
    return TARE_OK;
}

/* Says what a tensor is. -1 stands for a dimension that the model leaves open. */
static void describe_tensor(struct tare_tensor_info *info, const char *name)
{
    (void)snprintf(info->name, sizeof(info->name), "%s", name);
    info->dtype = TARE_FP32;
    info->rank = 2;
    info->shape[0] = 1;
    info->shape[1] = 4;
}

/*
 * Opens a model. On success the caller owns *session; on error it is NULL and everything that was
 * acquired is released again. Fill what you know of the report: what is really executed matters
 * more than what was asked for.
 */
static enum tare_status skeleton_open(const struct tare_open_options *open,
                                      struct tare_session **session,
                                      struct tare_open_report *report, struct tare_err *err)
{
    struct tare_session *opened;

    *session = NULL;
    if (strcmp(open->device, "cpu") != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "skeleton cannot use device '%s', need cpu",
                         open->device);
    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    describe_tensor(&opened->input, "x");
    describe_tensor(&opened->output, "y");
    opened->factor = (float)tare_option_int(open, options, "factor");

    report->load_ns = 0;            /* measure it with CLOCK_MONOTONIC */
    report->peak_memory_bytes = -1; /* -1: not known */
    (void)snprintf(report->runtime_version, sizeof(report->runtime_version), "skeleton 1");
    (void)snprintf(report->provider, sizeof(report->provider), "cpu");
    report->threads = 1;
    *session = opened;
    return TARE_OK;
}

/* Frees a session; NULL is allowed. The bound memory is the caller's. */
static void skeleton_close(struct tare_session *session)
{
    free(session);
}

/* Lists the inputs or the outputs, in the order in which bind() will get them. */
static enum tare_status skeleton_describe(struct tare_session *session, bool inputs,
                                          const struct tare_tensor_info **infos, size_t *count,
                                          struct tare_err *err)
{
    (void)err;
    *infos = inputs ? &session->input : &session->output;
    *count = 1;
    return TARE_OK;
}

/*
 * Takes the tensors of all runs to come. Do here whatever can be done once: checks, registration
 * with the runtime, uploads. Check what you rely on; the message names what was bound and what is
 * needed.
 */
static enum tare_status skeleton_bind(struct tare_session *session,
                                      const struct tare_tensor *inputs, size_t input_count,
                                      const struct tare_tensor *outputs, size_t output_count,
                                      struct tare_err *err)
{
    if (input_count != 1 || output_count != 1)
        return tare_fail(err, TARE_INVALID, "bound %zu inputs and %zu outputs, need 1 and 1",
                         input_count, output_count);
    if (!outputs[0].data)
        return tare_fail(err, TARE_UNSUPPORTED, "output 'y' needs a known shape");
    if (inputs[0].capacity_bytes < 4 * sizeof(float) ||
        outputs[0].capacity_bytes < 4 * sizeof(float))
        return tare_fail(err, TARE_INVALID, "bound less than 16 bytes");
    session->x = inputs[0].data;
    session->y = outputs[0].data;
    return TARE_OK;
}

/*
 * One inference. This is what is measured: allocate nothing, lock nothing, log nothing, and return
 * only when the outputs are complete.
 */
static enum tare_status skeleton_run(struct tare_session *session,
                                     const struct tare_request *request, struct tare_timing *timing,
                                     struct tare_err *err)
{
    (void)request;
    (void)timing; /* fill it if the runtime times itself, and set TARE_CAP_TIMING */
    if (!session->x)
        return tare_fail(err, TARE_INVALID, "nothing is bound");
    for (int i = 0; i < 4; i++)
        session->y[i] = session->factor * session->x[i];
    return TARE_OK;
}

/* The one symbol that the shared object exports. */
TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_NO_MODEL, /* drop it if you read the model file */
        .name = "skeleton",
        .summary = "a template: multiplies four floats by a factor",
        .options = options,
        .probe = skeleton_probe,
        .open = skeleton_open,
        .close = skeleton_close,
        .describe = skeleton_describe,
        .bind = skeleton_bind,
        .run = skeleton_run,
    };

    return &backend;
}
