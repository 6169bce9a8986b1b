#include "tensorrt/trt_build.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tensorrt/trt_build_inner.h"
#include "tensorrt/trt_parser.h"

/* nvinfer1::NetworkDefinitionCreationFlag, as bits */
enum {
    NETWORK_EXPLICIT_BATCH = 1 << 0, /* 8.6; the only kind later */
    NETWORK_STRONGLY_TYPED = 1 << 1, /* 10; the only kind from 11 on */
};

unsigned trt_build_flavours(const struct trt_build_job *job)
{
    unsigned flavours = TRT_ANY;

    if (job->architecture != job->here)
        flavours &= TRT_BIT(TRT_RTX);
    if (job->calibration)
        flavours &= TRT_BIT(TRT_8_6) | TRT_BIT(TRT_10);
    if (job->dla_core >= 0)
        flavours &= ~TRT_BIT(TRT_RTX);
    return flavours;
}

enum tare_status trt_build_fail(struct trt_build *build, const char *what, struct tare_err *err)
{
    char said[400];

    (void)trt_logger_said(build->logger, said, sizeof(said));
    return tare_fail(err, trt_speaks_of_memory(said) ? TARE_NOMEM : TARE_FAILED, "%s cannot %s: %s",
                     build->library.name, what, said);
}

static enum tare_status open_builder(struct trt_build *build, struct tare_err *err)
{
    void *(*create)(void *, int32_t) = NULL;
    enum tare_status status = trt_library_load_any(
        build->job->library, trt_build_flavours(build->job), &build->library, err);

    if (status != TARE_OK)
        return status;
    build->flavour = build->library.flavour;
    (void)snprintf(build->facts->name, sizeof(build->facts->name), "%s", build->library.name);
    status = trt_logger_new(build->flavour, NULL, NULL, &build->logger, err);
    if (status == TARE_OK)
        status = trt_library_symbol(&build->library, "createInferBuilder_INTERNAL", &create, err);
    if (status != TARE_OK)
        return status;
    build->builder = create(trt_logger_object(build->logger), build->library.version);
    return build->builder ? TARE_OK : trt_build_fail(build, "make a builder", err);
}

/* The parsed network, strongly typed or not as far as there is a choice. */
static enum tare_status parse(struct trt_build *build, bool typed, struct tare_err *err)
{
    trt_function create = trt_call_find(build->flavour, build->builder, TRT_BUILDER_CREATE_NETWORK);
    uint32_t flags = build->flavour == TRT_8_6           ? NETWORK_EXPLICIT_BATCH
                     : build->flavour == TRT_10 && typed ? NETWORK_STRONGLY_TYPED
                                                         : 0;
    int64_t start_ns = clock_now_ns();
    enum tare_status status;

    trt_parser_free(build->flavour, build->parser);
    trt_delete(build->network);
    build->parser = NULL;
    build->network = ((void *(*)(void *, uint32_t))create)(trt_impl(build->builder), flags);
    if (!build->network)
        return trt_build_fail(build, "make a network", err);
    status = trt_parse_file(&build->library, build->logger, build->network, build->job->model,
                            &build->parser, err);
    build->facts->parse_ns = clock_now_ns() - start_ns;
    if (status == TARE_OK)
        status = trt_network_count(build->flavour, build->network, &build->facts->network, err);
    return status;
}

/* The file's types against what was asked for. */
static enum tare_status check_precision(const struct trt_build *build, struct tare_err *err)
{
    const struct trt_network_facts *n = &build->facts->network;
    const char *is = trt_network_precision(n), *asked = build->job->precision;
    bool chooses = trt_build_chooses_types(build->job, build->flavour, strcmp(is, "fp16") == 0);
    bool scaled = build->job->calibration && strcmp(is, "fp32") == 0;

    if (strcmp(is, asked) == 0 ||
        (chooses && strcmp(asked, "fp16") == 0 && strcmp(is, "fp32") == 0) ||
        (chooses && strcmp(asked, "int8") == 0 && scaled))
        return TARE_OK;
    return tare_fail(
        err, TARE_UNSUPPORTED,
        "'%.120s' is %s, asked for is %s: of its %d convolutions %d are in FP32, %d in "
        "FP16, %d in INT8, and %s takes types from the file",
        build->job->model, is, asked, (int)n->convolutions, (int)n->fp32, (int)n->fp16,
        (int)n->int8, trt_flavour_name(build->flavour));
}

static enum tare_status write_engine(struct trt_build *build, struct tare_err *err)
{
    trt_function function = trt_call_find(build->flavour, build->builder, TRT_BUILDER_BUILD);
    int64_t start_ns = clock_now_ns();
    enum tare_status status;
    void *memory;

    trt_logger_clear(build->logger);
    memory = ((void *(*)(void *, void *, void *))function)(trt_impl(build->builder), build->network,
                                                           build->config);
    build->facts->build_ns = clock_now_ns() - start_ns;
    if (!memory)
        return trt_build_fail(build, "build an engine", err);
    build->facts->engine_bytes = (int64_t)trt_call_size(build->flavour, memory, TRT_MEMORY_SIZE);
    status =
        file_write(build->job->engine, trt_call_object(build->flavour, memory, TRT_MEMORY_DATA),
                   (size_t)build->facts->engine_bytes, err);
    trt_delete(memory);
    return status;
}

static void close_build(struct trt_build *build)
{
    trt_delete(build->timing_cache);
    trt_delete(build->config);
    trt_parser_free(build->flavour, build->parser);
    trt_delete(build->network);
    trt_delete(build->builder);
    trt_calibrator_free(build->calibrator);
    trt_logger_free(build->logger);
}

enum tare_status trt_build(const struct trt_build_job *job,
                           void (*step)(const char *what, void *data), void *data,
                           struct trt_build_facts *facts, struct tare_err *err)
{
    struct trt_build build = {.job = job, .facts = facts};
    bool half_file = false;
    enum tare_status status;

    memset(facts, 0, sizeof(*facts));
    status = open_builder(&build, err);
    if (step)
        step("reading the model", data);
    if (status == TARE_OK)
        status = parse(&build, false, err);
    half_file = strcmp(trt_network_precision(&facts->network), "fp16") == 0;
    if (status == TARE_OK && build.flavour == TRT_10 &&
        !trt_build_chooses_types(job, TRT_10, half_file))
        status = parse(&build, true, err);
    if (status == TARE_OK)
        status = check_precision(&build, err);
    if (status == TARE_OK) {
        build.config = trt_call_object(build.flavour, build.builder, TRT_BUILDER_CREATE_CONFIG);
        status = build.config ? trt_configure(&build, half_file, err)
                              : trt_build_fail(&build, "make a configuration", err);
    }
    if (step)
        step("building the engine", data);
    if (status == TARE_OK)
        status = write_engine(&build, err);
    if (status == TARE_OK)
        status = trt_timing_save(&build, err);
    close_build(&build);
    return status;
}
