/*
 * null.c - the backend that does no work. It has two uses: it shows what the harness itself costs,
 * and it misbehaves on request, so that the harness's handling of slow, failing, crashing, hanging,
 * leaking and lying runtimes can be tested without one.
 *
 * It reads no model file: its inputs and outputs are options, "name:dtype:shape" joined by '+',
 * such as images:fp32:-1x3x640x640+scale:fp32:1. A run leaves the outputs as they are.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "tare/backend.h"

#define TENSORS_MAX 16
#define WORK_VALUES 4096
#define BABBLE      4096 /* bytes */

struct tensors {
    struct tare_tensor_info infos[TENSORS_MAX];
    size_t count;
};

struct leaked {
    struct leaked *next;
};

struct tare_session {
    struct tensors inputs, outputs;
    struct leaked *leaks; /* kept reachable, so that leak checkers see no leak of ours */
    int64_t delay_ns, jitter_ns;
    int64_t copy_ns; /* of one way, as a device would have it */
    int64_t fail_at, crash_at, hang_at, babble_at, nomem_at; /* 1 is the first run; 0: never */
    size_t leak_bytes;
    uint64_t random, run;
    int64_t work;
    float values[WORK_VALUES];
    bool planted, lie;
};

static const struct tare_option_info options[] = {
    {"inputs", "inputs as name:dtype:shape, joined by '+'", TARE_OPTION_TEXT,
     "images:fp32:-1x3x640x640", 0, 0, NULL},
    {"outputs", "outputs as name:dtype:shape, joined by '+'", TARE_OPTION_TEXT,
     "output0:fp32:-1x84x8400", 0, 0, NULL},
    {"delay_ns", "every run spins this long", TARE_OPTION_INT, "0", 0, 60000000000, NULL},
    {"jitter_ns", "and up to this much longer, at random", TARE_OPTION_INT, "0", 0, 60000000000,
     NULL},
    {"copy_ns", "so long it spins before and after, and says that it copied", TARE_OPTION_INT, "0",
     0, 60000000000, NULL},
    {"work", "every run computes so many units, about 1 us each", TARE_OPTION_INT, "0", 0,
     1000000000, NULL},
    {"seed", "seed of the jitter", TARE_OPTION_INT, "1", 1, INT64_MAX, NULL},
    {"fail_at_run", "this run fails (1 is the first, 0: none)", TARE_OPTION_INT, "0", 0, INT64_MAX,
     NULL},
    {"crash_at_run", "this run kills the process by SIGSEGV", TARE_OPTION_INT, "0", 0, INT64_MAX,
     NULL},
    {"hang_at_run", "this run never returns", TARE_OPTION_INT, "0", 0, INT64_MAX, NULL},
    {"babble_at_run", "this run writes random bytes to stdout and over the worker's answers",
     TARE_OPTION_INT, "0", 0, INT64_MAX, NULL},
    {"nomem_at_run", "this run has no memory left on its device", TARE_OPTION_INT, "0", 0,
     INT64_MAX, NULL},
    {"leak_bytes", "every run leaves this much memory allocated", TARE_OPTION_INT, "0", 0, 1 << 30,
     NULL},
    {"open", "what opening does", TARE_OPTION_CHOICE, "ok", 0, 0,
     "ok|fail|nomem|crash|hang|nothing|garbage"},
    {0},
};

static enum tare_status null_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    (void)err;
    (void)snprintf(note, note_bytes, "null 1");
    return TARE_OK;
}

static enum tare_dtype dtype_of(const char *name, size_t length)
{
    for (int dtype = TARE_FP64; dtype <= TARE_BYTES; dtype++) {
        const char *known = tare_dtype_name((enum tare_dtype)dtype);

        if (strlen(known) == length && strncasecmp(known, name, length) == 0)
            return (enum tare_dtype)dtype;
    }
    return TARE_DTYPE_NONE;
}

/* Reads "1x3x640x640"; false if it is anything else. */
static bool parse_shape(const char *text, struct tare_tensor_info *info)
{
    while (*text) {
        char *end;
        long long size = strtoll(text, &end, 10);

        if (end == text || size < -1 || info->rank == TARE_MAX_RANK)
            return false;
        info->shape[info->rank++] = size;
        if (*end != 'x')
            return *end == '\0';
        text = end + 1;
    }
    return true;
}

static bool parse_tensor(const char *text, struct tare_tensor_info *info)
{
    const char *dtype = strchr(text, ':');
    const char *shape = dtype ? strchr(dtype + 1, ':') : NULL;

    if (!shape || dtype == text || (size_t)(dtype - text) >= sizeof(info->name))
        return false;
    memcpy(info->name, text, (size_t)(dtype - text));
    info->dtype = dtype_of(dtype + 1, (size_t)(shape - dtype - 1));
    return info->dtype != TARE_DTYPE_NONE && parse_shape(shape + 1, info);
}

