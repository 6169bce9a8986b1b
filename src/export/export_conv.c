/*
 * Convolutions: the weights of a Conv2d and its BatchNorm2d to one Conv node.
 *
 * y = (w * x + b - mean) * gamma / sqrt(var + eps) + beta, so with s = gamma / sqrt(var + eps) the
 * folded weights are w * s and the folded bias (b - mean) * s + beta. All of it is done in double
 * and rounded once.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export/export_walk.h"

struct conv_shape {
    int64_t out, in_group, kernel[2];
    int64_t stride[2], padding[2], dilation[2];
    int64_t groups;
};

/* An attribute that is an integer or a pair of them. False if it is neither. */
static bool read_pair(const struct pickle_value *module, const char *name, int64_t pair[2])
{
    const struct pickle_value *value = walk_attribute(module, name);

    if (pickle_kind_of(value) == PICKLE_INT) {
        pair[0] = pair[1] = value->as.integer;
        return true;
    }
    pair[0] = pickle_int(pickle_at(value, 0), -1);
    pair[1] = pickle_int(pickle_at(value, 1), -1);
    return pickle_count(value) == 2;
}

static bool in_range(const int64_t pair[2], int64_t low, int64_t high)
{
    return pair[0] >= low && pair[0] <= high && pair[1] >= low && pair[1] <= high;
}

/* The module's own word on its channels and its kernel, where it has one, must be that of its
 * weights. */
static bool agrees(const struct pickle_value *conv, const struct conv_shape *shape)
{
    int64_t kernel[2];

    if (pickle_int(walk_attribute(conv, "out_channels"), shape->out) != shape->out ||
        pickle_int(walk_attribute(conv, "in_channels"), shape->in_group * shape->groups) !=
            shape->in_group * shape->groups)
        return false;
    return !walk_attribute(conv, "kernel_size") ||
           (read_pair(conv, "kernel_size", kernel) && kernel[0] == shape->kernel[0] &&
            kernel[1] == shape->kernel[1]);
}

static enum tare_status read_shape(struct walk *walk, const struct pickle_value *conv,
                                   const char *path, const struct checkpoint_view *weight,
                                   struct conv_shape *shape)
{
    if (weight->rank != 4 || !checkpoint_is_float(weight) || weight->count == 0)
        return tare_fail(walk->err, TARE_BADDATA,
                         "%s.weight: need a floating-point tensor of rank 4, found %s of rank %d",
                         path, tare_dtype_name(weight->dtype), weight->rank);
    shape->out = weight->shape[0];
    shape->in_group = weight->shape[1];
    shape->kernel[0] = weight->shape[2];
    shape->kernel[1] = weight->shape[3];
    shape->groups = pickle_int(walk_attribute(conv, "groups"), 1);
    if (!read_pair(conv, "stride", shape->stride) || !read_pair(conv, "padding", shape->padding) ||
        !read_pair(conv, "dilation", shape->dilation))
        return tare_fail(walk->err, TARE_BADDATA, "%s: stride, padding or dilation is missing",
                         path);
    if (!in_range(shape->kernel, 1, 64) || !in_range(shape->stride, 1, 64) ||
        !in_range(shape->padding, 0, 64) || !in_range(shape->dilation, 1, 64) ||
        shape->out > WALK_MAX_CHANNELS || shape->groups < 1 || shape->out % shape->groups)
        return tare_fail(walk->err, TARE_BADDATA,
                         "%s: kernel, stride, padding, dilation or groups out of range", path);
    if (shape->in_group > WALK_MAX_CHANNELS || shape->groups > WALK_MAX_CHANNELS ||
        !agrees(conv, shape))
        return tare_fail(walk->err, TARE_BADDATA,
                         "%s: its channels or its kernel are not those of its weights", path);
    if (walk_attribute(conv, "padding_mode") &&
        !pickle_text_is(walk_attribute(conv, "padding_mode"), "zeros"))
        return tare_fail(walk->err, TARE_UNSUPPORTED, "%s: padding mode other than zeros", path);
    return TARE_OK;
}

