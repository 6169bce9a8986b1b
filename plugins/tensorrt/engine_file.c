#include <string.h>

#include "base/json_tree.h"
#include "engine_session.h"

#define NOTE_BYTES_MAX ((size_t)1 << 20)

static void copy_text(char *out, size_t out_bytes, const struct json_value *value)
{
    (void)snprintf(out, out_bytes, "%s", json_text(value, ""));
}

enum tare_status engine_read_note(const char *path, struct engine_note *note, struct tare_err *err)
{
    struct tare_err reason = TARE_ERR_INIT;
    struct json_tree *tree = NULL;
    const struct json_value *root;
    char beside[FILE_MAX_PATH], *text = NULL;
    size_t size = 0;
    enum tare_status status;

    memset(note, 0, sizeof(*note));
    if (snprintf(beside, sizeof(beside), "%s.json", path) >= (int)sizeof(beside))
        return tare_fail(err, TARE_LIMIT, "path of %zu bytes is too long", strlen(path));
    if (!file_exists(beside))
        return TARE_OK;
    status = file_read(beside, NOTE_BYTES_MAX, &text, &size, &reason);
    if (status == TARE_OK)
        status = json_parse(text, size, &tree, &reason);
    if (status == TARE_OK) {
        root = json_root(tree);
        copy_text(note->built_for, sizeof(note->built_for), json_get(root, "architecture"));
        copy_text(note->library, sizeof(note->library), json_get(root, "library"));
        copy_text(note->precision, sizeof(note->precision), json_get(root, "precision"));
    }
    json_free(tree);
    free(text);
    return status == TARE_OK ? TARE_OK
                             : tare_fail(err, status, "cannot read '%s': %s", beside, reason.text);
}

enum tare_status engine_check_note(const struct engine_note *note, const char *path,
                                   const struct trt_library *library,
                                   const struct cuda_facts *facts, const char *precision,
                                   struct tare_err *err)
{
    char here[32];

    (void)snprintf(here, sizeof(here), "sm_%d%d", facts->major, facts->minor);
    if (note->built_for[0] && strcmp(note->built_for, here) != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' was built for %s, cuda:%d is %s: 'tare plan' builds another", path,
                         note->built_for, facts->index, here);
    if (note->library[0] && strcmp(note->library, library->name) != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "'%s' was built by %s, here is %s: 'tare plan' builds another", path,
                         note->library, library->name);
    if (note->precision[0] && strcmp(note->precision, precision) != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "'%s' was built as %s, not as %s", path,
                         note->precision, precision);
    return TARE_OK;
}

enum tare_status engine_load(struct tare_session *session, const char *path, struct tare_err *err)
{
    struct file_map map = {0};
    char what[300];
    enum tare_status status = file_map(path, ENGINE_BYTES_MAX, &map, err);

    if (status != TARE_OK)
        return status;
    if (map.size == 0)
        return tare_fail(err, TARE_BADDATA, "cannot load '%s': the file is empty", path);
    trt_logger_clear(session->logger);
    session->engine = trt_deserialize(session->runtime, map.data, map.size);
    file_unmap(&map);
    if (session->engine.object)
        return TARE_OK;
    (void)snprintf(what, sizeof(what), "load '%.200s' with %s", path, session->library.name);
    return engine_refused(session, TARE_BADDATA, what, err);
}
