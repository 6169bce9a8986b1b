/*
 * The modules of a YOLOv8 backbone and neck, and the tools that walk them.
 */
#include <stdio.h>
#include <string.h>

#include "export/export_walk.h"

void walk_path(char *out, const char *path, const char *child)
{
    (void)snprintf(out, WALK_MAX_PATH, "%s.%s", path, child);
}

void walk_node_name(char *out, const char *path, const char *op)
{
    size_t at = 1;

    out[0] = '/';
    for (; *path && at < TARE_MAX_NAME - 2; path++) {
        bool level = *path == '.' && (path[1] < '0' || path[1] > '9');

        out[at++] = level ? '/' : *path;
    }
    (void)snprintf(out + at, TARE_MAX_NAME - at, "/%s", op);
}

const struct pickle_value *walk_attribute(const struct pickle_value *module, const char *name)
{
    return pickle_kind_of(module) == PICKLE_OBJECT ? pickle_get(module, name) : NULL;
}

const struct pickle_value *walk_child(const struct pickle_value *module, const char *name)
{
    return pickle_get(walk_attribute(module, "_modules"), name);
}

const struct pickle_value *walk_parameter(const struct pickle_value *module, const char *name)
{
    const struct pickle_value *value = pickle_get(walk_attribute(module, "_parameters"), name);

    return value ? value : pickle_get(walk_attribute(module, "_buffers"), name);
}

const struct pickle_value *walk_need(struct walk *walk, const struct pickle_value *module,
                                     const char *path, const char *name)
{
    const struct pickle_value *child = walk_child(module, name);

    if (!child)
        (void)tare_fail(walk->err, TARE_BADDATA, "%s: has no '%s'", path, name);
    return child;
}

size_t walk_child_count(const struct pickle_value *module)
{
    return pickle_count(walk_attribute(module, "_modules"));
}

const struct pickle_value *walk_child_at(const struct pickle_value *module, size_t index)
{
    char name[24];

    (void)snprintf(name, sizeof(name), "%zu", index);
    return walk_child(module, name);
}

Onnx__NodeProto *walk_node(struct walk *walk, const char *path, const char *op,
                           const char *const *inputs, size_t input_count, struct feature *out)
{
    char name[TARE_MAX_NAME];
    const char *output = out->name;

    walk_node_name(name, path, op);
    (void)snprintf(out->name, sizeof(out->name), "%.*s_output_0", TARE_MAX_NAME - 16, name);
    return onnx_add_node(&walk->builder, op, name, inputs, input_count, &output, 1);
}

enum tare_status walk_concat(struct walk *walk, const char *path, const struct feature *inputs,
                             size_t count, struct feature *out)
{
    const char *names[WALK_MAX_LAYERS];
    int64_t channels = 0;

    if (count == 0 || count > WALK_MAX_LAYERS)
        return tare_fail(walk->err, TARE_BADDATA, "%s: joins %zu features", path, count);
    for (size_t i = 0; i < count; i++) {
        if (inputs[i].height != inputs[0].height || inputs[i].width != inputs[0].width)
            return tare_fail(walk->err, TARE_INVALID,
                             "%s: joins features of %lld and %lld rows; is the size a multiple of "
                             "the model's stride?",
                             path, (long long)inputs[0].height, (long long)inputs[i].height);
        names[i] = inputs[i].name;
        channels += inputs[i].channels;
    }
    if (channels > WALK_MAX_CHANNELS)
        return tare_fail(walk->err, TARE_LIMIT, "%s: %lld channels, at most %d", path,
                         (long long)channels, WALK_MAX_CHANNELS);
    out->channels = channels;
    out->height = inputs[0].height;
    out->width = inputs[0].width;
    onnx_set_int(&walk->builder, walk_node(walk, path, "Concat", names, count, out), "axis", 1);
    return onnx_builder_status(&walk->builder, walk->err);
}

static enum tare_status walk_activation(struct walk *walk, const struct pickle_value *act,
                                        const char *path, const struct feature *in,
                                        struct feature *out)
{
    const char *inputs[2] = {in->name, NULL};
    struct feature gate = *in;
    char found[120];

