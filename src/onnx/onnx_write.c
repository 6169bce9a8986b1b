#include "onnx/onnx_write.h"

#include <stdlib.h>

#include "base/file.h"

#define ONNX_MAX_FILE_BYTES ((size_t)INT32_MAX)

enum tare_status onnx_pack(const struct onnx_model *model, uint8_t **bytes, size_t *size,
                           struct tare_err *err)
{
    size_t expected = onnx__model_proto__get_packed_size(model->proto);

    *bytes = NULL;
    *size = 0;
    if (expected > ONNX_MAX_FILE_BYTES)
        return tare_fail(err, TARE_LIMIT, "the model takes %zu bytes, an ONNX file at most %zu",
                         expected, ONNX_MAX_FILE_BYTES);
    *bytes = malloc(expected ? expected : 1);
    if (!*bytes)
        return tare_fail(err, TARE_NOMEM, "out of memory for an ONNX file of %zu bytes", expected);
    *size = onnx__model_proto__pack(model->proto, *bytes);
    return TARE_OK;
}

enum tare_status onnx_write(const struct onnx_model *model, const char *path, size_t *size,
                            struct tare_err *err)
{
    uint8_t *bytes = NULL;
    size_t count = 0;
    enum tare_status status = onnx_pack(model, &bytes, &count, err);

    if (status == TARE_OK)
        status = file_write(path, bytes, count, err);
    free(bytes);
    if (size)
        *size = status == TARE_OK ? count : 0;
    return status;
}
