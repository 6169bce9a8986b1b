/*
 * Where NVIDIA's libraries are looked for, in folders made for it: in which order, what a variable
 * does, and what is said when there is nothing.
 */
#include "cuda/cuda_find.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "check.h"

static char folder[200];

/* Makes an empty file below the folder. */
static void make(const char *name)
{
    char path[300], dir[300];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)snprintf(dir, sizeof(dir), "%.*s", (int)(file_base_name(path) - path), path);
    CHECK_OK(file_make_dirs(dir, err));
    CHECK_OK(file_write(path, "", 0, err));
}

static void set(const char *variable, const char *name)
{
    char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)setenv(variable, path, 1);
}

static void set_both(const char *variable, const char *one, const char *two)
{
    char list[500];

    (void)snprintf(list, sizeof(list), "%s/%s:%s/%s", folder, one, folder, two);
    (void)setenv(variable, list, 1);
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *at)
{
    (void)facts;
    (void)kind;
    (void)at;
    return remove(path);
}

static void end(void)
{
    CHECK(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

/* A new folder, and nothing named. */
static void start(void)
{
    static const char *const variables[] = {"LD_LIBRARY_PATH", "VIRTUAL_ENV",
                                            "TARE_PYTHON",     "TARE_CUBLASLT",
                                            "TARE_TENSORRT",   "TARE_ONNXRUNTIME_CUDA"};

    (void)snprintf(folder, sizeof(folder), "/tmp/tare-find-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        (void)unsetenv(variables[i]);
    (void)setenv("PATH", "/nowhere", 1);
    set("TARE_HOME", "home");
    set("HOME", "user");
}

static void check_finds(const struct cuda_library *library, const char *name)
{
    char path[FILE_MAX_PATH], expected[300];

    (void)snprintf(expected, sizeof(expected), "%s/%s", folder, name);
    CHECK_OK(cuda_find(library, path, sizeof(path), err));
    CHECK_TEXT(path, expected);
}

static void finds_the_best_file_first(void)
{
    start();
    make("a/libcublasLt.so.12");
    make("b/libcublasLt.so.13");
    set_both("LD_LIBRARY_PATH", "a", "b");
    check_finds(cuda_library_cublaslt(13000), "b/libcublasLt.so.13");
    check_finds(cuda_library_cublaslt(12080), "a/libcublasLt.so.12"); /* 13 needs a newer driver */
    end();
}

static void finds_what_python_brings(void)
{
    static const char wheel[] = "lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13";
    char name[300];

    start();
    (void)snprintf(name, sizeof(name), "env/%s", wheel);
    make(name);
    make("env/bin/python3");
    make("other/bin/python3");
    set("VIRTUAL_ENV", "env");
    check_finds(cuda_library_cublaslt(13000), name);
    (void)unsetenv("VIRTUAL_ENV");
    set("TARE_PYTHON", "env/bin/python3");
    check_finds(cuda_library_cublaslt(13000), name);
    (void)unsetenv("TARE_PYTHON");
    set_both("PATH", "other/bin", "env/bin/");
    check_finds(cuda_library_cublaslt(13000), name);
    (void)setenv("PATH", "/nowhere", 1);
    (void)snprintf(name, sizeof(name), "user/.local/%s", wheel);
    make(name);
    check_finds(cuda_library_cublaslt(13000), name);
    end();
}

static void finds_what_setup_brings(void)
{
    start();
    make("home/.deps/trt/tensorrt_libs/libnvinfer.so.11");
    check_finds(cuda_library_tensorrt(), "home/.deps/trt/tensorrt_libs/libnvinfer.so.11");
    end();
    start();
    make("home/.deps/rtx/onnxruntime_ep_nv_tensorrt_rtx/libtensorrt_rtx.so.1.7.1");
    check_finds(cuda_library_tensorrt(),
                "home/.deps/rtx/onnxruntime_ep_nv_tensorrt_rtx/libtensorrt_rtx.so.1.7.1");
    end();
}

static void a_variable_decides(void)
{
    struct tare_err absent = TARE_ERR_INIT;
    char path[FILE_MAX_PATH], expected[400];

    start();
    make("a/libcublasLt.so.13");
    make("b/mine.so");
    make("ort/libonnxruntime_providers_cuda.so");
    set("LD_LIBRARY_PATH", "a");
    set("TARE_CUBLASLT", "b/mine.so");
    check_finds(cuda_library_cublaslt(13000), "b/mine.so");
    set("TARE_CUBLASLT", "none.so");
    CHECK(cuda_find(cuda_library_cublaslt(13000), path, sizeof(path), &absent) == TARE_ABSENT);
    (void)snprintf(expected, sizeof(expected), "no cuBLASLt at '%s/none.so' (TARE_CUBLASLT)",
                   folder);
    CHECK_TEXT(absent.text, expected);
    set("TARE_ONNXRUNTIME_CUDA", "ort/libonnxruntime.so.1"); /* its neighbour */
    check_finds(cuda_library_ort_provider(), "ort/libonnxruntime_providers_cuda.so");
    end();
}

static void says_what_it_looked_for(void)
{
    struct tare_err absent = TARE_ERR_INIT;
    char path[FILE_MAX_PATH];

    start();
    if (cuda_find(cuda_library_cublaslt(11040), path, sizeof(path), &absent) == TARE_OK) {
        check_skip("this system has cuBLASLt 11");
        end();
        return;
    }
    CHECK_TEXT(absent.text, "no cuBLASLt (libcublasLt.so.11): set TARE_CUBLASLT to its file");
    CHECK_TEXT(path, "");
    end();
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {
        {"finds_the_best_file_first", finds_the_best_file_first},
        {"finds_what_python_brings", finds_what_python_brings},
        {"finds_what_setup_brings", finds_what_setup_brings},
        {"a_variable_decides", a_variable_decides},
        {"says_what_it_looked_for", says_what_it_looked_for},
        {0},
    };

    return check_main("cuda_find", cases, argc, argv);
}
