/*
 * server_models.h - what a server answers when asked which models it has.
 *
 * Threads: no shared state.
 */
#ifndef TARE_SERVE_SERVER_MODELS_H
#define TARE_SERVE_SERVER_MODELS_H

#include "serve/tritonserver.h"

/*
 * Reads the answer to POST /v2/repository/index: an array of objects with name, version, state and
 * reason. A model with several versions is ready if one of them is. In the order of names. On
 * success the caller frees *models. TARE_BADDATA for what is none, TARE_LIMIT over 4096 models.
 */
enum tare_status server_models_parse(const char *text, size_t size,
                                     struct tritonserver_model **models, size_t *count,
                                     struct tare_err *err);

#endif
