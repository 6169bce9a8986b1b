/* The calls of kserve.h over gRPC: the messages of kserve.proto. */
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"
#include "kserve/kserve.pb-c.h"
#include "kserve/kserve_client.h"

#define PREFIX_BYTES 5
#define SERVICE      "/inference.GRPCInferenceService/"

/* A packed message with the five bytes in front of it; NULL without memory. */
static uint8_t *pack(const ProtobufCMessage *message, size_t *size)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(PREFIX_BYTES + length);

    if (!bytes)
        return NULL;
    bytes[0] = 0;
    for (int i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t)(length >> (24 - 8 * i));
    (void)protobuf_c_message_pack(message, bytes + PREFIX_BYTES);
    *size = PREFIX_BYTES + length;
    return bytes;
}

/*
 * Sends a message. The response, which the caller frees with protobuf_c_message_free_unpacked(), is
 * *response; with descriptor NULL it is not read.
 */
static enum tare_status call(struct kserve_client *client, const char *path,
                             const ProtobufCMessage *request,
                             const ProtobufCMessageDescriptor *descriptor,
                             ProtobufCMessage **response, struct tare_err *err)
{
    struct iovec part;
    struct exchange exchange = {.path = path,
                                .parts = &part,
                                .part_count = 1,
                                .response_max = (int64_t)KSERVE_RESPONSE_MAX,
                                .sink = &exchange_to_buf,
                                .context = &client->response};
    enum tare_status status;

    if (response)
        *response = NULL;
    part.iov_base = pack(request, &part.iov_len);
    if (!part.iov_base)
        return tare_fail(err, TARE_NOMEM, "out of memory for a request");
    status = kserve_exchange(client, &exchange, 0, err);
    free(part.iov_base);
    if (status != TARE_OK || !descriptor)
        return status;
    *response = protobuf_c_message_unpack(descriptor, NULL, client->response.size,
                                          (const uint8_t *)buf_text(&client->response));
    return *response
               ? TARE_OK
               : tare_fail(err, TARE_BADDATA, "malformed response from '%s'", client->address.text);
}

static void release(void *message)
{
    if (message)
        protobuf_c_message_free_unpacked(message, NULL);
}

/* protobuf-c's strings are not const, though packing only reads them. */
static char *text(const char *constant)
{
    return (char *)(uintptr_t)constant;
}

static enum tare_status grpc_ready(struct kserve_client *client, bool live, struct tare_err *err)
{
    Inference__ServerLiveRequest live_request = INFERENCE__SERVER_LIVE_REQUEST__INIT;
    Inference__ServerReadyRequest ready_request = INFERENCE__SERVER_READY_REQUEST__INIT;
    ProtobufCMessage *response;
    enum tare_status status =
        live ? call(client, SERVICE "ServerLive", &live_request.base,
                    &inference__server_live_response__descriptor, &response, err)
             : call(client, SERVICE "ServerReady", &ready_request.base,
                    &inference__server_ready_response__descriptor, &response, err);

    if (status == TARE_OK && !(live ? ((const Inference__ServerLiveResponse *)response)->live
                                    : ((const Inference__ServerReadyResponse *)response)->ready))
        status = tare_fail(err, TARE_FAILED, "the server at '%s' is not %s", client->address.text,
                           live ? "live" : "ready");
    release(response);
    return status;
}

static enum tare_status grpc_server(struct kserve_client *client, struct kserve_server *server,
                                    struct tare_err *err)
{
    Inference__ServerMetadataRequest request = INFERENCE__SERVER_METADATA_REQUEST__INIT;
    ProtobufCMessage *response;
    enum tare_status status =
        call(client, SERVICE "ServerMetadata", &request.base,
             &inference__server_metadata_response__descriptor, &response, err);

    if (status == TARE_OK) {
        const Inference__ServerMetadataResponse *found = (const void *)response;

        (void)snprintf(server->name, sizeof(server->name), "%s", found->name);
        (void)snprintf(server->version, sizeof(server->version), "%s", found->version);
        printable(server->name);
        printable(server->version);
    }
    release(response);
    return status;
}

static enum tare_status grpc_model_ready(struct kserve_client *client,
                                         const struct kserve_name *name, struct tare_err *err)
{
    Inference__ModelReadyRequest request;
    ProtobufCMessage *response;
    enum tare_status status;

    inference__model_ready_request__init(&request);
    request.name = text(name->model);
    request.version = text(name->version);
    status = call(client, SERVICE "ModelReady", &request.base,
                  &inference__model_ready_response__descriptor, &response, err);
    if (status == TARE_OK && !((const Inference__ModelReadyResponse *)response)->ready)
        status = tare_fail(err, TARE_ABSENT, "no model '%.100s' is ready at '%s'", name->model,
                           client->address.text);
    release(response);
    return status;
}

static enum tare_status add_side(struct kserve_model *model, bool input,
                                 Inference__ModelMetadataResponse__TensorMetadata *const *list,
                                 size_t count, struct tare_err *err)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        struct kserve_said said = {list[i]->name, list[i]->datatype, list[i]->shape,
                                   list[i]->n_shape};

        status = kserve_model_add(model, input, &said, err);
    }
    return status;
}

static enum tare_status grpc_metadata(struct kserve_client *client, const struct kserve_name *name,
                                      struct kserve_model *model, struct tare_err *err)
{
    Inference__ModelMetadataRequest request;
    ProtobufCMessage *response;
    enum tare_status status;

