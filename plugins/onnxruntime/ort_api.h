/*
 * ort_api.h - the part of ONNX Runtime's C API that tare uses, found at run time.
 *
 * ONNX Runtime's wheel ships its library without a header. Its C ABI is a table of function
 * pointers that only ever grows at the end: a slot keeps its index and its signature for ever, so
 * the declarations here name each function that we call with its index in that table. Version N of
 * the API belongs to release 1.N.
 *
 * Threads: constant once loaded. The library is never unloaded.
 */
#ifndef TARE_ORT_API_H
#define TARE_ORT_API_H

#include "tare/backend.h"

#define ORT_API_OLDEST 17
#define ORT_API_HAS_PLUGINS                                                                        \
    22                       /* the first version that loads execution providers from libraries    \
                              */
#define ORT_API_HAS_SHAPE 24 /* the first version with has_shape and get_assignment */

/* Opaque to us, as they are to every user of the library. */
struct ort_status;
struct ort_env;
struct ort_session;
struct ort_session_options;
struct ort_run_options;
struct ort_memory_info;
struct ort_allocator;
struct ort_value;
struct ort_type_info;
struct ort_shape_info;
struct ort_binding;
struct ort_subgraph;
struct ort_provider_options;
struct ort_ep_device;

/* Which build of the library: a machine may have both, and a process loads one. */
enum ort_build {
    ORT_BUILD_ORDINARY,
    ORT_BUILD_OPENVINO, /* with the OpenVINO execution provider */
    ORT_BUILD_CUDA,     /* with the CUDA and TensorRT providers; else the ordinary one is tried */
};

#define ORT_RECORD_ASSIGNMENT "session.record_ep_graph_assignment_info"

/* Numbers that are part of the ABI. */
enum {
    ORT_LOG_FATAL = 4,
    ORT_ALLOCATOR_DEVICE = 0,
    ORT_ALLOCATOR_ARENA = 1,
    ORT_MEMORY_DEFAULT = 0,
    ORT_ERROR_NO_FILE = 3,
    ORT_ERROR_NO_MODEL = 4,
    ORT_ERROR_PROTOBUF = 7,
    ORT_ERROR_NOT_IMPLEMENTED = 9,
    ORT_ERROR_GRAPH = 10,
};

/* What most functions return: NULL is success; anything else is released with release_status. */
typedef struct ort_status *ort_result;

/* How options of the CUDA and of the TensorRT provider are made. update() makes them anew from
 * those named, and a pointer is set after it. A library without the provider fails in create(). */
struct ort_provider_calls {
    ort_result (*create)(struct ort_provider_options **options);
    ort_result (*update)(struct ort_provider_options *options, const char *const *names,
                         const char *const *values, size_t count);
    ort_result (*set_pointer)(struct ort_provider_options *options, const char *name, void *value);
    ort_result (*append)(struct ort_session_options *to,
                         const struct ort_provider_options *options);
    void (*release)(struct ort_provider_options *options);
};

struct ort_api {
    uint32_t version;   /* of the API, as asked for and granted */
    char release[32];   /* of the library: "1.32.0" */
    char library[4096]; /* where it was found */

