#include "quantize/quant_plan.h"

#include <stdlib.h>
#include <string.h>

#include "onnx/onnx_precision.h"
#include "quantize/quant_settle.h"

#define PLAN_MAX_BYTES ((size_t)256 << 20)
#define MIN_OPSET      13 /* DequantizeLinear with an axis */

struct make {
    struct quant_plan *plan;
    const struct onnx_shapes *shapes;
    const struct quant_profile *profile;
    struct tare_err *err;
};

bool quant_is_op(const Onnx__NodeProto *node, const char *op_type)
{
    return strcmp(node->op_type, op_type) == 0 && !node->domain[0];
}

size_t quant_find_value(const struct quant_plan *plan, const char *name)
{
    size_t i = 0;

    while (i < plan->value_count && strcmp(plan->values[i].name, name) != 0)
        i++;
    return i < plan->value_count ? i : SIZE_MAX;
}

struct quant_value *quant_plan_value(const struct quant_plan *plan, const char *name)
{
    size_t index = quant_find_value(plan, name);

    return index == SIZE_MAX ? NULL : &plan->values[index];
}

static size_t group_of(const struct quant_plan *plan, size_t value)
{
    while (plan->values[value].group != value)
        value = plan->values[value].group;
    return value;
}

/* --- values -------------------------------------------------------------------------------------
 */

static size_t add_value(struct make *make, const char *name, size_t maker)
{
    struct quant_plan *plan = make->plan;
    struct quant_value *value = &plan->values[plan->value_count];

    *value = (struct quant_value){
        .name = name, .maker = maker, .group = plan->value_count, .seen = SIZE_MAX};
    return plan->value_count++;
}

/* Channels of a picture-shaped value, 0 if they are not known. */
static size_t channels_of(const struct make *make, const char *name)
{
    const struct onnx_shape *shape = onnx_shapes_find(make->shapes, name);

    return shape && shape->rank == 4 && shape->dims[1] > 0 && shape->dims[1] < TALLY_MAX_CHANNELS
               ? (size_t)shape->dims[1]
               : 0;
}

static void set_sources(struct make *make, size_t value, const struct quant_channel *sources,
                        size_t count)
{
    make->plan->sources[value] = sources;
    make->plan->channel_counts[value] = count;
}

/* The value's distribution is seen as such, or as that of `seen` through a SiLU. */
static void observe(struct make *make, size_t value, size_t seen)
{
    struct quant_plan *plan = make->plan;
    size_t count = channels_of(make, plan->values[value].name);
    struct quant_channel *sources = arena_zero(&plan->arena, count, sizeof(*sources));

    if (seen == SIZE_MAX) {
        seen = plan->observed_count;
        plan->observed[plan->observed_count++] = value;
    }
    plan->values[value].seen = seen;
    for (size_t c = 0; sources && c < count; c++)
        sources[c] = (struct quant_channel){(uint32_t)value, (uint32_t)c};
    set_sources(make, value, sources, sources ? count : 0);
}

/* --- consumers ----------------------------------------------------------------------------------
 */

static bool is_output(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_output; i++)
        if (strcmp(graph->output[i]->name, name) == 0)
            return true;
    return false;
}

bool quant_reads(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_input; i++)
        if (strcmp(node->input[i], name) == 0)
            return true;
    return false;
}

/* Whether exactly a Sigmoid of the value and a Mul by that read it; gives their indices. */
static bool find_silu(const Onnx__GraphProto *graph, size_t from, const char *name, size_t *sigmoid,
                      size_t *mul)
{
    size_t readers = 0;

    *sigmoid = *mul = SIZE_MAX;
    for (size_t i = from; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];

        if (!quant_reads(node, name))
            continue;
        readers++;
        if (quant_is_op(node, "Sigmoid"))
            *sigmoid = i;
        else if (quant_is_op(node, "Mul") && node->n_input == 2)
            *mul = i;
    }
    if (readers != 2 || *sigmoid == SIZE_MAX || *mul == SIZE_MAX || is_output(graph, name))
        return false;
    name = graph->node[*sigmoid]->output[0];
    if (is_output(graph, name) || !quant_reads(graph->node[*mul], name))
        return false;
    for (size_t i = *sigmoid + 1; i < graph->n_node; i++)
        if (i != *mul && quant_reads(graph->node[i], name))
            return false;
    return true;
}

/* --- nodes --------------------------------------------------------------------------------------
 */