    inference__model_metadata_request__init(&request);
    request.name = text(name->model);
    request.version = text(name->version);
    status = call(client, SERVICE "ModelMetadata", &request.base,
                  &inference__model_metadata_response__descriptor, &response, err);
    if (status == TARE_OK) {
        const Inference__ModelMetadataResponse *found = (const void *)response;

        (void)snprintf(model->platform, sizeof(model->platform), "%s", found->platform);
        printable(model->platform);
        status = add_side(model, true, found->inputs, found->n_inputs, err);
        if (status == TARE_OK)
            status = add_side(model, false, found->outputs, found->n_outputs, err);
    }
    release(response);
    return status;
}

static enum tare_status grpc_config(struct kserve_client *client, const struct kserve_name *name,
                                    struct kserve_model *model, struct tare_err *err)
{
    Inference__ModelConfigRequest request;
    ProtobufCMessage *response;
    enum tare_status status;

    inference__model_config_request__init(&request);
    request.name = text(name->model);
    request.version = text(name->version);
    status = call(client, SERVICE "ModelConfig", &request.base,
                  &inference__model_config_response__descriptor, &response, err);
    if (status == TARE_OK) {
        const Inference__ModelConfigResponse *found = (const void *)response;

        model->max_batch_size = found->config ? found->config->max_batch_size : 0;
    }
    release(response);
    return status;
}

static enum tare_status grpc_load(struct kserve_client *client, const char *model, bool load,
                                  struct tare_err *err)
{
    Inference__RepositoryModelRequest request;

    inference__repository_model_request__init(&request);
    request.model_name = text(model);
    return call(client, load ? SERVICE "RepositoryModelLoad" : SERVICE "RepositoryModelUnload",
                &request.base, NULL, NULL, err);
}

static struct kserve_duration duration_of(const Inference__StatisticDuration *said)
{
    struct kserve_duration duration = {0, 0};

    if (said) {
        duration.count = (int64_t)said->count;
        duration.ns = (int64_t)said->ns;
    }
    return duration;
}

static void read_statistics(const Inference__ModelStatistics *said,
                            struct kserve_statistics *statistics)
{
    const Inference__InferStatistics *infer = said->inference_stats;

    statistics->inference_count = (int64_t)said->inference_count;
    statistics->execution_count = (int64_t)said->execution_count;
    if (infer) {
        statistics->success = duration_of(infer->success);
        statistics->fail = duration_of(infer->fail);
        statistics->queue = duration_of(infer->queue);
        statistics->compute_input = duration_of(infer->compute_input);
        statistics->compute_infer = duration_of(infer->compute_infer);
        statistics->compute_output = duration_of(infer->compute_output);
    }
    for (size_t i = 0; i < said->n_batch_stats && i < KSERVE_BATCHES_MAX; i++) {
        const Inference__InferBatchStatistics *row = said->batch_stats[i];
        struct kserve_batch *batch = &statistics->batches[statistics->batch_count++];

        batch->size = (int64_t)row->batch_size;
        batch->compute_input = duration_of(row->compute_input);
        batch->compute_infer = duration_of(row->compute_infer);
        batch->compute_output = duration_of(row->compute_output);
    }
}

static enum tare_status grpc_statistics(struct kserve_client *client,
                                        const struct kserve_name *name,
                                        struct kserve_statistics *statistics, struct tare_err *err)
{
    Inference__ModelStatisticsRequest request;
    ProtobufCMessage *response;
    const Inference__ModelStatisticsResponse *found;
    enum tare_status status;

    inference__model_statistics_request__init(&request);
    request.name = text(name->model);
    request.version = text(name->version);
    status = call(client, SERVICE "ModelStatistics", &request.base,
                  &inference__model_statistics_response__descriptor, &response, err);
    found = (const void *)response;
    if (status == TARE_OK && found->n_model_stats == 0)
        status = tare_fail(err, TARE_ABSENT, "'%s' keeps no statistics of '%.100s'",
                           client->address.text, name->model);
    if (status == TARE_OK)
        read_statistics(found->model_stats[0], statistics);
    release(response);
    return status;
}

static enum tare_status grpc_register(struct kserve_client *client,
                                      const struct shared_region *region, struct tare_err *err)
{
    Inference__SystemSharedMemoryRegisterRequest request;

    inference__system_shared_memory_register_request__init(&request);
    request.name = text(shared_region_name(region));
    request.key = text(region->key);
    request.byte_size = region->size;
    return call(client, SERVICE "SystemSharedMemoryRegister", &request.base, NULL, NULL, err);
}

static enum tare_status grpc_unregister(struct kserve_client *client, const char *name,
                                        struct tare_err *err)
{
    Inference__SystemSharedMemoryUnregisterRequest request;

    inference__system_shared_memory_unregister_request__init(&request);
    request.name = text(name);
    return call(client, SERVICE "SystemSharedMemoryUnregister", &request.base, NULL, NULL, err);
}

static enum tare_status grpc_stale_regions(struct kserve_client *client, struct buf *names,
                                           struct tare_err *err)
{
    Inference__SystemSharedMemoryStatusRequest request;
    const Inference__SystemSharedMemoryStatusResponse *found;
    ProtobufCMessage *response;
    enum tare_status status;

    inference__system_shared_memory_status_request__init(&request);
    status = call(client, SERVICE "SystemSharedMemoryStatus", &request.base,
                  &inference__system_shared_memory_status_response__descriptor, &response, err);
    found = (const void *)response;
    for (size_t i = 0; status == TARE_OK && i < found->n_regions; i++) {
        const char *name = found->regions[i]->key;

        if (!strchr(name, '\n') && shared_region_is_stale(name))
            buf_printf(names, "%s\n", name);
    }
    release(response);
    return status;
}

const struct kserve_calls kserve_grpc_calls = {
    grpc_ready, grpc_server,     grpc_model_ready, grpc_metadata,   grpc_config,
    grpc_load,  grpc_statistics, grpc_register,    grpc_unregister, grpc_stale_regions,
};
