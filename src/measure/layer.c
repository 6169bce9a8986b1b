#include "measure/layer.h"

#include <stddef.h>
#include <string.h>

static const struct layer layers[] = {
    {"triton-inproc", "triton", "yolov8", NULL, NULL, false},
    {"triton-shm", "kserve", "yolov8", "http", "shared", false},
    {"triton-grpc", "kserve", "yolov8", "grpc", "wire", false},
    {"triton-http", "kserve", "yolov8", "http", "wire", false},
    {"fused", "triton", "yolov8_fused", NULL, NULL, true},
    {"ensemble", "triton", "yolov8_ensemble", NULL, NULL, true},
    {"ensemble-python", "triton", "yolov8_ensemble_python", NULL, NULL, true},
    {"fused-http", "kserve", "yolov8_fused", "http", "wire", true},
    {"ensemble-http", "kserve", "yolov8_ensemble", "http", "wire", true},
    {"ensemble-python-http", "kserve", "yolov8_ensemble_python", "http", "wire", true},
};

const struct layer *layer_find(const char *name)
{
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
        if (strcmp(layers[i].name, name) == 0)
            return &layers[i];
    return NULL;
}
