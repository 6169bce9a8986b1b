#include "serve/server_places.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

#define WHEEL         ".deps/triton/pytriton/tritonserver/bin/tritonserver"
#define IMAGE         "/opt/tritonserver/bin/tritonserver"
#define PYTHON_NS     ((int64_t)30 * 1000000000)
#define NOTE_BYTES    300
#define STUB          "triton_python_backend_stub"
#define OWN_BACKEND   "tare"
#define PYTHON_ANSWER 8192

/* --- the program --------------------------------------------------------------------------------
 */

static bool is_program(const char *path)
{
    return file_exists(path) && !file_is_dir(path) && access(path, X_OK) == 0;
}

static bool find_on_path(char *path)
{
    const char *list = getenv("PATH");

    while (list && *list) {
        size_t part = strcspn(list, ":");

        if (part > 0 &&
            snprintf(path, FILE_MAX_PATH, "%.*s/tritonserver", (int)part, list) < FILE_MAX_PATH &&
            is_program(path))
            return true;
        list += part + (list[part] == ':');
    }
    return false;
}

static bool find_program(char *path)
{
    char home[FILE_MAX_PATH];

    if (file_home(home, sizeof(home), NULL) == TARE_OK &&
        file_join(path, FILE_MAX_PATH, home, WHEEL, NULL) == TARE_OK && is_program(path))
        return true;
    if (find_on_path(path))
        return true;
    (void)snprintf(path, FILE_MAX_PATH, "%s", IMAGE);
    return is_program(path);
}

/* A folder beside the program's own; "" if it is not there. */
static void find_beside(const char *binary, const char *relative, char *folder)
{
    char path[FILE_MAX_PATH];
    int length = snprintf(path, sizeof(path), "%.*s/%s", (int)(file_base_name(binary) - binary),
                          binary, relative);

    if (length < 0 || (size_t)length >= sizeof(path) || !file_is_dir(path) ||
        !realpath(path, folder))
        folder[0] = '\0';
}

enum tare_status server_find(const char *given, struct server_places *places, struct tare_err *err)
{
    const char *named = given ? given : getenv("TRITONSERVER");
    char path[FILE_MAX_PATH];

    memset(places, 0, sizeof(*places));
    if (named && named[0]) {
        if (strlen(named) >= sizeof(path) || !is_program(named))
            return tare_fail(err, TARE_ABSENT, "no program '%.300s'%s", named,
                             given ? "" : " (TRITONSERVER)");
        (void)snprintf(path, sizeof(path), "%s", named);
    } else if (!find_program(path)) {
        return tare_fail(err, TARE_ABSENT,
                         "no tritonserver in .deps, on the PATH or at '" IMAGE
                         "': 'tools/setup triton' installs it, TRITONSERVER names another");
    }
    if (!realpath(path, places->binary))
        return tare_fail(err, TARE_IO, "cannot find '%s': %s", path, strerror(errno));
    find_beside(places->binary, "../backends", places->backends);
    find_beside(places->binary, "../python_backend_stubs", places->stubs);
    find_beside(places->binary, "../../../nvidia_pytriton.libs", places->libraries);
    return TARE_OK;
}

/* An empty entry of the path would be the folder that tare was called in: whoever can write there
 * would put libraries into the server. */
void server_put_libraries(const struct server_places *places, struct buf *path)
{
    const char *present = getenv("LD_LIBRARY_PATH");

    buf_append_text(path, places->libraries);
    if (present && *present)
        buf_printf(path, ":%s", present);
}

/* --- one folder of backends ---------------------------------------------------------------------
 */

static enum tare_status make_link(const char *target, const char *folder, const char *name,
                                  struct tare_err *err)
{
    char path[FILE_MAX_PATH];
    enum tare_status status = file_join(path, sizeof(path), folder, name, err);

    if (status == TARE_OK && symlink(target, path) != 0)
        status = tare_fail(err, TARE_IO, "cannot make '%s': %s", path, strerror(errno));
    return status;
}

/* Links to all that is in a folder, but for our own and one name more (NULL: none). */
static enum tare_status link_all(const char *from, const char *folder, const char *except,
                                 struct tare_err *err)
{
    char **names = NULL, path[FILE_MAX_PATH];
    size_t count = 0;
    enum tare_status status = file_list(from, NULL, &names, &count, err);

    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        if (strcmp(names[i], OWN_BACKEND) == 0 || (except && strcmp(names[i], except) == 0))
            continue;
        status = file_join(path, sizeof(path), from, names[i], err);
        if (status == TARE_OK)
            status = make_link(path, folder, names[i], err);
    }
    file_free_names(names, count);
    return status;
}

static bool try_own(const char *folder, const char *name, char *path)
{
    return file_join(path, FILE_MAX_PATH, folder, name, NULL) == TARE_OK && file_is_dir(path);
}

