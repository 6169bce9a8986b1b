#include "export/engine_child.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/json_tree.h"
#include "base/json_write.h"
#include "cuda/cuda.h"
#include "tensorrt/trt_build.h"

#define MAX_LINE ((size_t)64 << 10)

struct child {
    int fd;
    struct cuda *cuda; /* NULL: no GPU, or none needed yet */
};

/* --- answers --- */

static enum tare_status send(const struct child *child, struct buf *line, struct tare_err *err)
{
    enum tare_status status = buf_status(line, "an answer", err);
    size_t sent = 0;

    buf_append_char(line, '\n');
    while (status == TARE_OK && sent < line->size) {
        ssize_t count = write(child->fd, line->data + sent, line->size - sent);

        if (count > 0)
            sent += (size_t)count;
        else if (count < 0 && errno != EINTR)
            status = tare_fail(err, TARE_IO, "cannot answer: %s", strerror(errno));
    }
    buf_release(line);
    return status;
}

static void begin_answer(struct json_writer *json, struct buf *line, bool ok)
{
    json_start(json, line, false);
    json_open_object(json, NULL);
    json_put_bool(json, "ok", ok);
}

static enum tare_status send_failure(const struct child *child, const struct tare_err *failure,
                                     struct tare_err *err)
{
    struct buf line = BUF_INIT;
    struct json_writer json;

    begin_answer(&json, &line, false);
    json_put_int(&json, "status", failure->status);
    json_put_text(&json, "text", failure->text);
    json_close_object(&json);
    return send(child, &line, err);
}

/* --- identify --- */

struct machine {
    int32_t architecture; /* of this machine's GPU; 0: none */
    char gpu[96];
    char why_not[300]; /* "": there is one */
};

static void look_at_gpu(int32_t device, struct machine *machine)
{
    struct tare_err why = TARE_ERR_INIT;
    struct cuda_facts facts;

    memset(machine, 0, sizeof(*machine));
    if (cuda_device_facts(device, &facts, &why) == TARE_OK) {
        machine->architecture = facts.major * 10 + facts.minor;
        (void)snprintf(machine->gpu, sizeof(machine->gpu), "%s", facts.name);
    } else {
        (void)snprintf(machine->why_not, sizeof(machine->why_not), "%.290s", why.text);
    }
}

/* "sm_86" is 86; 0 for anything else. */
static int32_t read_architecture(const char *text)
{
    char *end = NULL;
    long number;

    if (strncmp(text, "sm_", 3) != 0 || text[3] < '1' || text[3] > '9')
        return 0;
    number = strtol(text + 3, &end, 10);
    return *end == '\0' && number >= 50 && number <= 999 ? (int32_t)number : 0;
}

static enum tare_status choose_architecture(const struct json_value *command,
                                            const struct machine *machine, int32_t *architecture,
                                            struct tare_err *err)
{
    const char *wanted = json_text(json_get(command, "architecture"), "this");

    *architecture = strcmp(wanted, "this") == 0 ? machine->architecture : read_architecture(wanted);
    if (*architecture > 0)
        return TARE_OK;
    if (strcmp(wanted, "this") == 0)
        return tare_fail(err, TARE_ABSENT,
                         "no GPU here to build for (%s): --for sm_86 builds for another machine's, "
                         "with TensorRT for RTX",
                         machine->why_not);
    return tare_fail(err, TARE_INVALID, "--for '%.40s', need 'this' or an architecture like sm_86",
                     wanted);
}

/* Where no library can do it, the reason is rather the architecture than the search. */
static enum tare_status load(const struct trt_build_job *job, const struct machine *machine,
                             struct trt_library *library, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    unsigned flavours = trt_build_flavours(job);
    enum tare_status status;

    if (flavours == 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "sm_%d is not this machine's GPU (%s): TensorRT for RTX alone builds for "
                         "another, and it knows no %s",
                         (int)job->architecture, machine->gpu[0] ? machine->gpu : "here is none",
                         job->calibration ? "calibration cache" : "DLA");
    status = trt_library_load_any(job->library, flavours, library, &inner);
    if (status == TARE_OK)
        return TARE_OK;
    if (status == TARE_UNSUPPORTED && job->architecture != job->here)
        return tare_fail(err, status,
                         "%s builds for the GPU of its machine (%s), not for sm_%d: TensorRT for "
                         "RTX alone builds for another",
                         library->name, machine->gpu[0] ? machine->gpu : "here is none",
                         (int)job->architecture);
    if (status == TARE_UNSUPPORTED && job->calibration)
        return tare_fail(err, status,
                         "%s takes INT8 from a Q/DQ file alone, not from a calibration cache: "
                         "'tare quantize --for tensorrt' makes one",
                         library->name);
    if (status == TARE_UNSUPPORTED && job->dla_core >= 0)
        return tare_fail(err, status, "%s builds for no DLA", library->name);
    return tare_fail(err, status, "%s", inner.text);
}

