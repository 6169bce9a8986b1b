#include "stats/bootstrap.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stats/quantile.h"
#include "stats/random.h"

#define MAX_PER_GROUP    4096
#define MAX_QUANTILES    8
#define MIN_RESTARTS     3
#define LAG1_FOR_BLOCKS  0.2
#define DEFAULT_DRAWS    999
#define DEFAULT_COVERAGE 0.95

struct sample {
    double value;
    size_t group;
};

struct plan {
    struct sample *samples; // (sample_count), ascending
    size_t sample_count;
    size_t *sizes;    // (group_count) samples that stand for each group
    size_t *weights;  // (group_count) how often each is in the present draw
    size_t *restarts; // (restart_count + 1) first group of each restart
    size_t group_count, restart_count;
    double jump; /* chance that a run of neighbours ends; 1: single groups */
    struct random random;
};

static int compare_samples(const void *left, const void *right)
{
    double a = ((const struct sample *)left)->value, b = ((const struct sample *)right)->value;

    return (a > b) - (a < b);
}

static void plan_release(struct plan *plan)
{
    free(plan->samples);
    free(plan->sizes);
    free(plan->weights);
    free(plan->restarts);
}

/* Puts a group's samples, or evenly spaced order statistics of them, into the plan. */
static bool add_group(struct plan *plan, const struct bootstrap_group *group, size_t index,
                      double *median)
{
    size_t kept = group->count < MAX_PER_GROUP ? group->count : MAX_PER_GROUP;
    double *sorted = malloc((group->count + 1) * sizeof(*sorted));

    if (!sorted)
        return false;
    if (group->count)
        memcpy(sorted, group->values, group->count * sizeof(*sorted));
    quantile_sort(sorted, group->count);
    *median = quantile_sorted(sorted, group->count, 0.5);
    for (size_t i = 0; i < kept; i++) {
        size_t from = kept == group->count
                          ? i
                          : (size_t)(((double)i + 0.5) * (double)group->count / (double)kept);

        plan->samples[plan->sample_count++] = (struct sample){sorted[from], index};
    }
    plan->sizes[index] = kept;
    free(sorted);
    return true;
}

static void find_restarts(struct plan *plan, const struct bootstrap_group *groups)
{
    plan->restart_count = 0;
    for (size_t g = 0; g < plan->group_count; g++)
        if (g == 0 || groups[g].restart != groups[g - 1].restart)
            plan->restarts[plan->restart_count++] = g;
    if (plan->restart_count < MIN_RESTARTS)
        plan->restart_count = 1;
    plan->restarts[plan->restart_count] = plan->group_count;
}

static enum tare_status plan_make(struct plan *plan, const struct bootstrap_group *groups,
                                  size_t group_count, uint64_t seed, struct tare_err *err)
{
    double *medians = calloc(group_count + 1, sizeof(*medians));
    size_t room = 0;
    bool good = true;

    for (size_t g = 0; g < group_count; g++)
        room += groups[g].count < MAX_PER_GROUP ? groups[g].count : MAX_PER_GROUP;
    *plan = (struct plan){.group_count = group_count, .jump = 1};
    random_seed(&plan->random, seed);
    plan->samples = malloc((room + 1) * sizeof(*plan->samples));
    plan->sizes = calloc(group_count + 1, sizeof(*plan->sizes));
    plan->weights = calloc(group_count + 1, sizeof(*plan->weights));
    plan->restarts = calloc(group_count + 2, sizeof(*plan->restarts));
    good = medians && plan->samples && plan->sizes && plan->weights && plan->restarts;
    for (size_t g = 0; g < group_count && good; g++)
        good = add_group(plan, &groups[g], g, &medians[g]);
    if (good) {
        qsort(plan->samples, plan->sample_count, sizeof(*plan->samples), compare_samples);
        find_restarts(plan, groups);
        if (quantile_lag1(medians, group_count) > LAG1_FOR_BLOCKS)
            plan->jump = 1 / cbrt((double)group_count);
    }
    free(medians);
    return good ? TARE_OK : tare_fail(err, TARE_NOMEM, "out of memory in a bootstrap");
}

