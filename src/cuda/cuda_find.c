#include "cuda/cuda_find.h"

#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char *const cublaslt_13[] = {"libcublasLt.so.13", "libcublasLt.so.12", NULL};
static const char *const cublaslt_12[] = {"libcublasLt.so.12", "libcublasLt.so.11", NULL};
static const char *const cublaslt_11[] = {"libcublasLt.so.11", NULL};
static const char *const cublaslt_wheels[] = {"nvidia/cu13/lib", "nvidia/cublas/lib", NULL};
static const char *const cudnn_files[] = {"libcudnn.so.9", "libcudnn.so.8", NULL};
static const char *const cudnn_wheels[] = {"nvidia/cudnn/lib", NULL};
static const char *const tensorrt_files[] = {"libnvinfer.so.11", "libnvinfer.so.10",
                                             "libnvinfer.so.8", "libtensorrt_rtx.so.1*", NULL};
static const char *const tensorrt_wheels[] = {"tensorrt_libs", "onnxruntime_ep_nv_tensorrt_rtx",
                                              NULL};
static const char *const ort_files[] = {"libonnxruntime_providers_cuda.so", NULL};
static const char *const ort_wheels[] = {"onnxruntime/capi", NULL};

static const char *const system_folders[] = {
    "/usr/local/cuda/lib64",
    "/usr/local/cuda*/lib64",
    "/usr/local/cuda*/targets/*/lib",
    "/opt/tensorrt/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/local/lib",
};

const struct cuda_library *cuda_library_cublaslt(int driver_version)
{
    static const struct cuda_library libraries[] = {
        {"cuBLASLt", "TARE_CUBLASLT", false, cublaslt_11, cublaslt_wheels},
        {"cuBLASLt", "TARE_CUBLASLT", false, cublaslt_12, cublaslt_wheels},
        {"cuBLASLt", "TARE_CUBLASLT", false, cublaslt_13, cublaslt_wheels},
    };

    return &libraries[driver_version >= 13000 ? 2 : driver_version >= 12000 ? 1 : 0];
}

const struct cuda_library *cuda_library_cudnn(void)
{
    static const struct cuda_library library = {"cuDNN", NULL, false, cudnn_files, cudnn_wheels};

    return &library;
}

const struct cuda_library *cuda_library_tensorrt(void)
{
    static const struct cuda_library library = {"TensorRT", "TARE_TENSORRT", false, tensorrt_files,
                                                tensorrt_wheels};

    return &library;
}

const struct cuda_library *cuda_library_ort_provider(void)
{
    static const struct cuda_library library = {
        "ONNX Runtime's CUDA provider", "TARE_ONNXRUNTIME_CUDA", true, ort_files, ort_wheels};

    return &library;
}

/* The first file of a pattern. */
static bool match(const char *pattern, char *path, size_t path_bytes)
{
    glob_t hits = {0};
    bool found = glob(pattern, 0, NULL, &hits) == 0 && hits.gl_pathc > 0 &&
                 strlen(hits.gl_pathv[0]) < path_bytes;

    if (found)
        (void)snprintf(path, path_bytes, "%s", hits.gl_pathv[0]);
    globfree(&hits);
    return found;
}

/* folder is length bytes of text. */
static bool in_folder(const char *folder, size_t length, const char *name, char *path,
                      size_t path_bytes)
{
    char pattern[FILE_MAX_PATH];

    return length > 0 && length < FILE_MAX_PATH &&
           snprintf(pattern, sizeof(pattern), "%.*s/%s", (int)length, folder, name) <
               (int)sizeof(pattern) &&
           match(pattern, path, path_bytes);
}

/* In one of the folders of a list with colons. */
static bool in_list(const char *list, const char *name, char *path, size_t path_bytes)
{
    while (list && *list) {
        size_t length = strcspn(list, ":");

        if (in_folder(list, length, name, path, path_bytes))
            return true;
        list += length + (list[length] == ':');
    }
    return false;
}

/* In a Python installation or virtual environment, root/lib/python3.X/site-packages/..., or in a
 * folder of unpacked wheels, root/... */
static bool in_python(const char *root, size_t length, const struct cuda_library *library,
                      const char *name, char *path, size_t path_bytes)
{
    static const char *const below[] = {"lib/python3*/*-packages/", ""};
    char pattern[FILE_MAX_PATH];

    for (const char *const *wheel = library->wheels; *wheel; wheel++)
        for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
            if (snprintf(pattern, sizeof(pattern), "%.*s/%s%s/%s", (int)length, root, below[i],
                         *wheel, name) < (int)sizeof(pattern) &&
                match(pattern, path, path_bytes))
                return true;
    return false;
}

