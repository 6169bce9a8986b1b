#include "vino_api.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* A function's name in the library, and where it goes in our table. */
struct symbol {
    const char *name;
    size_t offset;
};

#define SYMBOL(name, field)                                                                        \
    {                                                                                              \
        name, offsetof(struct vino_api, field)                                                     \
    }

static const struct symbol symbols[] = {
    SYMBOL("ov_get_openvino_version", get_version),
    SYMBOL("ov_version_free", version_free),
    SYMBOL("ov_get_last_err_msg", last_error),
    SYMBOL("ov_free", text_free),
    SYMBOL("ov_core_create", core_create),
    SYMBOL("ov_core_read_model", read_model),
    SYMBOL("ov_core_compile_model", compile_model),
    SYMBOL("ov_model_inputs_size", model_inputs_size),
    SYMBOL("ov_model_const_input_by_index", model_input),
    SYMBOL("ov_model_reshape_by_port_indexes", model_reshape),
    SYMBOL("ov_compiled_model_inputs_size", inputs_size),
    SYMBOL("ov_compiled_model_outputs_size", outputs_size),
    SYMBOL("ov_compiled_model_input_by_index", input),
    SYMBOL("ov_compiled_model_output_by_index", output),
    SYMBOL("ov_compiled_model_get_property", get_property),
    SYMBOL("ov_compiled_model_create_infer_request", create_request),
    SYMBOL("ov_port_get_any_name", port_name),
    SYMBOL("ov_port_get_element_type", port_type),
    SYMBOL("ov_port_get_partial_shape", port_shape),
    SYMBOL("ov_partial_shape_free", partial_shape_free),
    SYMBOL("ov_tensor_create_from_host_ptr", wrap_tensor),
    SYMBOL("ov_tensor_get_shape", tensor_shape),
    SYMBOL("ov_tensor_data", tensor_data),
    SYMBOL("ov_shape_free", shape_free),
    SYMBOL("ov_infer_request_set_input_tensor_by_index", set_input),
    SYMBOL("ov_infer_request_set_output_tensor_by_index", set_output),
    SYMBOL("ov_infer_request_get_output_tensor_by_index", get_output),
    SYMBOL("ov_infer_request_infer", infer),
    SYMBOL("ov_infer_request_get_profiling_info", get_profile),
    SYMBOL("ov_profiling_info_list_free", profile_free),
    SYMBOL("ov_core_free", core_free),
    SYMBOL("ov_model_free", model_free),
    SYMBOL("ov_compiled_model_free", compiled_free),
    SYMBOL("ov_infer_request_free", request_free),
    SYMBOL("ov_tensor_free", tensor_free),
    SYMBOL("ov_output_const_port_free", port_free),
};

/* The wheel's library in this installation's own Python environment. */
static bool find_in_venv(char *path, size_t path_bytes)
{
    char home[FILE_MAX_PATH], pattern[FILE_MAX_PATH];
    glob_t found;
    bool hit;

    if (file_home(home, sizeof(home), NULL) != TARE_OK ||
        file_join(pattern, sizeof(pattern), home,
                  ".deps/venv/lib/python3*/site-packages/openvino/libs/libopenvino_c.so*",
                  NULL) != TARE_OK)
        return false;
    hit = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0 &&
          strlen(found.gl_pathv[0]) < path_bytes;
    if (hit)
        (void)snprintf(path, path_bytes, "%s", found.gl_pathv[0]);
    globfree(&found);
    return hit;
}

static enum tare_status find_library(const char *asked, struct vino_api *api, struct tare_err *err)
{
    const char *variable = getenv("TARE_OPENVINO");
    const char *named = asked[0] ? asked : variable && variable[0] ? variable : NULL;

    if (named) {
        if (!file_exists(named))
            return tare_fail(err, TARE_ABSENT, "no OpenVINO at '%s' (%s)", named,
                             asked[0] ? "option library" : "TARE_OPENVINO");
        (void)snprintf(api->library, sizeof(api->library), "%s", named);
    } else if (!find_in_venv(api->library, sizeof(api->library))) {
        (void)snprintf(api->library, sizeof(api->library), "libopenvino_c.so");
    }
    return TARE_OK;
}

static enum tare_status find_symbols(void *handle, struct vino_api *api, struct tare_err *err)
{
    for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
        void *found = dlsym(handle, symbols[i].name);