static enum tare_status read_vector(struct walk *walk, const struct pickle_value *value,
                                    const char *path, const char *name, int64_t count, float *out)
{
    char full[WALK_MAX_PATH];
    struct checkpoint_view view;
    enum tare_status status;

    walk_path(full, path, name);
    status = checkpoint_tensor(walk->checkpoint, value, full, &view, walk->err);
    if (status != TARE_OK)
        return status;
    if (view.rank != 1 || view.count != count || !checkpoint_is_float(&view))
        return tare_fail(walk->err, TARE_BADDATA,
                         "%s: need %lld floating-point values, found %lld of %s", full,
                         (long long)count, (long long)view.count, tare_dtype_name(view.dtype));
    checkpoint_floats(&view, 0, count, out);
    return TARE_OK;
}

/* Reads the four vectors of a BatchNorm2d and turns them into a factor and a shift a channel. */
static enum tare_status fold_norm(struct walk *walk, const struct pickle_value *norm,
                                  const char *path, int64_t count, float *scratch, double *factor,
                                  double *shift)
{
    float *gamma = scratch, *beta = gamma + count, *mean = beta + count, *var = mean + count;
    double eps = pickle_real(walk_attribute(norm, "eps"), -1);
    enum tare_status status;

    if (!pickle_is_a(norm, "BatchNorm2d") || !(eps >= 0 && eps < 1))
        return tare_fail(walk->err, TARE_BADDATA, "%s: no BatchNorm2d with an eps", path);
    status = read_vector(walk, walk_parameter(norm, "weight"), path, "weight", count, gamma);
    if (status == TARE_OK)
        status = read_vector(walk, walk_parameter(norm, "bias"), path, "bias", count, beta);
    if (status == TARE_OK)
        status = read_vector(walk, walk_parameter(norm, "running_mean"), path, "running_mean",
                             count, mean);
    if (status == TARE_OK)
        status =
            read_vector(walk, walk_parameter(norm, "running_var"), path, "running_var", count, var);
    for (int64_t i = 0; i < count && status == TARE_OK; i++) {
        if (!((double)var[i] + eps > 0))
            return tare_fail(walk->err, TARE_BADDATA, "%s.running_var: channel %lld is %g", path,
                             (long long)i, (double)var[i]);
        factor[i] = gamma[i] / sqrt(var[i] + eps);
        shift[i] = beta[i] - mean[i] * factor[i];
    }
    return status;
}

/* Scales one channel's weights in place; adds 0 to *doubt for each that is finite, else NaN. Blocks
 * of constant length, for the compiler to make vector code of. */
static void scale_row(float *row, int64_t count, double factor, float *doubt)
{
    enum {
        BLOCK = 8
    };
    float sums[BLOCK] = {0};
    int64_t i = 0;

    for (; i + BLOCK <= count; i += BLOCK)
        for (int k = 0; k < BLOCK; k++) {
            float scaled = (float)(row[i + k] * factor);

            row[i + k] = scaled;
            sums[k] += scaled * 0;
        }
    for (; i < count; i++) {
        row[i] = (float)(row[i] * factor);
        sums[0] += row[i] * 0;
    }
    for (int k = 0; k < BLOCK; k++)
        *doubt += sums[k];
}

/* Writes the folded weights; false if one of them is not finite. */
static bool fold_weights(const struct checkpoint_view *view, int64_t channels, const double *factor,
                         float *out)
{
    int64_t each = view->count / channels;
    float doubt = 0; /* stays 0 as long as all are finite */

    for (int64_t c = 0; c < channels; c++) {
        checkpoint_floats(view, c * each, each, out + c * each);
        scale_row(out + c * each, each, factor[c], &doubt);
    }
    return doubt == 0;
}

static bool fold_bias(int64_t channels, const float *bias, const double *factor,
                      const double *shift, float *out)
{
    float doubt = 0;

    for (int64_t c = 0; c < channels; c++) {
        out[c] = (float)(bias[c] * factor[c] + shift[c]);
        doubt += out[c] * 0;
    }
    return doubt == 0;
}

