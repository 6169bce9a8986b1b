/*
 * vino_api.h - the part of OpenVINO's C API that tare uses, found at run time.
 *
 * The declarations follow the API's documentation. A function is found by its name; what is passed
 * by value (shapes, element types) is laid out as in releases from VINO_OLDEST on: before it the
 * numbers of the element types were others.
 *
 * Threads: constant once loaded. The library is never unloaded.
 */
#ifndef TARE_VINO_API_H
#define TARE_VINO_API_H

#include "tare/backend.h"

#define VINO_OLDEST 2026

/* Opaque to us, as they are to every user of the library. */
struct vino_core;
struct vino_model;
struct vino_compiled;
struct vino_request;
struct vino_tensor;
struct vino_port;

/* 0 is success, anything else a failure whose text last_error() has. */
typedef int vino_result;

enum {
    VINO_NOT_IMPLEMENTED = -2
};

enum {
    VINO_EXECUTED = 2 /* status of a profile's row */
};

struct vino_version {
    const char *build; /* "2026.4.1-22982-...": the library's, freed by version_free */
    const char *description;
};

struct vino_shape {
    int64_t rank;
    int64_t *dims; // (rank)
};

/* min and max differ, max being -1 if there is none, where it is dynamic. */
struct vino_dimension {
    int64_t min, max;
};

struct vino_partial_shape {
    struct vino_dimension rank;
    struct vino_dimension *dims; // (rank), NULL if the rank is dynamic
};

/* One node of the executed graph, and how long it took. */
struct vino_profile_row {
    int status; /* VINO_EXECUTED, or 0: not run, 1: optimised out */
    int64_t real_us, cpu_us;
    const char *node, *exec_type, *type;
};

struct vino_profile {
    struct vino_profile_row *rows; // (count)
    size_t count;
};

struct vino_api {
    char release[32];   /* of the library: "2026.4.1"; "" until it is loaded */
    char library[4096]; /* where it was found */

    vino_result (*get_version)(struct vino_version *version);
    void (*version_free)(struct vino_version *version);
    const char *(*last_error)(void); /* freed by text_free */
    void (*text_free)(const char *text);

    vino_result (*core_create)(struct vino_core **core);
    vino_result (*read_model)(const struct vino_core *core, const char *path, const char *weights,
                              struct vino_model **model);
    /* property_args, twice the number of properties, is how many texts follow: name, value, ... */
    vino_result (*compile_model)(const struct vino_core *core, const struct vino_model *model,
                                 const char *device, size_t property_args,
                                 struct vino_compiled **compiled, ...);

    vino_result (*model_inputs_size)(const struct vino_model *model, size_t *count);
    vino_result (*model_input)(const struct vino_model *model, size_t index,
                               struct vino_port **port);
    vino_result (*model_reshape)(const struct vino_model *model, const size_t *inputs,
                                 const struct vino_partial_shape *shapes, size_t count);

    vino_result (*inputs_size)(const struct vino_compiled *compiled, size_t *count);
    vino_result (*outputs_size)(const struct vino_compiled *compiled, size_t *count);
    vino_result (*input)(const struct vino_compiled *compiled, size_t index,
                         struct vino_port **port);
    vino_result (*output)(const struct vino_compiled *compiled, size_t index,
                          struct vino_port **port);
    vino_result (*get_property)(const struct vino_compiled *compiled, const char *name,
                                char **value); /* freed by text_free */
    vino_result (*create_request)(const struct vino_compiled *compiled,
                                  struct vino_request **request);

    vino_result (*port_name)(const struct vino_port *port, char **name); /* freed by text_free */
    vino_result (*port_type)(const struct vino_port *port, int *element_type);
    vino_result (*port_shape)(const struct vino_port *port, struct vino_partial_shape *shape);
    void (*partial_shape_free)(struct vino_partial_shape *shape);

    vino_result (*wrap_tensor)(int element_type, const struct vino_shape shape, void *data,
                               struct vino_tensor **tensor);
    vino_result (*tensor_shape)(const struct vino_tensor *tensor, struct vino_shape *shape);
    vino_result (*tensor_data)(const struct vino_tensor *tensor, void **data);
    vino_result (*shape_free)(struct vino_shape *shape);

    vino_result (*set_input)(struct vino_request *request, size_t index,
                             const struct vino_tensor *tensor);
    vino_result (*set_output)(struct vino_request *request, size_t index,
                              const struct vino_tensor *tensor);
    vino_result (*get_output)(const struct vino_request *request, size_t index,
                              struct vino_tensor **tensor);
    vino_result (*infer)(struct vino_request *request);

    vino_result (*get_profile)(const struct vino_request *request, struct vino_profile *profile);
    void (*profile_free)(struct vino_profile *profile);

    /* All of these accept NULL. */
    void (*core_free)(struct vino_core *core);
    void (*model_free)(struct vino_model *model);
    void (*compiled_free)(struct vino_compiled *compiled);
    void (*request_free)(struct vino_request *request);
    void (*tensor_free)(struct vino_tensor *tensor);
    void (*port_free)(struct vino_port *port);
};

/*
 * Finds and loads the library: library if it is not "", else $TARE_OPENVINO, else the wheel in this
 * installation's .deps/venv, else the system's libopenvino_c.so. What is named and missing is an
 * error, not a reason to look further. TARE_ABSENT if there is none, TARE_BROKEN if it cannot be
 * loaded, is no OpenVINO or is older than VINO_OLDEST.
 */
enum tare_status vino_api_load(const char *library, struct vino_api *api, struct tare_err *err);

/*
 * Turns a failed result into an error; TARE_OK for 0. what says what was tried ("cannot load
 * 'x.onnx'"); the library's text follows on the same line, without its own source locations.
 */
enum tare_status vino_check(const struct vino_api *api, vino_result result, const char *what,
                            struct tare_err *err);

#endif
