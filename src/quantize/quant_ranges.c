#include "quantize/quant_ranges.h"

#include <stdlib.h>

#include "onnx/onnx_edit.h"

struct ranges {
    struct quant_plan *plan;
    const struct quant_profile *profile;
    enum range_method method;
    const struct tally *tallies; // (plan->observed_count)
    const struct lags *lags;     // (plan->value_count)
    struct tare_err *err;
};

/* --- weights that read a channel ----------------------------------------------------------------
 */

/* Adds the energy of a convolution's weights to the channels of the values that they read. */
static enum tare_status add_energy(const struct ranges *r, const Onnx__NodeProto *node,
                                   double **energy)
{
    const struct quant_plan *plan = r->plan;
    const Onnx__TensorProto *tensor = onnx_find_initializer(plan->graph, node->input[1]);
    size_t count = (size_t)onnx_tensor_count(tensor), inputs = (size_t)tensor->dims[1];
    size_t outputs = (size_t)tensor->dims[0], window = count / outputs / inputs;
    size_t value = (size_t)(quant_plan_value(plan, node->input[0]) - plan->values);
    size_t groups = (size_t)onnx_attribute_int(node, "group", 1);
    float *weights = malloc((count + 1) * sizeof(*weights));

    if (!weights)
        return tare_fail(r->err, TARE_NOMEM, "out of memory for %zu weights", count);
    (void)onnx_tensor_floats(tensor, weights, count);
    for (size_t i = 0; i < count && groups > 0 && groups <= outputs; i++) {
        size_t channel = i / window % inputs;
        const struct quant_channel *source;

        channel += i / window / inputs / (outputs / groups) * inputs;
        if (channel >= plan->channel_counts[value])
            continue;
        source = &plan->sources[value][channel];
        if (energy[source->value])
            energy[source->value][source->channel] += (double)weights[i] * (double)weights[i];
    }
    free(weights);
    return TARE_OK;
}

/* Of each value's channels, the energy of the weights that read it; the caller frees all. */
static enum tare_status weigh_channels(const struct ranges *r, double **energy)
{
    const struct quant_plan *plan = r->plan;
    enum tare_status status = TARE_OK;

    for (size_t i = 0; i < plan->value_count; i++)
        if (plan->values[i].seen != SIZE_MAX)
            energy[i] = calloc(plan->channel_counts[i] + 1, sizeof(**energy));
    for (size_t i = 0; i < plan->node_count && status == TARE_OK; i++)
        if (plan->roles[i] == QUANT_CONV)
            status = add_energy(r, plan->graph->node[i], energy);
    return status;
}

static bool any_weight(const double *weights, size_t count)
{
    for (size_t i = 0; weights && i < count; i++)
        if (weights[i] > 0)
            return true;
    return false;
}

/* --- ranges -------------------------------------------------------------------------------------
 */

static struct range find_range(const struct ranges *r, const struct quant_value *value,
                               const double *weights, struct tally_sum sums[2])
{
    const struct tally *tally = &r->tallies[value->seen];
    const struct tally_extremes *extremes = value->silu ? &tally->silu : &tally->raw;
    struct range_source source = {.sum = &sums[0],
                                  .extremes = extremes,
                                  .pictures = tally->pictures,
                                  .symmetric = r->profile->symmetric};
    struct range fixed = {extremes->low < 0 ? extremes->low : 0,
                          extremes->high > 0 ? extremes->high : 0, RANGE_FIXED};

    if (value->maker == SIZE_MAX) /* pictures: all of their values, exactly */
        return fixed;
    tally_fold(tally, value->silu, NULL, &sums[0]);
    if (value->before_silu && r->profile->everywhere)
        return range_find_silu(&sums[0], extremes);
    if (value->before_silu) /* nobody reads it in 8 bits */
        return range_find(&source, RANGE_MINMAX);
    if (r->method == RANGE_AUTO && any_weight(weights, tally->channels)) {
        tally_fold(tally, value->silu, weights, &sums[1]);
        source.weighed = &sums[1];
    }
    return range_find(&source, r->method);
}

/* A copy of the plan's, rounded as a table holds it; NULL for none. */
static const double *keep(const struct ranges *r, const double *numbers, size_t count)
{
    double *copy = count ? arena_zero(&r->plan->arena, count, sizeof(*copy)) : NULL;

    for (size_t i = 0; copy && i < count; i++)
        copy[i] = (double)(float)numbers[i];
    return copy;
}

static enum tare_status find_statistics(const struct ranges *r, struct quant_value *value,
                                        const struct lags *lags)
{
    const struct tally *tally = &r->tallies[value->seen];
    double *means = calloc(tally->channels + 1, sizeof(*means)), alike[LAGS_COUNT];

    if (!means)
        return tare_fail(r->err, TARE_NOMEM, "out of memory for means");
    tally_means(tally, value->silu, means);
    value->histogram = tally_hash(tally);
    value->means = keep(r, means, tally->channels);
    if (lags_normalise(lags, alike))
        value->lags = keep(r, alike, LAGS_COUNT);
    free(means);
    return arena_status(&r->plan->arena, "the calibration", r->err);
}

static enum tare_status find_all(const struct ranges *r)
{
    struct quant_plan *plan = r->plan;
    struct tally_sum *sums = malloc(2 * sizeof(*sums));
    double **energy = calloc(plan->value_count + 1, sizeof(*energy));
    enum tare_status status = TARE_OK;

    if (!sums || !energy)
        status = tare_fail(r->err, TARE_NOMEM, "out of memory for ranges");
    if (status == TARE_OK && r->method == RANGE_AUTO)
        status = weigh_channels(r, energy);
    for (size_t i = 0; i < plan->value_count && status == TARE_OK; i++) {
        struct quant_value *value = &plan->values[i];

        if (value->seen == SIZE_MAX)
            continue;
        value->range = find_range(r, value, energy[i], sums);
        status = find_statistics(r, value, &r->lags[i]);
    }
    for (size_t i = 0; energy && i < plan->value_count; i++)
        free(energy[i]);
    free(energy);
    free(sums);
    return status;
}

static int by_number(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

double quant_ranges_uncertainty(const struct quant_plan *plan, const struct tally *tallies)
{
    size_t count = plan->observed_count;
    double *all = calloc(count + 1, sizeof(*all)), median = 0;

    for (size_t i = 0; all && i < count; i++)
        all[i] = tally_uncertainty(&tallies[i].raw, tallies[i].pictures);
    if (all) {
        qsort(all, count, sizeof(*all), by_number);
        median = all[count / 2];
    }
    free(all);
    return median;
}

enum tare_status quant_ranges_find(struct quant_plan *plan, const struct quant_profile *profile,
                                   enum range_method method, const struct tally *tallies,
                                   const struct lags *lags, struct tare_err *err)
{
    const struct ranges ranges = {plan, profile, method, tallies, lags, err};

    return find_all(&ranges);
}
