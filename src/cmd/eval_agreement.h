/*
 * eval_agreement.h - `tare eval MODEL --against REFERENCE`: how far a model agrees with another.
 */
#ifndef TARE_CMD_EVAL_AGREEMENT_H
#define TARE_CMD_EVAL_AGREEMENT_H

#include "accuracy/agreement.h"
#include "base/json_write.h"
#include "cmd/eval_model.h"

struct eval_agreement {
    const struct eval_model *model; /* its images: a folder of JPEG files, all of them are used */
    const char *reference, *reference_runtime;
    int resamples;
    uint64_t seed;
};

/* Runs both over the pictures. */
enum tare_status eval_run_agreement(const struct eval_agreement *agreement,
                                    struct agreement_result *result, struct tare_err *err);

/* The figures as text on standard output, or as members of an open JSON object. */
void eval_print_agreement(const struct eval_agreement *agreement,
                          const struct agreement_result *result);
void eval_put_agreement(struct json_writer *json, const struct eval_agreement *agreement,
                        const struct agreement_result *result);

/* Runs and prints: what `tare eval` does. */
enum tare_status eval_agree(const struct eval_agreement *agreement, bool json,
                            struct tare_err *err);

#endif
