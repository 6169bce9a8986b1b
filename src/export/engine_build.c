#include "export/engine_build.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_tree.h"
#include "base/json_write.h"
#include "base/printable.h"

#define SEND_PATIENCE_NS ((int64_t)10 * 1000000000)
#define STOP_GRACE_NS    ((int64_t)2 * 1000000000)

enum tare_status engine_builder_start(struct engine_builder *builder, struct tare_err *err)
{
    static const char *const argv[] = {"/proc/self/exe", "worker", "engine", NULL};
    const struct process_options options = {.argv = argv, .shared_fd = -1, .own_group = true};

    return process_start(&builder->process, &options, err);
}

void engine_builder_stop(struct engine_builder *builder)
{
    process_release(&builder->process, STOP_GRACE_NS);
}

/* --- talking --- */

static enum tare_status fail_gone(struct engine_builder *builder, const struct tare_err *inner,
                                  struct tare_err *err)
{
    char tail[400], end[128], *line = tail;

    if (inner->status == TARE_STOPPED)
        return tare_fail(err, TARE_STOPPED, "stopped");
    process_log_tail(&builder->process, tail, sizeof(tail));
    for (size_t n = strlen(tail); n > 0 && (tail[n - 1] == '\n' || tail[n - 1] == ' '); n--)
        tail[n - 1] = '\0';
    if (strrchr(tail, '\n'))
        line = strrchr(tail, '\n') + 1;
    printable(line);
    process_describe_end(&builder->process, end, sizeof(end));
    return tare_fail(err, TARE_BROKEN, "TensorRT took its process with it: %s%s%.200s", end,
                     *line ? "; its last words: " : "", line);
}

static enum tare_status read_failure(const struct json_value *answer, struct tare_err *err)
{
    int64_t status = json_int(json_get(answer, "status"), TARE_FAILED);

    if (status >= 0 || status < TARE_STOPPED)
        status = TARE_FAILED;
    return tare_fail(err, (enum tare_status)status, "%s",
                     json_text(json_get(answer, "text"), "the build failed and does not say why"));
}

/* Sends a command and waits for its answer, however long a build takes; *answer is the caller's. */
static enum tare_status ask(struct engine_builder *builder, struct buf *command,
                            void (*step)(const char *what, void *data), void *data,
                            struct json_tree **answer, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    enum tare_status status = buf_status(command, "a command", err);
    char *line = NULL;
    const char *what;

    *answer = NULL;
    if (status != TARE_OK)
        return status;
    status = process_send(&builder->process, buf_text(command), clock_now_ns() + SEND_PATIENCE_NS,
                          &inner);
    while (status == TARE_OK) {
        status = process_receive(&builder->process, 0, &line, &inner);
        if (status == TARE_OK && json_parse(line, strlen(line), answer, NULL) != TARE_OK)
            return tare_fail(err, TARE_BROKEN, "the building process answered garbage");
        what = json_text(json_get(json_root(*answer), "step"), NULL);
        if (status == TARE_OK && !what)
            return json_bool(json_get(json_root(*answer), "ok"), false)
                       ? TARE_OK
                       : read_failure(json_root(*answer), err);
        if (status == TARE_OK && step)
            step(what, data);
        json_free(*answer);
        *answer = NULL;
    }
    return fail_gone(builder, &inner, err);
}

/* --- identify --- */

enum tare_status engine_builder_identify(struct engine_builder *builder,
                                         const struct engine_wish *wish,
                                         struct engine_machine *machine, struct tare_err *err)
{
    const struct json_value *root;
    struct json_tree *answer = NULL;
    struct buf command = BUF_INIT;
    struct json_writer json;
    enum tare_status status;
    int64_t flavour;

