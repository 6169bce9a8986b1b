/*
 * Operators that cut, join, reshape and reduce, and those that carry shapes as values (Shape,
 * Gather, Concat of integers): exporters compute the arguments of Reshape with them.
 */
#include <string.h>

#include "onnx/onnx_shape_rules.h"

static enum tare_status infer_constant(struct shape_call *call)
{
    const Onnx__AttributeProto *value = onnx_find_attribute(call->node, "value");
    struct onnx_shape *out;

    if (!value || !value->t || value->t->n_dims > TARE_MAX_RANK)
        return TARE_OK;
    out = shape_output(call, value->t->data_type, (int32_t)value->t->n_dims);
    if (!out)
        return TARE_OK;
    if (out->rank > 0)
        memcpy(out->dims, value->t->dims, value->t->n_dims * sizeof(*out->dims));
    if (value->t->data_location != ONNX_LOCATION_EXTERNAL)
        call->outputs[0]->tensor = value->t;
    call->outputs[0]->int_count =
        (int32_t)onnx_tensor_ints(value->t, call->outputs[0]->ints, SHAPE_MAX_INTS);
    return TARE_OK;
}

static enum tare_status infer_shape(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    struct onnx_shape *out = x ? shape_output(call, ONNX_INT64, 1) : NULL;

    if (!out || onnx_find_attribute(call->node, "start") || onnx_find_attribute(call->node, "end"))
        return TARE_OK;
    out->dims[0] = x->shape.rank;
    call->outputs[0]->int_count = x->shape.rank;
    for (int32_t i = 0; i < x->shape.rank; i++) {
        call->outputs[0]->ints[i] = x->shape.dims[i];
        if (x->shape.dims[i] < 0)
            call->outputs[0]->int_count = -1;
    }
    return TARE_OK;
}

static void gather_ints(struct shape_call *call, const struct shape_value *x,
                        const struct shape_value *indices)
{
    struct shape_value *out = call->outputs[0];

    if (x->shape.rank != 1 || x->int_count < 0 || indices->int_count < 0)
        return;
    out->int_count = indices->int_count;
    for (int32_t i = 0; i < indices->int_count; i++) {
        int64_t at = indices->ints[i] < 0 ? indices->ints[i] + x->int_count : indices->ints[i];

        if (at < 0 || at >= x->int_count)
            out->int_count = -1;
        else
            out->ints[i] = x->ints[at];
    }
}

static enum tare_status infer_gather(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0), *indices = shape_ranked(call, 1);
    int64_t axis = onnx_attribute_int(call->node, "axis", 0);
    struct onnx_shape *out;
    int32_t rank;

    if (!x || !indices)
        return TARE_OK;
    rank = x->shape.rank + indices->shape.rank - 1;
    if (!shape_axis(&axis, x->shape.rank))
        return shape_fail(call, "axis %lld for a rank of %d", (long long)axis, x->shape.rank);
    out = rank <= TARE_MAX_RANK ? shape_output(call, x->shape.type, rank) : NULL;
    if (!out)
        return TARE_OK;
    for (int32_t i = 0, at = 0; i < x->shape.rank; i++) {
        if (i != axis) {
            out->dims[at++] = x->shape.dims[i];
            continue;
        }
        for (int32_t k = 0; k < indices->shape.rank; k++)
            out->dims[at++] = indices->shape.dims[k];
    }
    gather_ints(call, x, indices);
    return TARE_OK;
}

static void concat_ints(struct shape_call *call)
{
    struct shape_value *out = call->outputs[0];
    int32_t count = 0;

    for (size_t i = 0; i < call->input_count; i++) {
        const struct shape_value *x = call->inputs[i];

        if (x->int_count < 0 || count + x->int_count > SHAPE_MAX_INTS)
            return;
        memcpy(out->ints + count, x->ints, (size_t)x->int_count * sizeof(*x->ints));
        count += x->int_count;
    }
    out->int_count = count;
}

static enum tare_status infer_concat(struct shape_call *call)
{
    int64_t axis = onnx_attribute_int(call->node, "axis", 0);
    struct onnx_shape *out;

