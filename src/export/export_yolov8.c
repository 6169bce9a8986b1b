#include "export/export_yolov8.h"

#include <stdio.h>
#include <string.h>

#include "export/export_walk.h"

#define YOLOV8_DEFAULT_SIZE 640
#define YOLOV8_MAX_CLASSES  10000
#define YOLOV8_MAX_STRIDES  8

/* The model's layers, and the one that detects: always the last. */
struct plan {
    const struct pickle_value *model;  /* DetectionModel */
    const struct pickle_value *layers; /* its Sequential */
    size_t count;
    const struct pickle_value *detect;
    char detect_path[WALK_MAX_PATH];
    int64_t strides[YOLOV8_MAX_STRIDES]; // (stride_count)
    size_t stride_count;
    int64_t max_stride;
    int64_t classes;
    int64_t size;
};

/* The averaged weights if the checkpoint has them, else the model itself. */
static enum tare_status find_model(struct walk *walk, struct plan *plan,
                                   struct yolov8_summary *summary)
{
    const struct pickle_value *root = checkpoint_root(walk->checkpoint);
    const struct pickle_value *ema = pickle_get(root, "ema");
    char found[160];

    if (pickle_kind_of(root) == PICKLE_OBJECT)
        plan->model = root;
    else
        plan->model = pickle_kind_of(ema) == PICKLE_NONE ? pickle_get(root, "model") : ema;
    summary->ema = plan->model && plan->model == ema;
    if (!pickle_is_a(plan->model, "DetectionModel"))
        return tare_fail(
            walk->err, TARE_UNSUPPORTED, "not a YOLOv8 detection checkpoint: 'model' is %s",
            plan->model ? pickle_describe(plan->model, found, sizeof(found)) : "missing");
    return TARE_OK;
}

static enum tare_status find_layers(struct walk *walk, struct plan *plan)
{
    char found[160];

    plan->layers = walk_child(plan->model, "model");
    plan->count = walk_child_count(plan->layers);
    if (!pickle_is_a(plan->layers, "Sequential") || plan->count < 2 ||
        plan->count > WALK_MAX_LAYERS)
        return tare_fail(walk->err, TARE_BADDATA,
                         "model: need a Sequential of 2 to %d layers, "
                         "found %s of %zu",
                         WALK_MAX_LAYERS, pickle_describe(plan->layers, found, sizeof(found)),
                         plan->count);
    plan->detect = walk_child_at(plan->layers, plan->count - 1);
    (void)snprintf(plan->detect_path, sizeof(plan->detect_path), "model.%zu", plan->count - 1);
    if (!pickle_is_a(plan->detect, "Detect"))
        return tare_fail(walk->err, TARE_UNSUPPORTED, "%s: need Detect as the last layer, found %s",
                         plan->detect_path, pickle_describe(plan->detect, found, sizeof(found)));
    plan->classes = pickle_int(walk_attribute(plan->detect, "nc"), 0);
    if (plan->classes < 1 || plan->classes > YOLOV8_MAX_CLASSES)
        return tare_fail(walk->err, TARE_BADDATA, "%s.nc: need 1 to %d classes", plan->detect_path,
                         YOLOV8_MAX_CLASSES);
    return TARE_OK;
}

static enum tare_status read_strides(struct walk *walk, struct plan *plan)
{
    char path[WALK_MAX_PATH];
    struct checkpoint_view view;
    float values[YOLOV8_MAX_STRIDES];
    enum tare_status status;

    walk_path(path, plan->detect_path, "stride");
    status = checkpoint_tensor(walk->checkpoint, walk_attribute(plan->detect, "stride"), path,
                               &view, walk->err);
    if (status != TARE_OK)
        return status;
    if (view.rank != 1 || view.count < 1 || view.count > YOLOV8_MAX_STRIDES ||
        !checkpoint_is_float(&view))
        return tare_fail(walk->err, TARE_BADDATA, "%s: need 1 to %d strides", path,
                         YOLOV8_MAX_STRIDES);
    checkpoint_floats(&view, 0, view.count, values);
    plan->stride_count = (size_t)view.count;
    for (size_t i = 0; i < plan->stride_count; i++) {
        if (!(values[i] >= 1 && values[i] <= 1024) || values[i] != (float)(int)values[i] ||
            (i > 0 && (int64_t)values[i] <= plan->strides[i - 1]))
            return tare_fail(walk->err, TARE_BADDATA, "%s: %g, need growing whole numbers", path,
                             (double)values[i]);
        plan->strides[i] = (int64_t)values[i];
    }
    plan->max_stride = plan->strides[plan->stride_count - 1];
    return TARE_OK;
}

/* What the checkpoint was trained at; 0 if it does not say. */
static int64_t trained_size(const struct walk *walk, const struct plan *plan)
{
    const struct pickle_value *args = pickle_get(plan->model, "args");
    const struct pickle_value *root = checkpoint_root(walk->checkpoint);
    int64_t size = pickle_int(pickle_get(args, "imgsz"), 0);

    if (size == 0)
        size = pickle_int(pickle_get(pickle_get(root, "train_args"), "imgsz"), 0);
    return size >= YOLOV8_MIN_SIZE && size <= YOLOV8_MAX_SIZE && size % plan->max_stride == 0 ? size
                                                                                              : 0;
}

static enum tare_status choose_size(struct walk *walk, struct plan *plan)
{
    int64_t size = walk->options->size;
    int64_t batch = walk->options->batch;

