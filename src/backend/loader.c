#include "backend/loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct backend {
    struct tare_backend slots;
    char *path;
};

/* Every version has the fields up to run, the last required slot. */
#define MIN_STRUCT_SIZE offsetof(struct tare_backend, bound_shape)

static enum tare_status check_file(const char *path, struct tare_err *err)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        enum tare_status status = errno == ENOENT || errno == ENOTDIR ? TARE_ABSENT : TARE_BROKEN;

        return tare_fail(err, status, "cannot load '%s': %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode))
        return tare_fail(err, TARE_BROKEN, "cannot load '%s': not a regular file", path);
    return TARE_OK;
}

/* dlerror()'s text usually begins with the path, which the message has already. */
static const char *loader_reason(const char *path)
{
    const char *text = dlerror();
    size_t length = strlen(path);

    if (!text)
        return "unknown reason";
    if (strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        return text + length + 2;
    return text;
}

static enum tare_status find_entry(const char *path, const struct tare_backend **entry,
                                   struct tare_err *err)
{
    tare_backend_entry_fn function;
    void *symbol, *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library)
        return tare_fail(err, TARE_BROKEN, "cannot load '%s': %s", path, loader_reason(path));
    symbol = dlsym(library, "tare_backend_entry");
    if (!symbol)
        return tare_fail(err, TARE_BROKEN,
                         "cannot load '%s': not a tare plugin: it exports no tare_backend_entry",
                         path);
    memcpy(&function, &symbol, sizeof(function)); /* ISO C has no cast from object to function */
    *entry = function();
    if (!*entry)
        return tare_fail(err, TARE_BROKEN, "cannot load '%s': tare_backend_entry gave NULL", path);
    return TARE_OK;
}

static enum tare_status check_version(const char *path, const struct tare_backend *entry,
                                      struct tare_err *err)
{
    if (entry->abi_major != TARE_BACKEND_ABI_MAJOR || entry->abi_minor > TARE_BACKEND_ABI_MINOR)
        return tare_fail(err, TARE_BROKEN,
                         "cannot load '%s': backend ABI %u.%u, need %d.x up to %d.%d", path,
                         entry->abi_major, entry->abi_minor, TARE_BACKEND_ABI_MAJOR,
                         TARE_BACKEND_ABI_MAJOR, TARE_BACKEND_ABI_MINOR);
    if (entry->struct_size < MIN_STRUCT_SIZE)
        return tare_fail(err, TARE_BROKEN,
                         "cannot load '%s': struct tare_backend of %u bytes, need at least %zu",
                         path, entry->struct_size, MIN_STRUCT_SIZE);
    return TARE_OK;
}

bool backend_name_is_valid(const char *name)
{
    return name && name[0] && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';
}

static enum tare_status check_slots(const char *path, const struct tare_backend *slots,
                                    struct tare_err *err)
{
    const struct {
        const char *name;
        bool present;
        unsigned capability; /* 0: always required */
    } rows[] = {
        {"probe", slots->probe != NULL, 0},
        {"open", slots->open != NULL, 0},
        {"close", slots->close != NULL, 0},
        {"describe", slots->describe != NULL, 0},
        {"bind", slots->bind != NULL, 0},
        {"run", slots->run != NULL, 0},
        {"submit", slots->submit != NULL, TARE_CAP_ASYNC},
        {"wait", slots->wait != NULL, TARE_CAP_ASYNC},
        {"profile", slots->profile != NULL, TARE_CAP_PROFILE},
        {"state_reset", slots->state_reset != NULL, TARE_CAP_STATEFUL},
    };

    if (!backend_name_is_valid(slots->name))
        return tare_fail(err, TARE_BROKEN, "cannot load '%s': its name is not of [a-z0-9_-]", path);
    if (!slots->summary)
        return tare_fail(err, TARE_BROKEN, "cannot load '%s': it has no summary", path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool required = rows[i].capability == 0 || (slots->capabilities & rows[i].capability);

        if (required && !rows[i].present)
            return tare_fail(err, TARE_BROKEN, "cannot load '%s': required slot '%s' is NULL%s",
                             path, rows[i].name,
                             rows[i].capability ? ", but its capability bit is set" : "");
    }
    return TARE_OK;
}

enum tare_status backend_load(const char *path, struct backend **backend, struct tare_err *err)
{
    const struct tare_backend *entry = NULL;
    enum tare_status status;
    struct backend *loaded;
    size_t size;

    *backend = NULL;
    status = check_file(path, err);
    if (status == TARE_OK)
        status = find_entry(path, &entry, err);
    if (status == TARE_OK)
        status = check_version(path, entry, err);
    if (status != TARE_OK)
        return status;

    loaded = calloc(1, sizeof(*loaded));
    if (!loaded)
        return tare_fail(err, TARE_NOMEM, "out of memory for the plugin '%s'", path);
    size = entry->struct_size < sizeof(loaded->slots) ? entry->struct_size : sizeof(loaded->slots);
    memcpy(&loaded->slots, entry, size);
    loaded->path = strdup(path);
    status = loaded->path ? check_slots(path, &loaded->slots, err)
                          : tare_fail(err, TARE_NOMEM, "out of memory for the plugin '%s'", path);
    if (status != TARE_OK) {
        backend_free(loaded);
        return status;
    }
    *backend = loaded;
    return TARE_OK;
}

void backend_free(struct backend *backend)
{
    if (!backend)
        return;
    free(backend->path);
    free(backend);
}

enum tare_status backend_probe(const struct backend *backend, char *note, size_t note_bytes,
                               struct tare_err *err)
{
    struct tare_err reason = TARE_ERR_INIT;
    char text[256] = "";
    enum tare_status status = backend->slots.probe(text, sizeof(text), &reason);

    text[sizeof(text) - 1] = '\0';
    reason.text[sizeof(reason.text) - 1] = '\0';
    if (note_bytes > 0)
        (void)snprintf(note, note_bytes, "%s", text);
    if (status == TARE_OK)
        return TARE_OK;
    return tare_fail(err, status == TARE_ABSENT ? TARE_ABSENT : TARE_BROKEN, "%s",
                     reason.text[0] ? reason.text : "the plugin's probe failed and gave no reason");
}

const struct tare_backend *backend_slots(const struct backend *backend)
{
    return &backend->slots;
}

const char *backend_path(const struct backend *backend)
{
    return backend->path;
}
