/*
 * The Detect module: for each feature one branch of convolutions for boxes (4 × reg_max channels,
 * a distribution over distances for each side) and one for classes; then either these tensors as
 * they are, or the decode that ultralytics' own export holds.
 */
#include <stdio.h>
#include <string.h>

#include "export/export_walk.h"

#define DETECT_MAX_FEATURES 8
#define DETECT_MAX_REG      64

struct detect {
    struct walk *walk;
    const char *path;
    size_t count;
    int64_t reg_max;
    int64_t classes;
    const int64_t *strides;                     // (count)
    struct feature boxes[DETECT_MAX_FEATURES];  // (count)
    struct feature scores[DETECT_MAX_FEATURES]; // (count)
    int64_t candidates;
};

static int64_t batch_of(const struct walk *walk)
{
    return walk->options->batch == 0 ? 1 : walk->options->batch;
}

/* One branch: a Sequential whose output must have that many channels. */
static enum tare_status walk_branch(struct detect *d, const struct pickle_value *module,
                                    const char *name, size_t index, const struct feature *in,
                                    int64_t channels, struct feature *out)
{
    const struct pickle_value *list = walk_need(d->walk, module, d->path, name);
    char path[WALK_MAX_PATH];
    enum tare_status status;

    if (!list)
        return d->walk->err->status;
    (void)snprintf(path, sizeof(path), "%s.%s.%zu", d->path, name, index);
    if (walk_child_count(list) != d->count)
        return tare_fail(d->walk->err, TARE_BADDATA, "%s.%s: %zu branches for %zu features",
                         d->path, name, walk_child_count(list), d->count);
    status = walk_module(d->walk, walk_child_at(list, index), path, in, 1, out);
    if (status != TARE_OK)
        return status;
    if (out->channels != channels || out->height != in->height || out->width != in->width)
        return tare_fail(d->walk->err, TARE_BADDATA, "%s: gives %lld channels, need %lld", path,
                         (long long)out->channels, (long long)channels);
    return TARE_OK;
}

/* Gives the output of the node that was added last a name that users see. */
static enum tare_status name_output(struct walk *walk, struct feature *feature, const char *name)
{
    Onnx__GraphProto *graph = walk->builder.graph;
    const int64_t shape[4] = {batch_of(walk), feature->channels, feature->height, feature->width};
    Onnx__NodeProto *last = graph->node[graph->n_node - 1];

    (void)snprintf(feature->name, sizeof(feature->name), "%s", name);
    last->output[0] = arena_text(&walk->builder.model->arena, name, strlen(name));
    onnx_add_output(&walk->builder, name, ONNX_FLOAT, 4, shape, "batch");
    return onnx_builder_status(&walk->builder, walk->err);
}

static enum tare_status walk_branches(struct detect *d, const struct pickle_value *module,
                                      const struct feature *inputs)
{
    enum tare_status status = TARE_OK;
    bool raw = d->walk->options->head == YOLOV8_RAW;

    for (size_t i = 0; i < d->count && status == TARE_OK; i++) {
        char name[32];

        status = walk_branch(d, module, "cv2", i, &inputs[i], 4 * d->reg_max, &d->boxes[i]);
        (void)snprintf(name, sizeof(name), "box%lld", (long long)d->strides[i]);
        if (status == TARE_OK && raw)
            status = name_output(d->walk, &d->boxes[i], name);
        if (status == TARE_OK)
            status = walk_branch(d, module, "cv3", i, &inputs[i], d->classes, &d->scores[i]);
        (void)snprintf(name, sizeof(name), "cls%lld", (long long)d->strides[i]);
        if (status == TARE_OK && raw)
            status = name_output(d->walk, &d->scores[i], name);
        d->candidates += inputs[i].height * inputs[i].width;
    }
    return status;
}

/* A node "PATH/label/op" of the decode; its output goes to out (TARE_MAX_NAME). */
static Onnx__NodeProto *decode_node(struct detect *d, const char *op, const char *label,
                                    const char *first, const char *second, char *out)
{
    char path[WALK_MAX_PATH];
    const char *inputs[2] = {first, second};
    struct feature result;
    Onnx__NodeProto *node;

    walk_path(path, d->path, label);
    node = walk_node(d->walk, path, op, inputs, second ? 2 : 1, &result);
    memcpy(out, result.name, TARE_MAX_NAME);
    return node;
}

