#include "tensorrt/trt_sidecar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json_tree.h"
#include "base/json_write.h"
#include "base/printable.h"

#define FORMAT    1
#define MAX_BYTES ((size_t)64 << 10)

enum tare_status trt_sidecar_path(const char *engine, char *path, size_t path_bytes,
                                  struct tare_err *err)
{
    int length = snprintf(path, path_bytes, "%s.json", engine);

    return length > 0 && (size_t)length < path_bytes
               ? TARE_OK
               : tare_fail(err, TARE_LIMIT, "path of %d bytes is too long", length);
}

/* --- writing --- */

static void put_key(struct json_writer *json, const struct trt_sidecar *s)
{
    json_put_text(json, "architecture", s->architecture);
    json_put_text(json, "library", s->library);
    json_put_text(json, "precision", s->precision);
    json_put_text(json, "model_sha256", s->model_sha256);
    json_put_text(json, "calibration_sha256", s->calibration_sha256);
    json_put_int(json, "max_batch", s->max_batch);
    json_put_int(json, "dla_core", s->dla_core);
    json_put_int(json, "level", s->level);
    json_put_int(json, "workspace_bytes", s->workspace_bytes);
    json_put_bool(json, "tf32", !s->no_tf32);
}

static void put_facts(struct json_writer *json, const struct trt_sidecar *s)
{
    json_put_text(json, "model", s->model);
    json_put_text(json, "engine_sha256", s->engine_sha256);
    json_put_int(json, "engine_bytes", s->engine_bytes);
    json_put_text(json, "converted", s->converted);
    json_put_int(json, "layers", s->layers);
    json_put_int(json, "convolutions", s->convolutions);
    json_put_int(json, "convolutions_fp32", s->fp32);
    json_put_int(json, "convolutions_fp16", s->fp16);
    json_put_int(json, "convolutions_int8", s->int8);
    json_put_int(json, "dla_layers", s->dla_layers);
    json_put_int(json, "gpu_layers", s->gpu_layers);
    json_put_int(json, "parse_ns", s->parse_ns);
    json_put_int(json, "build_ns", s->build_ns);
    json_put_text(json, "timing_cache_sha256", s->timing_cache_sha256);
    json_put_text(json, "built_on", s->built_on);
    json_put_text(json, "made_by", s->made_by);
}

enum tare_status trt_sidecar_put(const struct trt_sidecar *sidecar, struct buf *out,
                                 struct tare_err *err)
{
    struct json_writer json;

    json_start(&json, out, true);
    json_open_object(&json, NULL);
    json_put_int(&json, "format", FORMAT);
    put_key(&json, sidecar);
    put_facts(&json, sidecar);
    json_close_object(&json);
    buf_append_char(out, '\n');
    return buf_status(out, "an engine's description", err);
}

enum tare_status trt_sidecar_write(const char *engine, const struct trt_sidecar *sidecar,
                                   struct tare_err *err)
{
    struct buf buf = BUF_INIT;
    char path[FILE_MAX_PATH];
    enum tare_status status = trt_sidecar_path(engine, path, sizeof(path), err);

    if (status == TARE_OK)
        status = trt_sidecar_put(sidecar, &buf, err);
    if (status == TARE_OK)
        status = file_write(path, buf_text(&buf), buf.size, err);
    buf_release(&buf);
    return status;
}

/* --- reading --- */

/* A text of a file, made fit to be printed; false if it is not there or does not fit. */
static bool get_text(const struct json_value *root, const char *key, char *text, size_t text_bytes)
{
    const char *found = json_text(json_get(root, key), NULL);

    if (!found || strlen(found) >= text_bytes)
        return false;
    (void)snprintf(text, text_bytes, "%s", found);
    printable_line(text);
    return true;
}

static bool get_hash(const struct json_value *root, const char *key, char hash[65], bool may_lack)
{
    return get_text(root, key, hash, 65) &&
           (strspn(hash, "0123456789abcdef") == 64 || (may_lack && !hash[0]));
}

static bool get_int(const struct json_value *root, const char *key, int32_t min, int32_t *value)
{
    int64_t found = json_int(json_get(root, key), INT64_MIN);

    *value = (int32_t)found;
    return found >= min && found <= INT32_MAX;
}

static bool get_size(const struct json_value *root, const char *key, int64_t *value)
{
    *value = json_int(json_get(root, key), -1);
    return *value >= 0;
}

static bool get_key(const struct json_value *root, struct trt_sidecar *s)
{
    s->no_tf32 = !json_bool(json_get(root, "tf32"), true);
    return get_text(root, "architecture", s->architecture, sizeof(s->architecture)) &&
           get_text(root, "library", s->library, sizeof(s->library)) &&
           get_text(root, "precision", s->precision, sizeof(s->precision)) &&
           get_hash(root, "model_sha256", s->model_sha256, false) &&
           get_hash(root, "calibration_sha256", s->calibration_sha256, true) &&
           get_int(root, "max_batch", 0, &s->max_batch) &&
           get_int(root, "dla_core", -1, &s->dla_core) && get_int(root, "level", -1, &s->level) &&
           get_size(root, "workspace_bytes", &s->workspace_bytes);
}

