#include "ort_api.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* The library's one exported symbol gives this. */
struct ort_api_base {
    const void *(*get_api)(uint32_t version);
    const char *(*get_version_string)(void);
};

/* Index in the library's table, where the function goes in ours, and the API that has it first. */
struct slot {
    size_t index, offset;
    uint32_t since;
};

#define SLOT(index, field) SLOT_SINCE(index, field, ORT_API_OLDEST)
#define SLOT_SINCE(index, field, since)                                                            \
    {                                                                                              \
        index, offsetof(struct ort_api, field), since                                              \
    }

static const struct slot slots[] = {
    SLOT(1, get_error_code),
    SLOT(2, get_error_message),
    SLOT(3, create_env),
    SLOT(7, create_session),
    SLOT(10, create_session_options),
    SLOT(11, set_optimized_model_path),
    SLOT(13, set_execution_mode),
    SLOT(14, enable_profiling),
    SLOT(17, disable_mem_pattern),
    SLOT(19, disable_cpu_mem_arena),
    SLOT(23, set_graph_optimization_level),
    SLOT(24, set_intra_op_num_threads),
    SLOT(25, set_inter_op_num_threads),
    SLOT(30, get_input_count),
    SLOT(31, get_output_count),
    SLOT(33, get_input_type_info),
    SLOT(34, get_output_type_info),
    SLOT(36, get_input_name),
    SLOT(37, get_output_name),
    SLOT(39, create_run_options),
    SLOT(49, create_tensor_with_data),
    SLOT(51, get_tensor_data),
    SLOT(55, cast_to_tensor_info),
    SLOT(60, get_element_type),
    SLOT(61, get_rank),
    SLOT(62, get_dimensions),
    SLOT(65, get_tensor_shape),
    SLOT(68, create_memory_info),
    SLOT(69, create_cpu_memory_info),
    SLOT(76, allocator_free),
    SLOT(78, get_default_allocator),
    SLOT(92, release_env),
    SLOT(93, release_status),
    SLOT(94, release_memory_info),
    SLOT(95, release_session),
    SLOT(96, release_value),
    SLOT(97, release_run_options),
    SLOT(98, release_type_info),
    SLOT(99, release_shape_info),
    SLOT(100, release_session_options),
    SLOT(110, end_profiling),
    SLOT(130, add_session_config_entry),
    SLOT(133, run_with_binding),
    SLOT(134, create_binding),
    SLOT(135, release_binding),
    SLOT(136, bind_input),
    SLOT(137, bind_output),
    SLOT(138, bind_output_to_device),
    SLOT(140, get_bound_outputs),
    SLOT(141, clear_bound_inputs),
    SLOT(142, clear_bound_outputs),
    SLOT(165, add_run_config_entry),
    SLOT(170, tensorrt.append),
    SLOT(171, tensorrt.create),
    SLOT(172, tensorrt.update),
    SLOT(174, tensorrt.release),
    SLOT(204, cuda.append),
    SLOT(205, cuda.create),
    SLOT(206, cuda.update),
    SLOT(208, cuda.release),
    SLOT(216, append_provider),
    SLOT(261, tensorrt.set_pointer),
    SLOT(263, cuda.set_pointer),
    SLOT_SINCE(301, register_provider_library, ORT_API_HAS_PLUGINS),
    SLOT_SINCE(303, get_ep_devices, ORT_API_HAS_PLUGINS),
    SLOT_SINCE(304, append_provider_of_devices, ORT_API_HAS_PLUGINS),
    SLOT_SINCE(312, get_ep_device_name, ORT_API_HAS_PLUGINS),
    SLOT_SINCE(390, has_shape, ORT_API_HAS_SHAPE),
    SLOT_SINCE(407, get_assignment, ORT_API_HAS_SHAPE),
    SLOT_SINCE(408, get_subgraph_provider, ORT_API_HAS_SHAPE),
};

/* Where a build is looked for, by its number. */
static const struct place {
    const char *variable;
    const char *pattern; /* below the installation's folder */
    const char *absent;  /* what to do then */
} places[] = {
    {"TARE_ONNXRUNTIME",
     ".deps/venv/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so.*",
     "no ONNX Runtime on this machine: 'pip install onnxruntime' into .deps/venv, or set "
     "TARE_ONNXRUNTIME to its libonnxruntime.so"},
    {"TARE_ONNXRUNTIME_OPENVINO", ".deps/ort-openvino/onnxruntime/capi/libonnxruntime.so.*",
     "no ONNX Runtime with the OpenVINO provider on this machine: run 'tools/setup openvino', or "
     "set TARE_ONNXRUNTIME_OPENVINO to its libonnxruntime.so"},
    {"TARE_ONNXRUNTIME_CUDA", ".deps/ort-cuda/onnxruntime/capi/libonnxruntime.so.*", ""},
};

static void copy_slot(const void *table, size_t index, void *field)
{
    memcpy(field, (const char *)table + index * sizeof(void (*)(void)), sizeof(void (*)(void)));
}