    for (size_t i = 0; i < call->input_count; i++)
        if (!shape_ranked(call, i))
            return TARE_OK;
    if (call->input_count == 0 || !shape_axis(&axis, call->inputs[0]->shape.rank))
        return shape_fail(call, "an axis out of range, or no inputs");
    out = shape_output(call, call->inputs[0]->shape.type, call->inputs[0]->shape.rank);
    if (!out)
        return TARE_OK;
    *out = call->inputs[0]->shape;
    for (size_t i = 1; i < call->input_count; i++) {
        const struct onnx_shape *in = &call->inputs[i]->shape;

        if (in->rank != out->rank)
            return shape_fail(call, "joins ranks %d and %d", out->rank, in->rank);
        for (int32_t k = 0; k < out->rank; k++) {
            if (k == axis)
                out->dims[k] =
                    out->dims[k] < 0 || in->dims[k] < 0 ? ONNX_UNKNOWN : out->dims[k] + in->dims[k];
            else if (out->dims[k] < 0)
                out->dims[k] = in->dims[k];
            else if (in->dims[k] >= 0 && in->dims[k] != out->dims[k])
                return shape_fail(call, "joins %lld and %lld along another axis",
                                  (long long)out->dims[k], (long long)in->dims[k]);
        }
    }
    if (out->rank == 1)
        concat_ints(call);
    return TARE_OK;
}

static enum tare_status infer_split(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    int64_t axis = onnx_attribute_int(call->node, "axis", 0);
    int64_t sizes[SHAPE_MAX_INTS], sum = 0;
    int64_t parts = (int64_t)call->node->n_output;
    int32_t count = -1;

    if (!x)
        return TARE_OK;
    if (!shape_axis(&axis, x->shape.rank))
        return shape_fail(call, "axis out of range");
    if (shape_ints(call, "split", 1, sizes, &count) && count != parts)
        return shape_fail(call, "%d sizes for %lld parts", count, (long long)parts);
    for (int32_t i = 0; i < count; i++) {
        if (sizes[i] < 0 || sizes[i] > SHAPE_MAX_DIM)
            return shape_fail(call, "a part of %lld", (long long)sizes[i]);
        sum += sizes[i];
    }
    if (count >= 0 && x->shape.dims[axis] >= 0 && sum != x->shape.dims[axis])
        return shape_fail(call, "parts of %lld together, of %lld", (long long)sum,
                          (long long)x->shape.dims[axis]);
    for (size_t i = 0; i < call->output_count; i++) {
        int64_t whole = x->shape.dims[axis], each = (whole + parts - 1) / parts;

        if (!call->outputs[i])
            continue;
        call->outputs[i]->shape = x->shape;
        if (count >= 0)
            call->outputs[i]->shape.dims[axis] = sizes[i];
        else if (whole >= 0) /* the last part takes the rest, which may be nothing */
            call->outputs[i]->shape.dims[axis] = (int64_t)i * each >= whole ? 0
                                                 : whole - (int64_t)i * each < each
                                                     ? whole - (int64_t)i * each
                                                     : each;
    }
    return TARE_OK;
}

/* Product of the dimensions but those that the mask leaves out; -1 if one is unknown. */
static int64_t product(const struct onnx_shape *shape, unsigned left_out)
{
    int64_t result = 1;

    for (int32_t i = 0; i < shape->rank; i++)
        if (!(left_out >> i & 1) &&
            (shape->dims[i] < 0 || __builtin_mul_overflow(result, shape->dims[i], &result)))
            return -1;
    return result;
}

/* Fills the dimension that is given as -1 (rest; -1: none) from the number of elements. Dimensions
 * that are copied stand on both sides and may be unknown. */
static enum tare_status fill_rest(struct shape_call *call, const struct onnx_shape *in,
                                  struct onnx_shape *out, int32_t rest, unsigned copied)
{
    int64_t total = product(in, copied);
    int64_t known = product(out, copied | (rest >= 0 ? 1u << rest : 0));

    if (total < 0 || known < 0)
        return TARE_OK;
    if (rest < 0)
        return known == total ? TARE_OK
                              : shape_fail(call, "reshapes %lld elements to %lld", (long long)total,
                                           (long long)known);
    if (known == 0 || total % known)
        return shape_fail(call, "cannot reshape %lld elements to parts of %lld", (long long)total,
                          (long long)known);
    out->dims[rest] = total / known;
    return TARE_OK;
}