static bool constant_weights(const struct make *make, const Onnx__NodeProto *node)
{
    const Onnx__GraphProto *graph = make->plan->graph;

    if (node->n_input < 2 || node->n_input > 3 || node->n_output != 1)
        return false;
    for (size_t i = 1; i < node->n_input; i++) {
        const Onnx__TensorProto *tensor = onnx_find_initializer(graph, node->input[i]);

        if (!tensor || tensor->data_type != ONNX_FLOAT ||
            tensor->data_location == ONNX_LOCATION_EXTERNAL || tensor->n_dims != (i == 1 ? 4 : 1) ||
            onnx_tensor_count(tensor) < 1)
            return false;
    }
    return true;
}

static void add_conv(struct make *make, size_t index)
{
    struct quant_plan *plan = make->plan;
    const Onnx__NodeProto *node = plan->graph->node[index];
    size_t sigmoid, mul, value;

    if (quant_find_value(plan, node->input[0]) == SIZE_MAX || !constant_weights(make, node) ||
        channels_of(make, node->output[0]) == 0)
        return;
    plan->roles[index] = QUANT_CONV;
    value = add_value(make, node->output[0], index);
    observe(make, value, SIZE_MAX);
    if (!find_silu(plan->graph, index + 1, node->output[0], &sigmoid, &mul))
        return;
    plan->values[value].before_silu = true;
    plan->roles[sigmoid] = QUANT_SIGMOID;
    plan->roles[mul] = QUANT_SILU;
    value = add_value(make, plan->graph->node[mul]->output[0], mul);
    plan->values[value].silu = true;
    observe(make, value, plan->values[value - 1].seen);
}

/* Add, Relu: a value of its own. */
static void add_plain(struct make *make, size_t index, enum quant_role role)
{
    struct quant_plan *plan = make->plan;
    const Onnx__NodeProto *node = plan->graph->node[index];

    for (size_t i = 0; i < node->n_input; i++)
        if (quant_find_value(plan, node->input[i]) == SIZE_MAX ||
            channels_of(make, node->input[i]) != channels_of(make, node->output[0]))
            return;
    if (channels_of(make, node->output[0]) == 0)
        return;
    plan->roles[index] = role;
    observe(make, add_value(make, node->output[0], index), SIZE_MAX);
}

static bool nearest(const Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *mode = onnx_find_attribute(node, "mode");

    return !mode || (mode->s.len == 7 && memcmp(mode->s.data, "nearest", 7) == 0);
}

/* How many of a node's inputs and outputs are values that it moves; false if it is no view. */
static bool view_sides(const Onnx__NodeProto *node, size_t *inputs, size_t *outputs)
{
    bool channels = onnx_attribute_int(node, "axis", 0) == 1;

    *inputs = *outputs = 1;
    if (quant_is_op(node, "Concat") && channels)
        *inputs = node->n_input;
    else if (quant_is_op(node, "Split") && channels)
        *outputs = node->n_output;
    else
        return (quant_is_op(node, "MaxPool") && node->n_output == 1) ||
               (quant_is_op(node, "Resize") && nearest(node));
    return true;
}

/* The channels of all inputs in a row are those of all outputs in a row. */
static void move_channels(struct make *make, const Onnx__NodeProto *node, size_t inputs,
                          size_t first_output, size_t outputs)
{
    struct quant_plan *plan = make->plan;
    struct quant_channel *all;
    size_t total = 0, at = 0;

    for (size_t i = 0; i < inputs; i++)
        total += plan->channel_counts[quant_find_value(plan, node->input[i])];
    all = arena_zero(&plan->arena, total, sizeof(*all));
    for (size_t i = 0; i < inputs && all; i++) {
        size_t value = quant_find_value(plan, node->input[i]), count = plan->channel_counts[value];

        if (count)
            memcpy(all + at, plan->sources[value], count * sizeof(*all));
        at += count;
    }
    at = 0;
    for (size_t o = 0; o < outputs && all; o++) {
        size_t count = channels_of(make, node->output[o]);

        count = count < total - at ? count : total - at;
        set_sources(make, first_output + o, all + at, count);
        at += count;
    }
}

static void add_view(struct make *make, size_t index)
{
    struct quant_plan *plan = make->plan;
    const Onnx__NodeProto *node = plan->graph->node[index];
    size_t inputs, outputs, first = plan->value_count;

    if (!view_sides(node, &inputs, &outputs))
        return;
    for (size_t i = 0; i < inputs; i++)
        if (i >= node->n_input || quant_find_value(plan, node->input[i]) == SIZE_MAX)
            return;
    for (size_t i = 0; i < outputs; i++)
        if (i >= node->n_output || channels_of(make, node->output[i]) == 0)
            return;
    plan->roles[index] = QUANT_VIEW;
    for (size_t i = 0; i < outputs; i++)
        (void)add_value(make, node->output[i], index);
    for (size_t i = 0; i < inputs; i++)
        plan->values[group_of(plan, quant_find_value(plan, node->input[i]))].group = first;
    for (size_t i = 1; i < outputs; i++)
        plan->values[first + i].group = first;
    move_channels(make, node, inputs, first, outputs);
}

