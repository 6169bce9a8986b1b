#include "quantize/upsample.h"

#include <string.h>

#include "onnx/onnx_edit.h"

#define MAX_SIDE (1 << 20)

static bool attribute_is(const Onnx__NodeProto *node, const char *name, const char *text)
{
    const Onnx__AttributeProto *found = onnx_find_attribute(node, name);

    return found && found->s.len == strlen(text) && memcmp(found->s.data, text, found->s.len) == 0;
}

static bool side(int64_t from, int64_t to, int64_t *times)
{
    if (from < 1 || to < 1 || from > MAX_SIDE || to > MAX_SIDE || to % from != 0)
        return false;
    *times = to / from;
    return *times <= UPSAMPLE_MOST;
}

/* With other attributes, a pixel may come from another place than its index over the multiple. */
bool upsample_find(const Onnx__NodeProto *node, const struct onnx_shapes *shapes,
                   struct upsample *found)
{
    const struct onnx_shape *from, *to;

    if (strcmp(node->op_type, "Resize") != 0 || node->domain[0] || node->n_input < 1 ||
        node->n_output != 1 || !attribute_is(node, "mode", "nearest") ||
        !attribute_is(node, "coordinate_transformation_mode", "asymmetric") ||
        !attribute_is(node, "nearest_mode", "floor") || onnx_find_attribute(node, "axes"))
        return false;
    from = onnx_shapes_find(shapes, node->input[0]);
    to = onnx_shapes_find(shapes, node->output[0]);
    if (!from || !to || from->rank != 4 || to->rank != 4 || from->dims[0] != to->dims[0] ||
        from->dims[1] != to->dims[1] || from->dims[1] < 1 || from->dims[1] > MAX_SIDE)
        return false;
    found->channels = from->dims[1];
    found->height = from->dims[2];
    found->width = from->dims[3];
    return side(found->height, to->dims[2], &found->rows) &&
           side(found->width, to->dims[3], &found->columns);
}

static void put_transpose(struct onnx_builder *builder, const char *input, const char *output,
                          const int64_t order[4])
{
    onnx_set_ints(builder,
                  onnx_add_simple(builder, "Transpose", onnx_join_name(builder, output, ".node"),
                                  input, NULL, output),
                  "perm", order, 4);
}

static void put_reshape(struct onnx_builder *builder, const char *input, const char *output,
                        const int64_t shape[4])
{
    const char *name = onnx_join_name(builder, output, ".shape");

    onnx_add_int64s(builder, name, shape, 4);
    (void)onnx_add_simple(builder, "Reshape", onnx_join_name(builder, output, ".node"), input, name,
                          output);
}

static void put_repeat(struct onnx_builder *builder, const char *input, const char *output,
                       int64_t times, int64_t axis)
{
    const char *inputs[UPSAMPLE_MOST];

    for (int64_t i = 0; i < times; i++)
        inputs[i] = input;
    onnx_set_int(builder,
                 onnx_add_node(builder, "Concat", onnx_join_name(builder, output, ".node"), inputs,
                               (size_t)times, &output, 1),
                 "axis", axis);
}

void upsample_put(struct onnx_builder *builder, const struct upsample *upsample, const char *name,
                  const char *input, const char *output)
{
    const int64_t channels = upsample->channels, width = upsample->width * upsample->columns;
    const int64_t last[4] = {0, 2, 3, 1}, second[4] = {0, 3, 1, 2};
    const int64_t in_rows[4] = {0, upsample->height, 1, width * channels};
    const int64_t in_pixels[4] = {0, upsample->height * upsample->rows, width, channels};
    const char *pixels = onnx_join_name(builder, name, ".pixels"),
               *rows = onnx_join_name(builder, name, ".rows");
    const char *wide = onnx_join_name(builder, name, ".wide"),
               *high = onnx_join_name(builder, name, ".high");
    const char *made = onnx_join_name(builder, name, ".made");

    put_transpose(builder, input, pixels, last);
    put_repeat(builder, pixels, wide, upsample->columns, 3);
    put_reshape(builder, wide, rows, in_rows);
    put_repeat(builder, rows, high, upsample->rows, 2);
    put_reshape(builder, high, made, in_pixels);
    put_transpose(builder, made, output, second);
}
