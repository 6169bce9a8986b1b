/*
 * predict_model.h - what `tare predict` needs of a model: a session on a runtime, its family and
 * the names of its classes.
 */
#ifndef TARE_CMD_PREDICT_MODEL_H
#define TARE_CMD_PREDICT_MODEL_H

#include "backend/session.h"
#include "measure/session_graph.h"
#include "models/class_names.h"
#include "models/family.h"

struct predict_options {
    const char *model;   /* .pt (exported to a temporary file first) or what the runtime loads */
    const char *runtime; /* name or path of a plugin */
    const char *options; /* the runtime's own, "name=value,name=value"; NULL: none */
    const char *device, *precision; /* NULL: "cpu", "fp32" */
    int32_t threads;                /* 0: the runtime's default */
    struct family_options family;
};

/* Zero it first; predict_model_close() takes a half open one too. */
struct predict_model {
    struct backend *backend;
    struct backend_session *session;
    struct session_graph graph;
    const struct family *family;
    struct family_state *state;
    struct class_names *names;
};

/* TARE_UNSUPPORTED if the model is of no family that predicts. */
enum tare_status predict_model_open(const struct predict_options *options,
                                    struct predict_model *model, struct tare_err *err);
void predict_model_close(struct predict_model *model);

#endif