static bool get_facts(const struct json_value *root, struct trt_sidecar *s)
{
    return get_text(root, "model", s->model, sizeof(s->model)) &&
           get_hash(root, "engine_sha256", s->engine_sha256, false) &&
           get_size(root, "engine_bytes", &s->engine_bytes) &&
           get_text(root, "converted", s->converted, sizeof(s->converted)) &&
           get_int(root, "layers", 0, &s->layers) &&
           get_int(root, "convolutions", 0, &s->convolutions) &&
           get_int(root, "convolutions_fp32", 0, &s->fp32) &&
           get_int(root, "convolutions_fp16", 0, &s->fp16) &&
           get_int(root, "convolutions_int8", 0, &s->int8) &&
           get_int(root, "dla_layers", 0, &s->dla_layers) &&
           get_int(root, "gpu_layers", 0, &s->gpu_layers) &&
           get_size(root, "parse_ns", &s->parse_ns) && get_size(root, "build_ns", &s->build_ns) &&
           get_hash(root, "timing_cache_sha256", s->timing_cache_sha256, true) &&
           get_text(root, "built_on", s->built_on, sizeof(s->built_on)) &&
           get_text(root, "made_by", s->made_by, sizeof(s->made_by));
}

enum tare_status trt_sidecar_parse(const char *text, size_t size, const char *path,
                                   struct trt_sidecar *sidecar, struct tare_err *err)
{
    struct tare_err inner = TARE_ERR_INIT;
    struct json_tree *tree = NULL;
    enum tare_status status = TARE_OK;

    memset(sidecar, 0, sizeof(*sidecar));
    if (json_parse(text, size, &tree, &inner) != TARE_OK)
        status = tare_fail(err, TARE_BADDATA, "'%s' is damaged: %s", path, inner.text);
    else if (json_int(json_get(json_root(tree), "format"), 0) != FORMAT)
        status = tare_fail(err, TARE_BADDATA, "'%s' does not describe an engine: need format %d",
                           path, FORMAT);
    else if (!get_key(json_root(tree), sidecar) || !get_facts(json_root(tree), sidecar))
        status = tare_fail(err, TARE_BADDATA,
                           "'%s' is damaged: a field is absent or out of its range", path);
    json_free(tree);
    return status;
}

enum tare_status trt_sidecar_read(const char *engine, struct trt_sidecar *sidecar,
                                  struct tare_err *err)
{
    char path[FILE_MAX_PATH], *text = NULL;
    size_t size = 0;
    enum tare_status status = trt_sidecar_path(engine, path, sizeof(path), err);

    memset(sidecar, 0, sizeof(*sidecar));
    if (status != TARE_OK)
        return status;
    if (!file_exists(path))
        return tare_fail(err, TARE_ABSENT, "no '%s': it is not known what the engine is for", path);
    status = file_read(path, MAX_BYTES, &text, &size, err);
    if (status == TARE_OK)
        status = trt_sidecar_parse(text, size, path, sidecar, err);
    free(text);
    return status;
}

enum tare_status trt_sidecar_check(const char *engine, const struct trt_sidecar *sidecar,
                                   struct tare_err *err)
{
    struct file_map map;
    enum tare_status status = file_map(engine, (size_t)1 << 40, &map, err);
    int64_t size;
    char hash[65];

    if (status != TARE_OK)
        return status;
    size = (int64_t)map.size;
    file_unmap(&map);
    if (size != sidecar->engine_bytes)
        return tare_fail(err, TARE_BADDATA,
                         "'%s' was cut or changed: it has %lld bytes, built were %lld", engine,
                         (long long)size, (long long)sidecar->engine_bytes);
    status = file_sha256(engine, hash, err);
    if (status == TARE_OK && strcmp(hash, sidecar->engine_sha256) != 0)
        status = tare_fail(err, TARE_BADDATA,
                           "'%s' was changed since it was built: its SHA-256 is %.12s..., not "
                           "%.12s...",
                           engine, hash, sidecar->engine_sha256);
    return status;
}

/* --- comparing --- */

static bool differs_text(const char *is, const char *wanted, const char *format, char *text,
                         size_t text_bytes)
{
    if (!wanted[0] || strcmp(is, wanted) == 0)
        return false;
    (void)snprintf(text, text_bytes, "is %s %.48s, not %.48s", format, is, wanted);
    return true;
}

static bool differs_int(int64_t is, int64_t wanted, const char *what, char *text, size_t text_bytes)
{
    if (is == wanted)
        return false;
    (void)snprintf(text, text_bytes, "was built with %s %lld, not %lld", what, (long long)is,
                   (long long)wanted);
    return true;
}

/* Hashes are shown by their beginning. */
static bool differs_hash(const char *is, const char *wanted, const char *what, char *text,
                         size_t text_bytes)
{
    if (strcmp(is, wanted) == 0)
        return false;
    (void)snprintf(text, text_bytes, "was built from %s %.12s..., not %.12s...", what,
                   is[0] ? is : "(none)", wanted[0] ? wanted : "(none)");
    return true;
}

bool trt_sidecar_differs(const struct trt_sidecar *is, const struct trt_sidecar *wanted, char *text,
                         size_t text_bytes)
{
    return differs_text(is->architecture, wanted->architecture, "for", text, text_bytes) ||
           differs_text(is->library, wanted->library, "for", text, text_bytes) ||
           differs_text(is->precision, wanted->precision, "in", text, text_bytes) ||
           (wanted->model_sha256[0] &&
            differs_hash(is->model_sha256, wanted->model_sha256, "a model", text, text_bytes)) ||
           (wanted->model_sha256[0] &&
            differs_hash(is->calibration_sha256, wanted->calibration_sha256, "a calibration cache",
                         text, text_bytes)) ||
           differs_int(is->max_batch, wanted->max_batch, "--max-batch", text, text_bytes) ||
           differs_int(is->dla_core, wanted->dla_core, "--dla", text, text_bytes) ||
           differs_int(is->level, wanted->level, "--level", text, text_bytes) ||
           differs_int(is->workspace_bytes >> 20, wanted->workspace_bytes >> 20, "--workspace",
                       text, text_bytes) ||
           differs_int(!is->no_tf32, !wanted->no_tf32, "TF32", text, text_bytes);
}
