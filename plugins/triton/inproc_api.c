#include "inproc_api.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define NEEDED_DEPTH 16 /* how deep libraries that need others may nest */
#define NEEDED_MAX   64 /* tries: one for each library that is missing */

/* A function's name in the library, and where it goes in our table. */
struct symbol {
    const char *name;
    size_t offset;
};

#define SYMBOL(name, field)                                                                        \
    {                                                                                              \
        "TRITONSERVER_" name, offsetof(struct inproc_api, field)                                   \
    }

static const struct symbol symbols[] = {
    SYMBOL("ApiVersion", api_version),
    SYMBOL("ErrorNew", error_new),
    SYMBOL("ErrorDelete", error_delete),
    SYMBOL("ErrorCode", error_code),
    SYMBOL("ErrorMessage", error_message),
    SYMBOL("ServerOptionsNew", options_new),
    SYMBOL("ServerOptionsDelete", options_delete),
    SYMBOL("ServerOptionsSetModelRepositoryPath", set_repository),
    SYMBOL("ServerOptionsSetModelControlMode", set_control),
    SYMBOL("ServerOptionsSetStrictModelConfig", set_strict_config),
    SYMBOL("ServerOptionsSetStrictReadiness", set_strict_readiness),
    SYMBOL("ServerOptionsSetExitOnError", set_exit_on_error),
    SYMBOL("ServerOptionsSetExitTimeout", set_exit_timeout),
    SYMBOL("ServerOptionsSetBackendDirectory", set_backends),
    SYMBOL("ServerOptionsSetModelLoadRetryCount", set_load_retries),
    SYMBOL("ServerOptionsSetMetrics", set_metrics),
    SYMBOL("ServerOptionsSetLogFile", set_log_file),
    SYMBOL("ServerOptionsSetLogInfo", set_log_info),
    SYMBOL("ServerOptionsSetLogWarn", set_log_warn),
    SYMBOL("ServerOptionsSetLogError", set_log_error),
    SYMBOL("ServerOptionsSetLogVerbose", set_log_verbose),
    SYMBOL("ServerNew", server_new),
    SYMBOL("ServerStop", server_stop),
    SYMBOL("ServerDelete", server_delete),
    SYMBOL("ServerMetadata", server_metadata),
    SYMBOL("ServerLoadModel", model_load),
    SYMBOL("ServerUnloadModelAndDependents", model_unload),
    SYMBOL("ServerModelMetadata", model_metadata),
    SYMBOL("ServerModelConfig", model_config),
    SYMBOL("MessageSerializeToJson", message_json),
    SYMBOL("MessageDelete", message_delete),
    SYMBOL("ResponseAllocatorNew", allocator_new),
    SYMBOL("ResponseAllocatorDelete", allocator_delete),
    SYMBOL("InferenceRequestNew", request_new),
    SYMBOL("InferenceRequestDelete", request_delete),
    SYMBOL("InferenceRequestSetFlags", request_flags),
    SYMBOL("InferenceRequestSetCorrelationId", request_sequence),
    SYMBOL("InferenceRequestAddInput", add_input),
    SYMBOL("InferenceRequestAppendInputData", append_data),
    SYMBOL("InferenceRequestRemoveAllInputData", remove_data),
    SYMBOL("InferenceRequestSetReleaseCallback", on_release),
    SYMBOL("InferenceRequestSetResponseCallback", on_response),
    SYMBOL("ServerInferAsync", infer),
    SYMBOL("InferenceResponseError", response_error),
    SYMBOL("InferenceResponseOutputCount", output_count),
    SYMBOL("InferenceResponseOutput", output),
    SYMBOL("InferenceResponseDelete", response_delete),
};

/* --- finding it ----------------------------------------------------------------------------------
 */

/* The wheel's library in this installation; its name holds a hash. */
static bool find_in_wheel(char *path, size_t path_bytes)
{
    char home[FILE_MAX_PATH], pattern[FILE_MAX_PATH];
    glob_t found;
    bool hit;

    if (file_home(home, sizeof(home), NULL) != TARE_OK ||
        file_join(pattern, sizeof(pattern), home,
                  ".deps/triton/nvidia_pytriton.libs/libtritonserver*.so*", NULL) != TARE_OK)
        return false;
    hit = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0 &&
          strlen(found.gl_pathv[0]) < path_bytes;
    if (hit)
        (void)snprintf(path, path_bytes, "%s", found.gl_pathv[0]);
    globfree(&found);
    return hit;
}

static enum tare_status find_library(const char *asked, struct inproc_api *api,
                                     struct tare_err *err)
{
    static const char image[] = "/opt/tritonserver/lib/libtritonserver.so";
    const char *variable = getenv("TRITONSERVER_LIB");
    const char *named = asked[0] ? asked : variable && variable[0] ? variable : NULL;

    if (named) {
        if (!file_exists(named))
            return tare_fail(err, TARE_ABSENT, "no tritonserver at '%s' (%s)", named,
                             asked[0] ? "option server" : "TRITONSERVER_LIB");
        (void)snprintf(api->library, sizeof(api->library), "%s", named);
    } else if (!find_in_wheel(api->library, sizeof(api->library))) {
        (void)snprintf(api->library, sizeof(api->library), "%s",
                       file_exists(image) ? image : "libtritonserver.so");
    }
    return TARE_OK;
}

/* --- loading it ----------------------------------------------------------------------------------
 */

/* The file that the dynamic linker misses, if it lies beside the library: "NAME: cannot open shared
 * object file: ...", NAME being the last word before the colon. */
