#include "export/export_file.h"

#include "onnx/onnx_write.h"

enum tare_status export_file(const char *checkpoint_path, const struct yolov8_options *options,
                             const char *path, struct tare_err *err)
{
    struct checkpoint *checkpoint = NULL;
    struct tare_err cause = TARE_ERR_INIT;
    struct onnx_model model;
    enum tare_status status = checkpoint_open(checkpoint_path, &checkpoint, err);

    onnx_model_init(&model, 0);
    if (status == TARE_OK && yolov8_build(checkpoint, options, &model, NULL, &cause) != TARE_OK)
        status =
            tare_fail(err, cause.status, "cannot export '%s': %s", checkpoint_path, cause.text);
    if (status == TARE_OK)
        status = onnx_write(&model, path, NULL, err);
    onnx_model_release(&model);
    checkpoint_close(checkpoint);
    return status;
}
