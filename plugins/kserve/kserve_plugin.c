/*
 * kserve_plugin.c - a served model as a runtime: every run is one request to a KServe v2 server
 * such as Triton, over HTTP or gRPC, with its tensors on the wire or in shared memory.
 *
 * The server may be on another machine (but for shared memory), and has the model: the plugin needs
 * no file. It times nothing by itself: a response does not say where the server's time went.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "kserve/kserve.h"
#include "tare/backend.h"

#define ALIGNMENT 64

struct memory {
    struct memory *next;
    void *data;
};

struct tare_session {
    struct kserve_client *client;
    struct kserve_model model;
    char name[TARE_MAX_NAME], version[32];
    bool shared;
    bool ran; /* the bound request has had a response */
    struct infer_request *request;
    struct memory *memory; /* that allocate() gave, on the wire */
};

static const struct tare_option_info options[] = {
    {"url", "the server's host:port; the port is 8000 for http and 8001 for grpc unless it is said",
     TARE_OPTION_TEXT, "127.0.0.1", 0, 0, NULL},
    {"transport", "how requests go there", TARE_OPTION_CHOICE, "http", 0, 0, "http|grpc"},
    {"memory", "where tensors are: in the messages, or in memory shared with a server here",
     TARE_OPTION_CHOICE, "wire", 0, 0, "wire|shared"},
    {"model", "its name on the server", TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"version", "of the model; nothing is the server's choice", TARE_OPTION_TEXT, "", 0, 0, NULL},
    {"timeout_ms", "the longest that a request may take; 0 is for ever", TARE_OPTION_INT, "60000",
     0, 86400000, NULL},
    {0},
};

static enum tare_status kserve_probe(char *note, size_t note_bytes, struct tare_err *err)
{
    (void)err;
    (void)snprintf(note, note_bytes, "KServe v2 client");
    return TARE_OK;
}

static void session_close(struct tare_session *session)
{
    if (!session)
        return;
    infer_request_free(session->request);
    kserve_close(session->client);
    kserve_model_release(&session->model);
    while (session->memory) {
        struct memory *next = session->memory->next;

        free(session->memory->data);
        free(session->memory);
        session->memory = next;
    }
    free(session);
}

static enum tare_status copy_text(const struct tare_open_options *open, const char *option,
                                  char *text, size_t text_bytes, struct tare_err *err)
{
    const char *given = tare_option_text(open, options, option);

    if (strlen(given) >= text_bytes)
        return tare_fail(err, TARE_INVALID, "option '%s' has %zu bytes, need at most %zu", option,
                         strlen(given), text_bytes - 1);
    memcpy(text, given, strlen(given) + 1);
    return TARE_OK;
}

static enum tare_status read_options(const struct tare_open_options *open,
                                     struct tare_session *session, struct kserve_options *client,
                                     struct tare_err *err)
{
    if (strcmp(open->device, "cpu") != 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "where a served model runs is the server's choice: '%s' means nothing "
                         "here, need cpu",
                         open->device);
    if (copy_text(open, "model", session->name, sizeof(session->name), err) != TARE_OK ||
        copy_text(open, "version", session->version, sizeof(session->version), err) != TARE_OK)
        return err->status;
    if (!session->name[0])
        return tare_fail(err, TARE_INVALID, "which model: --option model=NAME");
    session->shared = strcmp(tare_option_text(open, options, "memory"), "shared") == 0;
    client->url = tare_option_text(open, options, "url");
    client->transport = strcmp(tare_option_text(open, options, "transport"), "grpc") == 0
                            ? KSERVE_GRPC
                            : KSERVE_HTTP;
    client->timeout_ns = tare_option_int(open, options, "timeout_ms") * 1000000;
    return TARE_OK;
}

static void fill_report(const struct tare_session *session, const struct kserve_server *server,
                        const struct kserve_options *client, int64_t start_ns,
                        struct tare_open_report *report)
{
    report->load_ns = clock_now_ns() - start_ns;
    report->peak_memory_bytes = -1;
    (void)snprintf(report->runtime_version, sizeof(report->runtime_version), "%.30s %.30s",
                   server->name, server->version);
    (void)snprintf(report->provider, sizeof(report->provider), "%.40s, %s, %s",
                   session->model.platform[0] ? session->model.platform : "served",
                   client->transport == KSERVE_GRPC ? "grpc" : "http",
                   session->shared ? "shared" : "wire");
}

static enum tare_status session_open(const struct tare_open_options *open,
                                     struct tare_session **session, struct tare_open_report *report,
                                     struct tare_err *err)
{
    struct tare_session *opened = calloc(1, sizeof(*opened));
    struct kserve_options client = {0};
    struct kserve_server server = {0};
    int64_t start_ns = clock_now_ns();
    enum tare_status status;

    *session = NULL;
    if (!opened)
        return tare_fail(err, TARE_NOMEM, "out of memory for a session");
    status = read_options(open, opened, &client, err);
    if (status == TARE_OK)
        status = kserve_open(&client, &opened->client, err);
    if (status == TARE_OK)
        status = kserve_server_metadata(opened->client, &server, err);
    if (status == TARE_OK)
        status = kserve_model_metadata(opened->client, opened->name, opened->version,
                                       &opened->model, err);
    if (status == TARE_OK)
        status = kserve_model_ready(opened->client, opened->name, opened->version, err);
    if (status != TARE_OK) {
        session_close(opened);
        return status;
    }
    fill_report(opened, &server, &client, start_ns, report);
    *session = opened;
    return TARE_OK;
}

