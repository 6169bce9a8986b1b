#include "cmd/plan_half.h"

#include "onnx/onnx_read.h"
#include "onnx/onnx_write.h"
#include "quantize/to_half.h"

enum tare_status plan_to_fp16(const char *from, const char *to, struct tare_err *err)
{
    const struct to_half_options options = {0};
    struct tare_err cause = TARE_ERR_INIT;
    struct to_half_report report;
    struct onnx_model model;
    enum tare_status status = onnx_read(from, &model, err);

    if (status != TARE_OK)
        return status;
    if (to_half(&model, &options, &report, &cause) != TARE_OK)
        status = tare_fail(err, cause.status, "cannot convert '%.150s' to FP16: %.300s", from,
                           cause.text);
    if (status == TARE_OK)
        status = onnx_write(&model, to, NULL, err);
    onnx_model_release(&model);
    return status;
}