static enum tare_status identify(struct child *child, const struct json_value *command,
                                 struct tare_err *err)
{
    struct trt_build_job job = {
        .library = json_text(json_get(command, "library"), NULL),
        .calibration = json_bool(json_get(command, "calibrated"), false) ? "" : NULL,
        .dla_core = (int32_t)json_int(json_get(command, "dla_core"), -1),
    };
    struct trt_library library = {0};
    struct machine machine;
    struct buf line = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    look_at_gpu((int32_t)json_int(json_get(command, "device"), 0), &machine);
    job.here = machine.architecture;
    status = choose_architecture(command, &machine, &job.architecture, err);
    if (status == TARE_OK)
        status = load(&job, &machine, &library, err);
    if (status != TARE_OK)
        return status;
    begin_answer(&json, &line, true);
    json_put_int(&json, "architecture", job.architecture);
    json_put_int(&json, "here", job.here);
    json_put_text(&json, "gpu", machine.gpu);
    json_put_text(&json, "library", library.path);
    json_put_text(&json, "name", library.name);
    json_put_int(&json, "flavour", library.flavour);
    json_put_int(&json, "version", library.version);
    json_close_object(&json);
    return send(child, &line, err);
}

/* --- build --- */

static void read_job(const struct json_value *command, struct trt_build_job *job)
{
    job->library = json_text(json_get(command, "library"), NULL);
    job->model = json_text(json_get(command, "model"), "");
    job->precision = json_text(json_get(command, "precision"), "fp32");
    job->calibration = json_text(json_get(command, "calibration"), NULL);
    job->timing_cache = json_text(json_get(command, "timing_cache"), NULL);
    job->engine = json_text(json_get(command, "engine"), "");
    job->architecture = (int32_t)json_int(json_get(command, "architecture"), 0);
    job->here = (int32_t)json_int(json_get(command, "here"), 0);
    job->max_batch = (int32_t)json_int(json_get(command, "max_batch"), 1);
    job->dla_core = (int32_t)json_int(json_get(command, "dla_core"), -1);
    job->level = (int32_t)json_int(json_get(command, "level"), -1);
    job->workspace_bytes = json_int(json_get(command, "workspace_bytes"), 0);
    job->no_tf32 = json_bool(json_get(command, "no_tf32"), false);
}

static void tell_step(const char *what, void *data)
{
    const struct child *child = data;
    struct buf line = BUF_INIT;
    struct json_writer json;

    json_start(&json, &line, false);
    json_open_object(&json, NULL);
    json_put_text(&json, "step", what);
    json_close_object(&json);
    (void)send(child, &line, NULL);
}

static enum tare_status send_facts(const struct child *child, const struct trt_build_facts *facts,
                                   struct tare_err *err)
{
    struct buf line = BUF_INIT;
    struct json_writer json;

    begin_answer(&json, &line, true);
    json_put_int(&json, "layers", facts->network.layers);
    json_put_int(&json, "convolutions", facts->network.convolutions);
    json_put_int(&json, "fp32", facts->network.fp32);
    json_put_int(&json, "fp16", facts->network.fp16);
    json_put_int(&json, "int8", facts->network.int8);
    json_put_int(&json, "dla_layers", facts->dla_layers);
    json_put_int(&json, "gpu_layers", facts->gpu_layers);
    json_put_int(&json, "parse_ns", facts->parse_ns);
    json_put_int(&json, "build_ns", facts->build_ns);
    json_put_int(&json, "engine_bytes", facts->engine_bytes);
    json_put_bool(&json, "dynamic", facts->dynamic);
    json_put_bool(&json, "timing_cache", facts->timing_cache);
    json_close_object(&json);
    return send(child, &line, err);
}

static enum tare_status build(struct child *child, const struct json_value *command,
                              struct tare_err *err)
{
    struct trt_build_job job = {0};
    struct trt_build_facts facts;
    enum tare_status status = TARE_OK;

    read_job(command, &job);
    if (job.here > 0 && !child->cuda) /* TensorRT builds on the device that is current */
        status = cuda_open((int)json_int(json_get(command, "device"), 0), &child->cuda, err);
    if (status == TARE_OK)
        status = trt_build(&job, tell_step, child, &facts, err);
    return status == TARE_OK ? send_facts(child, &facts, err) : status;
}

/* --- commands --- */

static enum tare_status obey(struct child *child, const char *line, struct tare_err *err)
{
    struct tare_err failure = TARE_ERR_INIT;
    struct json_tree *tree = NULL;
    enum tare_status status = json_parse(line, strlen(line), &tree, &failure);
    const char *op = json_text(json_get(json_root(tree), "op"), "");

    if (status == TARE_OK && strcmp(op, "identify") == 0)
        status = identify(child, json_root(tree), &failure);
    else if (status == TARE_OK && strcmp(op, "build") == 0)
        status = build(child, json_root(tree), &failure);
    else if (status == TARE_OK)
        status = tare_fail(&failure, TARE_INVALID, "no command '%.20s'", op);
    json_free(tree);
    return status == TARE_OK ? TARE_OK : send_failure(child, &failure, err);
}

enum tare_status engine_child_serve(int channel_fd, struct tare_err *err)
{
    const struct rlimit no_core = {0, 0};
    struct child child = {channel_fd, NULL};
    enum tare_status status = TARE_OK;
    FILE *in = fdopen(dup(channel_fd), "r");
    char *line = NULL;
    size_t room = 0;

    if (!in)
        return tare_fail(err, TARE_IO, "cannot read the channel: %s", strerror(errno));
    (void)setrlimit(RLIMIT_CORE, &no_core);
    while (status == TARE_OK && getline(&line, &room, in) > 0)
        status = strlen(line) <= MAX_LINE ? obey(&child, line, err)
                                          : tare_fail(err, TARE_LIMIT, "a command is too long");
    cuda_close(child.cuda);
    free(line);
    (void)fclose(in);
    return status;
}
