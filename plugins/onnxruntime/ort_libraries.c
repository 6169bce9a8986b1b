#include "ort_libraries.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define NEEDS_MAX 32 /* libraries that one needs and the loader does not find */
#define DEPTH_MAX 8  /* of one needing another */

#define NO_SUCH_FILE ": cannot open shared object file"

/* Below the library of ONNX Runtime: its own folder, and wheels installed beside its wheel. */
static const char *const beside_patterns[] = {
    ".",
    "../../nvidia/*/lib",
    "../../tensorrt_libs",
};

/* Below a Python's prefix. */
static const char *const prefix_patterns[] = {
    "lib/python3*/*-packages/nvidia/*/lib",
    "lib/python3*/*-packages/tensorrt_libs",
};

static const char *const other_patterns[] = {
    "/usr/local/cuda/lib64",
    "/usr/local/cuda*/lib64",
    "/usr/local/cuda*/targets/*/lib",
    "/opt/tensorrt/lib",
};

struct search {
    const char *name;
    const char *beside; /* path of the library of ONNX Runtime */
    char *path;         // (FILE_MAX_PATH), "": not found
};

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '+';
}

bool ort_libraries_missing(const char *message, char name[ORT_LIBRARY_NAME])
{
    const char *end = strstr(message, NO_SUCH_FILE), *start = end;
    size_t length;

    while (start && start > message && is_name_character(start[-1]))
        start--;
    length = start ? (size_t)(end - start) : 0;
    if (length == 0 || length >= ORT_LIBRARY_NAME)
        return false;
    if (start > message && start[-1] == '/') /* a path: what was named is not there itself */
        return false;
    memcpy(name, start, length);
    name[length] = '\0';
    return strncmp(name, "lib", 3) == 0 && strstr(name, ".so");
}

/* The first file of that name, or with more of a version behind it, in folders of a pattern. */
static bool find_in(const struct search *search, const char *base, const char *below)
{
    size_t length = strlen(search->name);
    char folder[FILE_MAX_PATH], pattern[FILE_MAX_PATH], any[ORT_LIBRARY_NAME + 1];
    glob_t found;

    (void)snprintf(any, sizeof(any), "%s*", search->name);
    if (file_join(folder, sizeof(folder), base, below, NULL) != TARE_OK ||
        file_join(pattern, sizeof(pattern), folder, any, NULL) != TARE_OK)
        return false;
    if (glob(pattern, 0, NULL, &found) != 0)
        return false;
    for (size_t i = 0; i < found.gl_pathc && !search->path[0]; i++) {
        const char *behind = file_base_name(found.gl_pathv[i]) + length;

        if ((*behind == '\0' || *behind == '.') && strlen(found.gl_pathv[i]) < FILE_MAX_PATH)
            (void)snprintf(search->path, FILE_MAX_PATH, "%s", found.gl_pathv[i]);
    }
    globfree(&found);
    return search->path[0] != '\0';
}

static bool find_below(const struct search *search, const char *base, const char *const *patterns,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (find_in(search, base, patterns[i]))
            return true;
    return false;
}

/* Calls find_in() or, for a Python's bin, find_below() its prefix, for each folder of a list. */
static bool find_in_list(const struct search *search, const char *list, bool programs)
{
    char folder[FILE_MAX_PATH];

    for (const char *at = list; at && *at; at += *at == ':') {
        size_t length = strcspn(at, ":");

        if (length > 0 && length + sizeof("/..") < sizeof(folder)) {
            (void)snprintf(folder, sizeof(folder), "%.*s%s", (int)length, at,
                           programs ? "/.." : "");
            if (programs ? find_below(search, folder, prefix_patterns,
                                      sizeof(prefix_patterns) / sizeof(prefix_patterns[0]))
                         : find_in(search, folder, "."))
                return true;
        }
        at += length;
    }
    return false;
}

static bool find_usual(const struct search *search)
{
    size_t folder_length = (size_t)(file_base_name(search->beside) - search->beside);
    char folder[FILE_MAX_PATH], home[FILE_MAX_PATH];
    const char *user = getenv("HOME");

    if (folder_length > 0 && folder_length < sizeof(folder)) {
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)folder_length, search->beside);
        if (find_below(search, folder, beside_patterns,
                       sizeof(beside_patterns) / sizeof(beside_patterns[0])))
            return true;
    }
    if (file_home(home, sizeof(home), NULL) == TARE_OK &&
        file_join(folder, sizeof(folder), home, ".deps/venv", NULL) == TARE_OK &&
        find_below(search, folder, prefix_patterns,
                   sizeof(prefix_patterns) / sizeof(prefix_patterns[0])))
        return true;
    if (find_in_list(search, getenv("PATH"), true))
        return true;
    if (user && file_join(folder, sizeof(folder), user, ".local", NULL) == TARE_OK &&
        find_below(search, folder, prefix_patterns,
                   sizeof(prefix_patterns) / sizeof(prefix_patterns[0])))
        return true;
    return find_below(search, "/", other_patterns,
                      sizeof(other_patterns) / sizeof(other_patterns[0]));
}

static enum tare_status load(const char *name, const char *beside, int depth, struct tare_err *err);

/* Loads a file, and those that it needs as the loader comes to miss them. */
static enum tare_status load_file(const char *path, const char *beside, int depth,
                                  struct tare_err *err)
{
    char missing[ORT_LIBRARY_NAME];

    for (int i = 0; i < NEEDS_MAX; i++) {
        const char *message;
        enum tare_status status;

        if (dlopen(path, RTLD_NOW | RTLD_GLOBAL))
            return TARE_OK;
        message = dlerror();
        if (!ort_libraries_missing(message, missing) || depth >= DEPTH_MAX)
            return tare_fail(err, TARE_BROKEN, "cannot load '%.200s': %.250s", path, message);
        status = load(missing, beside, depth + 1, err);
        if (status != TARE_OK)
            return status;
    }
    return tare_fail(err, TARE_BROKEN, "cannot load '%.200s': it needs too many libraries", path);
}

static enum tare_status load(const char *name, const char *beside, int depth, struct tare_err *err)
{
    char path[FILE_MAX_PATH] = "";
    struct search search = {name, beside, path};

    if (!find_in_list(&search, getenv("TARE_CUDA_LIBRARIES"), false)) {
        if (dlopen(name, RTLD_NOW | RTLD_GLOBAL))
            return TARE_OK;
        if (!find_usual(&search))
            return tare_fail(err, TARE_ABSENT,
                             "no '%s' on this machine, which ONNX Runtime's provider needs: "
                             "TARE_CUDA_LIBRARIES may name its folder",
                             name);
    }
    return load_file(path, beside, depth, err);
}

enum tare_status ort_libraries_load(const char *name, const char *beside, struct tare_err *err)
{
    return load(name, beside, 0, err);
}
