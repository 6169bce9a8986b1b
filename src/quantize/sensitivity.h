/*
 * sensitivity.h - what quantising each convolution alone does to what a model answers: the model is
 * made anew with only that one in 8 bits, run on pictures, and compared with the FP32 model
 * (accuracy/agreement.h). It says which convolutions to keep in float, and which cost nothing.
 *
 * Threads: no shared state; the runtime uses its own.
 */
#ifndef TARE_QUANTIZE_SENSITIVITY_H
#define TARE_QUANTIZE_SENSITIVITY_H

#include "accuracy/agreement.h"
#include "quantize/quantize.h"

#define SENSITIVITY_PICTURES 16 /* of the calibration's, evenly over the sorted names */

struct sensitivity_options {
    const struct quantize_options *quantize; /* model, profile, and pictures (calibrate.images) */
    const struct quant_table *calibration;   /* of quantize_calibrate() with the same options */
    const char *runtime;                     /* "onnxruntime" */
    const char *scratch;                     /* path of a file that is written over and over */
    int threads;                             /* 0: the runtime's default */
    void (*progress)(double share, void *data); /* may be NULL */
    void *progress_data;
};

/* A convolution by itself. */
struct sensitivity_row {
    const char *name;                /* of its node, or of its output if that has none */
    double share;                    /* of the convolutions' operations */
    double noise;                    /* error energy / reference's, summed over the heads */
    char worst_head[AGREEMENT_NAME]; /* that with the least ... */
    double sqnr_db;                  /* ... signal to noise; infinite: nothing changed */
    struct agreement_figure found;   /* of FP32's boxes */
};

struct sensitivity {
    struct arena arena;           /* holds the names */
    struct sensitivity_row *rows; // (count), in the graph's order
    size_t count;
    size_t pictures;
};

/*
 * Measures every convolution that the profile can quantise; its float_first, float_last and floats
 * are passed over. Errors as quantize_model() and agree_pictures(), TARE_STOPPED. On success
 * sensitivity_release() the result. The scratch file is removed.
 */
enum tare_status sensitivity_measure(const struct sensitivity_options *options,
                                     struct sensitivity *sensitivity, struct tare_err *err);
void sensitivity_release(struct sensitivity *sensitivity);

/*
 * Indices of the rows, those first that are to become float first: the most noise for each
 * operation saved. order has count places.
 */
enum tare_status sensitivity_order(const struct sensitivity *sensitivity, size_t *order,
                                   struct tare_err *err);

#endif