        if (!found)
            return tare_fail(err, TARE_BROKEN, "'%s' is not OpenVINO %d or newer: it has no %s",
                             api->library, VINO_OLDEST, symbols[i].name);
        memcpy((char *)api + symbols[i].offset, &found, sizeof(found));
    }
    return TARE_OK;
}

static enum tare_status read_release(struct vino_api *api, struct tare_err *err)
{
    struct vino_version version = {0};
    enum tare_status status = TARE_OK;
    int length;

    if (api->get_version(&version) != 0 || !version.build)
        return tare_fail(err, TARE_BROKEN, "'%s' does not say its version", api->library);
    length = (int)strcspn(version.build, "-");
    if (strtoul(version.build, NULL, 10) < VINO_OLDEST)
        status = tare_fail(err, TARE_BROKEN, "'%s' is OpenVINO %.*s, need %d or newer",
                           api->library, length, version.build, VINO_OLDEST);
    else
        (void)snprintf(api->release, sizeof(api->release), "%.*s", length, version.build);
    api->version_free(&version);
    return status;
}

enum tare_status vino_api_load(const char *library, struct vino_api *api, struct tare_err *err)
{
    enum tare_status status;
    void *handle;

    memset(api, 0, sizeof(*api));
    status = find_library(library, api, err);
    if (status != TARE_OK)
        return status;
    handle = dlopen(api->library, RTLD_NOW | RTLD_LOCAL);
    if (!handle && !strchr(api->library, '/'))
        return tare_fail(err, TARE_ABSENT,
                         "no OpenVINO on this machine: run 'tools/setup openvino', or set "
                         "TARE_OPENVINO to its libopenvino_c.so");
    if (!handle)
        return tare_fail(err, TARE_BROKEN, "cannot load OpenVINO: %s", dlerror());
    status = find_symbols(handle, api, err);
    return status == TARE_OK ? read_release(api, err) : status;
}

/* Whether a line of the library's messages only says where in its source something arose. */
static bool is_location(const char *line, size_t length)
{
    static const char *const starts[] = {"Exception from ", "Check '", "FrontEnd API failed"};

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (strncmp(line, starts[i], strlen(starts[i])) == 0)
            return line[length - 1] == ':';
    return false;
}

/* Appends text to out as one line: runs of white space and control characters become one space. */
static void add_line(char *out, size_t out_bytes, const char *text, size_t length)
{
    size_t used = strlen(out);

    if (used > 0 && used + 1 < out_bytes && out[used - 1] != ' ')
        out[used++] = ' ';
    for (size_t i = 0; i < length && used + 1 < out_bytes; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c > ' ' && c != 127)
            out[used++] = (char)c;
        else if (used > 0 && out[used - 1] != ' ')
            out[used++] = ' ';
    }
    while (used > 0 && (out[used - 1] == ' ' || out[used - 1] == '.'))
        used--;
    out[used] = '\0';
}

/*
 * What matters of a message of the library, which is several lines from the outermost call in; the
 * innermost may be "Check '...' failed at FILE:LINE: reason".
 */
static void summarise(const char *message, char *out, size_t out_bytes)
{
    static const char failed[] = " failed at ";
    const char *inner = message;

    for (const char *at = message; (at = strstr(at, failed));) {
        at += strlen(failed);
        at += strcspn(at, " \n");
        inner = at;
    }
    out[0] = '\0';
    for (const char *line = inner; *line;) {
        size_t length = strcspn(line, "\n");

        if (length > 0 && !is_location(line, length))
            add_line(out, out_bytes, line, length);
        line += length + (line[length] == '\n');
    }
    if (!out[0])
        add_line(out, out_bytes, message, strlen(message));
}

enum tare_status vino_check(const struct vino_api *api, vino_result result, const char *what,
                            struct tare_err *err)
{
    enum tare_status status = result == VINO_NOT_IMPLEMENTED ? TARE_UNSUPPORTED : TARE_FAILED;
    const char *message;
    char text[900] = "";

    if (result == 0)
        return TARE_OK;
    message = api->last_error();
    if (message)
        summarise(message, text, sizeof(text));
    api->text_free(message);
    return text[0] ? tare_fail(err, status, "%s: %s", what, text)
                   : tare_fail(err, status, "%s: OpenVINO's error %d", what, result);
}