/* Draws as many groups from [first, end) as there are. */
static void draw_groups(struct plan *plan, size_t first, size_t end)
{
    size_t count = end - first, at = 0;

    for (size_t i = 0; i < count; i++) {
        if (i == 0 || plan->jump >= 1 || random_uniform(&plan->random) < plan->jump)
            at = (size_t)random_below(&plan->random, count);
        else
            at = (at + 1) % count;
        plan->weights[first + at]++;
    }
}

static void draw(struct plan *plan)
{
    memset(plan->weights, 0, plan->group_count * sizeof(*plan->weights));
    for (size_t r = 0; r < plan->restart_count; r++) {
        size_t pick =
            plan->restart_count == 1 ? 0 : (size_t)random_below(&plan->random, plan->restart_count);

        draw_groups(plan, plan->restarts[pick], plan->restarts[pick + 1]);
    }
}

/* Type-7 quantiles of the drawn samples, by one walk; qs ascending is not required. */
static double drawn_quantile(const struct plan *plan, size_t total, double q)
{
    double place = (double)(total - 1) * q;
    size_t below = (size_t)place, passed = 0;
    double low = NAN;

    for (size_t i = 0; i < plan->sample_count; i++) {
        passed += plan->weights[plan->samples[i].group];
        if (isnan(low) && passed > below) {
            low = plan->samples[i].value;
            if (place == (double)below)
                return low;
        }
        if (passed > below + 1)
            return low + (plan->samples[i].value - low) * (place - (double)below);
    }
    return low;
}

static void draw_all(struct plan *plan, const double *qs, size_t q_count, size_t replicates,
                     double *drawn)
{
    for (size_t b = 0; b < replicates; b++) {
        size_t total = 0;

        do { /* a draw of empty groups only says nothing */
            draw(plan);
            total = 0;
            for (size_t g = 0; g < plan->group_count; g++)
                total += plan->weights[g] * plan->sizes[g];
        } while (total == 0);
        for (size_t k = 0; k < q_count; k++)
            drawn[k * replicates + b] = drawn_quantile(plan, total, qs[k]);
    }
}

enum tare_status bootstrap_quantiles(const struct bootstrap_group *groups, size_t group_count,
                                     const double *qs, size_t q_count,
                                     const struct bootstrap_options *options,
                                     struct bootstrap_interval *intervals, struct tare_err *err)
{
    size_t replicates = options->replicates ? options->replicates : DEFAULT_DRAWS;
    double coverage = options->confidence > 0 ? options->confidence : DEFAULT_COVERAGE;
    struct plan plan = {0};
    double *drawn = NULL;
    enum tare_status status;

    if (q_count == 0 || q_count > MAX_QUANTILES)
        return tare_fail(err, TARE_INVALID, "%zu quantiles, 1 to %d can be asked for", q_count,
                         MAX_QUANTILES);
    for (size_t k = 0; k < q_count; k++)
        intervals[k] = (struct bootstrap_interval){NAN, NAN};
    if (group_count < 2)
        return TARE_OK;
    status = plan_make(&plan, groups, group_count, options->seed, err);
    if (status != TARE_OK || plan.sample_count == 0)
        goto done;
    drawn = malloc(replicates * q_count * sizeof(*drawn));
    if (!drawn) {
        status = tare_fail(err, TARE_NOMEM, "out of memory in a bootstrap");
        goto done;
    }
    draw_all(&plan, qs, q_count, replicates, drawn);
    for (size_t k = 0; k < q_count; k++) {
        double *values = drawn + k * replicates;

        quantile_sort(values, replicates);
        intervals[k].low = quantile_sorted(values, replicates, (1 - coverage) / 2);
        intervals[k].high = quantile_sorted(values, replicates, (1 + coverage) / 2);
    }
done:
    free(drawn);
    plan_release(&plan);
    return status;
}
