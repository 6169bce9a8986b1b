/*
 * triton_error.h - Triton's errors and dtypes to tare's and back. Threads: no shared state.
 */
#ifndef TARE_TRITON_ERROR_H
#define TARE_TRITON_ERROR_H

#include "tare/status.h"
#include "tare/tensor.h"
#include "triton_api.h"

/* Takes Triton's error over: its text goes to err. TARE_OK for NULL, otherwise TARE_FAILED. */
enum tare_status triton_check(struct TRITONSERVER_Error *error, struct tare_err *err);

/* An error for which there is no one to tell but the log. */
void triton_ignore(struct TRITONSERVER_Error *error);

/* An error for Triton, who takes it over or frees it. NULL for TARE_OK. */
struct TRITONSERVER_Error *triton_error(const struct tare_err *err);

/* A line in the server's log. */
void triton_log(enum triton_log level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* TARE_DTYPE_NONE and TRITON_TYPE_INVALID for what the other does not have. */
enum tare_dtype triton_dtype_in(enum triton_dtype dtype);
enum triton_dtype triton_dtype_out(enum tare_dtype dtype);

#endif
