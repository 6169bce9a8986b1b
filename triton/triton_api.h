/*
 * triton_api.h - the part of Triton's backend API (TRITONBACKEND 1.x) that the backend uses: our
 * own declarations of documented functions and numbers. Triton's developer documentation
 * ("Triton Backends" in triton-inference-server/backend) describes them.
 *
 * The functions are resolved from the process that loads the backend, which is tritonserver or one
 * that hosts libtritonserver.
 *
 * Errors: NULL is success; an error belongs to whoever got it, who frees it with
 * TRITONSERVER_ErrorDelete() or returns it to Triton.
 *
 * Threads: as each function that Triton calls says.
 */
#ifndef TARE_TRITON_API_H
#define TARE_TRITON_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRITON_API_MAJOR 1
#define TRITON_API_MINOR 8 /* the newest function used is older than this */

struct TRITONSERVER_Error;
struct TRITONSERVER_Message;
struct TRITONBACKEND_Backend;
struct TRITONBACKEND_BackendAttribute;
struct TRITONBACKEND_Model;
struct TRITONBACKEND_ModelInstance;
struct TRITONBACKEND_Request;
struct TRITONBACKEND_Response;
struct TRITONBACKEND_Input;
struct TRITONBACKEND_Output;

/* TRITONSERVER_Error_Code */
enum triton_code {
    TRITON_UNKNOWN = 0,
    TRITON_INTERNAL = 1,
    TRITON_NOT_FOUND = 2,
    TRITON_INVALID_ARG = 3,
    TRITON_UNAVAILABLE = 4,
    TRITON_UNSUPPORTED = 5,
};

/* TRITONSERVER_DataType */
enum triton_dtype {
    TRITON_TYPE_INVALID = 0,
    TRITON_TYPE_BOOL = 1,
    TRITON_TYPE_UINT8 = 2,
    TRITON_TYPE_UINT16 = 3,
    TRITON_TYPE_UINT32 = 4,
    TRITON_TYPE_UINT64 = 5,
    TRITON_TYPE_INT8 = 6,
    TRITON_TYPE_INT16 = 7,
    TRITON_TYPE_INT32 = 8,
    TRITON_TYPE_INT64 = 9,
    TRITON_TYPE_FP16 = 10,
    TRITON_TYPE_FP32 = 11,
    TRITON_TYPE_FP64 = 12,
    TRITON_TYPE_BYTES = 13,
    TRITON_TYPE_BF16 = 14,
};

/* TRITONSERVER_MemoryType */
enum triton_memory {
    TRITON_MEMORY_CPU = 0,
    TRITON_MEMORY_PINNED = 1,
    TRITON_MEMORY_GPU = 2,
};

/* TRITONSERVER_InstanceGroupKind */
enum triton_kind {
    TRITON_KIND_AUTO = 0,
    TRITON_KIND_CPU = 1,
    TRITON_KIND_GPU = 2,
    TRITON_KIND_MODEL = 3,
};

/* TRITONSERVER_LogLevel */
enum triton_log {
    TRITON_LOG_INFO = 0,
    TRITON_LOG_WARN = 1,
    TRITON_LOG_ERROR = 2,
};

#define TRITON_RELEASE_ALL    1U /* TRITONSERVER_REQUEST_RELEASE_ALL */
#define TRITON_RESPONSE_FINAL 1U /* TRITONSERVER_RESPONSE_COMPLETE_FINAL */
#define TRITON_CONFIG_VERSION 1U

/* --- Triton's own -------------------------------------------------------------------------------
 */

struct TRITONSERVER_Error *TRITONSERVER_ErrorNew(enum triton_code code, const char *message);
void TRITONSERVER_ErrorDelete(struct TRITONSERVER_Error *error);
const char *TRITONSERVER_ErrorMessage(struct TRITONSERVER_Error *error);
struct TRITONSERVER_Error *TRITONSERVER_LogMessage(enum triton_log level, const char *file,
                                                   int line, const char *text);
struct TRITONSERVER_Error *
TRITONSERVER_MessageNewFromSerializedJson(struct TRITONSERVER_Message **message, const char *text,
                                          size_t bytes);
struct TRITONSERVER_Error *TRITONSERVER_MessageSerializeToJson(struct TRITONSERVER_Message *message,
                                                               const char **text, size_t *bytes);
struct TRITONSERVER_Error *TRITONSERVER_MessageDelete(struct TRITONSERVER_Message *message);

struct TRITONSERVER_Error *TRITONBACKEND_ApiVersion(uint32_t *major, uint32_t *minor);
struct TRITONSERVER_Error *TRITONBACKEND_BackendAttributeSetParallelModelInstanceLoading(
    struct TRITONBACKEND_BackendAttribute *attributes, bool enabled);

struct TRITONSERVER_Error *TRITONBACKEND_ModelName(struct TRITONBACKEND_Model *model,
                                                   const char **name);
struct TRITONSERVER_Error *TRITONBACKEND_ModelVersion(struct TRITONBACKEND_Model *model,
                                                      uint64_t *version);
struct TRITONSERVER_Error *TRITONBACKEND_ModelRepository(struct TRITONBACKEND_Model *model,
                                                         int *artifact, const char **location);
struct TRITONSERVER_Error *TRITONBACKEND_ModelConfig(struct TRITONBACKEND_Model *model,
                                                     uint32_t version,
                                                     struct TRITONSERVER_Message **config);
struct TRITONSERVER_Error *TRITONBACKEND_ModelAutoCompleteConfig(struct TRITONBACKEND_Model *model,
                                                                 bool *wanted);
