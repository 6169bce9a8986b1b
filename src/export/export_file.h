/*
 * export_file.h - a YOLOv8 checkpoint's file to an ONNX file, in one step.
 *
 * Threads: no shared state.
 */
#ifndef TARE_EXPORT_EXPORT_FILE_H
#define TARE_EXPORT_EXPORT_FILE_H

#include "export/export_yolov8.h"

/*
 * Exports the checkpoint to path, which is replaced when the model is complete. Errors as
 * checkpoint_open(), yolov8_build() and onnx_write(), naming the checkpoint.
 */
enum tare_status export_file(const char *checkpoint_path, const struct yolov8_options *options,
                             const char *path, struct tare_err *err);

#endif
