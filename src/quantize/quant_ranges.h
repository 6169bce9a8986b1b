/*
 * quant_ranges.h - from the distributions of a calibration to what a plan's values need: ranges,
 * and the statistics by which weights are rounded and biases corrected.
 *
 * Threads: no shared state.
 */
#ifndef TARE_QUANTIZE_QUANT_RANGES_H
#define TARE_QUANTIZE_QUANT_RANGES_H

#include "quantize/quant_plan.h"
#include "quantize/tally.h"

/*
 * Fills range, histogram, means and lags of every value of the plan that was seen. tallies are of
 * plan->observed, lags of plan->values, as calibrate_run() leaves them. method is one of the first
 * five of range.h. TARE_NOMEM.
 */
enum tare_status quant_ranges_find(struct quant_plan *plan, const struct quant_profile *profile,
                                   enum range_method method, const struct tally *tallies,
                                   const struct lags *lags, struct tare_err *err);

/* How uncertain the ranges are: the median tensor's, as tally_uncertainty(). */
double quant_ranges_uncertainty(const struct quant_plan *plan, const struct tally *tallies);

#endif
