#include "base/library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"

/* Whether the loader speaks of the library itself, and not of one that it needs. */
static bool is_absent(const char *path, const char *why)
{
    static const char cause[] = ": cannot open shared object file: No such file";
    size_t length = strlen(path);

    return !strchr(path, '/') && strncmp(why, path, length) == 0 &&
           strncmp(why + length, cause, strlen(cause)) == 0;
}

enum tare_status library_open(const char *path, const char *what, void **handle,
                              struct tare_err *err)
{
    const char *why;
    char text[300];

    *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*handle)
        return TARE_OK;
    why = dlerror();
    if (why && is_absent(path, why))
        return tare_fail(err, TARE_ABSENT, "there is no %s, %s", path, what);
    (void)snprintf(text, sizeof(text), "%s", why ? why : "no reason given");
    printable(text);
    return tare_fail(err, TARE_BROKEN, "cannot load %s: %s", what, text);
}
