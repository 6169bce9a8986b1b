/* The library: found, loaded, told apart. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/library.h"
#include "cuda/cuda_find.h"
#include "tensorrt/trt_api.h"

/*
 * The versions whose headers were compared, function by function (docs/tensorrt.md): all functions
 * of the slot tables lie in the same slots in each of a row's. Patches of a minor version are taken
 * to be like it, as they were wherever two had headers. A newer minor version is refused: 10.8
 * moved a function that 10.7 and 10.9 have elsewhere, so "only ever appended" cannot be relied on.
 */
static const struct verified {
    enum trt_flavour flavour;
    int32_t major, first_minor, last_minor;
} verified[] = {
    {TRT_8_6, 8, 6, 6},
    {TRT_10, 10, 0, 16},
    {TRT_11, 11, 0, 1},
    {TRT_RTX, 1, 7, 7},
};
#define NEED "need TensorRT 8.6, 10.0 to 10.16, 11.0 to 11.1 or TensorRT for RTX 1.7"

/* In the order that they are tried. */
static const struct place {
    enum trt_flavour flavour;
    const char *name; /* what the dynamic linker is asked for */
    const char *file; /* what cuda_find() is: '*' stands for any text */
} places[] = {
    {TRT_11, "libnvinfer.so.11", "libnvinfer.so.11"},
    {TRT_10, "libnvinfer.so.10", "libnvinfer.so.10"},
    {TRT_8_6, "libnvinfer.so.8", "libnvinfer.so.8"},
    {TRT_RTX, "libtensorrt_rtx.so.1", "libtensorrt_rtx.so.1*"},
};
#define PLACES (sizeof(places) / sizeof(places[0]))

const char *trt_flavour_name(enum trt_flavour flavour)
{
    static const char *const names[TRT_FLAVOURS] = {"TensorRT 8.6", "TensorRT 10", "TensorRT 11",
                                                    "TensorRT for RTX"};

    return names[flavour];
}