/* The library of the wheel in this installation. */
static bool find_wheel(enum ort_build build, char *path, size_t path_bytes)
{
    char home[FILE_MAX_PATH], pattern[FILE_MAX_PATH];
    glob_t found;
    bool hit;

    if (file_home(home, sizeof(home), NULL) != TARE_OK ||
        file_join(pattern, sizeof(pattern), home, places[build].pattern, NULL) != TARE_OK)
        return false;
    hit = glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0 &&
          strlen(found.gl_pathv[0]) < path_bytes;
    if (hit)
        (void)snprintf(path, path_bytes, "%s", found.gl_pathv[0]);
    globfree(&found);
    return hit;
}

static const char *variable_of(enum ort_build build)
{
    const char *value = getenv(places[build].variable);

    return value && value[0] ? value : NULL;
}

bool ort_api_find(enum ort_build build, char *path, size_t path_bytes)
{
    const char *named = variable_of(build);

    if (!named)
        return find_wheel(build, path, path_bytes);
    return file_exists(named) && snprintf(path, path_bytes, "%s", named) < (int)path_bytes;
}

bool ort_api_is_there(enum ort_build build)
{
    char path[FILE_MAX_PATH];

    return ort_api_find(build, path, sizeof(path));
}

bool ort_api_beside(const struct ort_api *api, const char *file, char *path, size_t path_bytes)
{
    int folder = (int)(file_base_name(api->library) - api->library);
    int written = snprintf(path, path_bytes, "%.*s%s", folder, api->library, file);

    return written >= 0 && (size_t)written < path_bytes;
}

/* A build that does all that the ordinary one does. */
static bool find_other(char *path, size_t path_bytes)
{
    const char *named = variable_of(ORT_BUILD_CUDA);

    if (named && file_exists(named) && strlen(named) < path_bytes) {
        (void)snprintf(path, path_bytes, "%s", named);
        return true;
    }
    return find_wheel(ORT_BUILD_CUDA, path, path_bytes) ||
           find_wheel(ORT_BUILD_OPENVINO, path, path_bytes);
}

/* Loads what is named, or the wheel, or else what is on the system. */
static enum tare_status load_library(const char *asked, enum ort_build build, struct ort_api *api,
                                     void **handle, struct tare_err *err)
{
    const char *named = asked[0] ? asked : variable_of(build);

    *handle = NULL;
    if (named) {
        if (!file_exists(named))
            return tare_fail(err, TARE_ABSENT, "no ONNX Runtime at '%s' (%s)", named,
                             asked[0] ? "option library" : places[build].variable);
        (void)snprintf(api->library, sizeof(api->library), "%s", named);
    } else if (!find_wheel(build, api->library, sizeof(api->library))) {
        if (build == ORT_BUILD_CUDA)
            return load_library(asked, ORT_BUILD_ORDINARY, api, handle, err);
        (void)snprintf(api->library, sizeof(api->library), "libonnxruntime.so");
        if (build == ORT_BUILD_ORDINARY)
            *handle = dlopen(api->library, RTLD_NOW | RTLD_LOCAL);
        if (!*handle &&
            (build != ORT_BUILD_ORDINARY || !find_other(api->library, sizeof(api->library))))
            return tare_fail(err, TARE_ABSENT, "%s", places[build].absent);
    }
    if (!*handle)
        *handle = dlopen(api->library, RTLD_NOW | RTLD_LOCAL);
    return *handle ? TARE_OK
                   : tare_fail(err, TARE_BROKEN, "cannot load ONNX Runtime: %s", dlerror());
}

/* Release 1.N offers API version N at most; asking for more makes the library print a complaint. */
static uint32_t newest_version(const char *release)
{
    char *end;
    unsigned long major = strtoul(release, &end, 10), minor;

    if (major != 1 || *end != '.')
        return ORT_API_OLDEST;
    minor = strtoul(end + 1, NULL, 10);
    return minor < 1000 ? (uint32_t)minor : ORT_API_OLDEST;
}

static enum tare_status load_table(const struct ort_api_base *base, struct ort_api *api,
                                   struct tare_err *err)
{
    const void *table = NULL;
    uint32_t version;

    (void)snprintf(api->release, sizeof(api->release), "%s", base->get_version_string());
    version = newest_version(api->release);
    if (version < ORT_API_OLDEST)
        return tare_fail(err, TARE_BROKEN, "'%s' is ONNX Runtime %s, need 1.%d or newer",
                         api->library, api->release, ORT_API_OLDEST);
    while (!table && version >= ORT_API_OLDEST)
        table = base->get_api(version--);
    if (!table)
        return tare_fail(err, TARE_BROKEN,
                         "'%s' is ONNX Runtime %s, which offers no API version of %d or more",
                         api->library, api->release, ORT_API_OLDEST);
    api->version = version + 1;
    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
        if (api->version >= slots[i].since)
            copy_slot(table, slots[i].index, (char *)api + slots[i].offset);
    return TARE_OK;
}

