/*
 * inproc_api.h - the part of Triton's in-process C API (TRITONSERVER_*) that tare uses, found at
 * run time.
 *
 * The declarations follow the API's documentation. A function is found by its name; the API's
 * version is asked first, and one of another major is refused.
 *
 * Threads: constant once loaded. The library is never unloaded.
 */
#ifndef TARE_INPROC_API_H
#define TARE_INPROC_API_H

#include "tare/backend.h"

/* Majors are incompatible; what an older minor lacks is not known here. */
#define INPROC_MAJOR     1
#define INPROC_MIN_MINOR 17

/* Opaque to us, as they are to every user of the library. */
struct inproc_error;
struct inproc_options;
struct inproc_server;
struct inproc_message;
struct inproc_request;
struct inproc_response;
struct inproc_allocator;
struct inproc_trace;

/* NULL is success; anything else is the caller's to delete. */
typedef struct inproc_error *inproc_result;

enum inproc_error_code {
    INPROC_UNKNOWN = 0,
    INPROC_INTERNAL = 1,
    INPROC_NOT_FOUND = 2,
    INPROC_INVALID_ARG = 3,
    INPROC_UNAVAILABLE = 4,
    INPROC_UNSUPPORTED = 5,
    INPROC_ALREADY_EXISTS = 6,
    INPROC_CANCELLED = 7,
};

enum {
    INPROC_CONTROL_EXPLICIT = 2, /* only models that are asked for are loaded */
    INPROC_SEQUENCE_START = 1,   /* flags of a request */
    INPROC_SEQUENCE_END = 2,
    INPROC_RESPONSE_FINAL = 1, /* flag of a response: no other follows */
    INPROC_MEMORY_CPU = 0,
    INPROC_MEMORY_PINNED = 1,
    INPROC_MEMORY_GPU = 2,
};

/* Called on the library's threads. */
typedef void (*inproc_release_fn)(struct inproc_request *request, uint32_t flags, void *user);
typedef void (*inproc_complete_fn)(struct inproc_response *response, uint32_t flags, void *user);

/* Hands out memory for an output of bytes; what kind of memory that is goes to actual_kind and
 * actual_id. NULL as an answer is success. */
typedef inproc_result (*inproc_alloc_fn)(struct inproc_allocator *allocator, const char *tensor,
                                         size_t bytes, int kind, int64_t id, void *user,
                                         void **data, void **data_user, int *actual_kind,
                                         int64_t *actual_id);
typedef inproc_result (*inproc_free_fn)(struct inproc_allocator *allocator, void *data,
                                        void *data_user, size_t bytes, int kind, int64_t id);
typedef inproc_result (*inproc_start_fn)(struct inproc_allocator *allocator, void *user);

struct inproc_api {
    uint32_t major, minor; /* of the library's API; 0.0 until it is loaded */
    char library[4096];    /* where it was found */

    inproc_result (*api_version)(uint32_t *major, uint32_t *minor);
    inproc_result (*error_new)(int code, const char *message);
    void (*error_delete)(inproc_result error);
    int (*error_code)(inproc_result error);
    const char *(*error_message)(inproc_result error);

    inproc_result (*options_new)(struct inproc_options **options);
    inproc_result (*options_delete)(struct inproc_options *options);
    inproc_result (*set_repository)(struct inproc_options *options, const char *folder);
    inproc_result (*set_control)(struct inproc_options *options, int mode);
    inproc_result (*set_strict_config)(struct inproc_options *options, bool strict);
    inproc_result (*set_strict_readiness)(struct inproc_options *options, bool strict);
    inproc_result (*set_exit_on_error)(struct inproc_options *options, bool exit);
    inproc_result (*set_exit_timeout)(struct inproc_options *options, unsigned seconds);
    inproc_result (*set_backends)(struct inproc_options *options, const char *folder);
    inproc_result (*set_load_retries)(struct inproc_options *options, unsigned count);
    inproc_result (*set_metrics)(struct inproc_options *options, bool on);
    inproc_result (*set_log_file)(struct inproc_options *options, const char *path);
    inproc_result (*set_log_info)(struct inproc_options *options, bool on);
    inproc_result (*set_log_warn)(struct inproc_options *options, bool on);
    inproc_result (*set_log_error)(struct inproc_options *options, bool on);
    inproc_result (*set_log_verbose)(struct inproc_options *options, int level);

