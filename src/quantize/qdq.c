#include "quantize/qdq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "onnx/onnx_edit.h"
#include "quantize/upsample.h"

#define QDQ_RUNTIME_DOMAIN "com.microsoft"
#define MAX_BIAS           2147483000.0 /* of an int32 */

struct rename {
    const char *from, *to;
};

struct writer {
    struct onnx_builder builder;
    const struct quant_plan *plan;
    const struct quant_profile *profile;
    struct rename *renames; // (rename_count)
    size_t rename_count;
    struct tare_err *err;
};

/* "NAME.suffix" */
static const char *named(struct writer *w, const char *name, const char *suffix)
{
    return onnx_join_name(&w->builder, name, suffix);
}

static const char *renamed(const struct writer *w, const char *name)
{
    for (size_t i = 0; i < w->rename_count; i++)
        if (strcmp(w->renames[i].from, name) == 0)
            return w->renames[i].to;
    return name;
}

static void put_scalar(struct writer *w, const char *name, enum onnx_type type, const void *value,
                       size_t bytes)
{
    void *data = onnx_add_tensor(&w->builder, name, type, 0, NULL);

    if (data)
        memcpy(data, value, bytes);
}

static bool is_output(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_output; i++)
        if (strcmp(graph->output[i]->name, name) == 0)
            return true;
    return false;
}

/* Adds a scale and a zero point by their names. */
static void put_scale(struct writer *w, const char *const names[2], const struct range_scale *scale)
{
    uint8_t zero = (uint8_t)scale->zero;

    put_scalar(w, names[0], ONNX_FLOAT, &scale->scale, sizeof(scale->scale));
    put_scalar(w, names[1], scale->least < 0 ? ONNX_INT8 : ONNX_UINT8, &zero, sizeof(zero));
}

/* NAME.q by NAME.scale and NAME.zero. */
static Onnx__NodeProto *put_dequantised(struct writer *w, const char *name, const char *back)
{
    const char *inputs[3] = {named(w, name, ".q"), named(w, name, ".scale"),
                             named(w, name, ".zero")};

    return onnx_add_node(&w->builder, "DequantizeLinear", named(w, name, ".DQ"), inputs, 3, &back,
                         1);
}

/* A Q/DQ pair after a value, which every later reader gets instead. maker may be NULL. */
static void put_pair(struct writer *w, const char *name, Onnx__NodeProto *maker, size_t output,
                     const struct range_scale *scale)
{
    const char *quantised = named(w, name, ".q"), *back = named(w, name, ".dq"), *from = name;
    const char *inputs[3] = {NULL, named(w, name, ".scale"), named(w, name, ".zero")};

    if (maker && is_output(w->plan->graph, name)) { /* the output keeps its name */
        from = named(w, name, ".raw");
        back = name;
        onnx_set_output(&w->builder, maker, output, from);
    } else {
        w->renames[w->rename_count++] = (struct rename){name, back};
    }
    put_scale(w, inputs + 1, scale);
    inputs[0] = from;
    (void)onnx_add_node(&w->builder, "QuantizeLinear", named(w, name, ".Q"), inputs, 3, &quantised,
                        1);
    (void)put_dequantised(w, name, back);
}

static struct range_scale scale_of(const struct writer *w, const struct quant_value *value)
{
    const struct range *range = &w->plan->values[value->group].range;

    return range_to_scale(range->low, range->high, w->profile->symmetric);
}

static void put_value(struct writer *w, const char *name, Onnx__NodeProto *maker, size_t output)
{
    const struct quant_value *value = quant_plan_value(w->plan, name);

    if (value && value->wanted) {
        struct range_scale scale = scale_of(w, value);

        put_pair(w, name, maker, output, &scale);
    }
}

/* --- weights ------------------------------------------------------------------------------------
 */

/* A convolution's constants on their way to integers. */
struct layer {
    size_t outputs, inputs, window, groups; /* weights: (outputs, inputs, window) */
    float *weights, *bias;                  // (outputs × inputs × window), (outputs)
    int8_t *integers;                       // like weights
    float *scales;                          // (outputs)
    const struct quant_value *input;
    size_t input_index;
    float input_scale;
};

