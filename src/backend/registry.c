#include "backend/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

#define FOLDERS_MAX 16

struct folders {
    char paths[FOLDERS_MAX][FILE_MAX_PATH];
    size_t count;
};

static void add_folder(struct folders *folders, const char *path, size_t length)
{
    if (length == 0 || length >= FILE_MAX_PATH || folders->count == FOLDERS_MAX)
        return;
    memcpy(folders->paths[folders->count], path, length);
    folders->paths[folders->count][length] = '\0';
    folders->count++;
}

static void add_below(struct folders *folders, const char *dir, const char *name)
{
    char path[FILE_MAX_PATH];

    if (file_join(path, sizeof(path), dir, name, NULL) == TARE_OK)
        add_folder(folders, path, strlen(path));
}

/* NULL if memory ran out; the caller frees it. It is too large for a stack. */
static struct folders *search_folders(void)
{
    struct folders *folders = calloc(1, sizeof(*folders));
    const char *list = getenv("TARE_PLUGINS");
    char home[FILE_MAX_PATH], self[FILE_MAX_PATH];

    if (!folders)
        return NULL;
    while (list && *list) {
        size_t part = strcspn(list, ":");

        add_folder(folders, list, part);
        list += part + (list[part] == ':');
    }
    if (file_self(self, sizeof(self), NULL) == TARE_OK) {
        *strrchr(self, '/') = '\0'; /* the path is absolute */
        add_below(folders, self, "plugins");
        add_below(folders, self, "../../plugins");
    }
    if (file_home(home, sizeof(home), NULL) == TARE_OK) {
        add_below(folders, home, "bin/plugins");
        add_below(folders, home, "plugins");
    }
    return folders;
}

/* What there is says more than where it was looked for: a name may be misspelt, or not written yet.
 */
static enum tare_status not_found(const char *name, const struct folders *folders,
                                  struct tare_err *err)
{
    struct buf text;
    enum tare_status status;
    char **names = NULL;
    size_t count = 0;

    buf_init(&text, 4096);
    (void)backend_list(&names, &count, NULL);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%s", i ? ", " : "; there are ", names[i]);
    for (size_t i = 0; i < folders->count && count == 0; i++)
        buf_printf(&text, "%s%s", i ? ", " : " in ", folders->paths[i]);
    status = tare_fail(err, TARE_ABSENT, "no plugin is called '%s'%s", name, buf_text(&text));
    backend_free_names(names, count);
    buf_release(&text);
    return status;
}

enum tare_status backend_find(const char *name, char *path, size_t path_bytes, struct tare_err *err)
{
    enum tare_status status = TARE_ABSENT;
    struct folders *folders;
    char file[TARE_MAX_NAME];

    if (strchr(name, '/')) {
        int length = snprintf(path, path_bytes, "%s", name);

        return length >= 0 && (size_t)length < path_bytes
                   ? TARE_OK
                   : tare_fail(err, TARE_LIMIT, "the plugin's path is too long: '%.80s...'", name);
    }
    if (!backend_name_is_valid(name) || strlen(name) + sizeof(".so") > sizeof(file))
        return tare_fail(err, TARE_INVALID, "'%.80s' is not the name of a runtime", name);
    folders = search_folders();
    if (!folders)
        return tare_fail(err, TARE_NOMEM, "out of memory for the plugin folders");
    (void)snprintf(file, sizeof(file), "%s.so", name);
    for (size_t i = 0; i < folders->count && status != TARE_OK; i++)
        if (file_join(path, path_bytes, folders->paths[i], file, NULL) == TARE_OK &&
            file_exists(path))
            status = TARE_OK;
    if (status != TARE_OK)
        status = not_found(name, folders, err);
    free(folders);
    return status;
}

enum tare_status backend_acquire(const char *name, struct backend **backend, char *note,
                                 size_t note_bytes, struct tare_err *err)
{
    char path[FILE_MAX_PATH];
    enum tare_status status;

    *backend = NULL;
    status = backend_find(name, path, sizeof(path), err);
    if (status == TARE_OK)
        status = backend_load(path, backend, err);
    if (status == TARE_OK)
        status = backend_probe(*backend, note, note_bytes, err);
    if (status != TARE_OK) {
        backend_free(*backend);
        *backend = NULL;
    }
    return status;
}

/* Adds the plugin names of one folder; a folder that cannot be read has none. */
static enum tare_status add_names(const char *folder, char ***names, size_t *count,
                                  struct tare_err *err)
{
    static const char *const suffixes[] = {".so", NULL};
    char **files = NULL, **grown;
    size_t file_count = 0;
    enum tare_status status = TARE_OK;

    if (!file_is_dir(folder) || file_list(folder, suffixes, &files, &file_count, NULL) != TARE_OK)
        return TARE_OK;
    if (file_count == 0)
        goto done;
    grown = realloc(*names, (*count + file_count) * sizeof(**names));
    if (!grown) {
        status = tare_fail(err, TARE_NOMEM, "out of memory for the plugin names");
        goto done;
    }
    *names = grown;
    for (size_t i = 0; i < file_count; i++) {
        char *name = strndup(files[i], strlen(files[i]) - strlen(".so"));

        if (!name) {
            status = tare_fail(err, TARE_NOMEM, "out of memory for the plugin names");
            goto done;
        }
        (*names)[(*count)++] = name;
    }
done:
    file_free_names(files, file_count);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void drop_repeats(char **names, size_t *count)
{
    size_t kept = 0;

    for (size_t i = 0; i < *count; i++) {
        if (kept > 0 && strcmp(names[kept - 1], names[i]) == 0)
            free(names[i]);
        else
            names[kept++] = names[i];
    }
    *count = kept;
}

enum tare_status backend_list(char ***names, size_t *count, struct tare_err *err)
{
    struct folders *folders = search_folders();
    enum tare_status status = TARE_OK;

    *names = NULL;
    *count = 0;
    if (!folders)
        return tare_fail(err, TARE_NOMEM, "out of memory for the plugin folders");
    for (size_t i = 0; i < folders->count && status == TARE_OK; i++)
        status = add_names(folders->paths[i], names, count, err);
    free(folders);
    if (status != TARE_OK) {
        backend_free_names(*names, *count);
        *names = NULL;
        *count = 0;
        return status;
    }
    if (*count > 0)
        qsort(*names, *count, sizeof(**names), compare_names);
    drop_repeats(*names, count);
    return TARE_OK;
}

void backend_free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}