/* bin/triton/tare beside the program, lib/tare/triton/tare where it is installed. */
static enum tare_status find_own(char *path, struct tare_err *err)
{
    char program[FILE_MAX_PATH] = "", home[FILE_MAX_PATH];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (length > 0) {
        *strrchr(program, '/') = '\0'; /* the link is absolute */
        if (try_own(program, "triton/" OWN_BACKEND, path))
            return TARE_OK;
    }
    if (file_home(home, sizeof(home), NULL) == TARE_OK &&
        (try_own(home, "bin/triton/" OWN_BACKEND, path) ||
         try_own(home, "triton/" OWN_BACKEND, path)))
        return TARE_OK;
    return tare_fail(err, TARE_ABSENT, "no tare backend for Triton beside '%s': 'make' builds it",
                     program);
}

/* --- the Python backend -------------------------------------------------------------------------
 */

static void find_python(char *path)
{
    const char *variable = getenv("TARE_PYTHON");
    char home[FILE_MAX_PATH];

    if (variable && variable[0]) {
        (void)snprintf(path, FILE_MAX_PATH, "%s", variable);
        return;
    }
    if (file_home(home, sizeof(home), NULL) == TARE_OK &&
        file_join(path, FILE_MAX_PATH, home, ".deps/venv/bin/python3", NULL) == TARE_OK &&
        file_exists(path))
        return;
    (void)snprintf(path, FILE_MAX_PATH, "python3");
}

/* Runs it to say its version and the folder that NumPy is in, one a line. */
static bool ask_python(const char *python, char *answer)
{
    static const char script[] = "import sys, os\n"
                                 "print('%d.%d' % sys.version_info[:2], flush=True)\n"
                                 "import numpy\n"
                                 "print(os.path.dirname(os.path.dirname(numpy.__file__)))\n";
    const char *const argv[] = {python, "-c", script, NULL};
    const struct process_options options = {.argv = argv, .shared_fd = -1};
    int64_t deadline_ns = clock_now_ns() + PYTHON_NS;
    struct process process;
    bool good;

    if (process_start(&process, &options, NULL) != TARE_OK)
        return false;
    while (!process_ended(&process) && clock_now_ns() < deadline_ns)
        (void)poll(NULL, 0, 5);
    good = process.reaped && process.wait_status == 0;
    process_log_tail(&process, answer, PYTHON_ANSWER);
    process_release(&process, 0);
    return good;
}

/* NumPy and, where it is a wheel, the libraries that it brings. */
static enum tare_status link_numpy(const char *packages, const char *folder, struct tare_err *err)
{
    static const char *const names[] = {"numpy", "numpy.libs"};
    char path[FILE_MAX_PATH];
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && status == TARE_OK; i++) {
        status = file_join(path, sizeof(path), packages, names[i], err);
        if (status == TARE_OK && file_is_dir(path))
            status = make_link(path, folder, names[i], err);
    }
    return status;
}

/*
 * The process that runs Python models is made for one version of Python, and takes packages from
 * where the backend lies, not from PYTHONPATH.
 */
static enum tare_status link_python(const struct server_places *places, const char *folder,
                                    char *note, struct tare_err *err)
{
    char python[FILE_MAX_PATH], answer[PYTHON_ANSWER] = "", stub[FILE_MAX_PATH], *packages, *end;
    enum tare_status status;
    bool good;

    find_python(python);
    good = ask_python(python, answer);
    packages = strchr(answer, '\n');
    end = packages ? strchr(packages + 1, '\n') : NULL;
    if (!good || !end || end[1]) {
        (void)snprintf(note, NOTE_BYTES, "'%.200s' has no numpy for Python models", python);
        return TARE_OK;
    }
    *packages++ = *end = '\0';
    if (strspn(answer, "0123456789.") != strlen(answer) ||
        snprintf(stub, sizeof(stub), "%s/%s/" STUB, places->stubs, answer) >= (int)sizeof(stub) ||
        !file_exists(stub)) {
        (void)snprintf(note, NOTE_BYTES, "no Python backend for Python %.20s", answer);
        return TARE_OK;
    }
    status = link_numpy(packages, folder, err);
    return status == TARE_OK ? make_link(stub, folder, STUB, err) : status;
}

enum tare_status server_link_backends(const struct server_places *places, const char *folder,
                                      bool python, char *note, struct tare_err *err)
{
    char path[FILE_MAX_PATH], inner[FILE_MAX_PATH];
    bool separate = places->stubs[0] && python;
    enum tare_status status = find_own(path, err);

    note[0] = '\0';
    if (status == TARE_OK)
        status = make_link(path, folder, OWN_BACKEND, err);
    if (status != TARE_OK || !places->backends[0])
        return status;
    status = link_all(places->backends, folder, separate ? "python" : NULL, err);
    if (status != TARE_OK || !separate)
        return status;
    status = file_join(path, sizeof(path), places->backends, "python", err);
    if (status == TARE_OK)
        status = file_join(inner, sizeof(inner), folder, "python", err);
    if (status != TARE_OK || !file_is_dir(path))
        return status;
    status = file_make_dirs(inner, err);
    if (status == TARE_OK)
        status = link_all(path, inner, NULL, err);
    return status == TARE_OK ? link_python(places, inner, note, err) : status;
}