    int (*get_error_code)(const struct ort_status *status);
    const char *(*get_error_message)(const struct ort_status *status);
    ort_result (*create_env)(int log_level, const char *log_id, struct ort_env **env);
    ort_result (*create_session)(const struct ort_env *env, const char *path,
                                 const struct ort_session_options *options,
                                 struct ort_session **session);
    ort_result (*create_session_options)(struct ort_session_options **options);
    ort_result (*set_optimized_model_path)(struct ort_session_options *options, const char *path);
    ort_result (*set_execution_mode)(struct ort_session_options *options, int mode);
    ort_result (*enable_profiling)(struct ort_session_options *options, const char *prefix);
    ort_result (*disable_mem_pattern)(struct ort_session_options *options);
    ort_result (*disable_cpu_mem_arena)(struct ort_session_options *options);
    ort_result (*set_graph_optimization_level)(struct ort_session_options *options, int level);
    ort_result (*set_intra_op_num_threads)(struct ort_session_options *options, int count);
    ort_result (*set_inter_op_num_threads)(struct ort_session_options *options, int count);
    ort_result (*add_session_config_entry)(struct ort_session_options *options, const char *key,
                                           const char *value);
    ort_result (*get_input_count)(const struct ort_session *session, size_t *count);
    ort_result (*get_output_count)(const struct ort_session *session, size_t *count);
    ort_result (*get_input_type_info)(const struct ort_session *session, size_t index,
                                      struct ort_type_info **info);
    ort_result (*get_output_type_info)(const struct ort_session *session, size_t index,
                                       struct ort_type_info **info);
    ort_result (*get_input_name)(const struct ort_session *session, size_t index,
                                 struct ort_allocator *allocator, char **name);
    ort_result (*get_output_name)(const struct ort_session *session, size_t index,
                                  struct ort_allocator *allocator, char **name);
    ort_result (*create_run_options)(struct ort_run_options **options);
    ort_result (*add_run_config_entry)(struct ort_run_options *options, const char *key,
                                       const char *value);
    ort_result (*create_tensor_with_data)(const struct ort_memory_info *memory, void *data,
                                          size_t data_bytes, const int64_t *shape, size_t rank,
                                          int element_type, struct ort_value **value);
    ort_result (*get_tensor_data)(struct ort_value *value, void **data);
    ort_result (*cast_to_tensor_info)(const struct ort_type_info *info,
                                      const struct ort_shape_info **tensor_info);
    ort_result (*get_element_type)(const struct ort_shape_info *info, int *type);
    ort_result (*get_rank)(const struct ort_shape_info *info, size_t *rank);
    ort_result (*get_dimensions)(const struct ort_shape_info *info, int64_t *shape, size_t rank);
    ort_result (*get_tensor_shape)(const struct ort_value *value, struct ort_shape_info **info);
    ort_result (*create_memory_info)(const char *name, int allocator_type, int device,
                                     int memory_type, struct ort_memory_info **memory);
    ort_result (*create_cpu_memory_info)(int allocator_type, int memory_type,
                                         struct ort_memory_info **memory);
    ort_result (*allocator_free)(struct ort_allocator *allocator, void *memory);
    ort_result (*get_default_allocator)(struct ort_allocator **allocator);
    ort_result (*end_profiling)(struct ort_session *session, struct ort_allocator *allocator,
                                char **path);
    ort_result (*run_with_binding)(struct ort_session *session,
                                   const struct ort_run_options *options,
                                   const struct ort_binding *binding);
    ort_result (*create_binding)(struct ort_session *session, struct ort_binding **binding);
    ort_result (*bind_input)(struct ort_binding *binding, const char *name,
                             const struct ort_value *value);
    ort_result (*bind_output)(struct ort_binding *binding, const char *name,
                              const struct ort_value *value);
    ort_result (*bind_output_to_device)(struct ort_binding *binding, const char *name,
                                        const struct ort_memory_info *memory);
    ort_result (*get_bound_outputs)(const struct ort_binding *binding,
                                    struct ort_allocator *allocator, struct ort_value ***values,
                                    size_t *count);
    void (*clear_bound_inputs)(struct ort_binding *binding);
    void (*clear_bound_outputs)(struct ort_binding *binding);
    /* count options of the provider, each a name and a value */
    ort_result (*append_provider)(struct ort_session_options *options, const char *provider,
                                  const char *const *names, const char *const *values,
                                  size_t count);
    struct ort_provider_calls cuda, tensorrt;
    /* These four are NULL before ORT_API_HAS_PLUGINS. Devices are the environment's. */
    ort_result (*register_provider_library)(struct ort_env *env, const char *name,
                                            const char *path);
    ort_result (*get_ep_devices)(const struct ort_env *env,
                                 const struct ort_ep_device *const **devices, size_t *count);
    ort_result (*append_provider_of_devices)(struct ort_session_options *options,
                                             struct ort_env *env,
                                             const struct ort_ep_device *const *devices,
                                             size_t device_count, const char *const *names,
                                             const char *const *values, size_t count);
    const char *(*get_ep_device_name)(const struct ort_ep_device *device); /* of its provider */
    bool (*has_shape)(const struct ort_shape_info *info); /* NULL before ORT_API_HAS_SHAPE */
    /* NULL before ORT_API_HAS_SHAPE. The subgraphs are the session's; it fails without the
     * session's configuration entry ORT_RECORD_ASSIGNMENT. */
    ort_result (*get_assignment)(const struct ort_session *session,
                                 const struct ort_subgraph *const **subgraphs, size_t *count);
    ort_result (*get_subgraph_provider)(const struct ort_subgraph *subgraph, const char **name);

    /* All of these accept NULL. */
    void (*release_env)(struct ort_env *env);
    void (*release_status)(struct ort_status *status);
    void (*release_memory_info)(struct ort_memory_info *memory);
    void (*release_session)(struct ort_session *session);
    void (*release_value)(struct ort_value *value);
    void (*release_run_options)(struct ort_run_options *options);
    void (*release_type_info)(struct ort_type_info *info);
    void (*release_shape_info)(struct ort_shape_info *info);
    void (*release_session_options)(struct ort_session_options *options);
    void (*release_binding)(struct ort_binding *binding);
};

/*
 * Finds and loads a build of the library: library if it is not "", else the variable
 * ($TARE_ONNXRUNTIME, $TARE_ONNXRUNTIME_OPENVINO, $TARE_ONNXRUNTIME_CUDA), else the wheel in this
 * installation's .deps (venv, ort-openvino, ort-cuda), else, for ORT_BUILD_ORDINARY, the system's
 * libonnxruntime.so or one of the other builds, which do all that this one does; for
 * ORT_BUILD_CUDA, what ORT_BUILD_ORDINARY is. What is named and missing is an error, not a reason
 * to look further. Asks for the highest API version that the library offers. TARE_ABSENT if there
 * is none, TARE_BROKEN if it cannot be loaded, is no ONNX Runtime or is older than ORT_API_OLDEST.
 */
enum tare_status ort_api_load(const char *library, enum ort_build build, struct ort_api *api,
                              struct tare_err *err);

/* The library that the build's variable names, or its wheel's. False: neither is there. */
bool ort_api_find(enum ort_build build, char *path, size_t path_bytes);

/* Whether that build of the library is where it is looked for; loads nothing. */
bool ort_api_is_there(enum ort_build build);

/* Path of a file in the library's own folder, whether it is there or not. False: too long. */
bool ort_api_beside(const struct ort_api *api, const char *file, char *path, size_t path_bytes);

/*
 * Turns a failed result into an error and releases it; TARE_OK for NULL. what says what was tried
 * ("cannot load 'x.onnx'"); the library's text follows on the same line, without its own source
 * locations.
 */
enum tare_status ort_api_check(const struct ort_api *api, ort_result result, const char *what,
                               struct tare_err *err);

#endif
