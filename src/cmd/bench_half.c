#include "cmd/bench_half.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cmd/version.h"
#include "onnx/onnx_graph.h"
#include "onnx/onnx_read.h"
#include "onnx/onnx_write.h"
#include "quantize/quantize.h"
#include "quantize/to_half.h"

bool bench_half_wanted(const struct study_cell *cell)
{
    return strcmp(cell->precision, "fp16") == 0 && strcmp(cell->device, "cpu") != 0;
}

static enum tare_status convert(struct onnx_model *model, const char *recipe, const char *path,
                                struct tare_err *err)
{
    const struct to_half_options options = {0};
    struct onnx_builder builder;
    struct to_half_report report;
    size_t bytes;
    enum tare_status status = to_half(model, &options, &report, err);

    if (status != TARE_OK)
        return status;
    onnx_build_on(&builder, model);
    onnx_add_metadata(&builder, QUANTIZE_RECIPE, recipe);
    status = onnx_builder_status(&builder, err);
    return status == TARE_OK ? onnx_write(model, path, &bytes, err) : status;
}

enum tare_status bench_half_make(const char *fp32_path, const char *path, struct tare_err *err)
{
    char hex[65], recipe[120];
    struct onnx_model model;
    enum tare_status status = file_sha256(fp32_path, hex, err);

    if (status != TARE_OK)
        return status;
    (void)snprintf(recipe, sizeof(recipe), "%s fp16 model %.16s", TARE_VERSION, hex);
    if (quantize_is_current(path, recipe))
        return TARE_OK;
    status = onnx_read(fp32_path, &model, err);
    if (status != TARE_OK)
        return status;
    status = convert(&model, recipe, path, err);
    onnx_model_release(&model);
    return status;
}