    if (size == 0)
        size = trained_size(walk, plan);
    if (size == 0)
        size = YOLOV8_DEFAULT_SIZE;
    if (size < YOLOV8_MIN_SIZE || size > YOLOV8_MAX_SIZE || size % plan->max_stride)
        return tare_fail(walk->err, TARE_INVALID,
                         "size %lld, need a multiple of the model's stride %lld, %d to %d",
                         (long long)size, (long long)plan->max_stride, YOLOV8_MIN_SIZE,
                         YOLOV8_MAX_SIZE);
    if (batch != YOLOV8_DYNAMIC && (batch < 0 || batch > YOLOV8_MAX_BATCH))
        return tare_fail(walk->err, TARE_INVALID, "batch %lld, need 1 to %d or dynamic",
                         (long long)batch, YOLOV8_MAX_BATCH);
    plan->size = size;
    return TARE_OK;
}

/* The features that a layer reads (its .f): places in the list, negative ones from the layer back.
 */
static enum tare_status gather_inputs(struct walk *walk, const struct pickle_value *layer,
                                      const char *path, const struct feature *features,
                                      size_t index, struct feature *inputs, size_t *count)
{
    const struct pickle_value *from = walk_attribute(layer, "f");
    bool single = pickle_kind_of(from) == PICKLE_INT;

    *count = single ? 1 : pickle_count(from);
    if (*count == 0 || *count > WALK_MAX_INPUTS || pickle_kind_of(from) == PICKLE_DICT)
        return tare_fail(walk->err, TARE_BADDATA, "%s.f: says no input", path);
    for (size_t i = 0; i < *count; i++) {
        int64_t at = pickle_int(single ? from : pickle_at(from, i), INT64_MIN);

        if (at < 0 && at >= -(int64_t)index - 1)
            at += (int64_t)index;
        if (at < -1 || at >= (int64_t)index)
            return tare_fail(walk->err, TARE_BADDATA, "%s.f: names a layer that is not before it",
                             path);
        inputs[i] = features[at + 1]; /* features[0] is the picture */
    }
    return TARE_OK;
}

static enum tare_status walk_layers(struct walk *walk, const struct plan *plan,
                                    struct feature *features)
{
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < plan->count && status == TARE_OK; i++) {
        const struct pickle_value *layer = walk_child_at(plan->layers, i);
        struct feature inputs[WALK_MAX_INPUTS];
        char path[WALK_MAX_PATH];
        size_t count = 0;

        (void)snprintf(path, sizeof(path), "model.%zu", i);
        if (!layer)
            return tare_fail(walk->err, TARE_BADDATA, "%s: missing", path);
        status = gather_inputs(walk, layer, path, features, i, inputs, &count);
        if (status != TARE_OK)
            return status;
        if (i + 1 < plan->count) {
            status = walk_module(walk, layer, path, inputs, count, &features[i + 1]);
        } else if (count != plan->stride_count) {
            status = tare_fail(walk->err, TARE_BADDATA, "%s: %zu features, %zu strides", path,
                               count, plan->stride_count);
        } else {
            status = walk_detect(walk, layer, path, inputs, count, plan->strides, plan->classes);
        }
    }
    return status;
}

static enum tare_status build_graph(struct walk *walk, const struct plan *plan,
                                    struct onnx_model *model)
{
    struct feature features[WALK_MAX_LAYERS + 1];
    int64_t batch = walk->options->batch == 0 ? 1 : walk->options->batch;
    const int64_t shape[4] = {batch, 3, plan->size, plan->size};

    onnx_build_new(&walk->builder, model, "yolov8", YOLOV8_OPSET);
    onnx_add_input(&walk->builder, "images", ONNX_FLOAT, 4, shape, "batch");
    if (onnx_builder_status(&walk->builder, walk->err) != TARE_OK)
        return walk->err->status;
    memset(&features[0], 0, sizeof(features[0]));
    (void)snprintf(features[0].name, sizeof(features[0].name), "images");
    features[0].channels = 3;
    features[0].height = features[0].width = plan->size;
    return walk_layers(walk, plan, features);
}

static void summarise(const struct walk *walk, const struct plan *plan,
                      struct yolov8_summary *summary)
{
    const struct pickle_value *version = pickle_get(checkpoint_root(walk->checkpoint), "version");

    summary->size = plan->size;
    summary->classes = plan->classes;
    summary->stride = plan->max_stride;
    summary->parameters = walk->parameters;
    if (pickle_kind_of(version) == PICKLE_TEXT && version->as.text.size < sizeof(summary->saved_by))
        (void)snprintf(summary->saved_by, sizeof(summary->saved_by), "%.*s",
                       (int)version->as.text.size, version->as.text.bytes);
}

enum tare_status yolov8_build(const struct checkpoint *checkpoint,
                              const struct yolov8_options *options, struct onnx_model *model,
                              struct yolov8_summary *summary, struct tare_err *err)
{
    struct tare_err ignored = TARE_ERR_INIT;
    struct yolov8_summary unwanted;
    struct plan plan = {0};
    struct walk walk = {.checkpoint = checkpoint, .options = options};
    enum tare_status status;

    walk.err = err ? err : &ignored;
    summary = summary ? summary : &unwanted;
    memset(summary, 0, sizeof(*summary));
    status = find_model(&walk, &plan, summary);
    if (status == TARE_OK)
        status = find_layers(&walk, &plan);
    if (status == TARE_OK)
        status = read_strides(&walk, &plan);
    if (status == TARE_OK)
        status = choose_size(&walk, &plan);
    if (status == TARE_OK)
        status = build_graph(&walk, &plan, model);
    if (status == TARE_OK)
        status = walk_metadata(&walk, plan.model, plan.max_stride, plan.size, plan.classes);
    if (status == TARE_OK)
        status = onnx_builder_status(&walk.builder, walk.err);
    if (status == TARE_OK)
        summarise(&walk, &plan, summary);
    return status;
}
