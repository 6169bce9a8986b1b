#include "export/engine_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define HASH_SHOWN 12 /* of 64 digits, in a name */

/* --- names --- */

void engine_library_tag(const char *name, char *tag, size_t tag_bytes)
{
    const char *version = strrchr(name, ' ');

    (void)snprintf(tag, tag_bytes, "%s%s", strstr(name, "RTX") ? "rtx" : "trt",
                   version ? version + 1 : name);
}

static bool names_file(const char *output)
{
    return file_has_suffix(output, ".plan") || file_has_suffix(output, ".engine");
}

/* "yolov8n" of yolov8n.onnx and, as int8, of yolov8n.int8.onnx: the name has the precision anyway.
 */
static void stem_of(const char *model, const char *precision, char *stem, size_t stem_bytes)
{
    const char *base = file_base_name(model);
    size_t length = strlen(base) - (file_has_suffix(base, ".onnx") ? strlen(".onnx") : 0), tail;

    (void)snprintf(stem, stem_bytes, "%.*s", (int)(length < 120 ? length : 120), base);
    length = strlen(stem);
    tail = strlen(precision);
    if (length > tail + 1 && stem[length - tail - 1] == '.' &&
        strcmp(stem + length - tail, precision) == 0)
        stem[length - tail - 1] = '\0';
}

static enum tare_status name_engine(const struct engine_order *order, struct engine_made *made,
                                    struct tare_err *err)
{
    const struct trt_sidecar *key = &made->sidecar;
    char name[320], stem[128], library[40], more[48] = "";
    enum tare_status status;

    if (names_file(order->output)) {
        int length = snprintf(made->path, sizeof(made->path), "%s", order->output);

        return length < FILE_MAX_PATH
                   ? TARE_OK
                   : tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
    }
    stem_of(order->model, key->precision, stem, sizeof(stem));
    engine_library_tag(key->library, library, sizeof(library));
    if (key->max_batch > 0)
        (void)snprintf(more, sizeof(more), ".b%d", (int)key->max_batch);
    if (key->no_tf32)
        (void)snprintf(more + strlen(more), sizeof(more) - strlen(more), ".notf32");
    if (key->dla_core >= 0)
        (void)snprintf(more + strlen(more), sizeof(more) - strlen(more), ".dla%d",
                       (int)key->dla_core);
    (void)snprintf(name, sizeof(name), "%s.sm%s.%s.%s%s-%.*s.plan", stem, key->architecture + 3,
                   library, key->precision, more, HASH_SHOWN, key->model_sha256);
    status = file_make_dirs(order->output, err);
    return status == TARE_OK ? file_join(made->path, sizeof(made->path), order->output, name, err)
                             : status;
}

/* Beside the engines of a folder; a file that was named gets none that was not. */
static enum tare_status name_timing(const struct engine_order *order,
                                    const struct engine_made *made, char *path,
                                    struct tare_err *err)
{
    char name[96], library[40];

    path[0] = '\0';
    if (made->machine.flavour == TRT_RTX)
        return TARE_OK;
    if (order->timing_cache)
        return snprintf(path, FILE_MAX_PATH, "%s", order->timing_cache) < FILE_MAX_PATH
                   ? TARE_OK
                   : tare_fail(err, TARE_LIMIT, "the timing cache's path is too long");
    if (names_file(order->output))
        return TARE_OK;
    engine_library_tag(made->machine.name, library, sizeof(library));
    (void)snprintf(name, sizeof(name), "timing.sm%d.%s.cache", (int)made->machine.architecture,
                   library);
    return file_join(path, FILE_MAX_PATH, order->output, name, err);
}

/* --- the key --- */

static enum tare_status make_key(const struct engine_order *order, struct engine_made *made,
                                 struct tare_err *err)
{
    struct trt_sidecar *key = &made->sidecar;

