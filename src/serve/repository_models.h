/*
 * repository_models.h - which models a repository has, what they go through, and which were asked
 * for. Threads: constant.
 */
#ifndef TARE_SERVE_REPOSITORY_MODELS_H
#define TARE_SERVE_REPOSITORY_MODELS_H

#include <stdbool.h>
#include <stddef.h>

#include "tare/status.h"

struct repository_model {
    const char *name;
    bool has_graph;   /* the ONNX file; where the target runs a plan, it lies a folder up */
    const char *uses; /* "a,b": models that it goes through; "" */
};

/* In the order of a request; ends with a NULL name, REPOSITORY_MODELS_MAX at most. */
extern const struct repository_model repository_models[];

/*
 * Marks in chosen, (REPOSITORY_MODELS_MAX), one place a model, what a list "a,b" names and what
 * that goes through; NULL: all. TARE_INVALID for a name that there is not, saying which there are.
 */
enum tare_status repository_choose(const char *list, bool *chosen, struct tare_err *err);

#endif