struct TRITONSERVER_Error *TRITONBACKEND_ModelSetConfig(struct TRITONBACKEND_Model *model,
                                                        uint32_t version,
                                                        struct TRITONSERVER_Message *config);
struct TRITONSERVER_Error *TRITONBACKEND_ModelState(struct TRITONBACKEND_Model *model,
                                                    void **state);
struct TRITONSERVER_Error *TRITONBACKEND_ModelSetState(struct TRITONBACKEND_Model *model,
                                                       void *state);

struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceName(struct TRITONBACKEND_ModelInstance *instance, const char **name);
struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceKind(struct TRITONBACKEND_ModelInstance *instance,
                                enum triton_kind *kind);
struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceDeviceId(struct TRITONBACKEND_ModelInstance *instance, int32_t *id);
struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceModel(struct TRITONBACKEND_ModelInstance *instance,
                                 struct TRITONBACKEND_Model **model);
struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceState(struct TRITONBACKEND_ModelInstance *instance, void **state);
struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceSetState(struct TRITONBACKEND_ModelInstance *instance, void *state);

/* Times in nanoseconds of one clock: taking the requests over, computing from and to, done. */
struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceReportStatistics(struct TRITONBACKEND_ModelInstance *instance,
                                            struct TRITONBACKEND_Request *request, bool success,
                                            uint64_t start_ns, uint64_t compute_start_ns,
                                            uint64_t compute_end_ns, uint64_t end_ns);
struct TRITONSERVER_Error *TRITONBACKEND_ModelInstanceReportBatchStatistics(
    struct TRITONBACKEND_ModelInstance *instance, uint64_t batch_size, uint64_t start_ns,
    uint64_t compute_start_ns, uint64_t compute_end_ns, uint64_t end_ns);

struct TRITONSERVER_Error *TRITONBACKEND_RequestInput(struct TRITONBACKEND_Request *request,
                                                      const char *name,
                                                      struct TRITONBACKEND_Input **input);
struct TRITONSERVER_Error *TRITONBACKEND_RequestOutputCount(struct TRITONBACKEND_Request *request,
                                                            uint32_t *count);
struct TRITONSERVER_Error *TRITONBACKEND_RequestOutputName(struct TRITONBACKEND_Request *request,
                                                           uint32_t index, const char **name);
struct TRITONSERVER_Error *TRITONBACKEND_RequestRelease(struct TRITONBACKEND_Request *request,
                                                        uint32_t flags);

/* The shape begins with the batch dimension. What comes back belongs to the input. */
struct TRITONSERVER_Error *TRITONBACKEND_InputProperties(struct TRITONBACKEND_Input *input,
                                                         const char **name,
                                                         enum triton_dtype *dtype,
                                                         const int64_t **shape, uint32_t *rank,
                                                         uint64_t *bytes, uint32_t *buffers);
/* memory and memory_id: in, what is preferred; out, what it is. */
struct TRITONSERVER_Error *TRITONBACKEND_InputBuffer(struct TRITONBACKEND_Input *input,
                                                     uint32_t index, const void **data,
                                                     uint64_t *bytes, enum triton_memory *memory,
                                                     int64_t *memory_id);

struct TRITONSERVER_Error *TRITONBACKEND_ResponseNew(struct TRITONBACKEND_Response **response,
                                                     struct TRITONBACKEND_Request *request);
struct TRITONSERVER_Error *TRITONBACKEND_ResponseOutput(struct TRITONBACKEND_Response *response,
                                                        struct TRITONBACKEND_Output **output,
                                                        const char *name, enum triton_dtype dtype,
                                                        const int64_t *shape, uint32_t rank);
/* Belongs to the response. memory and memory_id as for an input's. */
struct TRITONSERVER_Error *TRITONBACKEND_OutputBuffer(struct TRITONBACKEND_Output *output,
                                                      void **data, uint64_t bytes,
                                                      enum triton_memory *memory,
                                                      int64_t *memory_id);
/* Takes the response over; the error stays the caller's. */
struct TRITONSERVER_Error *TRITONBACKEND_ResponseSend(struct TRITONBACKEND_Response *response,
                                                      uint32_t flags,
                                                      struct TRITONSERVER_Error *error);

/* --- ours, which Triton looks up by name --------------------------------------------------------
 */

#define TRITON_EXPORT __attribute__((visibility("default")))

/* Once, before anything else. */
TRITON_EXPORT struct TRITONSERVER_Error *
TRITONBACKEND_Initialize(struct TRITONBACKEND_Backend *backend);
TRITON_EXPORT struct TRITONSERVER_Error *
TRITONBACKEND_GetBackendAttribute(struct TRITONBACKEND_Backend *backend,
                                  struct TRITONBACKEND_BackendAttribute *attributes);

/* Calls for several models may come at once; those for one model and its instances do not overlap,
 * but for several instances that are made at once. */
TRITON_EXPORT struct TRITONSERVER_Error *
TRITONBACKEND_ModelInitialize(struct TRITONBACKEND_Model *model);
TRITON_EXPORT struct TRITONSERVER_Error *
TRITONBACKEND_ModelFinalize(struct TRITONBACKEND_Model *model);
TRITON_EXPORT struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceInitialize(struct TRITONBACKEND_ModelInstance *instance);
TRITON_EXPORT struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceFinalize(struct TRITONBACKEND_ModelInstance *instance);

/* One call at a time for an instance, from a thread of its own. On success every request has been
 * answered and released; on error none has. */
TRITON_EXPORT struct TRITONSERVER_Error *
TRITONBACKEND_ModelInstanceExecute(struct TRITONBACKEND_ModelInstance *instance,
                                   struct TRITONBACKEND_Request **requests, uint32_t count);

#endif
