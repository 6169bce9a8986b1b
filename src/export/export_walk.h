/*
 * export_walk.h - what the parts of the YOLOv8 exporter share. Private to export_*.c.
 *
 * A walk turns modules into nodes. Each emit function takes a module, its path in the checkpoint
 * ("model.4.cv1") and the features it reads, appends nodes and says which feature comes out.
 */
#ifndef TARE_EXPORT_EXPORT_WALK_H
#define TARE_EXPORT_EXPORT_WALK_H

#include "export/checkpoint.h"
#include "export/export_yolov8.h"
#include "onnx/onnx_graph.h"

#define YOLOV8_OPSET 17

#define WALK_MAX_PATH     160
#define WALK_MAX_DEPTH    16
#define WALK_MAX_MODULES  5000
#define WALK_MAX_LAYERS   256
#define WALK_MAX_CHANNELS 65536
#define WALK_MAX_INPUTS   16

/* A value of the graph, (N, channels, height, width) FP32. */
struct feature {
    char name[TARE_MAX_NAME];
    int64_t channels;
    int64_t height;
    int64_t width;
};

struct walk {
    const struct checkpoint *checkpoint;
    const struct yolov8_options *options;
    struct onnx_builder builder;
    int64_t parameters;
    int modules; /* walked so far: a checkpoint may contain itself */
    int depth;
    struct tare_err *err;
};

/* "model.4.cv1" + "conv" → "model.4.cv1.conv", into out (WALK_MAX_PATH). */
void walk_path(char *out, const char *path, const char *child);

/* "model.4.cv1.conv" + "Conv" → "/model.4/cv1/conv/Conv", into out (TARE_MAX_NAME). */
void walk_node_name(char *out, const char *path, const char *op);

/* A module's attribute, child or parameter; NULL if it has none of that name. */
const struct pickle_value *walk_attribute(const struct pickle_value *module, const char *name);
const struct pickle_value *walk_child(const struct pickle_value *module, const char *name);
const struct pickle_value *walk_parameter(const struct pickle_value *module, const char *name);

/* A child that must be there; NULL with err set naming it. */
const struct pickle_value *walk_need(struct walk *walk, const struct pickle_value *module,
                                     const char *path, const char *name);

/* The children of a Sequential or ModuleList: number, and one by its place. */
size_t walk_child_count(const struct pickle_value *module);
const struct pickle_value *walk_child_at(const struct pickle_value *module, size_t index);

/* Appends one node of one output named after path and op; out->name gets the output's name. */
Onnx__NodeProto *walk_node(struct walk *walk, const char *path, const char *op,
                           const char *const *inputs, size_t input_count, struct feature *out);

/* Joins features along the channels. */
enum tare_status walk_concat(struct walk *walk, const char *path, const struct feature *inputs,
                             size_t count, struct feature *out);

/* Any module of a layer but Detect. */
enum tare_status walk_module(struct walk *walk, const struct pickle_value *module, const char *path,
                             const struct feature *inputs, size_t count, struct feature *out);

/* torch.nn.Conv2d with the BatchNorm2d that follows it (NULL: none) folded in. */
enum tare_status walk_conv2d(struct walk *walk, const struct pickle_value *conv,
                             const struct pickle_value *norm, const char *path,
                             const struct feature *in, struct feature *out);

/* The Detect module: declares the graph's outputs. strides are those of its features, in order. */
enum tare_status walk_detect(struct walk *walk, const struct pickle_value *module, const char *path,
                             const struct feature *inputs, size_t count, const int64_t *strides,
                             int64_t classes);

/* Names, stride, size and the rest, as ultralytics' readers expect them. model is the
 * DetectionModel. */
enum tare_status walk_metadata(struct walk *walk, const struct pickle_value *model, int64_t stride,
                               int64_t size, int64_t classes);

#endif