static void release_layer(struct layer *layer)
{
    free(layer->weights);
    free(layer->bias);
    free(layer->integers);
    free(layer->scales);
}

static enum tare_status read_layer(const struct writer *w, const Onnx__NodeProto *node,
                                   struct layer *layer, struct tare_err *err)
{
    const Onnx__GraphProto *graph = w->plan->graph;
    const Onnx__TensorProto *weights = onnx_find_initializer(graph, node->input[1]);
    const Onnx__TensorProto *bias =
        node->n_input > 2 ? onnx_find_initializer(graph, node->input[2]) : NULL;
    size_t count = (size_t)onnx_tensor_count(weights);

    memset(layer, 0, sizeof(*layer));
    layer->input = quant_plan_value(w->plan, node->input[0]);
    layer->input_index = (size_t)(layer->input - w->plan->values);
    layer->input_scale = scale_of(w, layer->input).scale;
    layer->outputs = (size_t)weights->dims[0];
    layer->inputs = (size_t)weights->dims[1];
    layer->window = count / layer->outputs / layer->inputs;
    layer->groups = (size_t)onnx_attribute_int(node, "group", 1);
    layer->weights = malloc(count * sizeof(*layer->weights));
    layer->integers = malloc(count);
    layer->bias = calloc(layer->outputs, sizeof(*layer->bias));
    layer->scales = calloc(layer->outputs, sizeof(*layer->scales));
    if (!layer->weights || !layer->integers || !layer->bias || !layer->scales)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu weights", count);
    if (onnx_tensor_floats(weights, layer->weights, count) < 0 ||
        (bias && onnx_tensor_floats(bias, layer->bias, layer->outputs) != (int64_t)layer->outputs))
        return tare_fail(err, TARE_BADDATA, "node '%.200s': weights and bias do not fit",
                         node->name);
    return TARE_OK;
}

/* Where an input channel's values come from; NULL: not known. */
static const struct quant_channel *source_of(const struct writer *w, const struct layer *layer,
                                             size_t channel)
{
    return channel < w->plan->channel_counts[layer->input_index]
               ? &w->plan->sources[layer->input_index][channel]
               : NULL;
}

/* The first input channel that an output channel reads. */
static size_t first_input(const struct layer *layer, size_t output)
{
    return output / (layer->outputs / layer->groups) * layer->inputs;
}

static void round_weights(const struct writer *w, const struct layer *layer, size_t input)
{
    struct lags_feedback feedback;
    size_t known = SIZE_MAX, each = layer->inputs * layer->window;

    for (size_t o = 0; o < layer->outputs; o++) {
        const struct quant_channel *source = source_of(w, layer, first_input(layer, o) + input);
        const double *lags = source ? w->plan->values[source->value].lags : NULL;
        size_t at = o * each + input * layer->window;
        bool alike = lags && layer->window == LAGS_WINDOW;

        if (alike && known != source->value)
            known = lags_make_feedback(lags, &feedback) ? source->value : SIZE_MAX;
        lags_round(layer->weights + at, layer->window, layer->scales[o],
                   (float)w->profile->weight_most,
                   alike && known == source->value ? &feedback : NULL, layer->integers + at);
    }
}

/* Each output channel by its own scale, large enough that its bias fits an int32 too. */
static void quantise_weights(const struct writer *w, struct layer *layer)
{
    size_t each = layer->inputs * layer->window;
    float most = (float)w->profile->weight_most;

    for (size_t o = 0; o < layer->outputs; o++) {
        const float *weights = layer->weights + o * each;
        double least = fabs((double)layer->bias[o]) / MAX_BIAS / (double)layer->input_scale;
        float greatest = 0, scale;

        for (size_t i = 0; i < each; i++)
            greatest = fabsf(weights[i]) > greatest ? fabsf(weights[i]) : greatest;
        scale = greatest > 0 ? greatest / most : 1;
        scale = (double)scale < least ? (float)(2 * least) : scale;
        layer->scales[o] = scale;
    }
    for (size_t i = 0; i < layer->inputs; i++)
        round_weights(w, layer, i);
}

/* The mean of a channel of the layer's input; 0 if it is not known. */
static double channel_mean(const struct writer *w, const struct layer *layer, size_t channel)
{
    const struct quant_channel *source = source_of(w, layer, channel);
    const double *means = source ? w->plan->values[source->value].means : NULL;

    return means ? means[source->channel] : 0;
}