    memset(machine, 0, sizeof(*machine));
    json_start(&json, &command, false);
    json_open_object(&json, NULL);
    json_put_text(&json, "op", "identify");
    json_put_text(&json, "architecture", wish->architecture);
    json_put_text(&json, "library", wish->library);
    json_put_int(&json, "device", wish->device);
    json_put_int(&json, "dla_core", wish->dla_core);
    json_put_bool(&json, "calibrated", wish->calibrated);
    json_close_object(&json);
    status = ask(builder, &command, NULL, NULL, &answer, err);
    root = json_root(answer);
    flavour = json_int(json_get(root, "flavour"), -1);
    machine->architecture = (int32_t)json_int(json_get(root, "architecture"), 0);
    machine->here = (int32_t)json_int(json_get(root, "here"), 0);
    (void)snprintf(machine->gpu, sizeof(machine->gpu), "%s", json_text(json_get(root, "gpu"), ""));
    (void)snprintf(machine->library, sizeof(machine->library), "%s",
                   json_text(json_get(root, "library"), ""));
    (void)snprintf(machine->name, sizeof(machine->name), "%s",
                   json_text(json_get(root, "name"), ""));
    machine->flavour = (enum trt_flavour)flavour;
    if (status == TARE_OK && (flavour < 0 || flavour >= TRT_FLAVOURS || machine->architecture < 50))
        status = tare_fail(err, TARE_BROKEN, "the building process answered garbage");
    json_free(answer);
    buf_release(&command);
    return status;
}

/* --- build --- */

static void put_job(struct json_writer *json, const struct trt_build_job *job, int32_t device)
{
    json_open_object(json, NULL);
    json_put_text(json, "op", "build");
    json_put_int(json, "device", device);
    json_put_text(json, "library", job->library);
    json_put_text(json, "model", job->model);
    json_put_text(json, "precision", job->precision);
    json_put_text(json, "calibration", job->calibration);
    json_put_text(json, "timing_cache", job->timing_cache);
    json_put_text(json, "engine", job->engine);
    json_put_int(json, "architecture", job->architecture);
    json_put_int(json, "here", job->here);
    json_put_int(json, "max_batch", job->max_batch);
    json_put_int(json, "dla_core", job->dla_core);
    json_put_int(json, "level", job->level);
    json_put_int(json, "workspace_bytes", job->workspace_bytes);
    json_put_bool(json, "no_tf32", job->no_tf32);
    json_close_object(json);
}

/* A count that no wrong answer makes negative or too large. */
static int32_t count_of(const struct json_value *root, const char *key)
{
    int64_t count = json_int(json_get(root, key), 0);

    return count >= 0 && count <= INT32_MAX ? (int32_t)count : 0;
}

static void read_facts(const struct json_value *root, struct trt_build_facts *facts)
{
    facts->network.layers = count_of(root, "layers");
    facts->network.convolutions = count_of(root, "convolutions");
    facts->network.fp32 = count_of(root, "fp32");
    facts->network.fp16 = count_of(root, "fp16");
    facts->network.int8 = count_of(root, "int8");
    facts->dla_layers = count_of(root, "dla_layers");
    facts->gpu_layers = count_of(root, "gpu_layers");
    facts->parse_ns = json_int(json_get(root, "parse_ns"), 0);
    facts->build_ns = json_int(json_get(root, "build_ns"), 0);
    facts->engine_bytes = json_int(json_get(root, "engine_bytes"), 0);
    facts->dynamic = json_bool(json_get(root, "dynamic"), false);
    facts->timing_cache = json_bool(json_get(root, "timing_cache"), false);
}

enum tare_status engine_builder_build(struct engine_builder *builder,
                                      const struct trt_build_job *job, int32_t device,
                                      void (*step)(const char *what, void *data), void *data,
                                      struct trt_build_facts *facts, struct tare_err *err)
{
    struct json_tree *answer = NULL;
    struct buf command = BUF_INIT;
    struct json_writer json;
    enum tare_status status;

    memset(facts, 0, sizeof(*facts));
    json_start(&json, &command, false);
    put_job(&json, job, device);
    status = ask(builder, &command, step, data, &answer, err);
    if (status == TARE_OK)
        read_facts(json_root(answer), facts);
    json_free(answer);
    buf_release(&command);
    return status;
}
