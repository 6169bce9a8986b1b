/*
 * engine_child.h - the child's side of building an engine: TensorRT lives and, if it must, dies
 * here.
 *
 * Commands and answers are lines of JSON, one answer a command:
 *     {"op": "identify", "architecture": "this" or "sm_86", "device": 0, "library": null,
 *      "calibrated": false, "dla_core": -1}
 *         -> {"ok": true, "architecture": 86, "here": 0, "gpu": "", "library":
 * "/x/libnvinfer.so.10", "name": "TensorRT 10.16.1", "flavour": 1, "version": 101601}
 *     {"op": "build", "device": 0, and the fields of struct trt_build_job}
 *         -> {"step": "reading the model"} any number of times, then {"ok": true, "layers": 217,
 * ...} What failed: {"ok": false, "status": -6, "text": "..."}. The child ends when the channel
 * does.
 *
 * Threads: one.
 */
#ifndef TARE_EXPORT_ENGINE_CHILD_H
#define TARE_EXPORT_ENGINE_CHILD_H

#include "tare/status.h"

/* Serves commands on a channel until it is closed. */
enum tare_status engine_child_serve(int channel_fd, struct tare_err *err);

#endif