/* Takes the mean of what rounding the weights adds off the bias. */
static void correct_bias(const struct writer *w, struct layer *layer)
{
    size_t each = layer->inputs * layer->window;

    for (size_t o = 0; o < layer->outputs; o++) {
        size_t first = first_input(layer, o);
        double shift = 0;

        for (size_t i = 0; i < layer->inputs; i++) {
            double gap = 0;

            for (size_t k = 0; k < layer->window; k++) {
                size_t at = o * each + i * layer->window + k;

                gap += (double)layer->integers[at] * (double)layer->scales[o] -
                       (double)layer->weights[at];
            }
            shift += gap * channel_mean(w, layer, first + i);
        }
        layer->bias[o] = (float)((double)layer->bias[o] - shift);
    }
}

/* Adds scales and zero points of one a channel. */
static void put_channel_scales(struct writer *w, const char *name, enum onnx_type type,
                               const float *scales, size_t count)
{
    int64_t shape = (int64_t)count;
    void *zeros = onnx_add_tensor(&w->builder, named(w, name, ".zero"), type, 1, &shape);

    onnx_add_floats(&w->builder, named(w, name, ".scale"), scales, count);
    if (zeros)
        memset(zeros, 0, count * onnx_type_bytes(type));
}

static void put_weights(struct writer *w, Onnx__NodeProto *node, const struct layer *layer)
{
    const Onnx__TensorProto *old = onnx_find_initializer(w->plan->graph, node->input[1]);
    const char *name = node->output[0], *back = named(w, name, ".weight.dq");
    int8_t *data;

    name = named(w, name, ".weight");
    data = onnx_add_tensor(&w->builder, named(w, name, ".q"), ONNX_INT8, (int32_t)old->n_dims,
                           old->dims);
    if (data)
        memcpy(data, layer->integers, layer->outputs * layer->inputs * layer->window);
    put_channel_scales(w, name, ONNX_INT8, layer->scales, layer->outputs);
    onnx_set_int(&w->builder, put_dequantised(w, name, back), "axis", 0);
    onnx_set_input(&w->builder, node, 1, back);
}

static void put_bias(struct writer *w, Onnx__NodeProto *node, struct layer *layer)
{
    const char *name = named(w, node->output[0], ".bias"), *back = name;
    int64_t shape = (int64_t)layer->outputs;
    int32_t *data;

    if (w->profile->symmetric || !w->profile->everywhere) {
        onnx_add_floats(&w->builder, name, layer->bias, layer->outputs);
    } else {
        back = named(w, name, ".dq");
        data = onnx_add_tensor(&w->builder, named(w, name, ".q"), ONNX_INT32, 1, &shape);
        for (size_t o = 0; o < layer->outputs; o++) {
            layer->scales[o] *= layer->input_scale;
            if (data)
                data[o] = (int32_t)rint((double)layer->bias[o] / (double)layer->scales[o]);
        }
        put_channel_scales(w, name, ONNX_INT32, layer->scales, layer->outputs);
        onnx_set_int(&w->builder, put_dequantised(w, name, back), "axis", 0);
    }
    onnx_set_input(&w->builder, node, 2, back);
}

static enum tare_status put_conv(struct writer *w, Onnx__NodeProto *node)
{
    struct layer layer;
    enum tare_status status = read_layer(w, node, &layer, w->err);

    if (status == TARE_OK &&
        (layer.groups == 0 || layer.groups > layer.outputs || layer.outputs % layer.groups != 0))
        status = tare_fail(w->err, TARE_BADDATA, "node '%.200s': %zu groups of %zu channels",
                           node->name, layer.groups, layer.outputs);
    if (status == TARE_OK) {
        quantise_weights(w, &layer);
        correct_bias(w, &layer);
        put_weights(w, node, &layer);
        put_bias(w, node, &layer);
    }
    release_layer(&layer);
    return status;
}

/* --- the graph ----------------------------------------------------------------------------------
 */

