#include "tensorrt/trt_parser.h"

#include <dlfcn.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"
#include "tensorrt/trt_build_slots.h"

#define PARSER_VERSION 100 /* NV_ONNX_PARSER_VERSION: 0.1.0 in all of them */
#define MAX_MODEL      ((size_t)1 << 31)
#define CREATE         "createNvOnnxParser_INTERNAL"

/* nvonnxparser::ErrorCode */
enum {
    CODE_UNSUPPORTED_FIRST = 7, /* a graph; 8 to 13: a node, and what of it */
    CODE_UNSUPPORTED_LAST = 13,
};

typedef void *(*create_parser)(void *network, void *logger, int version);

static const char *const names[TRT_FLAVOURS] = {"libnvonnxparser.so.8", "libnvonnxparser.so.10",
                                                "libnvonnxparser.so.11",
                                                "libtensorrt_onnxparser_rtx.so.1"};

/* The parser's library beside TensorRT's, its name followed by nothing or more of its version. */
static void *open_beside(const struct trt_library *library)
{
    const char *base = file_base_name(library->path);
    char pattern[FILE_MAX_PATH + 64];
    void *handle = NULL;
    glob_t found;

    (void)snprintf(pattern, sizeof(pattern), "%.*s%s*", (int)(base - library->path), library->path,
                   names[library->flavour]);
    if (base == library->path || glob(pattern, 0, NULL, &found) != 0)
        return NULL;
    if (found.gl_pathc > 0)
        handle = dlopen(found.gl_pathv[0], RTLD_NOW | RTLD_LOCAL);
    globfree(&found);
    return handle;
}

static enum tare_status find_create(const struct trt_library *library, create_parser *create,
                                    struct tare_err *err)
{
    void *symbol = dlsym(library->handle, CREATE), *handle;

    if (!symbol) {
        handle = open_beside(library);
        if (!handle)
            handle = dlopen(names[library->flavour], RTLD_NOW | RTLD_LOCAL);
        if (!handle)
            return tare_fail(err, TARE_ABSENT, "no ONNX parser for %s: %s", library->name,
                             dlerror());
        symbol = dlsym(handle, CREATE);
    }
    if (!symbol)
        return tare_fail(err, TARE_BROKEN, "cannot use '%s': no symbol '" CREATE "'",
                         names[library->flavour]);
    memcpy(create, &symbol, sizeof(symbol));
    return TARE_OK;
}

/* --- its errors --- */

static trt_function own(enum trt_flavour flavour, const void *object, enum trt_build_call call)
{
    return trt_own_slot(object, trt_build_slot(flavour, call));
}

static const char *text_of(enum trt_flavour flavour, const void *fault, enum trt_build_call call)
{
    const char *text = NULL;

    if (trt_build_slot(flavour, call) != TRT_LACKS)
        text = ((const char *(*)(const void *))own(flavour, fault, call))(fault);
    return text ? text : "";
}

/* "node 3 'conv' (Conv): text", and whether it is one of what is not supported. */
static bool describe(enum trt_flavour flavour, const void *fault, char *text, size_t text_bytes)
{
    int32_t code = ((int32_t(*)(const void *))trt_own_slot(fault, 0))(fault);
    int32_t node = ((int32_t(*)(const void *))own(flavour, fault, TRT_FAULT_NODE))(fault);
    const char *name = text_of(flavour, fault, TRT_FAULT_NODE_NAME);
    const char *type = text_of(flavour, fault, TRT_FAULT_NODE_TYPE);
    char where[200] = "";

    if (node >= 0 && (*name || *type))
        (void)snprintf(where, sizeof(where), "node %d '%.100s' (%.60s): ", (int)node, name, type);
    else if (node >= 0)
        (void)snprintf(where, sizeof(where), "node %d: ", (int)node);
    (void)snprintf(text, text_bytes, "%s%.250s", where, text_of(flavour, fault, TRT_FAULT_TEXT));
    printable_line(text);
    return code >= CODE_UNSUPPORTED_FIRST && code <= CODE_UNSUPPORTED_LAST;
}

static enum tare_status fail_parsing(const struct trt_library *library, struct trt_logger *logger,
                                     const void *parser, const char *path, struct tare_err *err)
{
    enum trt_flavour flavour = library->flavour;
    int32_t count = ((int32_t(*)(const void *))own(flavour, parser, TRT_PARSER_ERRORS))(parser);
    const void *fault = NULL;
    bool unsupported = false;
    char text[512];

    if (count > 0)
        fault = ((const void *(*)(const void *, int32_t))own(flavour, parser, TRT_PARSER_ERROR))(
            parser, 0);
    if (fault)
        unsupported = describe(flavour, fault, text, sizeof(text));
    else
        (void)trt_logger_said(logger, text, sizeof(text));
    return tare_fail(err, unsupported ? TARE_UNSUPPORTED : TARE_BADDATA,
                     "%s cannot read '%.120s': %.300s", library->name, path, text);
}

enum tare_status trt_parse_file(const struct trt_library *library, struct trt_logger *logger,
                                void *network, const char *path, void **parser,
                                struct tare_err *err)
{
    create_parser create = NULL;
    struct file_map map = {0};
    trt_function parse;
    enum tare_status status;

    *parser = NULL;
    status = find_create(library, &create, err);
    if (status == TARE_OK)
        status = file_map(path, MAX_MODEL, &map, err);
    if (status != TARE_OK)
        return status;
    trt_logger_clear(logger);
    *parser = create(network, trt_logger_object(logger), PARSER_VERSION);
    if (!*parser) {
        status = tare_fail(err, TARE_BROKEN, "%s makes no ONNX parser", library->name);
    } else {
        parse = own(library->flavour, *parser, TRT_PARSER_PARSE);
        if (!((bool (*)(void *, const void *, size_t, const char *))parse)(*parser, map.data,
                                                                           map.size, path))
            status = fail_parsing(library, logger, *parser, path, err);
    }
    file_unmap(&map);
    if (status != TARE_OK) {
        trt_parser_free(library->flavour, *parser);
        *parser = NULL;
    }
    return status;
}

void trt_parser_free(enum trt_flavour flavour, void *parser)
{
    if (parser)
        ((void (*)(void *))own(flavour, parser, TRT_PARSER_DELETE))(parser);
}
