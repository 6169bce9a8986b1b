/*
 * triton_model.h - a loaded model, its instances, and the table of roles that they play.
 *
 * Threads: a model is constant once it is loaded, but for its pool and benches, which any thread
 * may use. An instance belongs to one thread at a time.
 */
#ifndef TARE_TRITON_MODEL_H
#define TARE_TRITON_MODEL_H

#include "backend/loader.h"
#include "base/file.h"
#include "triton_batch.h"
#include "triton_settings.h"

#define TRITON_ROLE_TENSORS 8

struct triton_instance;

/* The tensors of a role that knows them by itself, without the batch dimension. */
struct triton_signature {
    struct tare_tensor_info inputs[TRITON_ROLE_TENSORS], outputs[TRITON_ROLE_TENSORS];
    size_t input_count, output_count;
};

/* What a role does. */
struct triton_role_table {
    bool runs_model; /* needs a plugin */
    bool pools;      /* needs a pool */

    /* Fills in the signature. NULL: the tensors are the model's, and open() checks those that the
     * config declares. */
    enum tare_status (*describe)(const struct triton_settings *settings,
                                 struct triton_signature *signature, struct tare_err *err);

    /* Opens the instance's state. close() in any case. */
    enum tare_status (*open)(struct triton_instance *instance, struct tare_err *err);
    void (*close)(struct triton_instance *instance); /* may find state NULL */

    /* Does the living items' work, or notes why it failed; answers nobody. */
    void (*execute)(struct triton_instance *instance, struct triton_batch *batch);
};

struct triton_model {
    struct triton_settings settings;
    const struct triton_role_table *role;
    const char *name; /* Triton's */
    char path[FILE_MAX_PATH];
    struct backend *backend;           /* NULL for a role without a plugin */
    struct triton_pool *pool;          /* NULL for a role without a pool */
    struct triton_signature signature; /* empty where the tensors are the model's */
};

struct triton_instance {
    struct triton_model *model;
    struct TRITONBACKEND_ModelInstance *self;
    const char *name; /* Triton's */
    char device[32];  /* "cpu", "cuda:0" */
    struct triton_batch batch;
    void *state; /* the role's */
};

/* What to open a session with for an instance of this model. Belongs to the model. */
struct backend_session_options triton_session_options(const struct triton_instance *instance);

/* The living items of a batch fail, with one error. */
void triton_fail_all(struct triton_batch *batch, const struct tare_err *err);

extern const struct triton_role_table triton_role_model, triton_role_preprocess, triton_role_boxes,
    triton_role_pipeline;

#endif