/* A Resize between 8-bit values as copies of those; false if it is none. */
static bool put_upsample(struct writer *w, const Onnx__NodeProto *node, enum quant_role role)
{
    struct upsample upsample;
    const struct quant_value *from, *to;
    struct range_scale scale;
    const char *scale_names[2], *back;

    if (role != QUANT_VIEW || !w->profile->everywhere ||
        !upsample_find(node, w->plan->shapes, &upsample))
        return false;
    from = quant_plan_value(w->plan, node->input[0]);
    to = quant_plan_value(w->plan, node->output[0]);
    if (!from || !to || !from->wanted || !to->wanted || is_output(w->plan->graph, to->name))
        return false;
    scale_names[0] = named(w, to->name, ".scale");
    scale_names[1] = named(w, to->name, ".zero");
    back = named(w, to->name, ".dq");
    scale = scale_of(w, to);
    put_scale(w, scale_names, &scale);
    upsample_put(&w->builder, &upsample, to->name, named(w, from->name, ".q"),
                 named(w, to->name, ".q"));
    (void)put_dequantised(w, to->name, back);
    w->renames[w->rename_count++] = (struct rename){to->name, back};
    return true;
}

/* A SiLU's product as one operator of the convolution's output; its Sigmoid is left out. */
static void put_quick_gelu(struct writer *w, const Onnx__NodeProto *mul)
{
    const struct quant_value *silu = quant_plan_value(w->plan, mul->output[0]);
    const char *input = renamed(w, w->plan->values[w->plan->observed[silu->seen]].name);
    Onnx__NodeProto *node = onnx_add_node(&w->builder, "QuickGelu", mul->name, &input, 1,
                                          (const char *const *)mul->output, 1);

    onnx_set_domain(&w->builder, node, QDQ_RUNTIME_DOMAIN);
    onnx_set_float(&w->builder, node, "alpha", 1);
    onnx_import_domain(&w->builder, QDQ_RUNTIME_DOMAIN, 1);
    put_value(w, mul->output[0], node, 0);
}

static enum tare_status put_node(struct writer *w, Onnx__NodeProto *node, enum quant_role role)
{
    const struct range_scale sigmoid = {QDQ_SIGMOID_SCALE, 0, 0, 255};
    enum tare_status status = TARE_OK;

    if (put_upsample(w, node, role) || (role == QUANT_SIGMOID && w->profile->float_silu))
        return TARE_OK;
    if (role == QUANT_SILU && w->profile->float_silu) {
        put_quick_gelu(w, node);
        return TARE_OK;
    }
    if (role == QUANT_CONV)
        status = put_conv(w, node);
    if (status != TARE_OK)
        return status;
    for (size_t i = 0; i < node->n_input; i++) {
        const char *name = renamed(w, node->input[i]);

        if (name != node->input[i])
            onnx_set_input(&w->builder, node, i, name);
    }
    onnx_put_node(&w->builder, node);
    if (role == QUANT_SIGMOID && w->profile->everywhere)
        put_pair(w, node->output[0], node, 0, &sigmoid);
    for (size_t o = 0; o < node->n_output; o++)
        put_value(w, node->output[o], node, o);
    return TARE_OK;
}

enum tare_status qdq_apply(struct onnx_model *model, const struct quant_plan *plan,
                           const struct quant_profile *profile, struct tare_err *err)
{
    struct writer w = {.plan = plan, .profile = profile, .err = err};
    Onnx__NodeProto **nodes;
    size_t count;
    enum tare_status status = TARE_OK;

    w.renames = calloc(plan->value_count + plan->node_count + 1, sizeof(*w.renames));
    if (!w.renames)
        return tare_fail(err, TARE_NOMEM, "out of memory for %zu values", plan->value_count);
    onnx_build_on(&w.builder, model);
    onnx_take_nodes(&w.builder, &nodes, &count);
    for (size_t i = 0; i < plan->value_count; i++)
        if (plan->values[i].maker == SIZE_MAX)
            put_value(&w, plan->values[i].name, NULL, 0);
    for (size_t i = 0; i < count && status == TARE_OK; i++)
        status = put_node(&w, nodes[i], plan->roles[i]);
    if (status == TARE_OK) {
        onnx_drop_unread(&w.builder);
        status = onnx_builder_status(&w.builder, err);
    }
    free(w.renames);
    return status;
}