/* In what an interpreter belongs to: program is length bytes, "/env/bin/python3". */
static bool in_python_of(const char *program, size_t length, const struct cuda_library *library,
                         const char *name, char *path, size_t path_bytes)
{
    for (int up = 0; up < 2; up++) {
        while (length > 0 && program[length - 1] != '/')
            length--;
        while (length > 0 && program[length - 1] == '/')
            length--;
    }
    return length > 0 && in_python(program, length, library, name, path, path_bytes);
}

/* Every python3 on PATH, whose folder may be a virtual environment's. */
static bool in_python_on_path(const struct cuda_library *library, const char *name, char *path,
                              size_t path_bytes)
{
    const char *list = getenv("PATH");
    char python[FILE_MAX_PATH];

    while (list && *list) {
        size_t length = strcspn(list, ":");

        if (in_folder(list, length, "python3", python, sizeof(python)) &&
            in_python_of(python, strlen(python), library, name, path, path_bytes))
            return true;
        list += length + (list[length] == ':');
    }
    return false;
}

static bool find_file(const struct cuda_library *library, const char *name, char *path,
                      size_t path_bytes)
{
    const char *environment = getenv("VIRTUAL_ENV"), *python = getenv("TARE_PYTHON");
    const char *user = getenv("HOME");
    char home[FILE_MAX_PATH], root[FILE_MAX_PATH];
    size_t count = sizeof(system_folders) / sizeof(system_folders[0]);

    if (in_list(getenv("LD_LIBRARY_PATH"), name, path, path_bytes))
        return true;
    if (file_home(home, sizeof(home), NULL) == TARE_OK &&
        file_join(root, sizeof(root), home, ".deps/*", NULL) == TARE_OK &&
        in_python(root, strlen(root), library, name, path, path_bytes))
        return true;
    if (python && strchr(python, '/') &&
        in_python_of(python, strnlen(python, FILE_MAX_PATH), library, name, path, path_bytes))
        return true;
    if (environment && environment[0] &&
        in_python(environment, strnlen(environment, FILE_MAX_PATH), library, name, path,
                  path_bytes))
        return true;
    if (in_python_on_path(library, name, path, path_bytes))
        return true;
    if (user && file_join(root, sizeof(root), user, ".local", NULL) == TARE_OK &&
        in_python(root, strlen(root), library, name, path, path_bytes))
        return true;
    for (size_t i = 0; i < count; i++)
        if (in_folder(system_folders[i], strlen(system_folders[i]), name, path, path_bytes))
            return true;
    return in_python("/usr/local", strlen("/usr/local"), library, name, path, path_bytes);
}

/* What the library's variable names, or what lies beside that. */
static enum tare_status find_named(const struct cuda_library *library, const char *named,
                                   char *path, size_t path_bytes, struct tare_err *err)
{
    int folder = (int)(file_base_name(named) - named);
    int length = library->beside
                     ? snprintf(path, path_bytes, "%.*s%s", folder, named, library->files[0])
                     : snprintf(path, path_bytes, "%s", named);

    if (length < (int)path_bytes && file_exists(path))
        return TARE_OK;
    path[0] = '\0';
    return tare_fail(err, TARE_ABSENT, "no %s %s '%.300s' (%s)", library->name,
                     library->beside ? "beside" : "at", named, library->variable);
}

enum tare_status cuda_find(const struct cuda_library *library, char *path, size_t path_bytes,
                           struct tare_err *err)
{
    const char *named = library->variable ? getenv(library->variable) : NULL;
    char names[200] = "";

    if (named && named[0])
        return find_named(library, named, path, path_bytes, err);
    for (const char *const *name = library->files; *name; name++) {
        size_t used = strlen(names);

        if (find_file(library, *name, path, path_bytes))
            return TARE_OK;
        (void)snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "", *name);
    }
    path[0] = '\0';
    if (!library->variable)
        return tare_fail(err, TARE_ABSENT, "no %s (%s)", library->name, names);
    return tare_fail(err, TARE_ABSENT, "no %s (%s): set %s to its %s", library->name, names,
                     library->variable, library->beside ? "neighbour, libonnxruntime.so" : "file");
}
