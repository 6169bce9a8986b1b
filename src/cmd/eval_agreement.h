/*
 * eval_agreement.h - `tare eval MODEL --against REFERENCE`: how far a model agrees with another.
 */
#ifndef TARE_CMD_EVAL_AGREEMENT_H
#define TARE_CMD_EVAL_AGREEMENT_H

#include "cmd/eval_model.h"

struct eval_agreement {
    const struct eval_model *model; /* its images: a folder of JPEG files, all of them are used */
    const char *reference, *reference_runtime;
    int resamples;
    uint64_t seed;
    bool json;
};

/* Runs both over the pictures and prints the figures on standard output. */
enum tare_status eval_print_agreement(const struct eval_agreement *agreement, struct tare_err *err);

#endif
