/*
 * Operators that move a window over the last dimensions, and Resize.
 */
#include <math.h>
#include <string.h>

#include "onnx/onnx_shape_rules.h"

#define MAX_SPATIAL (TARE_MAX_RANK - 2)

struct window {
    int64_t kernel[MAX_SPATIAL], stride[MAX_SPATIAL], dilation[MAX_SPATIAL];
    int64_t begin[MAX_SPATIAL], end[MAX_SPATIAL];
    bool same, ceil;
};

static bool read_list(const struct shape_call *call, const char *name, size_t count,
                      int64_t fallback, int64_t low, int64_t *out)
{
    const Onnx__AttributeProto *attribute = onnx_find_attribute(call->node, name);

    if (attribute && attribute->n_ints != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        out[i] = attribute ? attribute->ints[i] : fallback;
        if (out[i] < low || out[i] > INT32_MAX)
            return false;
    }
    return true;
}

static bool text_is(const struct shape_call *call, const char *name, const char *prefix)
{
    const Onnx__AttributeProto *attribute = onnx_find_attribute(call->node, name);
    size_t length = strlen(prefix);

    return attribute && attribute->has_s && attribute->s.len >= length &&
           memcmp(attribute->s.data, prefix, length) == 0;
}

static bool read_window(const struct shape_call *call, size_t spatial, struct window *window)
{
    int64_t pads[2 * MAX_SPATIAL];

    if (!read_list(call, "strides", spatial, 1, 1, window->stride) ||
        !read_list(call, "dilations", spatial, 1, 1, window->dilation) ||
        !read_list(call, "pads", 2 * spatial, 0, 0, pads))
        return false;
    memcpy(window->begin, pads, spatial * sizeof(*pads));
    memcpy(window->end, pads + spatial, spatial * sizeof(*pads));
    window->same = text_is(call, "auto_pad", "SAME");
    window->ceil = onnx_attribute_int(call->node, "ceil_mode", 0) != 0;
    return true;
}

/* Positions of the window along one dimension; -1 if the dimension is unknown, 0 if none fits. */
static int64_t positions(const struct window *window, size_t axis, int64_t in)
{
    int64_t reach = window->dilation[axis] * (window->kernel[axis] - 1) + 1;
    int64_t stride = window->stride[axis];
    int64_t room = in + window->begin[axis] + window->end[axis] - reach;

    if (in < 0)
        return ONNX_UNKNOWN;
    if (window->same)
        return (in + stride - 1) / stride;
    if (room < 0)
        return 0;
    if (window->ceil) { /* the last window must begin inside the input or its left padding */
        int64_t count = (room + stride - 1) / stride + 1;

        return (count - 1) * stride >= in + window->begin[axis] ? count - 1 : count;
    }
    return room / stride + 1;
}

static enum tare_status fill_positions(struct shape_call *call, const struct window *window,
                                       const struct onnx_shape *in, struct onnx_shape *out)
{
    for (int32_t i = 2; i < in->rank; i++) {
        out->dims[i] = positions(window, (size_t)i - 2, in->dims[i]);
        if (out->dims[i] == 0)
            return shape_fail(call, "a window of %lld does not fit into %lld",
                              (long long)window->kernel[i - 2], (long long)in->dims[i]);
    }
    return TARE_OK;
}

static enum tare_status infer_conv(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0), *w = shape_ranked(call, 1);
    int64_t group = onnx_attribute_int(call->node, "group", 1);
    struct window window = {0};
    struct onnx_shape *out;

    if (!x || !w)
        return TARE_OK;
    if (x->shape.rank < 3 || w->shape.rank != x->shape.rank || group < 1)
        return shape_fail(call, "an input of rank %d, weights of rank %d", x->shape.rank,
                          w->shape.rank);
    if (!read_window(call, (size_t)x->shape.rank - 2, &window))
        return shape_fail(call, "pads, strides or dilations are wrong");
    for (int32_t i = 2; i < w->shape.rank; i++) {
        window.kernel[i - 2] = w->shape.dims[i];
        if (window.kernel[i - 2] > INT32_MAX)
            return shape_fail(call, "a window of %lld", (long long)window.kernel[i - 2]);
    }
    if (x->shape.dims[1] >= 0 && w->shape.dims[1] >= 0 &&
        (x->shape.dims[1] % group || x->shape.dims[1] / group != w->shape.dims[1]))
        return shape_fail(call, "%lld channels in %lld groups, weights for %lld",
                          (long long)x->shape.dims[1], (long long)group,
                          (long long)w->shape.dims[1]);
    out = shape_output(call, x->shape.type, x->shape.rank);
    if (!out)
        return TARE_OK;
    out->dims[0] = x->shape.dims[0];
    out->dims[1] = w->shape.dims[0];
    for (int32_t i = 2; i < w->shape.rank; i++)
        if (w->shape.dims[i] < 1)
            return TARE_OK;
    return fill_positions(call, &window, &x->shape, out);
}