/* Adds PATH.weight and PATH.bias to the graph. */
static enum tare_status add_weights(struct walk *walk, const struct pickle_value *conv,
                                    const struct pickle_value *norm, const char *path,
                                    const struct checkpoint_view *view)
{
    const int64_t count = view->shape[0];
    char name[WALK_MAX_PATH], norm_path[WALK_MAX_PATH];
    double *factor = calloc((size_t)count * 2, sizeof(*factor));
    float *scratch = calloc((size_t)count * 5, sizeof(*scratch)); /* bias, then the norm's four */
    float *weight, *bias;
    enum tare_status status = TARE_OK;

    if (!factor || !scratch) {
        status = tare_fail(walk->err, TARE_NOMEM, "%s: out of memory", path);
        goto done;
    }
    for (int64_t i = 0; i < count; i++)
        factor[i] = 1;
    if (pickle_kind_of(walk_parameter(conv, "bias")) != PICKLE_NONE)
        status = read_vector(walk, walk_parameter(conv, "bias"), path, "bias", count, scratch);
    if (status == TARE_OK && norm) {
        /* The norm is the convolution's neighbour: model.0.conv, model.0.bn. */
        const char *last = strrchr(path, '.');

        memcpy(name, path, WALK_MAX_PATH);
        name[last ? last - path : 0] = '\0';
        walk_path(norm_path, name, "bn");
        status = fold_norm(walk, norm, norm_path, count, scratch + count, factor, factor + count);
    }
    if (status != TARE_OK)
        goto done;
    walk_path(name, path, "weight");
    weight = onnx_add_tensor(&walk->builder, name, ONNX_FLOAT, 4, view->shape);
    walk_path(name, path, "bias");
    bias = onnx_add_tensor(&walk->builder, name, ONNX_FLOAT, 1, view->shape);
    if (!weight || !bias) {
        status = onnx_builder_status(&walk->builder, walk->err);
        goto done;
    }
    if (!fold_weights(view, count, factor, weight) ||
        !fold_bias(count, scratch, factor, factor + count, bias))
        status = tare_fail(walk->err, TARE_BADDATA, "%s: a weight is not finite", path);
    walk->parameters += view->count + count;

done:
    free(factor);
    free(scratch);
    return status;
}

static void set_attributes(struct walk *walk, Onnx__NodeProto *node, const struct conv_shape *shape)
{
    const int64_t pads[4] = {shape->padding[0], shape->padding[1], shape->padding[0],
                             shape->padding[1]};

    onnx_set_ints(&walk->builder, node, "dilations", shape->dilation, 2);
    onnx_set_int(&walk->builder, node, "group", shape->groups);
    onnx_set_ints(&walk->builder, node, "kernel_shape", shape->kernel, 2);
    onnx_set_ints(&walk->builder, node, "pads", pads, 4);
    onnx_set_ints(&walk->builder, node, "strides", shape->stride, 2);
}

static int64_t extent(const struct conv_shape *shape, int axis, int64_t in)
{
    int64_t reach = shape->dilation[axis] * (shape->kernel[axis] - 1) + 1;
    int64_t room = in + 2 * shape->padding[axis] - reach;

    return room < 0 ? 0 : room / shape->stride[axis] + 1;
}

enum tare_status walk_conv2d(struct walk *walk, const struct pickle_value *conv,
                             const struct pickle_value *norm, const char *path,
                             const struct feature *in, struct feature *out)
{
    char weight_path[WALK_MAX_PATH], bias_path[WALK_MAX_PATH];
    const char *inputs[3] = {in->name, weight_path, bias_path};
    struct checkpoint_view view;
    struct conv_shape shape = {0};
    enum tare_status status;

    walk_path(weight_path, path, "weight");
    walk_path(bias_path, path, "bias");
    if (!pickle_is_a(conv, "Conv2d"))
        return tare_fail(walk->err, TARE_BADDATA, "%s: no Conv2d", path);
    status = checkpoint_tensor(walk->checkpoint, walk_parameter(conv, "weight"), weight_path, &view,
                               walk->err);
    if (status == TARE_OK)
        status = read_shape(walk, conv, path, &view, &shape);
    if (status != TARE_OK)
        return status;
    if (shape.in_group * shape.groups != in->channels)
        return tare_fail(walk->err, TARE_BADDATA, "%s: takes %lld channels, gets %lld", weight_path,
                         (long long)(shape.in_group * shape.groups), (long long)in->channels);
    out->channels = shape.out;
    out->height = extent(&shape, 0, in->height);
    out->width = extent(&shape, 1, in->width);
    if (out->height < 1 || out->width < 1)
        return tare_fail(walk->err, TARE_INVALID, "%s: the picture is too small for this model",
                         path);
    status = add_weights(walk, conv, norm, path, &view);
    if (status != TARE_OK)
        return status;
    set_attributes(walk, walk_node(walk, path, "Conv", inputs, 3, out), &shape);
    return onnx_builder_status(&walk->builder, walk->err);
}
