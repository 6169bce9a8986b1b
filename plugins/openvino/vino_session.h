/*
 * vino_session.h - a model compiled by OpenVINO for the CPU. Opening and describing are in
 * vino_session.c and vino_ports.c, binding and running in vino_run.c, times per node in
 * vino_profile.c; the contract of every function is that of its slot in tare/backend.h.
 */
#ifndef TARE_VINO_SESSION_H
#define TARE_VINO_SESSION_H

#include "tare/backend.h"
#include "vino_api.h"

struct vino_output {
    struct tare_tensor tensor; /* as bound */
    bool loose;                /* the runtime places it, and a run copies it to tensor.data */
    int32_t rank;              /* of the last run, if loose */
    int64_t shape[TARE_MAX_RANK];
};

/* The inputs or the outputs of a model. */
struct vino_side {
    struct tare_tensor_info *infos; // (count)
    size_t count;
};

struct tare_session {
    struct vino_api api;
    struct vino_core *core;
    struct vino_compiled *compiled;
    struct vino_request *request; /* NULL: nothing is bound */
    struct vino_side inputs, outputs;
    struct vino_output *bound; // (outputs.count)
    bool any_loose;
    bool profiling;                /* every node is timed */
    struct vino_profile profile;   /* the library's, as last asked for */
    struct tare_profile_row *rows; // of it
};

extern const struct tare_option_info vino_options[];

/* Element type of OpenVINO for a dtype, and back; 0 and TARE_DTYPE_NONE if there is none. */
int vino_element_type(enum tare_dtype dtype);
enum tare_dtype vino_dtype(int element_type);

bool vino_is_dynamic(const struct tare_tensor_info *info);

/*
 * Gives every input of the model whose first dimension is dynamic that one as batch. Must come
 * before the model is compiled.
 */
enum tare_status vino_set_batch(const struct vino_api *api, const struct vino_model *model,
                                int32_t batch, struct tare_err *err);

/* Lists the compiled model's inputs and outputs in session; what is half done, vino_close() frees.
 */
enum tare_status vino_read_sides(struct tare_session *session, struct tare_err *err);

enum tare_status vino_open(const struct tare_open_options *options, struct tare_session **session,
                           struct tare_open_report *report, struct tare_err *err);
void vino_close(struct tare_session *session);
enum tare_status vino_describe(struct tare_session *session, bool inputs,
                               const struct tare_tensor_info **infos, size_t *count,
                               struct tare_err *err);
enum tare_status vino_bind(struct tare_session *session, const struct tare_tensor *inputs,
                           size_t input_count, const struct tare_tensor *outputs,
                           size_t output_count, struct tare_err *err);
enum tare_status vino_run(struct tare_session *session, const struct tare_request *request,
                          struct tare_timing *timing, struct tare_err *err);
enum tare_status vino_bound_shape(struct tare_session *session, size_t index, int32_t *rank,
                                  int64_t *shape, struct tare_err *err);
/* With option profile=1; the rows go with the session. */
enum tare_status vino_profile(struct tare_session *session, const struct tare_profile_row **rows,
                              size_t *count, struct tare_err *err);
void vino_drop_profile(struct tare_session *session);

#endif
