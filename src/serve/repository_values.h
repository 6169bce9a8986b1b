/*
 * repository_values.h - the values that a repository's templates have places for, from the options,
 * the target and the model's own file.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_REPOSITORY_VALUES_H
#define TARE_SERVE_REPOSITORY_VALUES_H

#include "serve/raw_head.h"
#include "serve/repository.h"
#include "serve/template.h"

#define REPOSITORY_VALUES_MAX 48
#define REPOSITORY_VALUE_TEXT 2048

/* template_fill() takes .values; they point into .texts, so that a copy of the struct is none. */
struct repository_values {
    struct template_value values[REPOSITORY_VALUES_MAX + 1];
    char texts[REPOSITORY_VALUES_MAX][REPOSITORY_VALUE_TEXT];
    size_t count;
};

/* Options with their defaults put in; checked against the file. TARE_INVALID says what is wrong. */
enum tare_status repository_settle(const struct repository_options *options,
                                   const struct raw_head *head, struct repository_options *settled,
                                   struct tare_err *err);

/* Whether the target runs yolov8 as a TensorRT plan; whether it decodes pictures with DALI. */
bool repository_has_plan(const char *target);
bool repository_has_dali(const char *target);

/* Fills in values from settled options. */
void repository_set_values(const struct repository_options *settled, const struct raw_head *head,
                           struct repository_values *values);

/* Adds one more; a text that is too long is cut. */
void repository_set_value(struct repository_values *values, const char *name, const char *format,
                          ...) __attribute__((format(printf, 3, 4)));

#endif