static bool missing_beside(const struct inproc_api *api, const char *text, char *path, size_t bytes)
{
    const char *colon = text ? strstr(text, ": cannot open shared object file") : NULL;
    const char *start = colon, *slash = strrchr(api->library, '/');
    int length;

    if (!colon || !slash)
        return false;
    while (start > text && start[-1] != ' ' && start[-1] != '/' && start[-1] != '\'')
        start--;
    if (start == colon)
        return false;
    length = snprintf(path, bytes, "%.*s/%.*s", (int)(slash - api->library), api->library,
                      (int)(colon - start), start);
    return length > 0 && (size_t)length < bytes && file_exists(path);
}

/* A library, after those that it misses. NULL: dlerror() was moved to text. */
static void *load_after_needed(const struct inproc_api *api, const char *path, int flags, int depth,
                               char *text, size_t bytes)
{
    char needed[FILE_MAX_PATH];
    void *handle = NULL;

    for (int i = 0; i < NEEDED_MAX; i++) {
        handle = dlopen(path, flags);
        if (handle)
            break;
        (void)snprintf(text, bytes, "%s", dlerror());
        if (depth == 0 || !missing_beside(api, text, needed, sizeof(needed)) ||
            !load_after_needed(api, needed, RTLD_LAZY | RTLD_LOCAL, depth - 1, text, bytes))
            break;
    }
    return handle;
}

bool inproc_load_named(const struct inproc_api *api, const char *text)
{
    char path[FILE_MAX_PATH], reason[512];

    return missing_beside(api, text, path, sizeof(path)) &&
           load_after_needed(api, path, RTLD_LAZY | RTLD_LOCAL, NEEDED_DEPTH, reason,
                             sizeof(reason)) != NULL;
}

static void *find_symbol(void *handle, const struct symbol *symbol, struct inproc_api *api)
{
    void *found = dlsym(handle, symbol->name);

    memcpy((char *)api + symbol->offset, &found, sizeof(found));
    return found;
}

/* The version comes first, since what an older one lacks is not what is wrong with it. */
static enum tare_status check_version(void *handle, struct inproc_api *api, struct tare_err *err)
{
    inproc_result failed;

    if (!find_symbol(handle, &symbols[0], api))
        return tare_fail(err, TARE_BROKEN, "'%s' is no tritonserver: it has no %s", api->library,
                         symbols[0].name);
    failed = api->api_version(&api->major, &api->minor);
    if (failed || api->major != INPROC_MAJOR || api->minor < INPROC_MIN_MINOR)
        return tare_fail(err, TARE_BROKEN,
                         "'%s' has Triton's API %u.%u, need %d.%d or a later %d.x", api->library,
                         api->major, api->minor, INPROC_MAJOR, INPROC_MIN_MINOR, INPROC_MAJOR);
    return TARE_OK;
}

enum tare_status inproc_api_load(const char *library, struct inproc_api *api, struct tare_err *err)
{
    enum tare_status status;
    char text[400];
    void *handle;

    memset(api, 0, sizeof(*api));
    status = find_library(library, api, err);
    if (status != TARE_OK)
        return status;
    handle = load_after_needed(api, api->library, RTLD_NOW | RTLD_GLOBAL, NEEDED_DEPTH, text,
                               sizeof(text));
    if (!handle && !strchr(api->library, '/'))
        return tare_fail(err, TARE_ABSENT,
                         "no tritonserver on this machine: run 'tools/setup triton' (pip's wheel "
                         "nvidia-pytriton), or set TRITONSERVER_LIB to its libtritonserver.so");
    if (!handle)
        return tare_fail(err, TARE_BROKEN, "cannot load tritonserver: %s", text);
    status = check_version(handle, api, err);
    for (size_t i = 1; i < sizeof(symbols) / sizeof(symbols[0]) && status == TARE_OK; i++)
        if (!find_symbol(handle, &symbols[i], api))
            status = tare_fail(err, TARE_BROKEN, "'%s' has Triton's API %u.%u, but no %s",
                               api->library, api->major, api->minor, symbols[i].name);
    if (status != TARE_OK)
        api->major = 0;
    return status;
}

/* --- its errors ----------------------------------------------------------------------------------
 */

/* A message as one line: runs of white space and control characters become one space, what ends a
 * list is cut off. */
static void one_line(const char *message, char *out, size_t out_bytes)
{
    size_t used = 0;

    for (; *message && used + 1 < out_bytes; message++) {
        unsigned char c = (unsigned char)*message;

        if (c > ' ' && c != 127)
            out[used++] = (char)c;
        else if (used > 0 && out[used - 1] != ' ')
            out[used++] = ' ';
    }
    while (used > 0 && strchr(" .;", out[used - 1]))
        used--;
    out[used] = '\0';
}

static enum tare_status status_of(int code)
{
    switch (code) {
    case INPROC_NOT_FOUND:
        return TARE_ABSENT;
    case INPROC_INVALID_ARG:
        return TARE_INVALID;
    case INPROC_UNSUPPORTED:
        return TARE_UNSUPPORTED;
    default:
        return TARE_FAILED;
    }
}

enum tare_status inproc_say(const struct inproc_api *api, inproc_result result, const char *what,
                            struct tare_err *err)
{
    char text[900];

    if (!result)
        return TARE_OK;
    one_line(api->error_message(result), text, sizeof(text));
    return tare_fail(err, status_of(api->error_code(result)), "%s: %s", what, text);
}

enum tare_status inproc_check(const struct inproc_api *api, inproc_result result, const char *what,
                              struct tare_err *err)
{
    enum tare_status status = inproc_say(api, result, what, err);

    inproc_drop(api, result);
    return status;
}

void inproc_drop(const struct inproc_api *api, inproc_result result)
{
    if (result)
        api->error_delete(result);
}