    *out = *in;
    if (!act || pickle_is_a(act, "Identity"))
        return TARE_OK;
    if (pickle_is_a(act, "ReLU")) {
        (void)walk_node(walk, path, "Relu", inputs, 1, out);
    } else if (pickle_is_a(act, "SiLU")) {
        (void)walk_node(walk, path, "Sigmoid", inputs, 1, &gate);
        inputs[1] = gate.name;
        (void)walk_node(walk, path, "Mul", inputs, 2, out);
    } else {
        return tare_fail(walk->err, TARE_UNSUPPORTED,
                         "%s: activation %s, need SiLU, ReLU or Identity", path,
                         pickle_describe(act, found, sizeof(found)));
    }
    return onnx_builder_status(&walk->builder, walk->err);
}

/* Conv2d, BatchNorm2d (absent in a checkpoint saved fused: then there is a bias), activation. */
static enum tare_status walk_conv(struct walk *walk, const struct pickle_value *module,
                                  const char *path, const struct feature *in, struct feature *out)
{
    const struct pickle_value *conv = walk_need(walk, module, path, "conv");
    char child[WALK_MAX_PATH];
    struct feature linear;
    enum tare_status status;

    if (!conv)
        return walk->err->status;
    if (pickle_kind_of(walk_parameter(conv, "bias")) == PICKLE_NONE &&
        !walk_need(walk, module, path, "bn"))
        return walk->err->status;
    walk_path(child, path, "conv");
    status = walk_conv2d(walk, conv, walk_child(module, "bn"), child, in, &linear);
    walk_path(child, path, "act");
    return status == TARE_OK ? walk_activation(walk, walk_child(module, "act"), child, &linear, out)
                             : status;
}

/* Walks the child of that name. */
static enum tare_status walk_named(struct walk *walk, const struct pickle_value *module,
                                   const char *path, const char *name, const struct feature *in,
                                   struct feature *out)
{
    const struct pickle_value *child = walk_need(walk, module, path, name);
    char child_path[WALK_MAX_PATH];

    walk_path(child_path, path, name);
    return child ? walk_module(walk, child, child_path, in, 1, out) : walk->err->status;
}

/* Two convolutions, and the input added to what comes out. */
static enum tare_status walk_bottleneck(struct walk *walk, const struct pickle_value *module,
                                        const char *path, const struct feature *in,
                                        struct feature *out)
{
    struct feature middle, last;
    const char *inputs[2] = {in->name, last.name};
    enum tare_status status = walk_named(walk, module, path, "cv1", in, &middle);

    if (status == TARE_OK)
        status = walk_named(walk, module, path, "cv2", &middle, &last);
    if (status != TARE_OK)
        return status;
    *out = last;
    if (!pickle_int(walk_attribute(module, "add"), 0))
        return TARE_OK;
    if (last.channels != in->channels || last.height != in->height || last.width != in->width)
        return tare_fail(walk->err, TARE_BADDATA, "%s: adds features of different shapes", path);
    (void)walk_node(walk, path, "Add", inputs, 2, out);
    return onnx_builder_status(&walk->builder, walk->err);
}

/* Two halves along the channels. */
static enum tare_status walk_split(struct walk *walk, const char *path, const struct feature *in,
                                   struct feature *halves) // (2)
{
    char name[TARE_MAX_NAME], sizes[TARE_MAX_NAME];
    const char *inputs[2] = {in->name, sizes};
    const char *outputs[2] = {halves[0].name, halves[1].name};
    const int64_t split[2] = {in->channels / 2, in->channels / 2};
    Onnx__NodeProto *node;

    if (in->channels % 2)
        return tare_fail(walk->err, TARE_BADDATA, "%s: cannot halve %lld channels", path,
                         (long long)in->channels);
    walk_node_name(name, path, "Split");
    (void)snprintf(sizes, sizeof(sizes), "%s.split", path);
    for (int i = 0; i < 2; i++) {
        halves[i] = *in;
        halves[i].channels = split[i];
        (void)snprintf(halves[i].name, sizeof(halves[i].name), "%.*s_output_%d", TARE_MAX_NAME - 20,
                       name, i);
    }
    onnx_add_int64s(&walk->builder, sizes, split, 2);
    node = onnx_add_node(&walk->builder, "Split", name, inputs, 2, outputs, 2);
    onnx_set_int(&walk->builder, node, "axis", 1);
    return onnx_builder_status(&walk->builder, walk->err);
}