/* An INT64 initializer "PATH.label", whose name goes to out (WALK_MAX_PATH). */
static void decode_ints(struct detect *d, const char *label, const int64_t *values, size_t count,
                        char *out)
{
    walk_path(out, d->path, label);
    onnx_add_int64s(&d->walk->builder, out, values, count);
}

/* The features of all strides as one (N, channels, A) tensor. */
static void flatten(struct detect *d, const struct feature *features, const char *label, char *out)
{
    const int64_t shape[3] = {0, features[0].channels, -1};
    char shape_name[WALK_MAX_PATH], flat[DETECT_MAX_FEATURES][TARE_MAX_NAME];
    const char *inputs[DETECT_MAX_FEATURES];
    char path[WALK_MAX_PATH];
    struct feature joined;

    (void)snprintf(path, sizeof(path), "%s_shape", label);
    decode_ints(d, path, shape, 3, shape_name);
    for (size_t i = 0; i < d->count; i++) {
        (void)snprintf(path, sizeof(path), "%s%lld", label, (long long)d->strides[i]);
        (void)decode_node(d, "Reshape", path, features[i].name, shape_name, flat[i]);
        inputs[i] = flat[i];
    }
    walk_path(path, d->path, label);
    onnx_set_int(&d->walk->builder, walk_node(d->walk, path, "Concat", inputs, d->count, &joined),
                 "axis", 2);
    memcpy(out, joined.name, TARE_MAX_NAME);
}

/*
 * The expected distance of each side, in units of the stride: (N, 4 × R, A) → (N, 4, A). Softmax
 * over the R bins, then the sum of bin × probability as a 1 × 1 convolution.
 */
static void expected_distances(struct detect *d, const char *boxes, char *out)
{
    struct onnx_builder *builder = &d->walk->builder;
    const int64_t split[4] = {0, 4, d->reg_max, d->candidates};
    const int64_t perm[4] = {0, 2, 1, 3};
    const int64_t joined[3] = {0, 4, d->candidates};
    const int64_t bins_shape[4] = {1, d->reg_max, 1, 1};
    const int64_t kernel[2] = {1, 1};
    char bins[WALK_MAX_PATH], shape[WALK_MAX_PATH], name[TARE_MAX_NAME];
    float *values;
    Onnx__NodeProto *node;

    decode_ints(d, "dfl.split_shape", split, 4, shape);
    (void)decode_node(d, "Reshape", "dfl.split", boxes, shape, name);
    node = decode_node(d, "Transpose", "dfl", name, NULL, name);
    onnx_set_ints(builder, node, "perm", perm, 4);
    onnx_set_int(builder, decode_node(d, "Softmax", "dfl", name, NULL, name), "axis", 1);
    walk_path(bins, d->path, "dfl.conv.weight");
    values = onnx_add_tensor(builder, bins, ONNX_FLOAT, 4, bins_shape);
    for (int64_t i = 0; values && i < d->reg_max; i++)
        values[i] = (float)i;
    node = decode_node(d, "Conv", "dfl.conv", name, bins, name);
    onnx_set_ints(builder, node, "kernel_shape", kernel, 2);
    decode_ints(d, "dfl.joined_shape", joined, 3, shape);
    (void)decode_node(d, "Reshape", "dfl.joined", name, shape, out);
}

/* The cells' centres (1, 2, A) in units of the stride, and the strides (1, 1, A) in pixels. */
static void add_anchors(struct detect *d, char *anchors, char *strides)
{
    const int64_t anchors_shape[3] = {1, 2, d->candidates};
    const int64_t strides_shape[3] = {1, 1, d->candidates};
    float *centre, *stride;
    int64_t at = 0;

    walk_path(anchors, d->path, "anchors");
    walk_path(strides, d->path, "strides");
    centre = onnx_add_tensor(&d->walk->builder, anchors, ONNX_FLOAT, 3, anchors_shape);
    stride = onnx_add_tensor(&d->walk->builder, strides, ONNX_FLOAT, 3, strides_shape);
    for (size_t i = 0; centre && stride && i < d->count; i++)
        for (int64_t y = 0; y < d->boxes[i].height; y++)
            for (int64_t x = 0; x < d->boxes[i].width; x++, at++) {
                centre[at] = (float)x + 0.5f;
                centre[d->candidates + at] = (float)y + 0.5f;
                stride[at] = (float)d->strides[i];
            }
}

