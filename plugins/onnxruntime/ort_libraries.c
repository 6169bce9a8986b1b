#include "ort_libraries.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cuda/cuda_find.h"

#define NEEDS_MAX 32 /* libraries that one needs and the loader does not find */
#define DEPTH_MAX 8  /* of one needing another */

#define NO_SUCH_FILE ": cannot open shared object file"

/* Below the library of ONNX Runtime: its own folder, and wheels installed beside its wheel. */
static const char *const beside_patterns[] = {
    ".",
    "../../nvidia/*/lib",
    "../../tensorrt_libs",
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

static bool find_in_list(const struct search *search, const char *list)
{
    char folder[FILE_MAX_PATH];

    for (const char *at = list; at && *at; at += *at == ':') {
        size_t length = strcspn(at, ":");

        if (length > 0 && length < sizeof(folder)) {
            (void)snprintf(folder, sizeof(folder), "%.*s", (int)length, at);
            if (find_in(search, folder, "."))
                return true;
        }
        at += length;
    }
    return false;
}

static bool find_beside(const struct search *search)
{
    size_t length = (size_t)(file_base_name(search->beside) - search->beside);
    char folder[FILE_MAX_PATH];

    if (length == 0 || length >= sizeof(folder))
        return false;
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)length, search->beside);
    for (size_t i = 0; i < sizeof(beside_patterns) / sizeof(beside_patterns[0]); i++)
        if (find_in(search, folder, beside_patterns[i]))
            return true;
    return false;
}

static bool find_usual(const struct search *search)
{
    static const char *const wheels[] = {"nvidia/*/lib", "tensorrt_libs", NULL};
    char longer[ORT_LIBRARY_NAME + 2];
    const char *const files[] = {search->name, longer, NULL};
    const struct cuda_library library = {.name = search->name, .files = files, .wheels = wheels};

    (void)snprintf(longer, sizeof(longer), "%s.*", search->name);
    return find_beside(search) || cuda_find(&library, search->path, FILE_MAX_PATH, NULL) == TARE_OK;
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

    if (!find_in_list(&search, getenv("TARE_CUDA_LIBRARIES"))) {
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
