/*
 * calibrate.h - the distributions of a model's activations over a folder of pictures: the model is
 * given the wanted values as further outputs, in memory, and run on each picture; histograms are
 * counted as the values come, so that memory does not grow with the pictures.
 *
 * Threads: calibrate_run() starts its own, each with a session of its own, and joins them.
 */
#ifndef TARE_QUANTIZE_CALIBRATE_H
#define TARE_QUANTIZE_CALIBRATE_H

#include "onnx/onnx_model.h"
#include "quantize/quant_plan.h"
#include "quantize/tally.h"

#define CALIBRATE_MAX_PICTURES ((size_t)1 << 20)

struct calibrate_options {
    const char *images; /* folder of JPEG files */
    size_t limit;       /* at most so many pictures, evenly over the sorted names; 0: all */
    int threads;        /* 0: one a core */
    void (*progress)(double share, void *data); /* one caller at a time; may be NULL */
    void *progress_data;
};

/*
 * Fills tallies, one for each of plan->observed, which the caller releases, also on error, and
 * lags, one for each of plan's values (of those that want them); all zero at first. *pictures is
 * how many were run. TARE_ABSENT for a folder without pictures, TARE_BADDATA for a picture that is
 * broken, or one on which a value comes out as NaN or infinite, which is named; TARE_UNSUPPORTED if
 * the model takes no pictures; TARE_STOPPED. The model is unchanged afterwards.
 */
enum tare_status calibrate_run(struct onnx_model *model, const struct quant_plan *plan,
                               const struct onnx_shapes *shapes,
                               const struct calibrate_options *options, struct tally *tallies,
                               struct lags *lags, size_t *pictures, struct tare_err *err);

#endif