    (void)snprintf(key->architecture, sizeof(key->architecture), "sm_%d",
                   (int)made->machine.architecture);
    (void)snprintf(key->library, sizeof(key->library), "%s", made->machine.name);
    (void)snprintf(key->precision, sizeof(key->precision), "%s",
                   order->precision ? order->precision : made->model.precision);
    memcpy(key->model_sha256, made->model.sha256, sizeof(key->model_sha256));
    (void)snprintf(key->model, sizeof(key->model), "%.255s", file_base_name(order->model));
    (void)snprintf(key->made_by, sizeof(key->made_by), "%s", order->made_by);
    (void)snprintf(key->built_on, sizeof(key->built_on), "%s", made->machine.gpu);
    key->max_batch = made->model.dynamic ? (order->max_batch > 0 ? order->max_batch : 1) : 0;
    key->dla_core = order->dla_core;
    key->level = order->level;
    key->workspace_bytes = order->workspace_bytes;
    key->no_tf32 = order->no_tf32;
    return order->calibration ? file_sha256(order->calibration, key->calibration_sha256, err)
                              : TARE_OK;
}

/* Sidecar and engine are replaced together: the folder is held meanwhile, by whoever else builds
 * the same. -1 where that cannot be done; then at worst an engine is refused by its sidecar. */
static int hold_folder(const char *engine)
{
    size_t length = (size_t)(file_base_name(engine) - engine);
    char folder[FILE_MAX_PATH];
    int fd;

    (void)snprintf(folder, sizeof(folder), "%.*s", length ? (int)length : 1, length ? engine : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)flock(fd, LOCK_EX);
    return fd;
}

/* What is there under the name: *reused if it is what was asked for, else an error. */
static enum tare_status look(const struct engine_order *order, struct engine_made *made,
                             struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    struct trt_sidecar is;
    char text[160];
    enum tare_status status;
    bool differs;
    int folder;

    if (order->rebuild || !file_exists(made->path))
        return TARE_OK;
    folder = hold_folder(made->path);
    status = trt_sidecar_read(made->path, &is, &inner);
    differs = status == TARE_OK && trt_sidecar_differs(&is, &made->sidecar, text, sizeof(text));
    if (status == TARE_OK && !differs)
        status = trt_sidecar_check(made->path, &is, &inner);
    if (folder >= 0)
        (void)close(folder);
    if (differs)
        return tare_fail(err, TARE_FAILED,
                         "'%.200s' is there and %s: name another file, or --rebuild", made->path,
                         text);
    if (status != TARE_OK)
        return tare_fail(err, status == TARE_ABSENT ? TARE_FAILED : status,
                         "cannot use what is there: %.380s; --rebuild replaces it", inner.text);
    made->sidecar = is;
    made->reused = true;
    return TARE_OK;
}

/* --- building --- */

/* A library that takes types from the file gets an FP16 file; *path is the one to build from. */
static enum tare_status convert(const struct engine_order *order, struct engine_made *made,
                                char *path, struct tare_err *err)
{
    bool by_flag = made->machine.flavour == TRT_8_6 || made->machine.flavour == TRT_10;
    enum tare_status status;

    path[0] = '\0';
    if (by_flag || strcmp(made->sidecar.precision, "fp16") != 0 ||
        strcmp(made->model.precision, "fp32") != 0)
        return TARE_OK;
    if (!order->to_fp16)
        return tare_fail(err, TARE_UNSUPPORTED, "%s takes FP16 from an FP16 file alone",
                         made->machine.name);
    status = file_temporary(path, FILE_MAX_PATH, ".onnx", err);
    if (status == TARE_OK)
        status = order->to_fp16(order->model, path, err);
    (void)snprintf(made->sidecar.converted, sizeof(made->sidecar.converted), "FP16 by tare");
    return status;
}

static void keep_facts(const struct trt_build_facts *facts, struct trt_sidecar *sidecar)
{
    sidecar->layers = facts->network.layers;
    sidecar->convolutions = facts->network.convolutions;
    sidecar->fp32 = facts->network.fp32;
    sidecar->fp16 = facts->network.fp16;
    sidecar->int8 = facts->network.int8;
    sidecar->dla_layers = facts->dla_layers;
    sidecar->gpu_layers = facts->gpu_layers;
    sidecar->parse_ns = facts->parse_ns;
    sidecar->build_ns = facts->build_ns;
    sidecar->engine_bytes = facts->engine_bytes;
}