static enum tare_status infer_pool(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    struct window window = {0};
    struct onnx_shape *out;

    if (!x)
        return TARE_OK;
    if (x->shape.rank < 3 || !read_window(call, (size_t)x->shape.rank - 2, &window) ||
        !read_list(call, "kernel_shape", (size_t)x->shape.rank - 2, 0, 1, window.kernel))
        return shape_fail(call, "kernel_shape, pads, strides or dilations are wrong");
    out = shape_output(call, x->shape.type, x->shape.rank);
    if (!out)
        return TARE_OK;
    out->dims[0] = x->shape.dims[0];
    out->dims[1] = x->shape.dims[1];
    return fill_positions(call, &window, &x->shape, out);
}

static enum tare_status infer_global_pool(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    struct onnx_shape *out = x ? shape_output(call, x->shape.type, x->shape.rank) : NULL;

    for (int32_t i = 0; out && i < out->rank; i++)
        out->dims[i] = i < 2 ? x->shape.dims[i] : 1;
    return TARE_OK;
}

/* Element of an FP32 constant. */
static float scale_of(const Onnx__TensorProto *tensor, size_t index)
{
    float scale;

    if (!tensor->has_raw_data)
        return tensor->float_data[index];
    memcpy(&scale, tensor->raw_data.data + index * sizeof(scale), sizeof(scale));
    return scale;
}

static enum tare_status resize_by(struct shape_call *call, const struct onnx_shape *in,
                                  const Onnx__TensorProto *scales, struct onnx_shape *out)
{
    if (scales->data_type != ONNX_FLOAT || onnx_tensor_count(scales) != in->rank)
        return shape_fail(call, "%lld scales for a rank of %d",
                          (long long)onnx_tensor_count(scales), in->rank);
    for (int32_t i = 0; i < in->rank; i++) {
        float scale = scale_of(scales, (size_t)i);

        if (!(scale > 0 && scale < 65536))
            return shape_fail(call, "a scale of %g", (double)scale);
        if (in->dims[i] >= 0)
            out->dims[i] = (int64_t)floor((double)in->dims[i] * (double)scale);
    }
    return TARE_OK;
}

/* Inputs: X, roi, scales, sizes; one of the last two is given. */
static enum tare_status infer_resize(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    const struct shape_value *scales = shape_input(call, 2), *sizes = shape_input(call, 3);
    struct onnx_shape *out = x ? shape_output(call, x->shape.type, x->shape.rank) : NULL;

    if (!out || onnx_find_attribute(call->node, "axes"))
        return TARE_OK;
    if (!sizes && scales && scales->tensor)
        return resize_by(call, &x->shape, scales->tensor, out);
    if (!sizes || sizes->int_count < 0)
        return TARE_OK;
    if (sizes->int_count != out->rank)
        return shape_fail(call, "%d sizes for a rank of %d", sizes->int_count, out->rank);
    memcpy(out->dims, sizes->ints, (size_t)out->rank * sizeof(*out->dims));
    return TARE_OK;
}

shape_rule shape_find_window_rule(const char *op)
{
    if (strcmp(op, "Conv") == 0)
        return infer_conv;
    if (strcmp(op, "MaxPool") == 0 || strcmp(op, "AveragePool") == 0)
        return infer_pool;
    if (strcmp(op, "GlobalAveragePool") == 0 || strcmp(op, "GlobalMaxPool") == 0)
        return infer_global_pool;
    if (strcmp(op, "Resize") == 0)
        return infer_resize;
    return NULL;
}
