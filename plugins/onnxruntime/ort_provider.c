#include <string.h>

#include "ort_session.h"

#define OPENVINO_NAME "OpenVINOExecutionProvider"

static bool wants_openvino(const struct tare_open_options *options)
{
    return strcmp(tare_option_text(options, ort_options, "provider"), "openvino") == 0;
}

enum ort_build ort_provider_build(const struct tare_open_options *options)
{
    return wants_openvino(options) ? ORT_BUILD_OPENVINO : ORT_BUILD_ORDINARY;
}

enum tare_status ort_check_provider(const struct tare_open_options *options, struct tare_err *err)
{
    const char *provider = tare_option_text(options, ort_options, "provider");
    const char *precision = options->precision;

    if (strcmp(provider, "cuda") == 0)
        return ort_check_cuda(options, err);
    if (!wants_openvino(options) && strcmp(provider, "cpu") != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "execution provider '%s' is not supported by this plugin, need cpu, "
                         "openvino or cuda",
                         provider);
    if (strcmp(options->device, "cpu") != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "provider %s cannot use device '%s', need cpu",
                         provider, options->device);
    if (wants_openvino(options) && strcmp(precision, "fp32") != 0 && strcmp(precision, "int8") != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "provider openvino executes fp32 on a processor, not %s: the runtime "
                         "openvino may",
                         precision);
    return TARE_OK;
}

enum tare_status ort_add_provider(const struct ort_api *api,
                                  const struct tare_open_options *options,
                                  struct ort_session_options *to, struct tare_err *err)
{
    const char *names[] = {"device_type", "precision", "num_streams", "num_of_threads"};
    const char *values[] = {"CPU", "FP32", "1", NULL};
    struct tare_err reason = TARE_ERR_INIT;
    char threads[16];
    enum tare_status status;

    if (!wants_openvino(options))
        return TARE_OK;
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
    return ort_api_check(api, api->add_session_config_entry(to, ORT_RECORD_ASSIGNMENT, "1"),
                         "cannot set the session's options", err);
}

/* Appends name to the list in text, if it is not there. */
static void add_name(char *text, size_t text_bytes, const char *name)
{
    size_t used = strlen(text);

    if (!strstr(text, name))
        (void)snprintf(text + used, text_bytes - used, "%s%s", used ? "+" : "", name);
}

enum tare_status ort_read_provider(const struct tare_session *session,
                                   const struct tare_open_options *options, char *text,
                                   size_t text_bytes, struct tare_err *err)
{
    const struct ort_api *api = &session->api;
    const struct ort_subgraph *const *subgraphs = NULL;
    const char *what = "cannot read back which provider executes the model";
    enum tare_status status;
    size_t count = 0;

    text[0] = '\0';
    if (!wants_openvino(options)) {
        add_name(text, text_bytes, "CPUExecutionProvider");
        return TARE_OK;
    }
    status =
        ort_api_check(api, api->get_assignment(session->session, &subgraphs, &count), what, err);
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        const char *name = NULL;

        status = ort_api_check(api, api->get_subgraph_provider(subgraphs[i], &name), what, err);
        if (status == TARE_OK)
            add_name(text, text_bytes, name);
    }
    if (status == TARE_OK && !strstr(text, OPENVINO_NAME))
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the OpenVINO provider executes nothing of this model, all of it is left "
                         "to '%s'",
                         text);
    return status;
}