/* cv1, halved; each of m on the last; all of them joined, then cv2. */
static enum tare_status walk_c2f(struct walk *walk, const struct pickle_value *module,
                                 const char *path, const struct feature *in, struct feature *out)
{
    const struct pickle_value *blocks = walk_need(walk, module, path, "m");
    size_t count = walk_child_count(blocks);
    struct feature parts[WALK_MAX_INPUTS + 2];
    struct feature wide, joined;
    enum tare_status status;

    if (!blocks)
        return walk->err->status;
    if (count > WALK_MAX_INPUTS)
        return tare_fail(walk->err, TARE_LIMIT, "%s.m: %zu blocks, at most %d are walked", path,
                         count, WALK_MAX_INPUTS);
    status = walk_named(walk, module, path, "cv1", in, &wide);
    if (status == TARE_OK)
        status = walk_split(walk, path, &wide, parts);
    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        char child[WALK_MAX_PATH];

        (void)snprintf(child, sizeof(child), "%s.m.%zu", path, i);
        status =
            walk_module(walk, walk_child_at(blocks, i), child, &parts[i + 1], 1, &parts[i + 2]);
    }
    if (status == TARE_OK)
        status = walk_concat(walk, path, parts, count + 2, &joined);
    return status == TARE_OK ? walk_named(walk, module, path, "cv2", &joined, out) : status;
}

/* torch.nn.MaxPool2d with a square window; index names the use of a module that is used twice. */
static enum tare_status walk_pool(struct walk *walk, const struct pickle_value *module,
                                  const char *path, int index, const struct feature *in,
                                  struct feature *out)
{
    const char *input = in->name;
    int64_t kernel = pickle_int(walk_attribute(module, "kernel_size"), 0);
    int64_t stride = pickle_int(walk_attribute(module, "stride"), 0);
    int64_t padding = pickle_int(walk_attribute(module, "padding"), -1);
    const int64_t kernels[2] = {kernel, kernel}, strides[2] = {stride, stride};
    const int64_t pads[4] = {padding, padding, padding, padding};
    char use[WALK_MAX_PATH];
    Onnx__NodeProto *node;

    if (!pickle_is_a(module, "MaxPool2d") || kernel < 1 || kernel > 64 || stride != 1 ||
        padding * 2 + 1 != kernel)
        return tare_fail(walk->err, TARE_UNSUPPORTED,
                         "%s: need a MaxPool2d that keeps the size (stride 1, padding half the "
                         "kernel)",
                         path);
    (void)snprintf(use, sizeof(use), index ? "%.*s_%d" : "%.*s", WALK_MAX_PATH - 8, path, index);
    *out = *in;
    node = walk_node(walk, use, "MaxPool", &input, 1, out);
    onnx_set_ints(&walk->builder, node, "kernel_shape", kernels, 2);
    onnx_set_ints(&walk->builder, node, "pads", pads, 4);
    onnx_set_ints(&walk->builder, node, "strides", strides, 2);
    return onnx_builder_status(&walk->builder, walk->err);
}

/* cv1, the same pooling three times one after the other, all four joined, then cv2. */
static enum tare_status walk_sppf(struct walk *walk, const struct pickle_value *module,
                                  const char *path, const struct feature *in, struct feature *out)
{
    const struct pickle_value *pool = walk_need(walk, module, path, "m");
    char pool_path[WALK_MAX_PATH];
    struct feature parts[4], joined;
    enum tare_status status;

    if (!pool)
        return walk->err->status;
    if (pickle_int(walk_attribute(module, "n"), 3) != 3 ||
        pickle_int(walk_attribute(module, "add"), 0) != 0)
        return tare_fail(walk->err, TARE_UNSUPPORTED, "%s: an SPPF of another shape than YOLOv8's",
                         path);
    walk_path(pool_path, path, "m");
    status = walk_named(walk, module, path, "cv1", in, &parts[0]);
    for (int i = 0; i < 3 && status == TARE_OK; i++)
        status = walk_pool(walk, pool, pool_path, i, &parts[i], &parts[i + 1]);
    if (status == TARE_OK)
        status = walk_concat(walk, path, parts, 4, &joined);
    return status == TARE_OK ? walk_named(walk, module, path, "cv2", &joined, out) : status;
}

/* torch.nn.Upsample, nearest: the form that PyTorch's own exporter gives it. */
static enum tare_status walk_upsample(struct walk *walk, const struct pickle_value *module,
                                      const char *path, const struct feature *in,
                                      struct feature *out)
{
    char scales_name[WALK_MAX_PATH];
    const char *inputs[3] = {in->name, "", scales_name};
    double factor = pickle_real(walk_attribute(module, "scale_factor"), 0);
    float scales[4] = {1, 1, (float)factor, (float)factor};
    Onnx__NodeProto *node;