static enum tare_status infer_reshape(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0), *wanted = shape_input(call, 1);
    bool allow_zero = onnx_attribute_int(call->node, "allowzero", 0) != 0;
    struct onnx_shape *out;
    int32_t rest = -1;
    unsigned copied = 0;

    if (!x || !wanted || wanted->int_count < 0 || wanted->int_count > TARE_MAX_RANK)
        return TARE_OK;
    out = shape_output(call, x->shape.type, wanted->int_count);
    if (!out)
        return TARE_OK;
    for (int32_t i = 0; i < out->rank; i++) {
        out->dims[i] = wanted->ints[i];
        if (wanted->ints[i] == 0 && !allow_zero) {
            if (i >= x->shape.rank)
                return shape_fail(call, "copies a dimension that is not there");
            out->dims[i] = x->shape.dims[i];
            copied |= 1u << i;
        } else if (wanted->ints[i] == -1) {
            if (rest >= 0)
                return shape_fail(call, "two dimensions of -1");
            rest = i;
        } else if (wanted->ints[i] < -1) {
            return shape_fail(call, "a dimension of %lld", (long long)wanted->ints[i]);
        }
    }
    return fill_rest(call, &x->shape, out, rest, copied);
}

/* Length of start:end:step over a dimension, by NumPy's rules. */
static int64_t slice_length(int64_t size, int64_t start, int64_t end, int64_t step)
{
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? size - 1 : size;

    start = start < 0 ? (start < -size ? low : start + size) : start;
    end = end < 0 ? (end < -size ? low : end + size) : end;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    if (step > 0)
        return end > start ? (end - start - 1) / step + 1 : 0;
    return start > end ? (start - end - 1) / -step + 1 : 0;
}

static enum tare_status infer_slice(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    int64_t starts[SHAPE_MAX_INTS], ends[SHAPE_MAX_INTS], axes[SHAPE_MAX_INTS];
    int64_t steps[SHAPE_MAX_INTS];
    int32_t count = 0, end_count = 0, axis_count = -1, step_count = -1;
    struct onnx_shape *out = x ? shape_output(call, x->shape.type, x->shape.rank) : NULL;

    if (!out || !shape_ints(call, "starts", 1, starts, &count) ||
        !shape_ints(call, "ends", 2, ends, &end_count) || count != end_count)
        return TARE_OK;
    if ((!shape_ints(call, "axes", 3, axes, &axis_count) && shape_input(call, 3)) ||
        (!shape_ints(call, "steps", 4, steps, &step_count) && shape_input(call, 4)))
        return TARE_OK;
    *out = x->shape;
    for (int32_t i = 0; i < count; i++) {
        int64_t axis = i < axis_count ? axes[i] : i, step = i < step_count ? steps[i] : 1;

        if (!shape_axis(&axis, out->rank) || step == 0 || step < -SHAPE_MAX_DIM)
            return shape_fail(call, "axis %lld, step %lld", (long long)axis, (long long)step);
        if (out->dims[axis] >= 0)
            out->dims[axis] = slice_length(out->dims[axis], starts[i], ends[i], step);
    }
    if (out->rank == 1 && x->int_count >= 0 && count == 1 && (step_count < 1 || steps[0] == 1)) {
        int64_t start = starts[0] < 0 ? starts[0] + x->int_count : starts[0];

        if (start < 0 || start + out->dims[0] > x->int_count)
            return TARE_OK;
        call->outputs[0]->int_count = (int32_t)out->dims[0];
        memcpy(call->outputs[0]->ints, x->ints + start, (size_t)out->dims[0] * sizeof(*x->ints));
    }
    return TARE_OK;
}

static enum tare_status infer_unsqueeze(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    int64_t axes[SHAPE_MAX_INTS];
    int32_t count = 0;
    bool added[TARE_MAX_RANK] = {false};
    struct onnx_shape *out;

    if (!x || !shape_ints(call, "axes", 1, axes, &count) || x->shape.rank + count > TARE_MAX_RANK)
        return TARE_OK;
    out = shape_output(call, x->shape.type, x->shape.rank + count);
    if (!out)
        return TARE_OK;
    for (int32_t i = 0; i < count; i++) {
        if (!shape_axis(&axes[i], out->rank) || added[axes[i]])
            return shape_fail(call, "axis %lld is out of range or named twice", (long long)axes[i]);
        added[axes[i]] = true;
    }
    for (int32_t i = 0, from = 0; i < out->rank; i++)
        out->dims[i] = added[i] ? 1 : x->shape.dims[from++];
    call->outputs[0]->int_count = x->int_count;
    memcpy(call->outputs[0]->ints, x->ints, sizeof(x->ints));
    return TARE_OK;
}

