#include "quantize/quant_settle.h"

#include <stdlib.h>
#include <string.h>

struct settle {
    struct quant_plan *plan;
    const struct quant_profile *profile;
    struct tare_err *err;
};

/* Whether anything of the region goes on from the value. */
static bool goes_on(const struct quant_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->node_count; i++)
        if (plan->roles[i] != QUANT_FLOAT && quant_reads(plan->graph->node[i], name))
            return true;
    return false;
}

/* Takes the role from convolutions that are to stay in float, with what follows only them. */
static void keep_float(const struct settle *s)
{
    struct quant_plan *plan = s->plan;
    int32_t seen = 0;

    for (size_t i = 0; i < plan->node_count; i++) {
        const Onnx__NodeProto *node = plan->graph->node[i];
        bool last = false;

        if (plan->roles[i] != QUANT_CONV)
            continue;
        last = !goes_on(plan, node->output[0]);
        plan->conv_count++;
        if (seen++ < s->profile->float_first || (last && s->profile->float_last)) {
            plan->roles[i] = QUANT_FLOAT;
            plan->conv_count--;
        }
    }
}

/* Whether one of the names that the profile keeps in float is this convolution's. */
static bool is_named(const Onnx__NodeProto *node, const char *name)
{
    return quant_is_op(node, "Conv") &&
           (strcmp(node->name, name) == 0 || strcmp(node->output[0], name) == 0);
}

static enum tare_status keep_named_float(const struct settle *s)
{
    struct quant_plan *plan = s->plan;

    for (size_t f = 0; f < s->profile->float_count; f++) {
        const char *name = s->profile->floats[f];
        bool found = false;

        for (size_t i = 0; i < plan->node_count; i++) {
            if (!is_named(plan->graph->node[i], name))
                continue;
            found = true;
            if (plan->roles[i] != QUANT_CONV)
                continue;
            plan->roles[i] = QUANT_FLOAT;
            plan->conv_count--;
        }
        if (!found)
            return tare_fail(s->err, TARE_INVALID,
                             "no convolution is called '%.200s', which is to stay in float", name);
    }
    return TARE_OK;
}

static bool output_wanted(const struct quant_plan *plan, const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_output; i++) {
        const struct quant_value *value = quant_plan_value(plan, node->output[i]);

        if (value && value->wanted)
            return true;
    }
    return false;
}

static void want(const struct quant_plan *plan, const char *name)
{
    struct quant_value *value = quant_plan_value(plan, name);

    if (value)
        value->wanted = true;
}

/* From the last node to the first: what an 8-bit operator reads is wanted in 8 bits. */
static void want_inputs(const struct quant_plan *plan)
{
    for (size_t i = plan->node_count; i-- > 0;) {
        const Onnx__NodeProto *node = plan->graph->node[i];
        enum quant_role role = plan->roles[i];

        if (role == QUANT_CONV)
            want(plan, node->input[0]);
        else if (role == QUANT_ADD || (role == QUANT_VIEW && output_wanted(plan, node)))
            for (size_t k = 0; k < node->n_input; k++)
                want(plan, node->input[k]);
    }
}

/* The convolution that the value comes from, through a SiLU or Relu; NULL: from none in 8 bits. */
static bool from_conv(const struct quant_plan *plan, const struct quant_value *value)
{
    const struct quant_value *before = value;

    if (value->maker == SIZE_MAX)
        return false;
    if (value->silu)
        before = &plan->values[plan->observed[value->seen]];
    else if (plan->roles[value->maker] == QUANT_RELU)
        before = quant_plan_value(plan, plan->graph->node[value->maker]->input[0]);
    return before && before->maker != SIZE_MAX && plan->roles[before->maker] == QUANT_CONV;
}

/* Marks the values whose channels 3 × 3 kernels read. */
static void want_windows(const struct quant_plan *plan)
{
    for (size_t i = 0; i < plan->node_count; i++) {
        const Onnx__NodeProto *node = plan->graph->node[i];
        const Onnx__TensorProto *weights;
        size_t value;

        if (plan->roles[i] != QUANT_CONV)
            continue;
        weights = onnx_find_initializer(plan->graph, node->input[1]);
        value = quant_find_value(plan, node->input[0]);
        if (weights->dims[2] != LAGS_SIDE || weights->dims[3] != LAGS_SIDE)
            continue;
        for (size_t c = 0; c < plan->channel_counts[value]; c++)
            plan->values[plan->sources[value][c].value].windows = true;
    }
}

/* In an everywhere profile an 8-bit operator's output is in 8 bits too, else only what is made. */
static void settle_wanted(const struct settle *s)
{
    struct quant_plan *plan = s->plan;

    for (size_t i = 0; i < plan->value_count; i++) {
        struct quant_value *value = &plan->values[i];
        enum quant_role role = value->maker == SIZE_MAX ? QUANT_FLOAT : plan->roles[value->maker];

        if (s->profile->everywhere)
            value->wanted = value->wanted || from_conv(plan, value) || role == QUANT_ADD;
        else
            value->wanted = value->wanted && role != QUANT_VIEW;
    }
}

/* A SiLU of a convolution in float is float too. */
static void settle_silu(const struct quant_plan *plan)
{
    for (size_t i = 0; i < plan->value_count; i++) {
        const struct quant_value *value = &plan->values[i];
        const Onnx__NodeProto *node;

        if (!value->silu || from_conv(plan, value))
            continue;
        node = plan->graph->node[value->maker];
        plan->roles[value->maker] = QUANT_FLOAT;
        for (size_t k = 0; k < value->maker; k++)
            if (plan->roles[k] == QUANT_SIGMOID &&
                quant_reads(node, plan->graph->node[k]->output[0]))
                plan->roles[k] = QUANT_FLOAT;
    }
}

/* Additions of what comes from no 8-bit operator, be it through views, are float. */
static enum tare_status settle_adds(const struct settle *s)
{
    struct quant_plan *plan = s->plan;
    bool *eight = calloc(plan->value_count + 1, sizeof(*eight)); /* values that come from one */

    if (!eight)
        return tare_fail(s->err, TARE_NOMEM, "out of memory for %zu values", plan->value_count);
    for (size_t i = 0; i < plan->value_count; i++) { /* makers come before their readers */
        const struct quant_value *value = &plan->values[i];
        const Onnx__NodeProto *node;

        if (value->maker == SIZE_MAX)
            continue;
        node = plan->graph->node[value->maker];
        eight[i] = from_conv(plan, value);
        if (plan->roles[value->maker] == QUANT_ADD || plan->roles[value->maker] == QUANT_VIEW)
            for (size_t k = 0; k < node->n_input; k++) {
                size_t input = quant_find_value(plan, node->input[k]);

                eight[i] = eight[i] || (input != SIZE_MAX && eight[input]);
            }
        if (plan->roles[value->maker] == QUANT_ADD && !eight[i])
            plan->roles[value->maker] = QUANT_FLOAT;
    }
    free(eight);
    return TARE_OK;
}

enum tare_status quant_settle(struct quant_plan *plan, const struct quant_profile *profile,
                              struct tare_err *err)
{
    const struct settle settle = {plan, profile, err};
    enum tare_status status;

    keep_float(&settle);
    status = keep_named_float(&settle);
    if (status == TARE_OK) {
        settle_silu(plan);
        status = settle_adds(&settle);
    }
    if (status == TARE_OK) {
        want_inputs(plan);
        want_windows(plan);
        settle_wanted(&settle);
    }
    return status;
}