    if (!pickle_text_is(walk_attribute(module, "mode"), "nearest") || factor < 1 || factor > 8 ||
        factor != (double)(int)factor)
        return tare_fail(walk->err, TARE_UNSUPPORTED,
                         "%s: need nearest-neighbour upsampling by a whole factor up to 8", path);
    if (in->height > YOLOV8_MAX_SIZE || in->width > YOLOV8_MAX_SIZE)
        return tare_fail(walk->err, TARE_LIMIT, "%s: a feature of over %d rows", path,
                         YOLOV8_MAX_SIZE);
    walk_path(scales_name, path, "scales");
    *out = *in;
    out->height = in->height * (int)factor;
    out->width = in->width * (int)factor;
    onnx_add_floats(&walk->builder, scales_name, scales, 4);
    node = walk_node(walk, path, "Resize", inputs, 3, out);
    onnx_set_text(&walk->builder, node, "coordinate_transformation_mode", "asymmetric");
    onnx_set_text(&walk->builder, node, "mode", "nearest");
    onnx_set_text(&walk->builder, node, "nearest_mode", "floor");
    return onnx_builder_status(&walk->builder, walk->err);
}

static enum tare_status walk_sequential(struct walk *walk, const struct pickle_value *module,
                                        const char *path, const struct feature *in,
                                        struct feature *out)
{
    size_t count = walk_child_count(module);
    struct feature at = *in;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < count && status == TARE_OK; i++) {
        char child[WALK_MAX_PATH];
        struct feature next;

        (void)snprintf(child, sizeof(child), "%.*s.%zu", WALK_MAX_PATH - 24, path, i);
        status = walk_module(walk, walk_child_at(module, i), child, &at, 1, &next);
        if (status == TARE_OK)
            at = next;
    }
    *out = at;
    return status;
}

static enum tare_status dispatch(struct walk *walk, const struct pickle_value *module,
                                 const char *path, const struct feature *inputs, size_t count,
                                 struct feature *out)
{
    char found[160];

    if (pickle_is_a(module, "Concat"))
        return pickle_int(walk_attribute(module, "d"), 1) == 1
                   ? walk_concat(walk, path, inputs, count, out)
                   : tare_fail(walk->err, TARE_UNSUPPORTED, "%s: joins along another axis", path);
    if (count != 1)
        return tare_fail(walk->err, TARE_BADDATA, "%s: gets %zu features, takes 1", path, count);
    if (pickle_is_a(module, "Conv") || pickle_is_a(module, "DWConv"))
        return walk_conv(walk, module, path, inputs, out);
    if (pickle_is_a(module, "Conv2d"))
        return walk_conv2d(walk, module, NULL, path, inputs, out);
    if (pickle_is_a(module, "C2f"))
        return walk_c2f(walk, module, path, inputs, out);
    if (pickle_is_a(module, "Bottleneck"))
        return walk_bottleneck(walk, module, path, inputs, out);
    if (pickle_is_a(module, "SPPF"))
        return walk_sppf(walk, module, path, inputs, out);
    if (pickle_is_a(module, "Upsample"))
        return walk_upsample(walk, module, path, inputs, out);
    if (pickle_is_a(module, "Sequential"))
        return walk_sequential(walk, module, path, inputs, out);
    return tare_fail(walk->err, TARE_UNSUPPORTED, "%s: cannot export %s", path,
                     pickle_describe(module, found, sizeof(found)));
}

enum tare_status walk_module(struct walk *walk, const struct pickle_value *module, const char *path,
                             const struct feature *inputs, size_t count, struct feature *out)
{
    enum tare_status status;

    if (walk->depth >= WALK_MAX_DEPTH || walk->modules >= WALK_MAX_MODULES)
        return tare_fail(walk->err, TARE_LIMIT,
                         "%s: over %d modules, or nested deeper than %d; does the checkpoint "
                         "contain itself?",
                         path, WALK_MAX_MODULES, WALK_MAX_DEPTH);
    walk->depth++;
    walk->modules++;
    status = dispatch(walk, module, path, inputs, count, out);
    walk->depth--;
    return status;
}