static enum tare_status infer_squeeze(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    int64_t axes[SHAPE_MAX_INTS];
    int32_t count = 0, at = 0;
    bool dropped[TARE_MAX_RANK] = {false};
    bool named = shape_ints(call, "axes", 1, axes, &count);
    struct onnx_shape *out;

    if (!x || (!named && shape_input(call, 1)))
        return TARE_OK;
    for (int32_t i = 0; named && i < count; i++) {
        if (!shape_axis(&axes[i], x->shape.rank) || x->shape.dims[axes[i]] > 1)
            return shape_fail(call, "cannot drop dimension %lld", (long long)axes[i]);
        dropped[axes[i]] = true;
    }
    for (int32_t i = 0; !named && i < x->shape.rank; i++) {
        if (x->shape.dims[i] < 0)
            return TARE_OK;
        dropped[i] = x->shape.dims[i] == 1;
    }
    out = shape_output(call, x->shape.type, 0);
    for (int32_t i = 0; out && i < x->shape.rank; i++)
        if (!dropped[i])
            out->dims[at++] = x->shape.dims[i];
    if (!out)
        return TARE_OK;
    out->rank = at;
    call->outputs[0]->int_count = x->int_count;
    memcpy(call->outputs[0]->ints, x->ints, sizeof(x->ints));
    return TARE_OK;
}

static enum tare_status infer_flatten(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    int64_t axis = onnx_attribute_int(call->node, "axis", 1);
    struct onnx_shape *out;

    if (!x)
        return TARE_OK;
    if (axis != x->shape.rank && !shape_axis(&axis, x->shape.rank))
        return shape_fail(call, "axis %lld for a rank of %d", (long long)axis, x->shape.rank);
    out = shape_output(call, x->shape.type, 2);
    if (!out)
        return TARE_OK;
    out->dims[0] = tare_shape_count((int32_t)axis, x->shape.dims);
    out->dims[1] = tare_shape_count(x->shape.rank - (int32_t)axis, x->shape.dims + axis);
    return TARE_OK;
}

static enum tare_status infer_expand(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0), *wanted = shape_input(call, 1);
    struct onnx_shape *out;

    if (!x || !wanted || wanted->int_count < x->shape.rank || wanted->int_count > TARE_MAX_RANK)
        return TARE_OK;
    out = shape_output(call, x->shape.type, wanted->int_count);
    for (int32_t i = 0; out && i < out->rank; i++) {
        int32_t from = i - (out->rank - x->shape.rank);
        int64_t dim = from < 0 ? 1 : x->shape.dims[from];

        out->dims[i] = wanted->ints[i] == 1 ? dim : wanted->ints[i];
        if (dim > 1 && wanted->ints[i] > 1 && dim != wanted->ints[i])
            return shape_fail(call, "expands %lld to %lld", (long long)dim,
                              (long long)wanted->ints[i]);
    }
    return TARE_OK;
}

static enum tare_status infer_reduce(struct shape_call *call)
{
    const struct shape_value *x = shape_ranked(call, 0);
    bool keep = onnx_attribute_int(call->node, "keepdims", 1) != 0;
    int64_t axes[SHAPE_MAX_INTS];
    int32_t count = 0, at = 0;
    bool reduced[TARE_MAX_RANK] = {false};
    bool named = shape_ints(call, "axes", 1, axes, &count) && count > 0;
    struct onnx_shape *out;

    if (!x || (!named && shape_input(call, 1)))
        return TARE_OK;
    for (int32_t i = 0; i < (named ? count : x->shape.rank); i++) {
        int64_t axis = named ? axes[i] : i;

        if (!shape_axis(&axis, x->shape.rank))
            return shape_fail(call, "axis %lld for a rank of %d", (long long)axis, x->shape.rank);
        reduced[axis] = true;
    }
    out = shape_output(call, x->shape.type, 0);
    for (int32_t i = 0; out && i < x->shape.rank; i++)
        if (!reduced[i] || keep)
            out->dims[at++] = reduced[i] ? 1 : x->shape.dims[i];
    if (out)
        out->rank = at;
    return TARE_OK;
}

static const struct {
    const char *name;
    shape_rule rule;
} rules[] = {
    {"Constant", infer_constant}, {"Shape", infer_shape},         {"Gather", infer_gather},
    {"Concat", infer_concat},     {"Split", infer_split},         {"Reshape", infer_reshape},
    {"Slice", infer_slice},       {"Unsqueeze", infer_unsqueeze}, {"Squeeze", infer_squeeze},
    {"Flatten", infer_flatten},   {"Expand", infer_expand},       {"ReduceMean", infer_reduce},
    {"ReduceSum", infer_reduce},  {"ReduceMax", infer_reduce},    {"ReduceMin", infer_reduce},
    {"ReduceL2", infer_reduce},   {"ReduceProd", infer_reduce},
};

shape_rule shape_find_layout_rule(const char *op)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (strcmp(rules[i].name, op) == 0)
            return rules[i].rule;
    return NULL;
}