static enum tare_status parse_tensors(const char *text, struct tensors *tensors,
                                      struct tare_err *err)
{
    while (*text) {
        size_t part = strcspn(text, "+");
        char one[256] = "";

        if (tensors->count == TENSORS_MAX || part >= sizeof(one))
            return tare_fail(err, TARE_LIMIT, "the null runtime has at most %d tensors a side",
                             TENSORS_MAX);
        memcpy(one, text, part);
        if (!parse_tensor(one, &tensors->infos[tensors->count]))
            return tare_fail(err, TARE_INVALID, "'%s' is not name:dtype:shape", one);
        tensors->count++;
        text += part + (text[part] == '+');
    }
    return TARE_OK;
}

/* Arithmetic over memory that fits the first cache: slowed by whatever slows real work. */
static void compute(struct tare_session *session)
{
    for (int64_t unit = 0; unit < session->work; unit++)
        for (size_t i = 0; i < WORK_VALUES; i++)
            session->values[i] = session->values[i] * 0.999F + 0.5F;
}

static void crash(void)
{
    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would turn it into an exit */
    (void)raise(SIGSEGV);
}

static void hang(void)
{
    for (;;)
        (void)pause();
}

/* Plays the part that the option "open" asks for. */
static enum tare_status misbehave(const char *part, struct tare_open_report *report,
                                  struct tare_err *err)
{
    if (strcmp(part, "fail") == 0)
        return tare_fail(err, TARE_FAILED, "opening fails, as planted");
    if (strcmp(part, "nomem") == 0)
        return tare_fail(err, TARE_NOMEM, "out of device memory, as planted");
    if (strcmp(part, "crash") == 0)
        crash();
    if (strcmp(part, "hang") == 0)
        hang();
    if (strcmp(part, "garbage") == 0) {
        memset(report, 0xA5, sizeof(*report));
        return TARE_OK;
    }
    report->load_ns = 0;
    report->peak_memory_bytes = 0;
    (void)snprintf(report->runtime_version, sizeof(report->runtime_version), "null 1");
    (void)snprintf(report->provider, sizeof(report->provider), "none");
    return TARE_OK;
}

static void null_close(struct tare_session *session)
{
    if (!session)
        return;
    while (session->leaks) {
        struct leaked *next = session->leaks->next;

        free(session->leaks);
        session->leaks = next;
    }
    free(session);
}

static enum tare_status null_open(const struct tare_open_options *open,
                                  struct tare_session **session, struct tare_open_report *report,
                                  struct tare_err *err)
{
    const char *part = tare_option_text(open, options, "open");
    struct tare_session *opened;
    enum tare_status status;

    *session = NULL;
    status = misbehave(part, report, err);
    if (status != TARE_OK || strcmp(part, "nothing") == 0)
        return status;
    opened = calloc(1, sizeof(*opened));
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    status = parse_tensors(tare_option_text(open, options, "inputs"), &opened->inputs, err);
    if (status == TARE_OK)
        status = parse_tensors(tare_option_text(open, options, "outputs"), &opened->outputs, err);
    if (status != TARE_OK) {
        null_close(opened);
        return status;
    }
    opened->delay_ns = tare_option_int(open, options, "delay_ns");
    opened->jitter_ns = tare_option_int(open, options, "jitter_ns");
    opened->copy_ns = tare_option_int(open, options, "copy_ns");
    opened->nomem_at = tare_option_int(open, options, "nomem_at_run");
    opened->work = tare_option_int(open, options, "work");
    opened->random = (uint64_t)tare_option_int(open, options, "seed");
    opened->fail_at = tare_option_int(open, options, "fail_at_run");
    opened->crash_at = tare_option_int(open, options, "crash_at_run");
    opened->hang_at = tare_option_int(open, options, "hang_at_run");
    opened->babble_at = tare_option_int(open, options, "babble_at_run");
    opened->leak_bytes = (size_t)tare_option_int(open, options, "leak_bytes");
    opened->lie = strcmp(part, "garbage") == 0;
    opened->planted = opened->work || opened->delay_ns || opened->jitter_ns || opened->copy_ns ||
                      opened->fail_at || opened->crash_at || opened->hang_at || opened->babble_at ||
                      opened->nomem_at || opened->leak_bytes;
    *session = opened;
    return TARE_OK;
}