static void add_inputs(struct make *make)
{
    const Onnx__GraphProto *graph = make->plan->graph;

    for (size_t i = 0; i < graph->n_input; i++) {
        const char *name = graph->input[i]->name;
        const struct onnx_shape *shape = onnx_shapes_find(make->shapes, name);

        if (!onnx_find_initializer(graph, name) && shape && shape->type == ONNX_FLOAT &&
            channels_of(make, name) > 0)
            observe(make, add_value(make, name, SIZE_MAX), SIZE_MAX);
    }
}

static void add_nodes(struct make *make)
{
    const Onnx__GraphProto *graph = make->plan->graph;

    add_inputs(make);
    for (size_t i = 0; i < graph->n_node; i++) {
        if (make->plan->roles[i] != QUANT_FLOAT)
            continue; /* part of a SiLU */
        if (quant_is_op(graph->node[i], "Conv"))
            add_conv(make, i);
        else if (quant_is_op(graph->node[i], "Relu"))
            add_plain(make, i, QUANT_RELU);
        else if (quant_is_op(graph->node[i], "Add"))
            add_plain(make, i, QUANT_ADD);
        else
            add_view(make, i);
    }
}

/* --- making -------------------------------------------------------------------------------------
 */

static enum tare_status check_model(const Onnx__ModelProto *proto, struct tare_err *err)
{
    const char *precision = onnx_precision(proto);

    if (strcmp(precision, "int8") == 0)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the model is quantised already: need the FP32 model it was made from");
    if (strcmp(precision, "fp32") != 0)
        return tare_fail(err, TARE_UNSUPPORTED, "the model's weights are %s, need FP32", precision);
    if (onnx_opset(proto) < MIN_OPSET)
        return tare_fail(err, TARE_UNSUPPORTED,
                         "the model is of operator set %lld, need %d or later",
                         (long long)onnx_opset(proto), MIN_OPSET);
    return TARE_OK;
}

static enum tare_status allocate(struct quant_plan *plan, struct tare_err *err)
{
    size_t most = plan->graph->n_input;

    for (size_t i = 0; i < plan->graph->n_node; i++)
        most += plan->graph->node[i]->n_output;
    plan->roles = calloc(plan->node_count + 1, sizeof(*plan->roles));
    plan->values = calloc(most + 1, sizeof(*plan->values));
    plan->observed = calloc(most + 1, sizeof(*plan->observed));
    plan->sources = calloc(most + 1, sizeof(*plan->sources));
    plan->channel_counts = calloc(most + 1, sizeof(*plan->channel_counts));
    if (!plan->roles || !plan->values || !plan->observed || !plan->sources || !plan->channel_counts)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu values of the graph", most);
    return TARE_OK;
}

enum tare_status quant_plan_make(const Onnx__ModelProto *proto, const struct onnx_shapes *shapes,
                                 const struct quant_profile *profile, struct quant_plan **plan,
                                 struct tare_err *err)
{
    struct quant_plan *made = calloc(1, sizeof(*made));
    struct make make = {made, shapes, profile, err};
    enum tare_status status;

    *plan = NULL;
    if (!made)
        return tare_fail(err, TARE_NOMEM, "out of memory for a plan");
    arena_init(&made->arena, PLAN_MAX_BYTES);
    made->graph = proto->graph;
    made->shapes = shapes;
    made->node_count = proto->graph->n_node;
    status = check_model(proto, err);
    if (status == TARE_OK)
        status = allocate(made, err);
    if (status == TARE_OK) {
        add_nodes(&make);
        status = quant_settle(made, profile, err);
    }
    if (status == TARE_OK)
        status = arena_status(&made->arena, "the graph's channels", err);
    for (size_t i = 0; status == TARE_OK && i < made->value_count; i++)
        made->values[i].group = group_of(made, i);
    if (status == TARE_OK && made->conv_count == 0)
        status = tare_fail(err, TARE_UNSUPPORTED,
                           "the model has no convolution that can be quantised: need one that is "
                           "reached from a picture input, with constant FP32 weights");
    if (status == TARE_OK)
        *plan = made;
    else
        quant_plan_free(made);
    return status;
}

void quant_plan_free(struct quant_plan *plan)
{
    if (!plan)
        return;
    free(plan->roles);
    free(plan->values);
    free(plan->observed);
    free(plan->sources);
    free(plan->channel_counts);
    arena_release(&plan->arena);
    free(plan);
}
