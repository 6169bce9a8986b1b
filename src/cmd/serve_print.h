/*
 * serve_print.h - what tare serve says of a server: where it is reached and what it has loaded, as
 * text or as one line of JSON.
 */
#ifndef TARE_CMD_SERVE_PRINT_H
#define TARE_CMD_SERVE_PRINT_H

#include <stdbool.h>

#include "serve/server_state.h"
#include "serve/tritonserver.h"

struct serve_view {
    struct server_state state;
    const char *version;                     /* of tritonserver; "" if not asked */
    const char *hint;                        /* how it is ended */
    const struct tritonserver_model *models; // (model_count)
    size_t model_count;
};

/* To stdout, flushed, so that who waits at a pipe sees it. */
enum tare_status serve_print(const struct serve_view *view, bool json, struct tare_err *err);

#endif