static enum tare_status session_describe(struct tare_session *session, bool inputs,
                                         const struct tare_tensor_info **infos, size_t *count,
                                         struct tare_err *err)
{
    (void)err;
    *infos = inputs ? session->model.inputs : session->model.outputs;
    *count = inputs ? session->model.input_count : session->model.output_count;
    return TARE_OK;
}

static void *new_memory(struct tare_session *session, size_t size)
{
    struct memory *made = calloc(1, sizeof(*made));

    if (!made)
        return NULL;
    made->data = aligned_alloc(ALIGNMENT, size);
    if (!made->data) {
        free(made);
        return NULL;
    }
    memset(made->data, 0, size);
    made->next = session->memory;
    session->memory = made;
    return made->data;
}

static enum tare_status session_allocate(struct tare_session *session, size_t size_bytes,
                                         struct tare_tensor *tensor, struct tare_err *err)
{
    struct kserve_region *region;
    enum tare_status status = TARE_OK;
    size_t size = (size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

    tensor->data = NULL;
    if (session->shared) {
        status = kserve_region_new(session->client, size, &region, err);
        if (status == TARE_OK)
            tensor->data = kserve_region_data(region, NULL);
    } else {
        tensor->data = new_memory(session, size);
        if (!tensor->data)
            status = tare_fail(err, TARE_NOMEM, "out of memory for a tensor of %zu bytes", size);
    }
    tensor->capacity_bytes = size;
    tensor->memory = TARE_MEM_HOST;
    tensor->device_id = 0;
    return status;
}

/* A side's tensors must be those of the model. Where they lie is found for memory that is shared.
 */
static enum tare_status place_side(const struct tare_session *session, bool inputs,
                                   const struct tare_tensor *tensors, size_t count,
                                   struct infer_place *places, struct tare_err *err)
{
    const struct tare_tensor_info *infos = inputs ? session->model.inputs : session->model.outputs;

    for (size_t i = 0; i < count; i++) {
        const struct tare_tensor *tensor = &tensors[i];

        places[i] = (struct infer_place){NULL, 0};
        if (strcmp(tensor->name, infos[i].name) != 0 || tensor->dtype != infos[i].dtype)
            return tare_fail(err, TARE_INVALID, "'%.100s' is bound as %s, need '%s' as %s",
                             tensor->name, tare_dtype_name(tensor->dtype), infos[i].name,
                             tare_dtype_name(infos[i].dtype));
        if (session->shared && tensor->data &&
            !kserve_find_place(session->client, tensor->data, tensor->capacity_bytes, &places[i]))
            return tare_fail(err, TARE_UNSUPPORTED,
                             "'%s' is bound to memory that the server does not share",
                             tensor->name);
    }
    return TARE_OK;
}

static enum tare_status session_bind(struct tare_session *session, const struct tare_tensor *inputs,
                                     size_t input_count, const struct tare_tensor *outputs,
                                     size_t output_count, struct tare_err *err)
{
    const struct kserve_model *model = &session->model;
    struct infer_place *places;
    struct infer_request *request = NULL;
    enum tare_status status;

    if (input_count != model->input_count || output_count != model->output_count)
        return tare_fail(err, TARE_INVALID, "bound %zu inputs and %zu outputs, need %zu and %zu",
                         input_count, output_count, model->input_count, model->output_count);
    places = calloc(input_count + output_count + 1, sizeof(*places));
    if (!places)
        return tare_fail(err, TARE_NOMEM, "out of memory for a request");
    status = place_side(session, true, inputs, input_count, places, err);
    if (status == TARE_OK)
        status = place_side(session, false, outputs, output_count, places + input_count, err);
    if (status == TARE_OK) {
        const struct infer_plan plan = {
            .address = kserve_where(session->client),
            .transport = kserve_transport(session->client),
            .model = session->name,
            .version = session->version,
            .inputs = inputs,
            .outputs = outputs,
            .input_places = places,
            .output_places = places + input_count,
            .input_count = input_count,
            .output_count = output_count,
        };
        status = infer_request_new(&plan, &request, err);
    }
    free(places);
    if (status == TARE_OK) {
        infer_request_free(session->request);
        session->request = request;
        session->ran = false;
    }
    return status;
}

static enum tare_status session_run(struct tare_session *session,
                                    const struct tare_request *request, struct tare_timing *timing,
                                    struct tare_err *err)
{
    enum tare_status status;

    if (timing)
        *timing = (struct tare_timing){-1, -1, -1, -1};
    if (!session->request)
        return tare_fail(err, TARE_INVALID, "nothing is bound");
    status = kserve_infer(session->client, session->request, request, err);
    session->ran = session->ran || status == TARE_OK;
    return status;
}

static enum tare_status session_bound_shape(struct tare_session *session, size_t index,
                                            int32_t *rank, int64_t *shape, struct tare_err *err)
{
    if (!session->ran || !infer_request_shape(session->request, index, rank, shape))
        return tare_fail(err, TARE_INVALID, "output %zu is not bound or has not run", index);
    return TARE_OK;
}

TARE_EXPORT const struct tare_backend *tare_backend_entry(void);

const struct tare_backend *tare_backend_entry(void)
{
    static const struct tare_backend backend = {
        .abi_major = TARE_BACKEND_ABI_MAJOR,
        .abi_minor = TARE_BACKEND_ABI_MINOR,
        .struct_size = sizeof(struct tare_backend),
        .capabilities = TARE_CAP_NO_MODEL,
        .name = "kserve",
        .summary = "a model that a KServe v2 server such as Triton serves, by HTTP or gRPC",
        .options = options,
        .probe = kserve_probe,
        .open = session_open,
        .close = session_close,
        .describe = session_describe,
        .bind = session_bind,
        .run = session_run,
        .bound_shape = session_bound_shape,
        .allocate = session_allocate,
    };

    return &backend;
}
