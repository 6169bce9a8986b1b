/*
 * quantize.h - an FP32 model to one with 8-bit integers: plan, calibration (or a table of an
 * earlier one), ranges, and the new graph.
 *
 * Threads: quantize_model() may start its own; see calibrate.h.
 */
#ifndef TARE_QUANTIZE_QUANTIZE_H
#define TARE_QUANTIZE_QUANTIZE_H

#include "quantize/calibrate.h"
#include "quantize/quant_plan.h"
#include "quantize/quant_table.h"

#define QUANTIZE_RECIPE "tare.recipe" /* metadata of a model: what it was made of */

/* From here on, the ranges of few pictures are told to be uncertain. */
#define QUANTIZE_UNCERTAIN 0.05

struct quantize_options {
    const char *input, *output;
    struct quant_profile profile;
    enum range_method method; /* one of the first five of range.h */
    const char *table;        /* ranges from this file instead of pictures; NULL: from pictures */
    const struct quant_table *calibration; /* ranges of quantize_calibrate(), before all others */
    const char *save_table;                /* NULL: not saved */
    const char *save_cache;                /* NULL: not saved */
    int64_t cache_version;
    const char *recipe; /* kept in the model's metadata as QUANTIZE_RECIPE; NULL: nothing is */
    const char *producer_version;
    struct calibrate_options calibrate;
};

struct quantize_report {
    size_t pictures; /* 0: from a table */
    size_t convolutions, quantised, tensors;
    double uncertainty;            /* of the ranges: the median tensor's, as tally_uncertainty() */
    size_t bytes;                  /* of the file */
    enum range_method chosen_most; /* by RANGE_AUTO: the method most often taken */
};

/* "cpu", "openvino" or "tensorrt"; false if there is no such profile. saturates: the processor's
 * 8-bit products do (x86 without VNNI), so weights are kept to 7 bits. */
bool quantize_profile(const char *name, bool saturates, struct quant_profile *profile);

/* Whether this machine's do. */
bool quantize_saturates_here(void);

/* Lets a profile quantise all that it can: nothing stays in float for where it stands. */
void quantize_free_profile(struct quant_profile *profile);

/* Writes the files named in options; on error none is left. */
enum tare_status quantize_model(const struct quantize_options *options,
                                struct quantize_report *report, struct tare_err *err);

/*
 * The ranges alone, as quantize_model() finds them: for several models of one calibration, by way
 * of options.calibration. output, save_table and save_cache of options are not looked at. On
 * success quant_table_release() the table.
 */
enum tare_status quantize_calibrate(const struct quantize_options *options,
                                    struct quant_table *table, struct quantize_report *report,
                                    struct tare_err *err);

/* A convolution that a profile quantises. */
struct quantize_layer {
    const char *name; /* of its node, or of its output if that has none or shares it */
    int64_t flops;    /* 0: not known */
};

struct quantize_layers {
    struct arena arena;
    struct quantize_layer *rows; // (count), in the graph's order
    size_t count;
};

/* Of options only input and profile are looked at. Errors as quantize_model(). On success
 * quantize_release_layers() them. */
enum tare_status quantize_list_layers(const struct quantize_options *options,
                                      struct quantize_layers *layers, struct tare_err *err);
void quantize_release_layers(struct quantize_layers *layers);

/*
 * Whether a file is there and is not one that tare made of something else than this recipe says.
 * One that cannot be read is none of tare's, which are written whole or not at all: whoever opens
 * it will say what is wrong with it.
 */
bool quantize_is_current(const char *path, const char *recipe);

#endif
