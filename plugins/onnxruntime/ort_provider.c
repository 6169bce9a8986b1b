#include <string.h>

#include "ort_session.h"

#define NOTES_BYTES 60 /* fewer than a report's provider has, which must hold them */

static const struct {
    const char *name;
    const char *provider; /* as the library calls it */
    bool on_device;
} providers[ORT_PROVIDERS] = {
    [ORT_CPU] = {"cpu", "CPUExecutionProvider", false},
    [ORT_OPENVINO] = {"openvino", "OpenVINOExecutionProvider", false},
    [ORT_CUDA] = {"cuda", "CUDAExecutionProvider", true},
    [ORT_TENSORRT] = {"tensorrt", "TensorrtExecutionProvider", true},
    [ORT_NVTENSORRTRTX] = {"nvtensorrtrtx", "NvTensorRTRTXExecutionProvider", true},
};

enum ort_provider ort_provider_of(const struct tare_open_options *options)
{
    const char *name = tare_option_text(options, ort_options, "provider");
    enum ort_provider provider = ORT_CPU;

    while (provider < ORT_PROVIDERS && strcmp(providers[provider].name, name) != 0)
        provider++;
    return provider;
}

bool ort_is_on_device(const struct tare_open_options *options)
{
    return providers[ort_provider_of(options)].on_device;
}

enum ort_build ort_provider_build(const struct tare_open_options *options)
{
    switch (ort_provider_of(options)) {
    case ORT_OPENVINO:
        return ORT_BUILD_OPENVINO;
    case ORT_CUDA:
    case ORT_TENSORRT:
        return ORT_BUILD_CUDA;
    default:
        return ORT_BUILD_ORDINARY;
    }
}

enum tare_status ort_check_provider(const struct tare_open_options *options, struct tare_err *err)
{
    enum ort_provider provider = ort_provider_of(options);
    const char *precision = options->precision;

    if (provider == ORT_PROVIDERS)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "execution provider '%s' is not supported by this plugin, need cpu, "
                         "openvino, cuda, tensorrt or nvtensorrtrtx",
                         tare_option_text(options, ort_options, "provider"));
    if (providers[provider].on_device && strncmp(options->device, "cuda:", 5) != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "provider %s cannot use device '%s', need cuda:0",
                         providers[provider].name, options->device);
    if (!providers[provider].on_device && strcmp(options->device, "cpu") != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "provider %s cannot use device '%s', need cpu%s",
                         providers[provider].name, options->device,
                         provider == ORT_CPU ? ", or option provider=cuda" : "");
    if (provider == ORT_OPENVINO && strcmp(precision, "fp32") != 0 &&
        strcmp(precision, "int8") != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "provider openvino executes fp32 on a processor, not %s: the runtime "
                         "openvino may",
                         precision);
    return TARE_OK;
}

static enum tare_status add_openvino(const struct ort_api *api,
                                     const struct tare_open_options *options,
                                     struct ort_session_options *to, struct tare_err *err)
{
    const char *names[] = {"device_type", "precision", "num_streams", "num_of_threads"};
    const char *values[] = {"CPU", "FP32", "1", NULL};
    struct tare_err reason = TARE_ERR_INIT;
    char threads[16];
    enum tare_status status;

    if (!api->get_assignment)
        return tare_fail(err, TARE_BROKEN,
                         "'%s' is ONNX Runtime %s, which cannot say what its providers execute: "
                         "need 1.%d or newer",
                         api->library, api->release, ORT_API_HAS_SHAPE);
    (void)snprintf(threads, sizeof(threads), "%d", options->threads);
    values[3] = threads;
    status = ort_api_check(
        api, api->append_provider(to, "OpenVINO", names, values, options->threads > 0 ? 4 : 3),
        "no OpenVINO provider", &reason);
    if (status != TARE_OK)
        return tare_fail(err, TARE_ABSENT, "'%.200s' has %.250s", api->library, reason.text);
    return TARE_OK;
}

enum tare_status ort_add_provider(struct tare_session *session,
                                  const struct tare_open_options *options,
                                  struct ort_session_options *to, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    enum tare_status status = TARE_OK;

    switch (ort_provider_of(options)) {
    case ORT_OPENVINO:
        status = add_openvino(api, options, to, err);
        break;
    case ORT_CUDA:
    case ORT_TENSORRT:
        status = ort_add_cuda(session, options, to, err);
        break;
    case ORT_NVTENSORRTRTX:
        status = ort_add_plugin(session, options, to, err);
        break;
    default:
        return TARE_OK;
    }
    if (status == TARE_OK && api->get_assignment)
        status = ort_api_check(api, api->add_session_config_entry(to, ORT_RECORD_ASSIGNMENT, "1"),
                               "cannot set the session's options", err);
    return status;
}

/* Appends name to the list in text, if it is not there. */
static void add_name(char *text, size_t text_bytes, const char *name)
{
    size_t used = strlen(text);

    if (!strstr(text, name))
        (void)snprintf(text + used, text_bytes - used, "%s%s", used ? "+" : "", name);
}

static enum tare_status read_assignment(const struct tare_session *session, char *text,
                                        size_t text_bytes, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    const struct ort_subgraph *const *subgraphs = NULL;
    const char *what = "cannot read back which provider executes the model";
    size_t count = 0;
    enum tare_status status =
        ort_api_check(api, api->get_assignment(session->session, &subgraphs, &count), what, err);

    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        const char *name = NULL;

        status = ort_api_check(api, api->get_subgraph_provider(subgraphs[i], &name), what, err);
        if (status == TARE_OK)
            add_name(text, text_bytes, name);
    }
    return status;
}

/* Names and what must be known with them. Where both are too long, the names lose the part that all
 * have; the notes are never lost. */
static void put_provider(char *names, const char *notes, char *text, size_t text_bytes)
{
    static const char common[] = "ExecutionProvider";
    bool too_long = strlen(names) + strlen(notes) >= text_bytes;

    for (char *at = names; too_long && (at = strstr(at, common)) != NULL;)
        memmove(at, at + strlen(common), strlen(at + strlen(common)) + 1);
    (void)snprintf(text, text_bytes, "%.*s%s", (int)(text_bytes - strlen(notes) - 1), names, notes);
}

enum tare_status ort_read_provider(const struct tare_session *session,
                                   const struct tare_open_options *options, char *text,
                                   size_t text_bytes, struct tare_err *err)
{
    enum ort_provider provider = ort_provider_of(options);
    bool int8 = provider == ORT_CUDA && strcmp(options->precision, "int8") == 0;
    bool stand_in = session->device && cuda_facts_of(session->device->cuda)->stand_in;
    char names[300] = "", copies[29] = "", notes[NOTES_BYTES];
    enum tare_status status = TARE_OK;

    text[0] = '\0';
    if (provider == ORT_CPU || !session->api.get_assignment)
        add_name(names, sizeof(names), providers[provider].provider);
    else
        status = read_assignment(session, names, sizeof(names), err);
    if (status == TARE_OK && !strstr(names, providers[provider].provider))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "provider %s executes nothing of this model, all of it is left to '%s'",
                         providers[provider].name, names);
    if (session->copies > 0)
        (void)snprintf(copies, sizeof(copies), ", %ld copies", session->copies);
    (void)snprintf(notes, sizeof(notes), "%s%s%s", int8 ? ", no INT8 convolution" : "",
                   stand_in ? ", stand-in" : "", copies);
    put_provider(names, notes, text, text_bytes);
    return status;
}