static enum tare_status null_describe(struct tare_session *session, bool inputs,
                                      const struct tare_tensor_info **infos, size_t *count,
                                      struct tare_err *err)
{
    struct tensors *tensors = inputs ? &session->inputs : &session->outputs;

    (void)err;
    if (session->lie)
        memset(tensors->infos, 0xA5, sizeof(tensors->infos));
    *infos = tensors->infos;
    *count = tensors->count;
    return TARE_OK;
}

static enum tare_status null_bind(struct tare_session *session, const struct tare_tensor *inputs,
                                  size_t input_count, const struct tare_tensor *outputs,
                                  size_t output_count, struct tare_err *err)
{
    (void)inputs;
    if (input_count != session->inputs.count || output_count != session->outputs.count)
        return tare_fail(err, TARE_INVALID, "bound %zu inputs and %zu outputs, need %zu and %zu",
                         input_count, output_count, session->inputs.count, session->outputs.count);
    for (size_t i = 0; i < output_count; i++)
        if (!outputs[i].data)
            return tare_fail(err, TARE_UNSUPPORTED, "output '%s' needs a known shape",
                             outputs[i].name);
    return TARE_OK;
}

static uint64_t next_random(struct tare_session *session)
{
    session->random ^= session->random << 13; /* Marsaglia's xorshift64 */
    session->random ^= session->random >> 7;
    session->random ^= session->random << 17;
    return session->random;
}

static int64_t next_jitter(struct tare_session *session)
{
    if (session->jitter_ns == 0)
        return 0;
    return (int64_t)(next_random(session) % (uint64_t)(session->jitter_ns + 1));
}

/* The channel only if there is one: outside of a worker send() fails, as it is no socket. */
static void babble(struct tare_session *session)
{
    char noise[BABBLE];

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (char)(next_random(session) >> 32);
    noise[sizeof(noise) - 1] = '\n';
    if (write(STDOUT_FILENO, noise, sizeof(noise)) < 0)
        return;
    (void)send(PROCESS_CHANNEL_FD, noise, sizeof(noise), MSG_NOSIGNAL);
}

static enum tare_status leak(struct tare_session *session, struct tare_err *err)
{
    struct leaked *memory = malloc(session->leak_bytes + sizeof(*memory));

    if (!memory)
        return tare_fail(err, TARE_NOMEM, "out of memory, as planted");
    memset(memory, 1, session->leak_bytes + sizeof(*memory)); /* resident, not just reserved */
    memory->next = session->leaks;
    session->leaks = memory;
    return TARE_OK;
}

/* Spins for so long; returns how long it was. */
static int64_t spin(int64_t length_ns)
{
    int64_t start = clock_now_ns(), now = start;

    while (now - start < length_ns)
        now = clock_now_ns();
    return now - start;
}

static enum tare_status run_planted(struct tare_session *session, struct tare_timing *timing,
                                    struct tare_err *err)
{
    int64_t length = session->delay_ns + next_jitter(session), run = (int64_t)++session->run;
    int64_t start, copied = spin(session->copy_ns);

    if (run == session->crash_at)
        crash();
    if (run == session->hang_at)
        hang();
    if (run == session->babble_at)
        babble(session);
    if (session->leak_bytes > 0 && leak(session, err) != TARE_OK)
        return TARE_NOMEM;
    start = clock_now_ns();
    compute(session);
    (void)spin(length - (clock_now_ns() - start));
    if (timing)
        *timing = (struct tare_timing){-1, copied, clock_now_ns() - start, 0};
    copied = spin(session->copy_ns);
    if (timing)
        timing->copy_out_ns = copied;
    if (run == session->nomem_at)
        return tare_fail(err, TARE_NOMEM, "out of device memory in run %lld, as planted",
                         (long long)run);
    if (run == session->fail_at)
        return tare_fail(err, TARE_FAILED, "run %lld fails, as planted", (long long)run);
    return TARE_OK;
}

static enum tare_status null_run(struct tare_session *session, const struct tare_request *request,
                                 struct tare_timing *timing, struct tare_err *err)
{
    (void)request;
    if (timing)
        *timing = (struct tare_timing){-1, 0, 0, 0};
    return session->planted ? run_planted(session, timing, err) : TARE_OK;
}

TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_TIMING | TARE_CAP_NO_MODEL | TARE_CAP_BORROWS,
        .name = "null",
        .summary = "does no work: shows what the harness costs, and misbehaves on request",
        .options = options,
        .probe = null_probe,
        .open = null_open,
        .close = null_close,
        .describe = null_describe,
        .bind = null_bind,
        .run = null_run,
    };

    return &backend;
}
