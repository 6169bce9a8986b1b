/*
 * plan_print.h - what 'tare plan' says: the engine, and the trtexec commands that are its equal.
 */
#ifndef TARE_CMD_PLAN_PRINT_H
#define TARE_CMD_PLAN_PRINT_H

#include <stdbool.h>

#include "base/buf.h"
#include "export/engine_store.h"

/* Needs order and made->model; made->path and its sidecar if built. */
enum tare_status plan_print(const struct engine_order *order, const struct engine_made *made,
                            bool built, bool json, struct tare_err *err);

#endif
