#include "triton_error.h"

enum tare_status triton_check(struct TRITONSERVER_Error *error, struct tare_err *err)
{
    if (!error)
        return TARE_OK;
    (void)tare_fail(err, TARE_FAILED, "%s", TRITONSERVER_ErrorMessage(error));
    TRITONSERVER_ErrorDelete(error);
    return TARE_FAILED;
}

void triton_log(enum triton_log level, const char *format, ...)
{
    struct TRITONSERVER_Error *error;
    char text[1024];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    error = TRITONSERVER_LogMessage(level, "tare", 0, text);
    if (error)
        TRITONSERVER_ErrorDelete(error);
}

void triton_ignore(struct TRITONSERVER_Error *error)
{
    struct tare_err err = TARE_ERR_INIT;

    if (triton_check(error, &err) != TARE_OK)
        triton_log(TRITON_LOG_ERROR, "tare: %s", err.text);
}

static enum triton_code code_of(enum tare_status status)
{
    switch (status) {
    case TARE_INVALID:
    case TARE_BADDATA:
    case TARE_LIMIT:
        return TRITON_INVALID_ARG;
    case TARE_UNSUPPORTED:
        return TRITON_UNSUPPORTED;
    case TARE_ABSENT:
        return TRITON_NOT_FOUND;
    case TARE_NOMEM:
    case TARE_TIMEOUT:
        return TRITON_UNAVAILABLE;
    default:
        return TRITON_INTERNAL;
    }
}

struct TRITONSERVER_Error *triton_error(const struct tare_err *err)
{
    return err->status == TARE_OK ? NULL : TRITONSERVER_ErrorNew(code_of(err->status), err->text);
}

static const struct {
    enum tare_dtype dtype;
    enum triton_dtype triton;
} dtypes[] = {
    {TARE_FP64, TRITON_TYPE_FP64},     {TARE_FP32, TRITON_TYPE_FP32},
    {TARE_FP16, TRITON_TYPE_FP16},     {TARE_BF16, TRITON_TYPE_BF16},
    {TARE_INT8, TRITON_TYPE_INT8},     {TARE_INT16, TRITON_TYPE_INT16},
    {TARE_INT32, TRITON_TYPE_INT32},   {TARE_INT64, TRITON_TYPE_INT64},
    {TARE_UINT8, TRITON_TYPE_UINT8},   {TARE_UINT16, TRITON_TYPE_UINT16},
    {TARE_UINT32, TRITON_TYPE_UINT32}, {TARE_UINT64, TRITON_TYPE_UINT64},
    {TARE_BOOL, TRITON_TYPE_BOOL},     {TARE_BYTES, TRITON_TYPE_BYTES},
};

#define DTYPES (sizeof(dtypes) / sizeof(dtypes[0]))

enum tare_dtype triton_dtype_in(enum triton_dtype dtype)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (dtypes[i].triton == dtype)
            return dtypes[i].dtype;
    return TARE_DTYPE_NONE;
}

enum triton_dtype triton_dtype_out(enum tare_dtype dtype)
{
    for (size_t i = 0; i < DTYPES; i++)
        if (dtypes[i].dtype == dtype)
            return dtypes[i].triton;
    return TRITON_TYPE_INVALID;
}
