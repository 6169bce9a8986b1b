#include "stats/ratio.h"

#include <math.h>
#include <stdlib.h>

#include "stats/quantile.h"
#include "stats/random.h"

#define DEFAULT_DRAWS    1000
#define DEFAULT_COVERAGE 0.95

/* One resample; NAN if it says nothing. */
static double draw(struct random *random, const double *numerators, const double *denominators,
                   size_t count)
{
    double over = 0, under = 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)random_below(random, count);

        over += numerators[at];
        under += denominators[at];
    }
    return over / under;
}

enum tare_status ratio_of_sums(const double *numerators, const double *denominators, size_t count,
                               const struct ratio_options *options, struct ratio_estimate *estimate,
                               struct tare_err *err)
{
    size_t replicates = options->replicates ? options->replicates : DEFAULT_DRAWS, kept = 0;
    double coverage = options->confidence > 0 ? options->confidence : DEFAULT_COVERAGE;
    double over = 0, under = 0, *drawn;
    struct random random;

    for (size_t i = 0; i < count; i++) {
        over += numerators[i];
        under += denominators[i];
    }
    *estimate = (struct ratio_estimate){over / under, NAN, NAN};
    if (count < 2 || isnan(estimate->value))
        return TARE_OK;
    drawn = malloc(replicates * sizeof(*drawn));
    if (!drawn)
        return tare_fail(err, TARE_NOMEM, "out of memory in a bootstrap");
    random_seed(&random, options->seed);
    for (size_t b = 0; b < replicates; b++) {
        double value = draw(&random, numerators, denominators, count);

        if (!isnan(value))
            drawn[kept++] = value;
    }
    quantile_sort(drawn, kept);
    estimate->low = quantile_sorted(drawn, kept, (1 - coverage) / 2);
    estimate->high = quantile_sorted(drawn, kept, (1 + coverage) / 2);
    free(drawn);
    return TARE_OK;
}