    /* The options are copied. */
    inproc_result (*server_new)(struct inproc_server **server, struct inproc_options *options);
    inproc_result (*server_stop)(struct inproc_server *server);
    inproc_result (*server_delete)(struct inproc_server *server);
    inproc_result (*server_metadata)(struct inproc_server *server, struct inproc_message **message);
    inproc_result (*model_load)(struct inproc_server *server, const char *name);
    inproc_result (*model_unload)(struct inproc_server *server, const char *name);
    inproc_result (*model_metadata)(struct inproc_server *server, const char *name, int64_t version,
                                    struct inproc_message **message);
    inproc_result (*model_config)(struct inproc_server *server, const char *name, int64_t version,
                                  uint32_t config_version, struct inproc_message **message);

    /* The text is the message's own. */
    inproc_result (*message_json)(struct inproc_message *message, const char **text, size_t *bytes);
    inproc_result (*message_delete)(struct inproc_message *message);

    inproc_result (*allocator_new)(struct inproc_allocator **allocator, inproc_alloc_fn alloc,
                                   inproc_free_fn release, inproc_start_fn start);
    inproc_result (*allocator_delete)(struct inproc_allocator *allocator);

    inproc_result (*request_new)(struct inproc_request **request, struct inproc_server *server,
                                 const char *model, int64_t version);
    inproc_result (*request_delete)(struct inproc_request *request);
    inproc_result (*request_flags)(struct inproc_request *request, uint32_t flags);
    inproc_result (*request_sequence)(struct inproc_request *request, uint64_t id);
    inproc_result (*add_input)(struct inproc_request *request, const char *name, int dtype,
                               const int64_t *shape, uint64_t rank);
    /* Nothing is copied: the memory must stay until the request is released. */
    inproc_result (*append_data)(struct inproc_request *request, const char *name, const void *data,
                                 size_t bytes, int kind, int64_t id);
    inproc_result (*remove_data)(struct inproc_request *request, const char *name);
    inproc_result (*on_release)(struct inproc_request *request, inproc_release_fn call, void *user);
    inproc_result (*on_response)(struct inproc_request *request, struct inproc_allocator *allocator,
                                 void *allocator_user, inproc_complete_fn call, void *user);

    /* On success the request is the library's until it is released; on error the caller's. */
    inproc_result (*infer)(struct inproc_server *server, struct inproc_request *request,
                           struct inproc_trace *trace);

    /* The error is the response's own. */
    inproc_result (*response_error)(struct inproc_response *response);
    inproc_result (*output_count)(struct inproc_response *response, uint32_t *count);
    inproc_result (*output)(struct inproc_response *response, uint32_t index, const char **name,
                            int *dtype, const int64_t **shape, uint64_t *rank, const void **data,
                            size_t *bytes, int *kind, int64_t *id, void **data_user);
    inproc_result (*response_delete)(struct inproc_response *response);
};

/*
 * Finds and loads the library: library if it is not "", else $TRITONSERVER_LIB, else the wheel's in
 * this installation's .deps/triton, else /opt/tritonserver/lib, else the system's. What is named
 * and missing is an error, not a reason to look further. Backends that the server loads resolve
 * their symbols from this process, so the library's are made global. TARE_ABSENT if there is none,
 * TARE_BROKEN if it cannot be loaded, is no Triton, or speaks another version of the API.
 */
enum tare_status inproc_api_load(const char *library, struct inproc_api *api, struct tare_err *err);

/*
 * Turns a failed result into an error, and deletes it; TARE_OK for NULL. what says what was tried
 * ("cannot run"); the library's text follows on the same line.
 */
enum tare_status inproc_check(const struct inproc_api *api, inproc_result result, const char *what,
                              struct tare_err *err);

/* The same for an error that belongs to somebody else, and stays. */
enum tare_status inproc_say(const struct inproc_api *api, inproc_result result, const char *what,
                            struct tare_err *err);

/* For a result whose failure changes nothing: it is only deleted. */
void inproc_drop(const struct inproc_api *api, inproc_result result);

/*
 * The wheel keeps the libraries that its own need in one folder, which the dynamic linker does not
 * search for all of them. If text, a message of the linker, names one that is there, it is loaded,
 * and whatever failed is worth another try.
 */
bool inproc_load_named(const struct inproc_api *api, const char *text);

#endif