/* The sidecar goes first: an engine that is not the one it describes is refused. */
static enum tare_status publish(const char *part, const char *timing, struct engine_made *made,
                                struct tare_err *err)
{
    struct trt_sidecar *sidecar = &made->sidecar;
    enum tare_status status = file_sha256(part, sidecar->engine_sha256, err);
    int folder;

    if (status == TARE_OK && timing[0] && file_exists(timing))
        status = file_sha256(timing, sidecar->timing_cache_sha256, err);
    if (status != TARE_OK)
        return status;
    folder = hold_folder(made->path);
    status = trt_sidecar_write(made->path, sidecar, err);
    if (status == TARE_OK && rename(part, made->path) != 0)
        status = tare_fail(err, TARE_IO, "cannot write '%s': %s", made->path, strerror(errno));
    if (folder >= 0)
        (void)close(folder);
    return status;
}

static enum tare_status build(struct engine_builder *builder, const struct engine_order *order,
                              struct engine_made *made, struct tare_err *err)
{
    char timing[FILE_MAX_PATH], converted[FILE_MAX_PATH] = "", part[FILE_MAX_PATH + 16];
    struct trt_build_job job = {
        .library = made->machine.library,
        .model = order->model,
        .precision = made->sidecar.precision,
        .calibration = order->calibration,
        .engine = part,
        .architecture = made->machine.architecture,
        .here = made->machine.here,
        .max_batch = made->sidecar.max_batch > 0 ? made->sidecar.max_batch : 1,
        .dla_core = order->dla_core,
        .level = order->level,
        .workspace_bytes = order->workspace_bytes,
        .no_tf32 = order->no_tf32,
    };
    struct trt_build_facts facts;
    enum tare_status status = name_timing(order, made, timing, err);

    (void)snprintf(part, sizeof(part), "%s.XXXXXX", made->path);
    if (status == TARE_OK) { /* a process id is not its own in a container */
        int fd = mkostemp(part, O_CLOEXEC);

        if (fd < 0)
            return tare_fail(err, TARE_IO, "cannot make '%s': %s", part, strerror(errno));
        (void)close(fd);
    }
    job.timing_cache = timing[0] ? timing : NULL;
    if (status == TARE_OK)
        status = convert(order, made, converted, err);
    if (converted[0])
        job.model = converted;
    if (status == TARE_OK)
        status = engine_builder_build(builder, &job, order->device, order->step, order->step_data,
                                      &facts, err);
    if (status == TARE_OK) {
        keep_facts(&facts, &made->sidecar);
        status = publish(part, timing, made, err);
    }
    if (status != TARE_OK)
        (void)unlink(part);
    if (converted[0])
        (void)unlink(converted);
    return status;
}

enum tare_status engine_make(const struct engine_order *order, struct engine_made *made,
                             struct tare_err *err)
{
    const struct engine_wish wish = {
        .architecture = order->architecture,
        .library = order->library,
        .device = order->device,
        .dla_core = order->dla_core,
        .calibrated = order->calibration != NULL,
    };
    struct engine_builder builder = {0};
    enum tare_status status;

    memset(made, 0, sizeof(*made));
    status = engine_model_read(order->model, &made->model, err);
    if (status == TARE_OK)
        status = engine_check_order(order, &made->model, err);
    if (status == TARE_OK)
        status = engine_builder_start(&builder, err);
    if (status != TARE_OK)
        return status;
    status = engine_builder_identify(&builder, &wish, &made->machine, err);
    if (status == TARE_OK)
        status = make_key(order, made, err);
    if (status == TARE_OK)
        status = name_engine(order, made, err);
    if (status == TARE_OK)
        status = look(order, made, err);
    if (status == TARE_OK && !made->reused)
        status = build(&builder, order, made, err);
    engine_builder_stop(&builder);
    return status;
}
