/*
 * class_names.h - the names of a model's classes, from the metadata that ultralytics' and tare's
 * exports carry: a Python dict or list as text, "{0: 'person', 1: 'traffic light'}".
 *
 * Threads: names that are not being changed may be read by any number of threads.
 */
#ifndef TARE_MODELS_CLASS_NAMES_H
#define TARE_MODELS_CLASS_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "tare/status.h"

#define CLASS_NAMES_MAX_BYTES ((size_t)1 << 20) /* of the text */

struct class_names;

/*
 * Reads the text; NULL stands for the 80 classes of COCO. TARE_BADDATA if it is neither a dict of
 * numbers and strings nor a list of strings, or a number is not below BOXES_MAX_CLASSES;
 * TARE_LIMIT. On success the caller passes *names to class_names_free().
 */
enum tare_status class_names_parse(const char *text, struct class_names **names,
                                   struct tare_err *err);

/* NULL is allowed. */
void class_names_free(struct class_names *names);

/* The name of a class; "" if it has none. Belongs to names. Control characters are '?'. */
const char *class_names_get(const struct class_names *names, int32_t class_id);

#endif
