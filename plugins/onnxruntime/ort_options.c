/*
 * ort_options.c - the plugin's options: which there are, which provider has which, and those that
 * are the session's own.
 */
#include <string.h>

#include "ort_session.h"

const struct tare_option_info ort_options[] = {
    {"library", "path of libonnxruntime.so (default: found)", TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"provider", "execution provider: cpu, openvino, cuda, tensorrt, nvtensorrtrtx",
     TARE_OPTION_TEXT, "cpu", 0, 0, NULL},
    {"spinning", "whether idle threads spin between runs", TARE_OPTION_CHOICE, "default", 0, 0,
     "default|off"},
    {"optimization", "graph optimisation level", TARE_OPTION_CHOICE, "all", 0, 0,
     "none|basic|extended|all"},
    {"execution", "order of independent nodes", TARE_OPTION_CHOICE, "sequential", 0, 0,
     "sequential|parallel"},
    {"inter_op_threads", "threads for independent nodes (execution=parallel)", TARE_OPTION_INT, "1",
     1, 1024, NULL},
    {"memory_pattern", "plan memory from the first run", TARE_OPTION_BOOL, "1", 0, 1, NULL},
    {"arena", "keep freed memory for the next run", TARE_OPTION_BOOL, "1", 0, 1, NULL},
    {"casts", "run half precision even if it is computed in fp32, behind casts", TARE_OPTION_BOOL,
     "0", 0, 1, NULL},
    {"profile", "time every node, for tare bench --profile", TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"cuda_graph", "capture a run as a CUDA graph, and replay that", TARE_OPTION_BOOL, "0", 0, 1,
     NULL},
    {"prefer_nhwc", "cuda: convolutions with channels last", TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"tf32", "cuda: let fp32 be computed in tf32", TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"fuse_conv_bias", "cuda: add the bias in the convolution (fp16 and prefer_nhwc=1)",
     TARE_OPTION_BOOL, "0", 0, 1, NULL},
    {"cudnn_conv_algo_search", "cuda: how an algorithm is chosen for a convolution",
     TARE_OPTION_CHOICE, "exhaustive", 0, 0, "exhaustive|heuristic|default"},
    {"cudnn_conv_use_max_workspace", "cuda: let a convolution have all the memory it asks for",
     TARE_OPTION_BOOL, "1", 0, 1, NULL},
    {"device_memory_mb", "cuda: most memory of the device for the model (0: no limit)",
     TARE_OPTION_INT, "0", 0, 1 << 20, NULL},
    {"quant_qdq", "cuda, int8: keep Q/DQ as nodes, or let the processor's fusions have them",
     TARE_OPTION_CHOICE, "keep", 0, 0, "keep|fuse"},
    {"engine_cache", "tensorrt, nvtensorrtrtx: folder where engines are kept (default: none)",
     TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"provider_library", "nvtensorrtrtx: path of the provider's library (default: found)",
     TARE_OPTION_TEXT, "", 0, 0, NULL},
    {0},
};

#define HAS(provider) (1U << (provider))

/* Options that only some providers have. */
static const struct {
    const char *name;
    unsigned providers;
} limited[] = {
    {"cuda_graph", HAS(ORT_CUDA) | HAS(ORT_TENSORRT) | HAS(ORT_NVTENSORRTRTX)},
    {"prefer_nhwc", HAS(ORT_CUDA)},
    {"tf32", HAS(ORT_CUDA)},
    {"fuse_conv_bias", HAS(ORT_CUDA)},
    {"cudnn_conv_algo_search", HAS(ORT_CUDA)},
    {"cudnn_conv_use_max_workspace", HAS(ORT_CUDA)},
    {"device_memory_mb", HAS(ORT_CUDA)},
    {"quant_qdq", HAS(ORT_CUDA)},
    {"engine_cache", HAS(ORT_TENSORRT) | HAS(ORT_NVTENSORRTRTX)},
    {"provider_library", HAS(ORT_NVTENSORRTRTX)},
};

static bool is_given(const struct tare_open_options *options, const char *name)
{
    for (size_t i = 0; i < options->option_count; i++)
        if (strcmp(options->options[i].name, name) == 0)
            return true;
    return false;
}

enum tare_status ort_check_options(const struct tare_open_options *options, struct tare_err *err)
{
    const char *provider = tare_option_text(options, ort_options, "provider");
    unsigned bit = HAS(ort_provider_of(options));

    for (size_t i = 0; i < sizeof(limited) / sizeof(limited[0]); i++)
        if (is_given(options, limited[i].name) && !(limited[i].providers & bit))
            return tare_fail(err, TARE_INVALID, "provider %s has no option '%s'", provider,
                             limited[i].name);
    /* Measured with 1.31.1 and cuDNN 9.19: in fp32 results are off by tens of thousands. */
    if (tare_option_int(options, ort_options, "fuse_conv_bias") &&
        (strcmp(options->precision, "fp16") != 0 ||
         !tare_option_int(options, ort_options, "prefer_nhwc")))
        return tare_fail(err, TARE_INVALID,
                         "option fuse_conv_bias=1 is known to give right results in fp16 with "
                         "prefer_nhwc=1 alone, and wrong ones in fp32");
    if (tare_option_int(options, ort_options, "tf32") && strcmp(options->precision, "fp32") != 0 &&
        strcmp(options->precision, "int8") != 0)
        return tare_fail(err, TARE_INVALID, "option tf32=1 is for fp32 and int8, not %s",
                         options->precision);
    return TARE_OK;
}

/* A name that the user chose, as the number the library wants; the options are checked before. */
static int choice_number(const struct tare_open_options *options, const char *name)
{
    static const struct {
        const char *choice;
        int number;
    } numbers[] = {{"none", 0}, {"basic", 1},      {"extended", 2},
                   {"all", 99}, {"sequential", 0}, {"parallel", 1}};
    const char *value = tare_option_text(options, ort_options, name);

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        if (strcmp(numbers[i].choice, value) == 0)
            return numbers[i].number;
    return 0;
}

enum tare_status ort_configure(const struct ort_api *api, const struct tare_open_options *options,
                               struct ort_session_options *to, struct tare_err *err)
{
    const char *what = "cannot set the session's options";
    bool spinning = strcmp(tare_option_text(options, ort_options, "spinning"), "off") != 0;
    int64_t inter = tare_option_int(options, ort_options, "inter_op_threads");
    ort_result result = NULL;

    if (options->threads > 0)
        result = api->set_intra_op_num_threads(to, options->threads);
    if (!result)
        result = api->set_inter_op_num_threads(to, (int)inter);
    if (!result)
        result = api->set_graph_optimization_level(to, choice_number(options, "optimization"));
    if (!result)
        result = api->set_execution_mode(to, choice_number(options, "execution"));
    if (!result && !spinning)
        result = api->add_session_config_entry(to, "session.intra_op.allow_spinning", "0");
    if (!result && !spinning)
        result = api->add_session_config_entry(to, "session.inter_op.allow_spinning", "0");
    if (!result && !tare_option_int(options, ort_options, "memory_pattern"))
        result = api->disable_mem_pattern(to);
    if (!result && !tare_option_int(options, ort_options, "arena"))
        result = api->disable_cpu_mem_arena(to);
    return ort_api_check(api, result, what, err);
}