const char *trt_type_name(int32_t type)
{
    static const char *const names[] = {"FP32",  "FP16", "INT8", "INT32", "BOOL",
                                        "UINT8", "FP8",  "BF16", "INT64", "INT4"};

    return type >= 0 && (size_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

/* --- versions --- */

/* Since 10 a version is written with one more digit; RTX counts from 1 in that way. */
static void split_version(int32_t version, struct trt_library *library)
{
    int32_t unit = version >= 10000 ? 10000 : 1000;

    library->version = version;
    library->major = version / unit;
    library->minor = version % unit / 100;
    library->patch = version % 100;
}

enum tare_status trt_library_identify(const char *file_name, int32_t version,
                                      struct trt_library *library, struct tare_err *err)
{
    bool named_rtx = strstr(file_name, "tensorrt_rtx") != NULL;
    bool named_other = strstr(file_name, "nvinfer") != NULL, rtx;

    split_version(version, library);
    rtx = library->major == 1;
    (void)snprintf(library->text, sizeof(library->text), "%d.%d.%d", (int)library->major,
                   (int)library->minor, (int)library->patch);
    (void)snprintf(library->name, sizeof(library->name), "TensorRT %s%s", rtx ? "for RTX " : "",
                   library->text);
    if (rtx ? named_other : named_rtx)
        return tare_fail(err, TARE_BROKEN,
                         "cannot use '%s': it says that it is %s, which its name "
                         "contradicts",
                         file_name, library->name);
    for (size_t i = 0; i < sizeof(verified) / sizeof(verified[0]); i++)
        if (verified[i].major == library->major && verified[i].first_minor <= library->minor &&
            library->minor <= verified[i].last_minor) {
            library->flavour = verified[i].flavour;
            return TARE_OK;
        }
    return tare_fail(err, TARE_BROKEN, "cannot use '%s': %s, " NEED, file_name, library->name);
}

/* --- loading --- */

enum tare_status trt_library_symbol(const struct trt_library *library, const char *symbol,
                                    void *function, struct tare_err *err)
{
    void *found = dlsym(library->handle, symbol);

    if (!found)
        return tare_fail(err, TARE_BROKEN, "cannot use '%s': no symbol '%s'", library->path,
                         symbol);
    memcpy(function, &found, sizeof(found)); /* ISO C knows no conversion to a function pointer */
    return TARE_OK;
}

/* One that the dynamic linker found by its name: its file. */
static void say_where(struct trt_library *library, const void *function)
{
    void *address;
    Dl_info info;

    memcpy(&address, function, sizeof(address));
    if (!strchr(library->path, '/') && dladdr(address, &info) && info.dli_fname &&
        strlen(info.dli_fname) < sizeof(library->path))
        (void)snprintf(library->path, sizeof(library->path), "%s", info.dli_fname);
}

/* What was loaded: its version. */
static enum tare_status identify(struct trt_library *library, unsigned flavours,
                                 struct tare_err *err)
{
    int32_t (*get_version)(void) = NULL;
    enum tare_status status = trt_library_symbol(library, "getInferLibVersion", &get_version, err);

    if (status == TARE_OK)
        say_where(library, &get_version);
    if (status == TARE_OK)
        status = trt_library_identify(file_base_name(library->path), get_version(), library, err);
    if (status == TARE_OK && !(flavours & TRT_BIT(library->flavour)))
        status = tare_fail(err, TARE_UNSUPPORTED, "'%s' is %s, which cannot do this", library->path,
                           library->name);
    return status;
}

static enum tare_status load_file(const char *path, unsigned flavours, struct trt_library *library,
                                  struct tare_err *err)
{
    enum tare_status status;

    memset(library, 0, sizeof(*library));
    if (strlen(path) >= sizeof(library->path))
        return tare_fail(err, TARE_LIMIT, "path of %zu bytes is too long", strlen(path));
    (void)snprintf(library->path, sizeof(library->path), "%s", path);
    status = library_open(path, "TensorRT", &library->handle, err);
    return status == TARE_OK ? identify(library, flavours, err) : status;
}

/* One that the linker does not know of: of a wheel, or of a toolkit. */
static bool find_file(const char *file, char *path, size_t path_bytes)
{
    struct cuda_library library = *cuda_library_tensorrt();
    const char *const files[] = {file, NULL};

    library.files = files;
    library.variable = NULL; /* which was looked at before */
    return cuda_find(&library, path, path_bytes, NULL) == TARE_OK;
}

/* Tries one place. *refused gets the first refusal of a library that is there. */
static bool try_place(const struct place *place, bool elsewhere, unsigned flavours,
                      struct trt_library *library, struct tare_err *refused)
{
    char path[FILE_MAX_PATH];
    void *handle;

    if (elsewhere)
        return find_file(place->file, path, sizeof(path)) &&
               load_file(path, flavours, library, refused) == TARE_OK;
    handle = dlopen(place->name, RTLD_NOW | RTLD_LOCAL);
    return handle && load_file(place->name, flavours, library, refused) == TARE_OK;
}

static enum tare_status search(unsigned flavours, struct trt_library *library, struct tare_err *err)
{
    struct tare_err refused = TARE_ERR_INIT;

    for (int elsewhere = 0; elsewhere < 2; elsewhere++)
        for (size_t i = 0; i < PLACES; i++)
            if (flavours & TRT_BIT(places[i].flavour) &&
                try_place(&places[i], elsewhere != 0, flavours, library, &refused))
                return TARE_OK;
    if (refused.status != TARE_OK)
        return tare_fail(err, refused.status, "%s", refused.text);
    if (flavours == TRT_BIT(TRT_RTX))
        return tare_fail(err, TARE_ABSENT,
                         "no TensorRT for RTX on this machine: run 'tools/setup tensorrt', or set "
                         "TARE_TENSORRT to its libtensorrt_rtx.so");
    return tare_fail(
        err, TARE_ABSENT, "no TensorRT%s on this machine: set TARE_TENSORRT to its libnvinfer.so%s",
        flavours & TRT_BIT(TRT_RTX) ? "" : " that can do this",
        flavours & TRT_BIT(TRT_RTX) ? ", or run 'tools/setup tensorrt' for TensorRT for RTX" : "");
}

enum tare_status trt_library_load_any(const char *path, unsigned flavours,
                                      struct trt_library *library, struct tare_err *err)
{
    const char *variable = getenv("TARE_TENSORRT");
    const char *named = path && path[0] ? path : variable && variable[0] ? variable : NULL;

    if (!named)
        return search(flavours, library, err);
    if (!file_exists(named))
        return tare_fail(err, TARE_ABSENT, "no TensorRT at '%s' (%s)", named,
                         named == variable ? "TARE_TENSORRT" : "option library");
    return load_file(named, flavours, library, err);
}

enum tare_status trt_library_load(const char *path, struct trt_library *library,
                                  struct tare_err *err)
{
    return trt_library_load_any(path, TRT_ANY, library, err);
}

/* --- objects --- */

void *trt_impl(const void *object)
{
    return ((void *const *)object)[1];
}

trt_function trt_own_slot(const void *object, int slot)
{
    const trt_function *const *table = object;

    return (*table)[slot];
}

trt_function trt_slot(const void *object, int slot)
{
    return trt_own_slot(trt_impl(object), slot);
}

void trt_delete(void *object)
{
    if (object)
        ((void (*)(void *))trt_own_slot(object, 1))(object);
}