enum tare_status ort_api_load(const char *library, enum ort_build build, struct ort_api *api,
                              struct tare_err *err)
{
    const struct ort_api_base *(*get_base)(void);
    const struct ort_api_base *base;
    enum tare_status status;
    void *handle, *symbol;

    memset(api, 0, sizeof(*api));
    status = load_library(library, build, api, &handle, err);
    if (status != TARE_OK)
        return status;
    symbol = dlsym(handle, "OrtGetApiBase");
    if (!symbol)
        return tare_fail(err, TARE_BROKEN, "'%s' is not ONNX Runtime: it has no OrtGetApiBase",
                         api->library);
    memcpy(&get_base, &symbol, sizeof(get_base));
    base = get_base();
    if (!base)
        return tare_fail(err, TARE_BROKEN, "'%s' gives no API", api->library);
    return load_table(base, api, err);
}

/* The end of a C++ function's signature at text, or text itself if it is none. */
static const char *after_signature(const char *text)
{
    const char *at = strchr(text, '(');
    int depth = 0;

    if (!at || at == text || at[-1] == ' ') /* a bare name: one word */
        return text + strcspn(text, " ");
    for (; *at; at++) {
        depth += *at == '(' || *at == '[';
        depth -= *at == ')' || *at == ']';
        if (depth == 0 && *at == ' ' && strncmp(at, " const ", 7) != 0 &&
            strncmp(at, " [with ", 7) != 0)
            return at;
    }
    return text;
}

/*
 * The library's messages may say where in its source they arose, before what matters:
 *     ... Status Message: /build/core/graph/model.cc:179 onnxruntime::Model::Model(bool, int) Text
 * Cuts that out of text, in place, and the name and number of the error code after it.
 */
static void cut_location(char *text)
{
    static const char code[] = "[ONNXRuntimeError] : ";
    char *found = strstr(text, ".cc:"), *start;
    const char *rest;

    if (!found)
        found = strstr(text, ".h:");
    if (!found)
        return;
    start = found;
    while (start > text && start[-1] != ' ')
        start--;
    rest = found + strcspn(found, " ");
    rest = after_signature(rest + strspn(rest, " "));
    rest += strspn(rest, " ");
    if (strncmp(rest, code, strlen(code)) == 0) {
        const char *last = strstr(rest + strlen(code), " : "); /* between number and name */

        last = last ? strstr(last + 3, " : ") : NULL;
        rest = last ? last + 3 : rest;
    }
    memmove(start, rest, strlen(rest) + 1);
}

/* The message that loading failed comes after ours, which says the same. */
static const char *after_preface(const char *text)
{
    const char *end = strncmp(text, "Load model from ", 16) == 0 ? strstr(text, " failed:") : NULL;

    if (!end)
        return text;
    end += strlen(" failed:");
    return end + strspn(end, " ");
}

/* Copies text as one line: runs of white space and control characters become one space. */
static void copy_line(char *out, size_t out_bytes, const char *text)
{
    size_t length = 0;

    for (; *text && length + 1 < out_bytes; text++) {
        unsigned char c = (unsigned char)*text;

        if (c > ' ' && c != 127)
            out[length++] = (char)c;
        else if (length > 0 && out[length - 1] != ' ')
            out[length++] = ' ';
    }
    while (length > 0 && (out[length - 1] == ' ' || out[length - 1] == '.'))
        length--;
    out[length] = '\0';
}

static enum tare_status status_of(int code)
{
    switch (code) {
    case ORT_ERROR_NO_FILE:
        return TARE_ABSENT;
    case ORT_ERROR_NO_MODEL:
    case ORT_ERROR_PROTOBUF:
    case ORT_ERROR_GRAPH:
        return TARE_BADDATA;
    case ORT_ERROR_NOT_IMPLEMENTED:
        return TARE_UNSUPPORTED;
    default:
        return TARE_FAILED;
    }
}

/* The library has no error code for memory, only these texts: its arena's, CUDA's and cuDNN's. */
static bool says_no_memory(const char *text)
{
    static const char *const words[] = {
        "allocate memory", "Available memory of",       "CUDA failure 2:",     "out of memory",
        "OUT_OF_MEMORY",   "cudaErrorMemoryAllocation", "STATUS_ALLOC_FAILED", "bad_alloc"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(text, words[i]))
            return true;
    return false;
}

enum tare_status ort_api_check(const struct ort_api *api, ort_result result, const char *what,
                               struct tare_err *err)
{
    enum tare_status status;
    const char *reason;
    char text[2000];

    if (!result)
        return TARE_OK;
    status = status_of(api->get_error_code(result));
    reason = api->get_error_message(result);
    if (says_no_memory(reason)) /* which may stand behind what is cut */
        status = TARE_NOMEM;
    copy_line(text, sizeof(text), reason);
    cut_location(text);
    reason = after_preface(text);
    api->release_status(result);
    return tare_fail(err, status, "%s: %s", what, reason);
}