/* Distances left, top, right, bottom of a centre → centre x, y, width, height in pixels. */
static void distances_to_boxes(struct detect *d, const char *distances, char *out)
{
    const int64_t halves[2] = {2, 2};
    const float half = 0.5f;
    char sizes[WALK_MAX_PATH], halver[WALK_MAX_PATH], anchors[WALK_MAX_PATH];
    char strides[WALK_MAX_PATH], near[TARE_MAX_NAME], far[TARE_MAX_NAME];
    char centre[TARE_MAX_NAME], extent[TARE_MAX_NAME];
    const char *outputs[2] = {near, far};
    const char *inputs[2] = {distances, sizes};
    char name[TARE_MAX_NAME];
    Onnx__NodeProto *node;

    decode_ints(d, "box.split", halves, 2, sizes);
    walk_node_name(name, d->path, "box/Split");
    (void)snprintf(near, sizeof(near), "%.*s_output_0", TARE_MAX_NAME - 16, name);
    (void)snprintf(far, sizeof(far), "%.*s_output_1", TARE_MAX_NAME - 16, name);
    node = onnx_add_node(&d->walk->builder, "Split", name, inputs, 2, outputs, 2);
    onnx_set_int(&d->walk->builder, node, "axis", 1);

    add_anchors(d, anchors, strides);
    walk_path(halver, d->path, "half");
    onnx_add_floats(&d->walk->builder, halver, &half, 1);
    (void)decode_node(d, "Sub", "box.shift", far, near, centre);
    (void)decode_node(d, "Mul", "box.shift", centre, halver, centre);
    (void)decode_node(d, "Add", "box.centre", anchors, centre, centre);
    (void)decode_node(d, "Add", "box.size", near, far, extent);
    inputs[0] = centre;
    inputs[1] = extent;
    {
        struct feature joined;
        char path[WALK_MAX_PATH];

        walk_path(path, d->path, "box");
        node = walk_node(d->walk, path, "Concat", inputs, 2, &joined);
        onnx_set_int(&d->walk->builder, node, "axis", 1);
        (void)decode_node(d, "Mul", "box.pixels", joined.name, strides, out);
    }
}

static enum tare_status add_decode(struct detect *d)
{
    struct walk *walk = d->walk;
    const int64_t shape[3] = {batch_of(walk), 4 + d->classes, d->candidates};
    char boxes[TARE_MAX_NAME], scores[TARE_MAX_NAME];
    const char *inputs[2] = {boxes, scores};
    const char *output = "output0";
    char name[TARE_MAX_NAME];
    Onnx__NodeProto *node;

    flatten(d, d->boxes, "boxes", boxes);
    flatten(d, d->scores, "scores", scores);
    expected_distances(d, boxes, boxes);
    distances_to_boxes(d, boxes, boxes);
    (void)decode_node(d, "Sigmoid", "scores", scores, NULL, scores);
    walk_node_name(name, d->path, "Concat");
    node = onnx_add_node(&walk->builder, "Concat", name, inputs, 2, &output, 1);
    onnx_set_int(&walk->builder, node, "axis", 1);
    onnx_add_output(&walk->builder, output, ONNX_FLOAT, 3, shape, "batch");
    return onnx_builder_status(&walk->builder, walk->err);
}

enum tare_status walk_detect(struct walk *walk, const struct pickle_value *module, const char *path,
                             const struct feature *inputs, size_t count, const int64_t *strides,
                             int64_t classes)
{
    struct detect d = {.walk = walk, .path = path, .count = count, .strides = strides};
    enum tare_status status;

    d.classes = classes;
    d.reg_max = pickle_int(walk_attribute(module, "reg_max"), 0);
    if (count == 0 || count > DETECT_MAX_FEATURES)
        return tare_fail(walk->err, TARE_UNSUPPORTED, "%s: detects on %zu features, at most %d",
                         path, count, DETECT_MAX_FEATURES);
    if (d.reg_max < 2 || d.reg_max > DETECT_MAX_REG)
        return tare_fail(walk->err, TARE_UNSUPPORTED, "%s.reg_max: %lld, need 2 to %d", path,
                         (long long)d.reg_max, DETECT_MAX_REG);
    for (size_t i = 0; i < count; i++)
        if (inputs[i].height * strides[i] != inputs[0].height * strides[0] ||
            inputs[i].width * strides[i] != inputs[0].width * strides[0])
            return tare_fail(walk->err, TARE_BADDATA, "%s.stride: %lld does not fit its feature",
                             path, (long long)strides[i]);
    status = walk_branches(&d, module, inputs);
    if (status == TARE_OK && walk->options->head == YOLOV8_FULL)
        status = add_decode(&d);
    return status;
}
